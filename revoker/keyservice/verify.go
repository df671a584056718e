package keyservice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc/pool"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// Verify asks the service of every finding about its key, each distinct key once, and
// fills in Verification. Findings that are known examples or canaries are left alone.
// It implements scanner.Verifier. The error is the context's.
func (c *Client) Verify(ctx context.Context, findings []finding.Finding) error {
	p := pool.New().WithMaxGoroutines(c.opt.Workers)
	var done atomic.Int64
	total := len(findings)
	for i := range findings {
		f := &findings[i]
		if ctx.Err() != nil {
			break
		}
		p.Go(func() {
			if f.Verification.Status != finding.Example && f.Verification.Status != finding.Canary {
				f.Verification = c.cached(ctx, f)
			}
			if n := done.Add(1); c.opt.Progress != nil {
				c.opt.Progress(int(n), total)
			}
		})
	}
	p.Wait()
	return ctx.Err()
}

func (c *Client) cached(ctx context.Context, f *finding.Finding) finding.Verification {
	if c.opt.Cache != nil {
		if v, ok := c.opt.Cache.Get(f.Fingerprint); ok {
			return v
		}
	}
	v := c.Check(ctx, KeyOf(f))
	if c.opt.Cache != nil && (v.Status.Live() || v.Status == finding.Inactive) {
		c.opt.Cache.Put(f.Fingerprint, v)
	}
	return v
}

// KeyOf returns the key of a finding with its parts as values.
func KeyOf(f *finding.Finding) Key {
	k := Key{Service: f.Service, Rule: f.Rule, Secret: f.Secret, Values: map[string]string{}}
	for _, p := range f.Parts {
		k.Values[p.Name] = string(p.Value.Reveal())
	}
	if f.Environment != "" {
		k.Values["environment"] = f.Environment
	}
	return k
}

// Check asks the key's service about it. What cannot be asked is Unchecked with the
// reason; what was asked and gave no proof is Unknown with the reason.
func (c *Client) Check(ctx context.Context, k Key) finding.Verification {
	s := c.services[k.Service]
	if s == nil {
		return unchecked("no service is known for this rule")
	}
	op := find(s.operations().Verify, k.Rule)
	if op == nil {
		return unchecked("this service offers no way to ask")
	}
	if op.Driver == "" && op.Request.Path == "" && op.Request.URL == "" {
		return unchecked("this service offers no way to ask")
	}
	base, named, reason := c.base(s, op, k)
	if reason != "" {
		return unchecked(reason)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	q := &query{c: c, s: s, op: op, base: base, named: named}
	v := q.ask(ctx, k, false)
	if v.Status.Live() || v.Status == finding.Inactive {
		v = q.controlled(ctx, k, v)
	}
	v.CheckedAt = c.opt.Now().UTC().Truncate(time.Second)
	return v
}

func unchecked(reason string) finding.Verification {
	return finding.Verification{Status: finding.Unchecked, Reason: reason}
}

func unknown(format string, args ...any) finding.Verification {
	return finding.Verification{Status: finding.Unknown, Reason: fmt.Sprintf(format, args...)}
}

// query is one way of asking one service.
type query struct {
	c     *Client
	s     *service
	op    *rules.Operation
	base  string
	named bool
}

// ask asks about one key, with repeats where the service asks for patience.
func (q *query) ask(ctx context.Context, k Key, control bool) finding.Verification {
	if q.op.Driver != "" {
		d := q.c.opt.Drivers[q.op.Driver]
		if d == nil {
			return unchecked("this build does not speak " + q.op.Driver)
		}
		q.c.count(q.s.ID)
		return d.Verify(ctx, k, q.c.net)
	}
	values := make(map[string]string, len(k.Values)+1)
	for name, v := range k.Values {
		values[name] = v
	}
	values["secret"] = string(k.Secret.Reveal())
	for i := range q.op.Before {
		st := &q.op.Before[i]
		a, v, ok := q.exchange(ctx, &st.Request, values, control)
		if !ok {
			return v
		}
		if st.Done != "" && !q.s.holds(st.Done, a) {
			return q.verdict(a) // a refusal may come from any step
		}
		for name, text := range q.save(st.Save, a) {
			values[name] = text
		}
	}
	a, v, ok := q.exchange(ctx, &q.op.Request, values, control)
	if !ok {
		return v
	}
	return q.verdict(a)
}

// exchange sends one request, again where the service is busy. ok is false where
// there is no answer to judge; v then says why.
func (q *query) exchange(ctx context.Context, r *rules.Request, values map[string]string, control bool) (a *answer, v finding.Verification, ok bool) {
	var last string
	for try := range maxTries {
		req, err := q.s.build(ctx, r, q.base, q.named, values)
		var u unsent
		if errors.As(err, &u) {
			return nil, unchecked(u.reason), false
		} else if err != nil {
			return nil, unknown("the request cannot be made"), false
		}
		h := q.c.host(req.URL.Host, q.op.Pace)
		if err := h.wait(ctx); err != nil {
			return nil, unknown("not asked: %v", plain(err)), false
		}
		var header http.Header
		err = h.guard(ctx, func() error {
			q.c.sent(q.s.ID, req, r, control)
			var err error
			a, header, err = q.c.send(req, q.named)
			return err
		})
		if err != nil {
			if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
				return nil, unknown("interrupted"), false
			}
			return nil, unknown("%s cannot be reached: %v", req.URL.Hostname(), plain(err)), false
		}
		if a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable && a.status != http.StatusBadGateway {
			return a, v, true
		}
		if q.s.holds(q.op.Active, a) || q.s.holds(q.op.Restricted, a) {
			return a, v, true // a documented proof of life, such as an exhausted quota
		}
		last = fmt.Sprintf("the service is busy (status %d)", a.status)
		d := retryAfter(header, q.c.opt.Now(), try)
		if d > maxPatience {
			return nil, unknown("%s and asks to wait %s", last, d.Round(time.Second)), false
		}
		h.postpone(time.Now().Add(d))
	}
	return nil, unknown("%s, also after %d tries", last, maxTries), false
}

