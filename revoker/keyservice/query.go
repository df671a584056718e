package keyservice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// query is one way of asking one service.
type query struct {
	c      *Client
	s      *service
	op     *rules.Operation
	driver Driver   // nil: HTTP as op says
	base   string   // the URL that the user named; "": the rule's own
	hosts  []string // servers that the user listed
	// onlyListed says that hosts which the rule names are not trusted.
	onlyListed bool
	status     int // of the last answer that was the service's own
}

// ask asks about one key, with repeats where the service asks for patience.
func (q *query) ask(ctx context.Context, k Key, isControl bool) finding.Verification {
	if q.driver != nil {
		ctx, cancel := context.WithTimeout(ctx, q.c.opt.Timeout+maxPatience)
		defer cancel()
		return q.driver.Verify(ctx, k, Network{q, isControl})
	}
	values := make(map[string]string, len(k.Values)+2)
	for name, v := range k.Values {
		values[name] = v
	}
	secret := k.Secret.Reveal()
	if len(secret) == 0 || !utf8.Valid(secret) {
		return unchecked("the key is no text")
	}
	values["secret"] = string(secret)
	if q.op.Auth == "operator" {
		values["operator"] = string(q.c.opt.Operators[q.s.ID].Reveal())
	}
	hidden := []string{values["secret"], values["operator"]}
	for i := range q.op.Before {
		st := &q.op.Before[i]
		a, v, ok := q.request(ctx, &st.Request, values, isControl)
		if !ok {
			return v
		}
		if why := noAnswer(a); why != "" {
			return unknown("%s", why)
		}
		if st.Done != "" && !q.s.holds(st.Done, a) {
			return q.refusedEarly(a, hidden)
		}
		for name, text := range q.save(st.Save, a) {
			if name != "secret" && name != "operator" {
				values[name] = text
				hidden = append(hidden, text)
			}
		}
	}
	a, v, ok := q.request(ctx, &q.op.Request, values, isControl)
	if !ok {
		return v
	}
	return q.verdict(a, hidden)
}

// refusedEarly judges the answer to a step before the last: a refusal may come from
// any step, a proof of life only from the last.
func (q *query) refusedEarly(a *answer, hidden []string) finding.Verification {
	v := q.verdict(a, hidden)
	if v.Status == finding.Active || v.Status == finding.Grace {
		return unknown("the answer is none that the rule knows (status %d)", a.status)
	}
	return v
}

// request sends one request. ok is false where there is no answer to judge; v then
// says why.
func (q *query) request(ctx context.Context, r *rules.Request, values map[string]string, isControl bool) (_ *answer, v finding.Verification, ok bool) {
	path := r.Path
	if path == "" {
		path = r.URL
	}
	a, err := q.c.exchange(ctx, call{
		service: q.s.ID, pace: q.op.Pace, account: account(values), path: path, control: isControl,
		build: func(ctx context.Context) (*http.Request, bool, error) { return q.build(ctx, r, values) },
		// A documented proof of life, such as an exhausted quota, needs no repeat.
		busy: func(a *answer) bool {
			return busy(a) && !q.s.holds(q.op.Active, a) && !q.s.holds(q.op.Restricted, a)
		},
	})
	var u unsent
	var f failure
	switch {
	case err == nil:
		return a, v, true
	case errors.As(err, &u):
		return nil, unchecked(u.reason), false
	case errors.Is(err, context.Canceled):
		return nil, unknown("interrupted"), false
	case errors.As(err, &f):
		return nil, unknown("%v", f), false
	}
	return nil, unknown("%v", plain(err)), false
}

// account names whose pace counts, where the key's values tell.
func account(values map[string]string) string {
	for _, name := range []string{"account", "account_id", "org", "organization", "app_id", "owner"} {
		if v := values[name]; v != "" {
			return name + " " + v
		}
	}
	return ""
}

// call is one request, to be repeated while the service is busy.
type call struct {
	service, account, path string
	pace                   *rules.Pace
	control                bool
	// build makes the request anew; named says that the user named its host.
	build func(ctx context.Context) (req *http.Request, named bool, err error)
	busy  func(*answer) bool
}

// busy reports whether a service asks for another try.
func busy(a *answer) bool {
	switch a.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusRequestTimeout, http.StatusTooEarly:
		return true
	}
	return false
}

// exchange sends a request, again where the service is busy, and returns an answer
// that is not. The error is unsent, a failure, or context.Canceled.
func (c *Client) exchange(ctx context.Context, do call) (*answer, error) {
	patience := maxPatience
	var last *answer
	for try := range maxTries {
		a, err := c.once(ctx, do)
		if err != nil {
			return nil, err
		}
		if !do.busy(a) {
			return a, nil
		}
		last = a
		d := retryAfter(a.raw, c.opt.Now(), try)
		patience -= d
		if patience < 0 {
			return nil, failure{text: fmt.Sprintf("the service is busy (status %d) and asks to wait %s", a.status, d.Round(time.Second))}
		}
		if try < maxTries-1 {
			a.host.postpone(d)
		}
	}
	return nil, failure{text: fmt.Sprintf("the service is busy (status %d), also after %d tries", last.status, maxTries)}
}

func (c *Client) once(ctx context.Context, do call) (*answer, error) {
	req, _, err := do.build(ctx)
	if err != nil {
		return nil, err
	}
	name := req.URL.Host
	h, limit := c.host(name, do.pace, do.account)
	leave, err := h.enter(ctx, limit)
	if err != nil {
		if ctx.Err() == nil {
			err = failure{text: req.URL.Hostname() + " cannot be asked: " + plain(err).Error()}
		}
		return nil, err
	}
	// The time for an answer begins after the waits, and so does a signature.
	one, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	req, named, err := do.build(one)
	if err != nil {
		leave(context.Canceled)
		return nil, err
	}
	c.sent(Request{Service: do.service, Method: req.Method, Host: name, Path: do.path, Control: do.control})
	a, err := c.send(req, named)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // whatever the network called it
	}
	leave(err)
	var f failure
	if errors.As(err, &f) {
		return nil, failure{text: req.URL.Hostname() + " cannot be asked: " + f.text, unreachable: f.unreachable}
	}
	if err == nil {
		a.host = h
	}
	return a, err
}

func (c *Client) sent(r Request) {
	c.mu.Lock()
	n := c.requests[r.Service]
	if r.Control {
		n.Controls++
	} else {
		n.Keys++
	}
	c.requests[r.Service] = n
	c.mu.Unlock()
	if c.opt.Sent != nil {
		c.opt.Sent(r)
	}
}
