package keyservice

import (
	"context"
	"sync"
	"time"
)

// pacer lets one caller pass per interval. Its times are kept from the start, so that
// late timers do not slow it down, but what a stall of the machine has missed is made
// up for only in part: a service never sees a burst. It is safe for concurrent use.
type pacer struct {
	turn chan struct{} // one place: whoever holds it is next

	mu       sync.Mutex
	interval time.Duration
	next     time.Time
}

// maxSlack is how much lost time is made up for at most; and never more than two
// intervals.
const maxSlack = 100 * time.Millisecond

func newPacer(perSecond float64) *pacer {
	return &pacer{turn: make(chan struct{}, 1), interval: time.Duration(float64(time.Second) / perSecond)}
}

// slow makes the interval longer, never shorter.
func (p *pacer) slow(perSecond float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interval = max(p.interval, time.Duration(float64(time.Second)/perSecond))
}

// wait returns when it is the caller's turn.
func (p *pacer) wait(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.turn }()
	p.mu.Lock()
	at := p.next
	p.mu.Unlock()
	if d := time.Until(at); d > 0 {
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if earliest := time.Now().Add(-min(maxSlack, 2*p.interval)); at.Before(earliest) {
		at = earliest
		if p.next.IsZero() {
			at = time.Now()
		}
	}
	p.next = at.Add(p.interval)
	return nil
}
