package keyservice

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rekeyhq/rekey/rules"
)

// host is what a run knows of one host: how fast it may be asked, until when it asked
// for patience, and whether it can be reached at all. The first request to a host
// goes alone: without a network it fails once, not once for every key.
type host struct {
	limit *rate.Limiter

	first sync.Mutex // held while the first request is under way
	mu    sync.Mutex
	known bool
	down  error
	after time.Time // not before: Retry-After
}

func (c *Client) host(name string, pace *rules.Pace) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[name]
	if h == nil {
		limit, burst := rate.Limit(c.opt.Rate), 1
		if pace != nil {
			if per, err := time.ParseDuration(pace.Per); err == nil && per > 0 {
				limit = min(limit, rate.Limit(float64(pace.Requests)/per.Seconds()))
			}
		}
		h = &host{limit: rate.NewLimiter(limit, burst)}
		c.hosts[name] = h
	}
	return h
}

// wait returns when a request may be sent, or why it may not.
func (h *host) wait(ctx context.Context) error {
	for {
		h.mu.Lock()
		down, until := h.down, h.after
		h.mu.Unlock()
		if down != nil {
			return down
		}
		d := time.Until(until)
		if d <= 0 {
			break
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
			return errors.New("the service asked for more patience than there is time")
		}
		t := time.NewTimer(d)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
	return h.limit.Wait(ctx)
}

// guard runs the first request to a host alone and remembers if the host cannot be
// reached.
func (h *host) guard(ctx context.Context, request func() error) error {
	h.mu.Lock()
	known, down := h.known, h.down
	h.mu.Unlock()
	if down != nil {
		return down
	}
	if known {
		return request()
	}
	h.first.Lock()
	h.mu.Lock()
	known, down = h.known, h.down
	h.mu.Unlock()
	if known || down != nil {
		h.first.Unlock()
		return h.guard(ctx, request)
	}
	defer h.first.Unlock()
	err := request()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.known = true
	} else if ctx.Err() == nil {
		h.down = err
	}
	return err
}

// postpone notes that the host asked for patience.
func (h *host) postpone(until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until.After(h.after) {
		h.after = until
	}
}

// Limits of patience: how often a request is repeated, and how long a service may ask
// to wait before its answer counts as unknown.
const (
	maxTries    = 4
	maxPatience = 2 * time.Minute
)

// retryAfter reads how long a service asks to wait, in seconds or as a date (RFC 9110
// section 10.2.3); without it, an exponential back-off with jitter.
func retryAfter(h http.Header, now time.Time, try int) time.Duration {
	if v := h.Get("Retry-After"); v != "" {
		if n, err := strconv.Atoi(v); err == nil && n >= 0 {
			return time.Duration(min(n, 1<<20)) * time.Second
		}
		if at, err := http.ParseTime(v); err == nil {
			return max(0, at.Sub(now))
		}
	}
	base := 500 * time.Millisecond << min(try, 6)
	return base/2 + rand.N(base)
}
