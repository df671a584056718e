package emulator

import (
	"sort"
	"sync"
	"time"
)

// Clock is the time that emulators live in. It starts now, and runs or stands; Advance
// moves it and makes everything due on the way happen, in order. It is safe for
// concurrent use.
type Clock struct {
	mu      sync.Mutex
	run     sync.Mutex // held while due events happen
	base    time.Time
	real    time.Time
	running bool
	events  []event
	seq     int
}

type event struct {
	at  time.Time
	seq int
	do  func(time.Time)
}

// NewClock returns a clock that shows start (zero: the real time), and runs or stands.
func NewClock(start time.Time, running bool) *Clock {
	if start.IsZero() {
		start = time.Now()
	}
	return &Clock{base: start.UTC(), real: time.Now(), running: running}
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if c.running {
		return c.base.Add(time.Since(c.real))
	}
	return c.base
}

// Advance moves the clock by d, which is not negative. What becomes due happens in the
// order of its time, and sees that time.
func (c *Clock) Advance(d time.Duration) { c.Set(c.Now().Add(max(d, 0))) }

// Set moves the clock to t. A time before the clock's own only lets happen what is due.
func (c *Clock) Set(t time.Time) {
	c.happen(t)
	c.mu.Lock()
	if t.After(c.now()) {
		c.base, c.real = t.UTC(), time.Now()
	}
	c.mu.Unlock()
}

// sync lets happen what is due now: a running clock has no ticker of its own.
func (c *Clock) sync() { c.happen(c.Now()) }

// at arranges for do at t.
func (c *Clock) at(t time.Time, do func(time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	c.events = append(c.events, event{t, c.seq, do})
	sort.Slice(c.events, func(i, j int) bool {
		a, b := c.events[i], c.events[j]
		return a.at.Before(b.at) || a.at.Equal(b.at) && a.seq < b.seq
	})
}

func (c *Clock) happen(until time.Time) {
	c.run.Lock()
	defer c.run.Unlock()
	for {
		c.mu.Lock()
		if len(c.events) == 0 || c.events[0].at.After(until) {
			c.mu.Unlock()
			return
		}
		e := c.events[0]
		c.events = c.events[1:]
		if e.at.After(c.now()) {
			c.base, c.real = e.at, time.Now()
		}
		c.mu.Unlock()
		e.do(e.at)
	}
}
