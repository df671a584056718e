package emulator

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server is one running emulator. It is safe for concurrent use.
type Server struct {
	opt      Options
	clock    *Clock
	operator string // the owner's credential; the service itself knows its hash
	token    string // of the control plane

	mu     sync.Mutex // guards what follows
	core   *core
	svc    service
	mux    *http.ServeMux
	faults *faults
	log    []Logged

	api, control         net.Listener
	apiServer, ctlServer *http.Server
	prefix               string
	closing              sync.Once
	hookMu               sync.Mutex
	hooks                sync.WaitGroup // webhooks under way
	stop                 context.CancelFunc
	ctx                  context.Context
}

// apiPrefix is the path before every route of a service, as in its base URL.
var apiPrefix = map[string]string{"cloudnexus": "/v2", "nexosis": "/v1", "clore": "/v1", "nexqloud": "/v1", "gitlab": "/api/v4", "slack": "/api", "stripe": "/v1"}

func newServer(opt Options) (*Server, error) {
	s := &Server{opt: opt, clock: opt.Clock, token: randomHex(24), prefix: apiPrefix[opt.Service]}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.operator = operatorSecret(opt.Service)
	if err := s.Reset(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// Reset empties the service: no keys but the operator's, no faults but the seed's, the
// policies of Options.
func (s *Server) Reset() error {
	c := newCore(s.clock)
	c.knobs = commonKnobs
	c.post = s.deliver
	svc := makers[s.opt.Service](c)
	for name, v := range s.opt.Knobs {
		if err := c.setKnob(name, v); err != nil {
			return err
		}
	}
	c.mu.Lock()
	svc.operator(s.operator)
	c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core, s.svc, s.mux = c, svc, newMux(s.prefix, svc.routes())
	s.faults, s.log = newFaults(s.opt.Faults), nil
	return nil
}

func (s *Server) listen() error {
	var err error
	if s.api, err = net.Listen("tcp", net.JoinHostPort(s.opt.Host, strconv.Itoa(s.opt.Port))); err != nil {
		return err
	}
	if s.control, err = net.Listen("tcp", net.JoinHostPort(s.opt.Host, "0")); err != nil {
		s.api.Close()
		return err
	}
	s.apiServer = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	s.ctlServer = &http.Server{Handler: s.controlPlane(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() { _ = s.apiServer.Serve(s.api) }() // ends with Close
	go func() { _ = s.ctlServer.Serve(s.control) }()
	return nil
}

// Close ends the emulator and its connections. It may be called more than once.
func (s *Server) Close() {
	s.closing.Do(func() {
		s.hookMu.Lock()
		s.stop()
		s.hookMu.Unlock()
		_ = s.apiServer.Close() // nothing is left to be done about an error
		_ = s.ctlServer.Close()
		s.hooks.Wait()
	})
}

// Service returns the id of the emulated service.
func (s *Server) Service() string { return s.opt.Service }

// URL returns the base URL of the service, as in its rule file.
func (s *Server) URL() string { return "http://" + s.api.Addr().String() + s.prefix }

// ControlURL returns the base URL of the control plane.
func (s *Server) ControlURL() string { return "http://" + s.control.Addr().String() + "/_ctl" }

// ControlToken returns the bearer token of the control plane.
func (s *Server) ControlToken() string { return s.token }

// Operator returns the credential with which the account's owner manages its keys: a
// key or token; for AWS "ID:SECRET". It is "" where the service has no such calls.
func (s *Server) Operator() string { return s.operator }

// Clock returns the time that the service lives in.
func (s *Server) Clock() *Clock { return s.clock }

// locked runs do on the present state.
func (s *Server) locked(do func(*core, service)) {
	s.clock.sync()
	s.mu.Lock()
	c, svc := s.core, s.svc
	s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	do(c, svc)
}

// Issue makes a key. Its secret is not kept and cannot be had again.
func (s *Server) Issue(i Issue) (made Issued, err error) {
	s.locked(func(_ *core, svc service) {
		if made, err = svc.issue(i); err == nil && i.State != "" && i.State != stateActive {
			err = svc.event(made.ID, i.State)
		}
	})
	return made, err
}

// Event changes a key from outside, as its owner or time would: see the service's file
// for the events it knows, such as revoked, expired, disabled, suspended.
func (s *Server) Event(id, event string) (err error) {
	s.locked(func(_ *core, svc service) { err = svc.event(id, event) })
	return err
}

// SetKnob changes a policy.
func (s *Server) SetKnob(name, value string) (err error) {
	s.locked(func(c *core, _ service) { err = c.setKnob(name, value) })
	return err
}

// Knobs lists the policies that the service has.
func (s *Server) Knobs() (out []Knob) {
	s.locked(func(c *core, _ service) { out = append(out, c.knobs...) })
	return out
}

// State returns all keys in the order of their making, ended ones too; Kind "operator"
// marks the owner's own.
func (s *Server) State() (out []Key) {
	s.locked(func(c *core, _ service) {
		for _, k := range c.keys {
			out = append(out, k.clone())
		}
	})
	return out
}

// Live counts the keys besides the operator's that the service would accept now.
func (s *Server) Live() (n int) {
	s.locked(func(c *core, _ service) {
		for _, k := range c.keys {
			if k.Kind != "operator" && (k.State == stateActive || k.State == stateGrace) {
				n++
			}
		}
	})
	return n
}

// Outbox returns the e-mails and webhooks that were sent.
func (s *Server) Outbox() (out []Message) {
	s.locked(func(c *core, _ service) { out = append(out, c.outbox...) })
	return out
}

// Audit returns the service's own trail of what was done with keys.
func (s *Server) Audit() (out []Audit) {
	s.locked(func(c *core, _ service) { out = append(out, c.audit...) })
	return out
}

// AddFault makes matching requests go wrong. A path without a leading slash is relative
// to the service's base URL.
func (s *Server) AddFault(f Fault) error {
	if err := f.Do.check(); err != nil {
		return err
	}
	if f.Match.Path != "" && !strings.HasPrefix(f.Match.Path, "/") {
		f.Match.Path = s.prefix + "/" + f.Match.Path
	}
	f.Times = max(f.Times, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.set = append(s.faults.set, f)
	return nil
}
