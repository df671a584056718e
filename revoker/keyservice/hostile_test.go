package keyservice

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/finding"
)

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		address         string
		builtin, listed bool
	}{
		{"93.184.216.34:443", true, true}, {"[2606:4700::1111]:443", true, true},
		{"127.0.0.1:443", false, true}, {"[::1]:443", false, true}, {"10.1.2.3:443", false, true}, {"192.168.0.9:5432", false, true},
		{"172.31.255.1:1", false, true}, {"100.64.1.1:443", false, true}, {"[fd12::1]:443", false, true},
		{"169.254.169.254:80", false, false}, {"[::ffff:169.254.169.254]:80", false, false}, {"[fd00:ec2::254]:80", false, false},
		{"100.100.100.200:80", false, false}, {"168.63.129.16:80", false, false}, {"[fe80::1%eth0]:80", false, false},
		{"0.0.0.0:80", false, false}, {"[::]:80", false, false}, {"224.0.0.1:80", false, false}, {"255.255.255.255:80", false, true},
		{"[::ffff:127.0.0.1]:80", false, true}, {"[64:ff9b::a9fe:a9fe]:80", false, true}, {"[2002:7f00:1::]:80", false, true},
		{"198.18.0.1:80", false, true}, {"192.0.2.1:80", false, true}, {"240.0.0.1:80", false, true}, {"[::127.0.0.1]:80", false, true},
		{"nonsense", false, false},
	} {
		if got := checkAddress(c.address, false) == nil; got != c.builtin {
			t.Errorf("%s: allowed for built-in hosts %v", c.address, got)
		}
		if got := checkAddress(c.address, true) == nil; got != c.listed {
			t.Errorf("%s: allowed for listed hosts %v", c.address, got)
		}
	}
}

// A built-in host whose name leads to this machine gets nothing.
func TestNameThatLeadsInside(t *testing.T) {
	s := &spy{}
	srv := httptest.NewTLSServer(s.wrap(honest))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	c, err := New(Options{Services: acme(func(svc *rules.Service, _ *rules.Operation) { svc.BaseURL = "https://localhost:" + port })})
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, check(c, liveKey), finding.Unknown, "no key service can be")
	if s.count() != 0 {
		t.Error("something arrived")
	}
}

func TestHostsThatStandWithTheKey(t *testing.T) {
	for _, c := range []struct {
		host string
		want string // "" refused
	}{
		{"shop.acme.example", "shop.acme.example"}, {"SHOP.acme.example", "SHOP.acme.example"}, {"one.acme.test", "one.acme.test"},
		{"listed.corp", "listed.corp"}, {"listed.corp:8443", "listed.corp:8443"}, {"10.0.0.7:8200", "10.0.0.7:8200"},
		{"10.0.0.7", ""}, {"10.0.0.7:8201", ""},
		{"acme.example", ""}, {".acme.example", ""}, {"evil.example", ""}, {"evilacme.example", ""}, {"acme.example.evil.com", ""},
		{"shop.acme.example:22", ""}, {"evil.com@shop.acme.example", ""}, {"shop.acme.example@evil.com", ""}, {"evil.com#.acme.example", ""},
		{"evil.com/.acme.example", ""}, {"evil.com?.acme.example", ""}, {`evil.com\.acme.example`, ""}, {"evil.com%2f.acme.example", ""},
		{"shop..acme.example", ""}, {"-x.acme.example", ""}, {"shop.acme.example.", ""}, {"shop.ac\u212aе.example", ""}, {"shöp.acme.example", ""},
		{"[::1].acme.example", ""}, {"127.0.0.1", ""}, {"localhost", ""}, {"2130706433", ""}, {"0x7f.1", ""}, {"shop.acme.example\r\nHost: evil", ""},
		{"{{secret}}.acme.example", ""}, {strings.Repeat("a", 64) + ".acme.example", ""}, {"shop.acme.example\x00", ""}, {"", ""},
	} {
		cl, err := New(Options{Services: acme(func(s *rules.Service, op *rules.Operation) {
			s.Hosts = []string{".acme.example", ".acme.test"}
			op.Request = rules.Request{URL: "https://{{host}}/me", Auth: "bearer"}
		}), Bases: map[string]Base{"acme": {Hosts: []string{"listed.corp", "10.0.0.7:8200"}}}})
		if err != nil {
			t.Fatal(err)
		}
		s := cl.services["acme"]
		q := &query{c: cl, s: s, op: &s.operations().Verify[0]}
		if reason := q.trust(); reason != "" {
			t.Fatal(reason)
		}
		req, _, err := q.build(context.Background(), &q.op.Request, map[string]string{"secret": liveKey, "host": c.host})
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%q: request to %s", c.host, req.URL.Host)
		case c.want != "" && err != nil:
			t.Errorf("%q: %v", c.host, err)
		case c.want != "" && req.URL.Host != c.want:
			t.Errorf("%q: request to %s", c.host, req.URL.Host)
		case err != nil && strings.Contains(err.Error(), liveKey):
			t.Errorf("%q: the error holds the key", c.host)
		}
	}
}

