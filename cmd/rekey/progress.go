package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rekeyhq/rekey/scanner/source"
)

// progress draws one line on a terminal: rate, share, time left. It never draws in
// CI, and what is drawn is cleared before anything else is written to stderr.
type progress struct {
	w       io.Writer
	counts  *source.Counts
	begin   time.Time
	stop    chan struct{}
	stopped sync.WaitGroup
	mu      sync.Mutex
	drawn   bool
}

// startProgress shows counts until the returned function is called.
func (u *ui) startProgress(counts *source.Counts) (stop func()) {
	if u.quiet || u.ci() || !terminal(u.err) || u.getenv("TERM") == "dumb" {
		return func() {}
	}
	p := &progress{w: u.err, counts: counts, begin: time.Now(), stop: make(chan struct{})}
	u.mu.Lock()
	u.bar = p
	u.mu.Unlock()
	p.stopped.Add(1)
	go p.run()
	return func() {
		close(p.stop)
		p.stopped.Wait()
		u.mu.Lock()
		u.bar = nil
		u.mu.Unlock()
	}
}

func (p *progress) run() {
	defer p.stopped.Done()
	defer p.clear()
	// A scan that ends at once draws nothing.
	timer := time.NewTimer(300 * time.Millisecond)
	for {
		select {
		case <-p.stop:
			timer.Stop()
			return
		case <-timer.C:
			p.draw()
			timer.Reset(100 * time.Millisecond)
		}
	}
}

func (p *progress) draw() {
	done, expected := p.counts.DoneUnits.Load(), p.counts.ExpectedUnits.Load()
	bytes := p.counts.BytesLogical.Load()
	elapsed := time.Since(p.begin)
	var b strings.Builder
	if expected > 0 && done <= expected {
		share := float64(done) / float64(expected)
		const cells = 24
		full := int(share * cells)
		fmt.Fprintf(&b, "[%s%s] %3.0f %%  ", strings.Repeat("=", full), strings.Repeat(" ", cells-full), share*100)
		if share > 0.02 {
			left := time.Duration(float64(elapsed) * (1 - share) / share)
			fmt.Fprintf(&b, "%s left  ", left.Round(time.Second))
		}
	}
	fmt.Fprintf(&b, "%s, %s/s", size(bytes), size(int64(float64(bytes)/max(elapsed.Seconds(), 0.001))))
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "\r\x1b[K%s", b.String())
	p.drawn = true
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// size writes a number of bytes for people.
func size(n int64) string {
	const k = 1000
	switch {
	case n < k:
		return fmt.Sprintf("%d B", n)
	case n < k*k:
		return fmt.Sprintf("%.1f kB", float64(n)/k)
	case n < k*k*k:
		return fmt.Sprintf("%.1f MB", float64(n)/(k*k))
	}
	return fmt.Sprintf("%.2f GB", float64(n)/(k*k*k))
}