// verdict judges an answer. Only a condition of the rule makes it anything but
// unknown, and never an HTML page, a redirect, a server error or a plea for patience.
func (q *query) verdict(a *answer) finding.Verification {
	switch {
	case a.html:
		return unknown("the service answered with a web page (status %d)", a.status)
	case a.status >= 300 && a.status < 400:
		return unknown("the service redirects elsewhere (status %d); keys do not follow", a.status)
	case a.status >= 500:
		return unknown("the service failed (status %d)", a.status)
	}
	op := q.op
	active, restricted, grace := q.s.holds(op.Active, a), q.s.holds(op.Restricted, a), q.s.holds(op.InGrace, a)
	inactive := q.s.holds(op.Inactive, a) && a.status != http.StatusTooManyRequests
	v := finding.Verification{}
	switch {
	case inactive && (active || restricted || grace):
		return unknown("the answer says both that the key works and that it does not (status %d)", a.status)
	case grace:
		v.Status = finding.Grace
	case restricted:
		v.Status, v.Reason = finding.Restricted, "the key is known, but refused this request"
	case active:
		v.Status = finding.Active
	case inactive:
		v.Status = finding.Inactive
		return v
	default:
		return unknown("the answer is none that the rule knows (status %d)", a.status)
	}
	if op.Weak != "" && v.Status == finding.Active {
		v.Reason = "rests on the status alone: " + op.Weak
	}
	q.fillIn(&v, a)
	return v
}

func (q *query) save(save map[string]string, a *answer) map[string]string {
	out := make(map[string]string, len(save))
	for name, e := range save {
		if v, ok := q.s.eval(e, a); ok {
			if t := text(v); t != "" {
				out[name] = t
			}
		}
	}
	return out
}

// fillIn copies what the answer says of the key: never the key itself.
func (q *query) fillIn(v *finding.Verification, a *answer) {
	for name, t := range q.save(q.op.Save, a) {
		t = printable(t)
		switch name {
		case "owner":
			v.Owner = t
		case "key_id":
			v.KeyID = t
		case "scopes":
			v.Scopes = strings.FieldsFunc(t, func(r rune) bool { return r == ' ' || r == ',' })
		case "expires_at":
			v.ExpiresAt = parseTime(t)
		case "secret":
		default:
			if v.Extra == nil {
				v.Extra = map[string]string{}
			}
			v.Extra[name] = t
		}
	}
}

// printable cuts control characters and length: answers are foreign text.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 400)]
}

func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	var n int64
	if _, err := fmt.Sscan(s, &n); err == nil && n > 1e9 {
		if n > 1e11 {
			return time.UnixMilli(n).UTC()
		}
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

func (c *Client) count(service string) {
	c.mu.Lock()
	c.requests[service]++
	c.mu.Unlock()
}

func (c *Client) sent(service string, req *http.Request, r *rules.Request, control bool) {
	c.count(service)
	if c.opt.Sent != nil {
		path := r.Path
		if path == "" {
			path = r.URL
		}
		c.opt.Sent(Request{Service: service, Method: req.Method, Host: req.URL.Host, Path: path, Control: control})
	}
}

// control is the made-up key of one way of asking: its verdict decides whether the
// others are believed.
type control struct {
	once sync.Once
	v    finding.Verification
	none string // why there is none
}

// controlled believes v only if a made-up key of the same form is refused by the same
// service in the same run.
func (q *query) controlled(ctx context.Context, k Key, v finding.Verification) finding.Verification {
	if q.op.Control == "none" {
		return noted(v, "not compared with a made-up key: "+q.op.Why)
	}
	id := k.Service + " " + k.Rule + " " + q.base + " " + k.Values["host"]
	q.c.mu.Lock()
	ctl := q.c.controls[id]
	if ctl == nil {
		ctl = &control{}
		q.c.controls[id] = ctl
	}
	q.c.mu.Unlock()
	ctl.once.Do(func() {
		made, why, ok := q.madeUp(k)
		if !ok {
			ctl.none = why
			return
		}
		ctl.v = q.ask(ctx, made, true)
	})
	switch {
	case ctl.none != "":
		return noted(v, "not compared with a made-up key: "+ctl.none)
	case ctl.v.Status == finding.Inactive:
		return v
	case ctl.v.Status.Live():
		return unknown("the service accepts a made-up key as well, so its answers prove nothing")
	}
	return unknown("a made-up key was not refused (%s), so the answer (%s) proves nothing", ctl.v.Reason, v.Status)
}

func noted(v finding.Verification, note string) finding.Verification {
	if v.Reason != "" {
		note = v.Reason + "; " + note
	}
	v.Reason = note
	return v
}
