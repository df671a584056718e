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
	"crypto/tls"
	"fmt"
	"maps"
	"net/url"
	"path"
	"strings"
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
	// Timeout bounds one request and the whole of its answer: 10 s if 0. Waits for pace
	// and patience come on top.
	Timeout time.Duration
	// Operators are the operator's credentials by service id: {{operator}} in requests
	// of operations with auth = "operator".
	Operators map[string]finding.Secret
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
	// hold no secret; nil: never. It must be safe for concurrent use.
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
	// Hosts lists hosts, or suffixes that begin with a dot, which the driver contacts by
	// itself through Network.Do besides those of the rule file.
	Hosts() []string
}

// OfflineDriver is a Driver that asks nobody: it reads the key alone.
type OfflineDriver interface {
	Driver
	Offline()
}

func offline(d Driver) bool { _, ok := d.(OfflineDriver); return ok }

// Client asks key services. It is safe for concurrent use and lasts for one run.
type Client struct {
	opt      Options
	services map[string]*service
	tls      *tls.Config
	strict   *sender // for hosts of built-in rules
	named    *sender // for hosts that the user named

	mu       sync.Mutex
	hosts    map[string]*host
	controls map[string]*control
	asked    map[finding.Fingerprint]*memo
	requests map[string]Count // by service
}

// Count is how many requests were sent: for keys, and for made-up ones.
type Count struct{ Keys, Controls int }

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
		opt.Timeout = 10 * time.Second
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
	cfg, err := tlsConfig(opt.CAFile)
	if err != nil {
		return nil, err
	}
	c := &Client{
		opt: opt, services: map[string]*service{}, tls: cfg, strict: newSender(opt, cfg, false), named: newSender(opt, cfg, true),
		hosts: map[string]*host{}, controls: map[string]*control{}, asked: map[finding.Fingerprint]*memo{}, requests: map[string]Count{},
	}
	for i := range opt.Services {
		c.services[opt.Services[i].ID] = &service{Service: &opt.Services[i], code: map[string]*condition{}}
	}
	c.opt.Bases = make(map[string]Base, len(opt.Bases))
	for id, b := range opt.Bases {
		s := c.services[id]
		if s == nil {
			return nil, fmt.Errorf("service %s: no such service; `rekey rules list` shows them", id)
		}
		if b.URL == "" && len(b.Hosts) == 1 && s.fixed() {
			b = Base{URL: "https://" + b.Hosts[0]}
		}
		if b.URL != "" {
			if err := checkBase(b.URL); err != nil {
				return nil, fmt.Errorf("service %s: %w", id, err)
			}
		}
		c.opt.Bases[id] = b
	}
	return c, nil
}

// fixed reports whether the service has an address of its own, which a server that the
// user names replaces.
func (s *service) fixed() bool {
	if s.HostFrom != "" || strings.Contains(s.BaseURL, "{{") {
		return false
	}
	for _, op := range s.operations().Verify {
		if strings.Contains(op.Request.URL, "{{") {
			return false
		}
	}
	return true
}

// Requests returns how many requests were sent to each service.
func (c *Client) Requests() map[string]Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// Close closes idle connections.
func (c *Client) Close() {
	c.strict.client.CloseIdleConnections()
	c.named.client.CloseIdleConnections()
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
