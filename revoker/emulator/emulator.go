// Package emulator runs faithful emulators of key services on loopback: for tests, for
// trying rekey without risk, and for `rekey demo`. Each has the state machine, the
// refusals and the oddities of its service; a virtual clock moves grace periods and
// expiry; faults can be set or drawn from a seed; a control plane on a listener of its
// own changes and shows what no client may.
//
// An emulator binds loopback addresses only. It keeps keys as hashes (where a service
// can show a key again, or needs it to check a signature, encrypted with a key that
// never leaves the process), shows a new secret once, and logs requests without keys.
//
// Every table of endpoints, and what in it is assumed, stands in the service's file and
// is held by its conformance test.
package emulator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// ErrNotLoopback means that an emulator was asked to listen where others could reach it.
var ErrNotLoopback = errors.New("emulators listen on loopback only")

// Options say what to start. Only Service is required.
type Options struct {
	Service string // one of Services()
	// Host is a loopback address; "" is 127.0.0.1. Port is the port of the service;
	// 0 is any. The control plane always takes any.
	Host string
	Port int
	// Clock is shared by emulators that should agree about the time; nil is a new
	// running clock.
	Clock *Clock
	// Knobs are the service's policies by name; Knobs(service) lists them.
	Knobs map[string]string
	// Faults draws a fault for about every fourth request, the same for the same seed
	// and order of requests. 0: no faults unless set.
	Faults uint64
}

// makers are the services. Each builds its state in a core.
var makers = map[string]func(*core) service{
	"cloudnexus": newCloudNexus,
	"nexosis":    newNexosis,
	"clore":      newClore,
	"nexqloud":   newNexQloud,
	"github":     newGitHub,
	"gitlab":     newGitLab,
	"slack":      newSlack,
	"stripe":     newStripe,
	"aws":        newAWS,
}

// Services lists the services that can be emulated, sorted.
func Services() []string { return slices.Sorted(maps.Keys(makers)) }

// Knob is one policy of a service: its name, its default and what it takes: a duration,
// a number, or words separated by "|".
type Knob struct{ Name, Default, Form string }

// Start starts one emulator. It ends with ctx or with Close.
func Start(ctx context.Context, opt Options) (*Server, error) {
	if makers[opt.Service] == nil {
		return nil, fmt.Errorf("emulate %q: no such service: want one of %v", opt.Service, Services())
	}
	if opt.Host == "" || opt.Host == "localhost" {
		opt.Host = "127.0.0.1"
	}
	if a, err := netip.ParseAddr(opt.Host); err != nil || !a.IsLoopback() {
		return nil, fmt.Errorf("emulate %s on %s: %w", opt.Service, opt.Host, ErrNotLoopback)
	}
	if opt.Port < 0 || opt.Port > 65535 {
		return nil, fmt.Errorf("emulate %s: no port %d", opt.Service, opt.Port)
	}
	if opt.Clock == nil {
		opt.Clock = NewClock(time.Time{}, true)
	}
	s, err := newServer(opt)
	if err != nil {
		return nil, fmt.Errorf("emulate %s: %w", opt.Service, err)
	}
	if err := s.listen(); err != nil {
		return nil, fmt.Errorf("emulate %s: %w", opt.Service, err)
	}
	context.AfterFunc(ctx, s.Close)
	return s, nil
}

// service is one key service: routes over the state in its core. All its methods run
// with the core locked.
type service interface {
	routes() []route
	// unknown answers requests that no route takes.
	unknown(*request) answer
	// issue makes a key as its owner would, in any state.
	issue(Issue) (Issued, error)
	// event changes a key from outside: revoke, expire, suspend, ...
	event(id, event string) error
	// operator makes the credential of the account's owner and returns its hash form.
	operator(secret string)
}

// Issue describes a key to be made. Zero values take the service's defaults. What a
// service does not know is ignored.
type Issue struct {
	Name        string         `json:"name"`
	Environment string         `json:"environment"` // CloudNexus: prod, stg, dev
	Kind        string         `json:"kind"`        // GitHub: ghp, gho, ...; NexQloud: api_key, temporary, ...; Stripe: live, restricted, test
	Owner       string         `json:"owner"`       // AWS: the user
	Scopes      []string       `json:"scopes"`
	Services    []string       `json:"services"`
	IPAllowlist []string       `json:"ip_allowlist"`
	Life        Duration       `json:"life"` // 0: no expiry
	AutoRenew   bool           `json:"auto_renew"`
	Attributes  map[string]any `json:"attributes"` // NexQloud: quota, rate_limit, resource_limits
	Secret      string         `json:"secret"`     // instead of a new one
	State       string         `json:"state"`      // such as revoked: the event is applied after issuing
}

// Issued is a new key: the only place where its secret ever stands.
type Issued struct {
	ID, Secret string
	// Second is the secret of the second slot (Nexosis); "" elsewhere.
	Second string
}

// String hides the secret.
func (i Issued) String() string { return i.ID }

// GoString hides the secret.
func (i Issued) GoString() string { return i.ID }

// Duration is a time.Duration that JSON writes as Go does: "24h".
type Duration time.Duration

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration as Go writes it, or "0".
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// randomText returns n characters of the alphabet, from the system's randomness.
func randomText(n int, alphabet string) string {
	out := make([]byte, 0, n)
	limit := 256 - 256%len(alphabet)
	buf := make([]byte, 64)
	for len(out) < n {
		_, _ = rand.Read(buf) // never fails (crypto/rand)
		for _, b := range buf {
			if int(b) < limit && len(out) < n { // no character is likelier than others
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

const (
	lowerAlnum = "0123456789abcdefghijklmnopqrstuvwxyz"
	alnum      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits     = "0123456789"
	urlSafe    = alnum + "_-"
)