// Whatever stands with the key, a request differs from the harmless one only in the
// place where the value belongs.
func TestValuesStayInTheirPlace(t *testing.T) {
	op := rules.Operation{Request: rules.Request{
		Method: "POST", Path: "/a/{{account}}/b?x={{account}}&y=1", Auth: "basic", User: "{{user}}", Password: "{{secret}}",
		Headers: map[string]string{"X-Account": "{{account}}"}, Query: map[string]string{"q": "{{account}}"},
		JSON: map[string]any{"k": "{{account}}", "list": []any{"{{user}}"}},
	}}
	cl, err := New(Options{Services: acme(nil)})
	if err != nil {
		t.Fatal(err)
	}
	q := &query{c: cl, s: cl.services["acme"], op: &op}
	for _, evil := range []string{"..", ".", "a/../../b", "a?z=1", "a#b", "a&y=2", "{{secret}}", `a","admin":true,"x":"`, "a%2e%2e", "a b", "ä"} {
		req, _, err := q.build(context.Background(), &op.Request, map[string]string{"secret": liveKey, "account": evil, "user": "u"})
		if err != nil {
			continue
		}
		body, _ := io.ReadAll(req.Body)
		parts := strings.Split(req.URL.EscapedPath(), "/")
		query := req.URL.Query()
		if len(parts) != 5 || parts[1] != "v1" || parts[2] != "a" || parts[4] != "b" || req.URL.Host != "api.acme.example" {
			t.Errorf("%q: %s", evil, req.URL)
		}
		if len(query) != 3 || query.Get("y") != "1" || query.Get("x") != evil || query.Get("q") != evil {
			t.Errorf("%q: query %s", evil, req.URL.RawQuery)
		}
		if strings.Contains(req.URL.String()+string(body)+req.Header.Get("X-Account"), liveKey) {
			t.Errorf("%q: the key is in another place than its own", evil)
		}
		var v map[string]any
		if v, _ = decodeJSON(body).(map[string]any); len(v) != 2 || v["k"] != evil {
			t.Errorf("%q: body %s", evil, body)
		}
	}
	for _, evil := range []string{"a\r\nX-Evil: 1", "a\nb", "a\x00", "a:b"} {
		if _, _, err := q.build(context.Background(), &op.Request, map[string]string{"secret": liveKey, "account": evil, "user": evil}); err == nil {
			t.Errorf("%q was taken into a header", evil)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	thief := &spy{}
	other := httptest.NewServer(thief.wrap(honest))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := client(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) }, acme(nil), nil)
		wantVerdict(t, check(c, liveKey), finding.Unknown, "redirects")
	}
	if thief.count() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	thief := &spy{}
	proxy := httptest.NewServer(thief.wrap(honest))
	defer proxy.Close()
	for _, n := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(n, proxy.URL)
	}
	wantVerdict(t, check(client(t, honest, acme(nil), nil), liveKey), finding.Active, "")
	if thief.count() != 0 {
		t.Error("the environment's proxy was used")
	}
	u, _ := url.Parse(proxy.URL)
	c, err := New(Options{Services: acme(func(s *rules.Service, _ *rules.Operation) { s.BaseURL = "https://api.acme.example" }), Proxy: u, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, check(c, liveKey), finding.Unknown, "")
	if thief.count() != 1 || !strings.HasPrefix(thief.seen[0], "CONNECT ") || thief.auth[0] != "" {
		t.Errorf("the user's own proxy saw %q", thief.seen)
	}
}

func TestTLS(t *testing.T) {
	old := httptest.NewUnstartedServer(http.HandlerFunc(honest))
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	defer old.Close()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(honest))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	try := func(base, ca string) finding.Verification {
		c, err := New(Options{Services: acme(nil), Bases: map[string]Base{"acme": {URL: base}}, CAFile: ca})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return check(c, liveKey)
	}
	wantVerdict(t, try(srv.URL, ""), finding.Unknown, "certificate is not trusted")
	wantVerdict(t, try(srv.URL, ca), finding.Active, "") // over HTTP/2
	wantVerdict(t, try(old.URL, ca), finding.Unknown, "")
	for _, base := range []string{"http://api.acme.example", "ftp://x", "https://user@x", "https://x?q=1", "https://", "x", "https://x#f", "http://10.0.0.1"} {
		if _, err := New(Options{Services: acme(nil), Bases: map[string]Base{"acme": {URL: base}}}); err == nil {
			t.Errorf("base %s was accepted", base)
		}
	}
}

