package keyservice

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/panics"
	"github.com/sourcegraph/conc/pool"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// Verify asks the service of every finding about its key, each distinct key once, and
// fills in Verification. Findings that are known examples or canaries are left alone.
// It implements scanner.Verifier. The error is the context's.
//
// Services are asked side by side, so that a slow one does not hold up the others.
func (c *Client) Verify(ctx context.Context, findings []finding.Finding) error {
	groups := map[string][]*finding.Finding{}
	total := 0
	for i := range findings {
		f := &findings[i]
		if f.Verification.Status == finding.Example || f.Verification.Status == finding.Canary {
			continue
		}
		groups[f.Service] = append(groups[f.Service], f)
		total++
	}
	var done atomic.Int64
	var all conc.WaitGroup
	for _, group := range groups {
		all.Go(func() {
			p := pool.New().WithMaxGoroutines(c.opt.Workers)
			for _, f := range group {
				p.Go(func() {
					f.Verification = c.remembered(ctx, f)
					if n := done.Add(1); c.opt.Progress != nil {
						c.opt.Progress(int(n), total)
					}
				})
			}
			p.Wait()
		})
	}
	all.Wait()
	return ctx.Err()
}

// memo is the verdict on one key in this run.
type memo struct {
	once sync.Once
	v    finding.Verification
}

// remembered asks about a key once in this run, and not at all where the cache knows.
func (c *Client) remembered(ctx context.Context, f *finding.Finding) finding.Verification {
	if f.Fingerprint == "" {
		return c.Check(ctx, KeyOf(f))
	}
	c.mu.Lock()
	m := c.asked[f.Fingerprint]
	if m == nil {
		m = &memo{}
		c.asked[f.Fingerprint] = m
	}
	c.mu.Unlock()
	m.once.Do(func() {
		if c.opt.Cache != nil {
			if v, ok := c.opt.Cache.Get(f.Fingerprint); ok {
				m.v = v
				return
			}
		}
		m.v = c.Check(ctx, KeyOf(f))
		if c.opt.Cache != nil && (m.v.Status.Live() || m.v.Status == finding.Inactive) {
			c.opt.Cache.Put(f.Fingerprint, m.v)
		}
	})
	return m.v
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
	v := unknown("asking ended by a defect of rekey, please report it")
	var catcher panics.Catcher
	catcher.Try(func() { v = c.check(ctx, k) })
	v.CheckedAt = c.opt.Now().UTC().Truncate(time.Second)
	return v
}

func (c *Client) check(ctx context.Context, k Key) finding.Verification {
	if ctx.Err() != nil {
		return unchecked("interrupted")
	}
	s := c.services[k.Service]
	if s == nil {
		return unchecked("no service is known for this rule")
	}
	op := find(s.operations().Verify, k.Rule)
	if op == nil || op.Driver == "" && op.Request.Path == "" && op.Request.URL == "" {
		return unchecked("this service offers no way to ask")
	}
	q := &query{c: c, s: s, op: op, driver: c.opt.Drivers[op.Driver]}
	if op.Driver != "" && q.driver == nil {
		return unchecked("this build does not speak " + op.Driver)
	}
	if reason := q.trust(); reason != "" {
		return unchecked(reason)
	}
	v := q.ask(ctx, k, false)
	if v.Status.Live() || v.Status == finding.Inactive {
		v = q.controlled(ctx, k, v)
	}
	return v
}
