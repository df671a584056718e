package keyservice

import (
	"context"
	"sync"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// control is the made-up key of one way of asking: its verdict decides whether the
// others are believed.
type control struct {
	mu    sync.Mutex
	tries int
	v     finding.Verification
	none  string // why there is none
}

// maxControls is how often a control without result is tried again in a run.
const maxControls = 3

// controlled believes v only if a made-up key of the same form is refused by the same
// service in the same run.
func (q *query) controlled(ctx context.Context, k Key, v finding.Verification) finding.Verification {
	if q.op.Control == "none" {
		return noted(v, "not compared with a made-up key: "+q.op.Why)
	}
	ctl := q.control(k)
	verdict, none := ctl.ask(ctx, q, k)
	switch {
	case none != "":
		return noted(v, "not compared with a made-up key: "+none)
	case verdict.Status == finding.Inactive:
		return v
	case verdict.Status.Live():
		return unknown("the service accepts a made-up key as well, so its answers prove nothing")
	}
	return unknown("a made-up key was not refused (%s), so the answer (%s) proves nothing", verdict.Reason, v.Status)
}

func (q *query) control(k Key) *control {
	id := k.Service + " " + k.Rule + " " + q.base + " " + k.Values["host"]
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	ctl := q.c.controls[id]
	if ctl == nil {
		ctl = &control{}
		q.c.controls[id] = ctl
	}
	return ctl
}

func (c *control) ask(ctx context.Context, q *query, k Key) (v finding.Verification, none string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	settled := c.v.Status.Live() || c.v.Status == finding.Inactive
	if c.none != "" || settled || c.tries >= maxControls || ctx.Err() != nil {
		if c.tries == 0 && c.none == "" {
			return unknown("interrupted"), ""
		}
		return c.v, c.none
	}
	made, why, ok := q.madeUp(k)
	if !ok {
		c.none = why
		return c.v, c.none
	}
	c.tries++
	q.status = 0
	c.v = q.ask(ctx, made, true)
	// Where nobody knows the words of a refusal, no key is ever called dead; for a live
	// one to be believed it is enough that the made-up key was turned away.
	if c.v.Status == finding.Unknown && q.driver == nil && q.op.Inactive == "" && q.status >= 400 && q.status < 500 {
		c.v = finding.Verification{Status: finding.Inactive}
	}
	return c.v, ""
}

func noted(v finding.Verification, note string) finding.Verification {
	if v.Reason != "" {
		note = v.Reason + "; " + note
	}
	v.Reason = note
	return v
}