func TestConnectionsAreReused(t *testing.T) {
	var mu sync.Mutex
	conns := map[string]bool{}
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		conns[r.RemoteAddr] = true
		mu.Unlock()
		honest(w, r)
	}, acme(nil), func(o *Options) { o.Workers = 4 })
	var fs []finding.Finding
	for i := range 200 {
		s := finding.NewSecret(fmt.Appendf(nil, "acme_%024d", i))
		fs = append(fs, finding.Finding{Service: "acme", Rule: "acme-key", Secret: s, Fingerprint: s.Fingerprint("", "")})
	}
	if err := c.Verify(context.Background(), fs); err != nil {
		t.Fatal(err)
	}
	if len(conns) > 8 {
		t.Errorf("%d connections for 200 keys and 4 workers", len(conns))
	}
}

// A server that echoes the key in every place where words of a server could slip into
// an error or a verdict.
func TestNothingHoldsTheKey(t *testing.T) {
	t.Parallel()
	raw := func(text string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					buf := make([]byte, 4096)
					n, _ := conn.Read(buf)
					key := deadKey
					if strings.Contains(string(buf[:n]), liveKey) {
						key = liveKey
					}
					fmt.Fprint(conn, strings.ReplaceAll(text, "KEY", key))
					conn.Close()
				}()
			}
		}()
		return "http://" + l.Addr().String()
	}
	for i, text := range []string{
		"KEY\r\n\r\n", "HTTP/1.1 KEY\r\n\r\n", "HTTP/1.1 200 KEY\r\nKEY\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: KEY\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: KEY\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nKEY\r\n",
		"HTTP/1.1 302 OK\r\nLocation: http://KEY:KEY@x/\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: text/KEY\r\nX: KEY\r\nConnection: close\r\n\r\n{\"id\":\"KEY\",\"note\":\"a KEY b\"}",
		"HTTP/1.1 429 KEY\r\nRetry-After: KEY00000\r\nConnection: close\r\n\r\n",
	} {
		base := raw(text)
		u, _ := url.Parse(base)
		c, err := New(Options{Services: acme(func(_ *rules.Service, op *rules.Operation) { op.Control, op.Why = "none", "test" }), Bases: map[string]Base{"acme": {URL: "http://" + u.Host}}, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if i == 8 {
			c.opt.Timeout = 100 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		v := c.Check(ctx, acmeKey(liveKey))
		cancel()
		if all := fmt.Sprintf("%+v", v); strings.Contains(all, liveKey[5:]) || strings.Contains(all, liveKey[5:20]) {
			t.Errorf("%d: %s", i, all)
		}
	}
}

func TestConditionsThatCannotBeEvaluated(t *testing.T) {
	strict := func(_ *rules.Service, op *rules.Operation) {
		op.Restricted = `status == 401 && json.error.code contains "ip"`
		op.Inactive = `status == 401`
	}
	c := client(t, forLive(reply(401, "no JSON at all")), acme(strict), nil)
	wantVerdict(t, check(c, liveKey), finding.Unknown, "lacks what would tell")
	c = client(t, reply(401, `{"error":{"code":"revoked"}}`), acme(strict), nil)
	wantVerdict(t, check(c, liveKey), finding.Inactive, "")
}

func TestOperatorCredential(t *testing.T) {
	s := &spy{}
	services := acme(func(_ *rules.Service, op *rules.Operation) { op.Auth = "operator" })
	c := client(t, s.wrap(reply(200, `{"id":"x"}`)), services, func(o *Options) {
		o.Operators = map[string]finding.Secret{"acme": finding.NewSecret([]byte("operator-credential"))}
	})
	check(c, liveKey)
	if s.auth[0] != "Bearer operator-credential" {
		t.Errorf("sent %q", s.auth[0])
	}
	c = client(t, s.wrap(honest), services, nil)
	wantVerdict(t, check(c, liveKey), finding.Unchecked, "operator")
}

func TestTrust(t *testing.T) {
	try := func(trust rules.Trust, e rules.Evidence, bases map[string]Base) finding.Verification {
		c, err := New(Options{Services: acme(func(s *rules.Service, op *rules.Operation) {
			s.Trust, op.Evidence, s.BaseURL = trust, e, "https://acme.invalid"
		}), Bases: bases, Sent: func(r Request) {
			if trust != rules.TrustBuiltin && bases == nil {
				t.Errorf("%s: something is sent to %s", trust, r.Host)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return check(c, liveKey)
	}
	wantVerdict(t, try(rules.TrustAsk, rules.Documented, nil), finding.Unchecked, "--service acme")
	wantVerdict(t, try(rules.TrustNever, rules.Documented, nil), finding.Unchecked, "--service acme=URL")
	wantVerdict(t, try(rules.TrustNever, rules.Documented, map[string]Base{"acme": {}}), finding.Unchecked, "--service acme=URL")
	wantVerdict(t, try(rules.TrustBuiltin, rules.Assumed, map[string]Base{"acme": {}}), finding.Unchecked, "--service acme=URL")
	wantVerdict(t, try(rules.TrustAsk, rules.Documented, map[string]Base{"acme": {}}), finding.Unknown, "acme.invalid")
}
