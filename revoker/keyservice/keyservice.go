// Package keyservice asks key services about keys and makes them act. It is the only
// code that sends a secret anywhere, and it sends it only to the service that issued
// it: to a host that a built-in rule names as the issuer's own, or that the user
// named, over TLS, without following redirects, after the address was checked.
//
// What a service can be asked is declared in its rule file (package rules); protocols
// that are not HTTP with simple authentication have a Driver. Conditions decide what
// an answer means; an answer that no condition claims means unknown.
package keyservice

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"sync"
	"time"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// Key is one key and what is known of it.
type Key struct {
	Service string // rules.Service.ID
	Rule    string // rules.Rule.ID
	Secret  finding.Secret
	// Values are the key's further parts and groups, and what earlier answers saved:
	// what templates may name besides {{secret}}.
	Values map[string]string
}

// Base says where a service is reached when the user named it. Its zero URL trusts
// the built-in host.
type Base struct {
	URL string
}

// Options say whom a Client may talk to and how. Services is required.
type Options struct {
	Services []rules.Service
	// Bases holds, by service id, the services that the user named. A service whose
	// trust is "ask" is reached only if it is here.
	Bases map[string]Base
	// Proxy and CAFile come from the user's own configuration; nil and "" mean none.
	// Proxies of the environment are never used.
	Proxy  *url.URL
	CAFile string
	// Timeout bounds all that is done about one key, waits included: 30 s if 0.
	Timeout time.Duration
	// Rate is the number of requests a second and host where the rule names no pace:
	// 10 if 0. Workers is the number of keys asked about at once: 16 if 0.
	Rate    float64
	Workers int
	Version string // for User-Agent
	Drivers map[string]Driver
	Cache   Cache // nil: every key is asked about
	Now     func() time.Time
	// Progress is called after each key with the number done and of all; nil: never.
	Progress func(done, of int)
	// Sent is called before each request with method, host and template path, which
	// hold no secret; nil: never.
	Sent func(Request)
}

// Request is what may be told of a request: no secret, no query, no header.
type Request struct {
	Service, Method, Host, Path string
	Control                     bool
}

// Cache keeps verdicts by fingerprint. It is safe for concurrent use and never holds
// a secret.
type Cache interface {
	Get(finding.Fingerprint) (finding.Verification, bool)
	Put(finding.Fingerprint, finding.Verification)
}

// Driver verifies keys whose service does not speak HTTP with simple authentication.
type Driver interface {
	// Verify asks the service. A driver never reports Inactive without the service's
	// own refusal of this key. ctx bounds it.
	Verify(ctx context.Context, k Key, net Network) finding.Verification
	// MadeUp returns a key of the same form that was never issued, to be refused; ok
	// is false where the driver cannot make one, with the reason.
	MadeUp(k Key) (made Key, why string, ok bool)
}

// Client asks key services. It is safe for concurrent use and lasts for one run.
type Client struct {
	opt      Options
	services map[string]*service
	net      Network
	strict   *sender
	relaxed  *sender

	mu       sync.Mutex
	hosts    map[string]*host
	controls map[string]*control
	requests map[string]int // by service
}

// service is a rules.Service with its operations made and compiled.
type service struct {
	*rules.Service
	once sync.Once
	ops  rules.Operations
	mu   sync.Mutex
	code map[string]*condition
}

// New returns a client. An error means that the options are wrong: a base URL that is
// no URL, names an unknown service, or is neither https nor loopback; a CA file that
// cannot be read.
func New(opt Options) (*Client, error) {
	if opt.Timeout <= 0 {
		opt.Timeout = 30 * time.Second
	}
	if opt.Rate <= 0 {
		opt.Rate = 10
	}
	if opt.Workers <= 0 {
		opt.Workers = 16
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	c := &Client{opt: opt, services: map[string]*service{}, hosts: map[string]*host{}, controls: map[string]*control{}, requests: map[string]int{}}
	for i := range opt.Services {
		c.services[opt.Services[i].ID] = &service{Service: &opt.Services[i], code: map[string]*condition{}}
	}
	for id, b := range opt.Bases {
		if c.services[id] == nil {
			return nil, fmt.Errorf("service %s: no such service; `rekey rules list` shows them", id)
		}
		if b.URL != "" {
			if err := checkBase(b.URL); err != nil {
				return nil, fmt.Errorf("service %s: %w", id, err)
			}
		}
	}
	var err error
	if c.strict, err = newSender(opt, false); err != nil {
		return nil, err
	}
	if c.relaxed, err = newSender(opt, true); err != nil {
		return nil, err
	}
	c.net = Network{strict: c.strict.dialer, relaxed: c.relaxed.dialer, tls: c.strict.tls}
	return c, nil
}

// Requests returns how many requests were sent to each service, controls included.
func (c *Client) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]int, len(c.requests))
	for k, v := range c.requests {
		out[k] = v
	}
	return out
}

func (s *service) operations() *rules.Operations {
	s.once.Do(func() { s.ops = s.Service.Operations() })
	return &s.ops
}

// find returns the first operation that is for the rule.
func find(ops []rules.Operation, rule string) *rules.Operation {
	for i := range ops {
		for _, g := range ops[i].Rules {
			if ok, _ := path.Match(g, rule); ok {
				return &ops[i]
			}
		}
	}
	return nil
}

// base returns the URL under which the service is reached for a key, and whether the
// user named it. reason says why it must not be reached at all.
func (c *Client) base(s *service, op *rules.Operation, k Key) (base string, named bool, reason string) {
	b, named := c.opt.Bases[s.ID]
	if named && b.URL != "" {
		return b.URL, true, ""
	}
	switch {
	case op.Evidence == rules.Assumed:
		return "", false, "nobody has seen how this service answers: name its address with --service " + s.ID + "=URL to ask it"
	case s.Trust == rules.TrustNever:
		return "", false, "this service is never asked without an address: --service " + s.ID + "=URL"
	case s.Trust == rules.TrustAsk && !named:
		return "", false, "not asked without your word: --service " + s.ID + " trusts its built-in address, --service " + s.ID + "=URL names another"
	case s.BaseURL == "" && op.Request.URL == "" && op.Driver == "":
		return "", false, "its address is not known: --service " + s.ID + "=URL names it"
	}
	base, missing := fill(s.BaseURL, k.Values)
	if missing != "" {
		return "", false, "its address needs the key's " + missing + ", which was not found near it"
	}
	return base, false, ""
}
