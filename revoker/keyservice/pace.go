package keyservice

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/rekeyhq/rekey/rules"
)

// host is what a run knows of one host: how fast it may be asked, until when it asked
// for patience, and whether it can be reached at all. The first request to a host
// goes alone: without a network it fails once, not once for every key.
type host struct {
	gate chan struct{} // one place: taken while the first request is under way

	mu       sync.Mutex
	limit    *pacer
	accounts map[string]*pacer
	known    bool
	failures int // in a row
	down     error
	after    time.Time // not before: Retry-After
	patience time.Duration
}

// Limits of patience: how often a request is repeated, how long one key and one host
// may be waited for in all, and how many failures in a row make a host unreachable.
const (
	maxTries        = 4
	maxPatience     = 2 * time.Minute
	maxHostPatience = 10 * time.Minute
	maxFailures     = 3
)

// host returns the state of a host. pace, where the rule names one, bounds the host's
// rate, or with scope "account" that of the account; keys whose account is not known
// may all belong to one, and then its pace is theirs together.
func (c *Client) host(name string, pace *rules.Pace, account string) (*host, *pacer) {
	c.mu.Lock()
	h := c.hosts[name]
	if h == nil {
		h = &host{gate: make(chan struct{}, 1), limit: newPacer(c.opt.Rate), accounts: map[string]*pacer{}}
		c.hosts[name] = h
	}
	c.mu.Unlock()
	if pace == nil {
		return h, nil
	}
	per, err := time.ParseDuration(pace.Per)
	if err != nil || per <= 0 || pace.Requests <= 0 {
		return h, nil
	}
	limit := float64(pace.Requests) / per.Seconds()
	h.mu.Lock()
	defer h.mu.Unlock()
	if pace.Scope != "account" {
		h.limit.slow(limit)
		return h, nil
	}
	a := h.accounts[account]
	if a == nil {
		a = newPacer(limit)
		h.accounts[account] = a
	}
	return h, a
}

// enter waits until a request may be sent, or tells why it may not. leave must be
// called with the request's outcome.
func (h *host) enter(ctx context.Context, account *pacer) (leave func(error), err error) {
	alone, err := h.pass(ctx)
	if err != nil {
		return nil, err
	}
	leave = func(err error) {
		h.note(err)
		if alone {
			<-h.gate
		}
	}
	if err := h.turn(ctx, account); err != nil {
		if alone {
			<-h.gate
		}
		return nil, err
	}
	return leave, nil
}

// pass returns at once for a host that is known to answer; else one caller passes
// alone and the others wait for what it learns.
func (h *host) pass(ctx context.Context) (alone bool, err error) {
	state := func() (bool, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.known, h.down
	}
	if known, down := state(); known || down != nil {
		return false, down
	}
	select {
	case h.gate <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if known, down := state(); known || down != nil {
		<-h.gate
		return false, down
	}
	return true, nil
}

// turn waits for Retry-After and for the pace.
func (h *host) turn(ctx context.Context, account *pacer) error {
	if account != nil {
		if err := account.wait(ctx); err != nil {
			return err
		}
	}
	if err := h.limit.wait(ctx); err != nil {
		return err
	}
	for {
		h.mu.Lock()
		down, until := h.down, h.after
		h.mu.Unlock()
		if down != nil {
			return down
		}
		d := time.Until(until)
		if d <= 0 {
			return nil
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
		// Those who waited do not all come back at the same instant.
		if err := h.limit.wait(ctx); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// note remembers what a request told of the host: an unreachable one is not asked
// again in this run, nor one that fails several times in a row.
func (h *host) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.known, h.failures = true, 0
		return
	}
	var f failure
	if errors.Is(err, context.Canceled) || !errors.As(err, &f) {
		return
	}
	h.failures++
	if f.unreachable && !h.known || h.failures >= maxFailures {
		h.down = err
	}
}

// postpone notes that the host asked for patience; a host that keeps asking is given
// up.
func (h *host) postpone(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	until := time.Now().Add(d)
	if !until.After(h.after) {
		return
	}
	from := h.after
	if now := time.Now(); from.Before(now) {
		from = now
	}
	h.patience += until.Sub(from)
	h.after = until
	if h.patience > maxHostPatience {
		h.down = failure{text: "it kept asking for patience"}
	}
}

// retryAfter reads how long a service asks to wait, in seconds or as a date (RFC 9110
// section 10.2.3); without it, an exponential back-off with jitter.
func retryAfter(h http.Header, now time.Time, try int) time.Duration {
	if v := h.Get("Retry-After"); v != "" {
		if n, err := strconv.ParseUint(v, 10, 64); err == nil {
			return time.Duration(min(n, 1<<20)) * time.Second
		}
		if at, err := http.ParseTime(v); err == nil {
			return max(0, at.Sub(now))
		}
	}
	base := 500 * time.Millisecond << min(try, 6)
	return base/2 + rand.N(base)
}
