package keyservice

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// acme is a service with one rule whose keys are acme_ and 24 letters.
func acme(change func(*rules.Service, *rules.Operation)) []rules.Service {
	s := rules.Service{ID: "acme", BaseURL: "https://api.acme.example/v1", Trust: rules.TrustBuiltin, Rules: []rules.Rule{{ID: "acme-key", Pattern: `(?P<secret>acme_[a-z]{24})`}}}
	op := rules.Operation{
		Rules: []string{"*"}, Evidence: rules.Documented, Request: rules.Request{Path: "/me", Auth: "bearer"},
		Active: `status == 200 && json.id != nil`, Inactive: `status == 401 && json.error == "invalid_key"`,
		Restricted: `status == 403 && json.error == "scope"`, Save: map[string]string{"owner": "json.id", "note": "json.note"},
	}
	if change != nil {
		change(&s, &op)
	}
	s.Ops.Verify = []rules.Operation{op}
	return []rules.Service{s}
}

const liveKey = "acme_" + "livelivelivelivelivelive"

func acmeKey(secret string) Key {
	return Key{Service: "acme", Rule: "acme-key", Secret: finding.NewSecret([]byte(secret)), Values: map[string]string{}}
}

// honest answers as acme documents: liveKey is good, all others are refused.
func honest(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") == "Bearer "+liveKey {
		io.WriteString(w, `{"id":"acct_1"}`)
		return
	}
	w.WriteHeader(401)
	io.WriteString(w, `{"error":"invalid_key"}`)
}

// spy counts what arrives at a server.
type spy struct {
	mu   sync.Mutex
	seen []string
	auth []string
}

func (s *spy) wrap(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI())
		s.auth = append(s.auth, r.Header.Get("Authorization"))
		s.mu.Unlock()
		h(w, r)
	}
}

func (s *spy) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// client returns a client whose acme is the handler.
func client(t *testing.T, h http.HandlerFunc, services []rules.Service, change func(*Options)) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	opt := Options{Services: services, Bases: map[string]Base{services[0].ID: {URL: srv.URL}}, Rate: 10_000, Timeout: 2 * time.Second}
	if change != nil {
		change(&opt)
	}
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// wantVerdict checks status and, if not "", words of the reason.
func wantVerdict(t *testing.T, v finding.Verification, status finding.Status, words string) {
	t.Helper()
	if v.Status != status || !strings.Contains(v.Reason, words) {
		t.Errorf("%s (%s), want %s (…%s…)", v.Status, v.Reason, status, words)
	}
}

func check(c *Client, secret string) finding.Verification {
	return c.Check(context.Background(), acmeKey(secret))
}
