package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// row is one line of an endpoint table: what is asked, with which key, and what comes.
type row struct {
	name, request string // request: "GET /path"
	auth          string // a header "Name: VALUE"; {live}, {dead}, {op} and the like are filled in
	body          string
	status        int
	want          string // must stand in the body, in the headers or ("!") nowhere
}

// start starts an emulator with a standing clock.
func start(t *testing.T, service string, knobs map[string]string) *Server {
	t.Helper()
	s, err := Start(context.Background(), Options{Service: service, Knobs: knobs, Clock: NewClock(time.Time{}, false)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func issue(t *testing.T, s *Server, i Issue) Issued {
	t.Helper()
	made, err := s.Issue(i)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// ask sends a request and returns the answer with its body.
func ask(t *testing.T, s *Server, request, auth, body string) (*http.Response, string) {
	t.Helper()
	res, text, err := try(s, request, auth, body)
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	return res, text
}

var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func try(s *Server, request, auth, body string) (*http.Response, string, error) {
	method, path, _ := strings.Cut(request, " ")
	req, err := http.NewRequest(method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	for _, h := range strings.Split(auth, "\n") {
		if name, v, ok := strings.Cut(h, ": "); ok {
			req.Header.Set(name, v)
		}
	}
	res, err := noRedirects.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

// conform runs the rows in order and demands that every route of the service is among
// them: the table is the list of endpoints.
func conform(t *testing.T, s *Server, fill map[string]string, rows []row) {
	t.Helper()
	var pairs []string
	for name, v := range fill {
		pairs = append(pairs, "{"+name+"}", v)
	}
	r := strings.NewReplacer(pairs...)
	asked := map[string]bool{}
	for _, rw := range rows {
		t.Run(rw.name, func(t *testing.T) {
			request := r.Replace(rw.request)
			method, path, _ := strings.Cut(request, " ")
			plain, _, _ := strings.Cut(path, "?")
			probe, err := http.NewRequest(method, "http://127.0.0.1"+s.prefix+plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, pattern := s.mux.Handler(probe)
			asked[pattern] = true
			res, body := ask(t, s, request, r.Replace(rw.auth), r.Replace(rw.body))
			if res.StatusCode != rw.status {
				t.Errorf("%s: status %d, want %d: %s", rw.request, res.StatusCode, rw.status, body)
			}
			want := r.Replace(rw.want)
			all := body + fmt.Sprint(res.Header)
			if no, ok := strings.CutPrefix(want, "!"); ok && strings.Contains(all, no) {
				t.Errorf("%s: the answer holds what it must not", rw.request)
			} else if !ok && !strings.Contains(all, want) {
				t.Errorf("%s: %q is not in the answer: %s", rw.request, want, body)
			}
			if b := strings.TrimSpace(body); b != "" && res.Header.Get("Content-Type") == "application/json" && !json.Valid([]byte(b)) {
				t.Errorf("%s: the answer is no JSON: %s", rw.request, body)
			}
		})
	}
	for _, rt := range s.svc.routes() {
		if p := rt.method + " " + s.prefix + rt.path; !asked[p] {
			t.Errorf("no row asks %s", p)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	for _, opt := range []Options{
		{Service: "acme"}, {Service: "clore", Host: "0.0.0.0"}, {Service: "clore", Host: "192.0.2.1"}, {Service: "clore", Host: "example.com"},
		{Service: "clore", Port: -1}, {Service: "clore", Knobs: map[string]string{"grace": "24h"}}, {Service: "clore", Knobs: map[string]string{"http_mode": "odd"}},
	} {
		if s, err := Start(context.Background(), opt); err == nil {
			s.Close()
			t.Errorf("Start(%+v) started", opt)
		}
	}
}

// Nothing that an emulator shows or keeps holds a key, except the answer that makes it.
func TestNoSecretIsKept(t *testing.T) {
	for _, service := range Services() {
		t.Run(service, func(t *testing.T) {
			s := start(t, service, nil)
			made := issue(t, s, Issue{})
			_, _, _ = try(s, "GET /?key="+url.QueryEscape(made.Secret), "Authorization: Bearer "+made.Secret+"\nauth: "+made.Secret+"\napi-key: "+made.Secret, "") // whatever it answers
			var out strings.Builder
			for _, v := range []any{s.State(), s.Requests(), s.Counters(), s.Audit(), s.Outbox(), s.Knobs()} {
				b, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				out.Write(b)
				fmt.Fprintf(&out, "%+v", v)
			}
			fmt.Fprintf(&out, "%v %+v %s %#v", made, made, made, made)
			// What stands in memory: the service's own structures.
			fmt.Fprintf(&out, "%+v", s.svc)
			for _, secret := range []string{made.Secret, made.Second} {
				if secret != "" && strings.Contains(out.String(), secret) {
					t.Error("a key stands where none may")
				}
			}
			if c := s.Counters(); c.InURL != 1 || c.Requests != 1 {
				t.Errorf("counters %+v, want one request with the key in its URL", c)
			}
			if op := s.Operator(); op != "" {
				_, op, _ = strings.Cut(":"+op, ":")
				if strings.Contains(out.String(), op) {
					t.Error("the operator's key stands where none may")
				}
			}
		})
	}
}

func TestForeignHostNamesAreRefused(t *testing.T) {
	s := start(t, "clore", nil)
	req, err := http.NewRequest("GET", s.URL()+"/marketplace", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "attacker.example"
	res, err := noRedirects.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("status %d for a foreign name", res.StatusCode)
	}
}

func TestFaults(t *testing.T) {
	s := start(t, "nexqloud", nil)
	key := issue(t, s, Issue{})
	auth, op := "Authorization: Bearer "+key.Secret, "Authorization: Bearer "+s.Operator()
	fault := func(e Effect, m Match) {
		t.Helper()
		if err := s.AddFault(Fault{Match: m, Do: e}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("reset_before", func(t *testing.T) {
		fault(Effect{ResetBefore: true}, Match{"POST", "api-keys"})
		if _, _, err := try(s, "POST /api-keys", op, `{"name":"a"}`); err == nil {
			t.Error("an answer came")
		}
		if n := s.Live(); n != 1 {
			t.Errorf("%d live keys, want 1: nothing was made", n)
		}
	})
	t.Run("commit_then_reset", func(t *testing.T) {
		fault(Effect{CommitThenReset: true}, Match{"POST", "api-keys"})
		if _, _, err := try(s, "POST /api-keys", op, `{"name":"b"}`); err == nil {
			t.Error("an answer came")
		}
		if n := s.Live(); n != 2 {
			t.Errorf("%d live keys, want 2: one was made", n)
		}
	})
	t.Run("commit_late", func(t *testing.T) {
		fault(Effect{CommitLate: Duration(time.Minute)}, Match{Method: "POST"})
		if _, _, err := try(s, "POST /api-keys", op, `{"name":"c"}`); err == nil {
			t.Error("an answer came")
		}
		if n := s.Live(); n != 2 {
			t.Errorf("%d live keys, want 2 before the minute is over", n)
		}
		s.Clock().Advance(time.Minute)
		if n := s.Live(); n != 3 {
			t.Errorf("%d live keys, want 3 after it", n)
		}
	})
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	key = issue(t, s, Issue{})
	auth = "Authorization: Bearer " + key.Secret
	t.Run("retry_after_as_date", func(t *testing.T) {
		fault(Effect{Status: 429, RetryAfter: "date:5s"}, Match{})
		res, _ := ask(t, s, "GET /node-types", auth, "")
		if _, err := http.ParseTime(res.Header.Get("Retry-After")); err != nil || res.StatusCode != 429 {
			t.Errorf("status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
		}
	})
	t.Run("html_redirect_wrong_json_truncate", func(t *testing.T) {
		fault(Effect{HTML: true}, Match{})
		if res, body := ask(t, s, "GET /node-types", auth, ""); res.StatusCode != 200 || !strings.HasPrefix(body, "<!doctype html") {
			t.Errorf("html: %d %s", res.StatusCode, body)
		}
		fault(Effect{RedirectTo: "http://127.0.0.1:1/"}, Match{})
		if res, _ := ask(t, s, "GET /node-types", auth, ""); res.StatusCode != 302 || res.Header.Get("Location") == "" {
			t.Errorf("redirect: %d", res.StatusCode)
		}
		fault(Effect{WrongJSON: true}, Match{})
		if _, body := ask(t, s, "GET /node-types", auth, ""); !json.Valid([]byte(body)) || strings.Contains(body, "node_type_id") {
			t.Errorf("wrong_json: %s", body)
		}
		fault(Effect{Truncate: true}, Match{})
		if _, _, err := try(s, "GET /node-types", auth, ""); err == nil {
			t.Error("truncate: the whole answer came")
		}
	})
	t.Run("repeat", func(t *testing.T) {
		fault(Effect{Repeat: true}, Match{"POST", ""})
		ask(t, s, "POST /api-keys", op, `{"name":"d"}`)
		if n := s.Live(); n != 3 {
			t.Errorf("%d live keys, want 3: the request came twice", n)
		}
	})
	t.Run("used_up", func(t *testing.T) {
		if res, _ := ask(t, s, "GET /node-types", auth, ""); res.StatusCode != 200 {
			t.Errorf("status %d after all faults", res.StatusCode)
		}
	})
	if err := s.AddFault(Fault{}); err == nil {
		t.Error("a fault that does nothing was taken")
	}
}

// The same seed draws the same faults.
func TestFaultSeedIsRepeatable(t *testing.T) {
	run := func() (names []string) {
		f := newFaults(7)
		for range 200 {
			names = append(names, f.next("GET", "/x").name())
		}
		return names
	}
	a, b := run(), run()
	if !slices.Equal(a, b) {
		t.Error("two runs differ")
	}
	seen := map[string]int{}
	for _, n := range a {
		seen[n]++
	}
	if seen[""] < 100 || len(seen) < 6 {
		t.Errorf("faults drawn: %v", seen)
	}
}

func TestControlPlane(t *testing.T) {
	s := start(t, "cloudnexus", nil)
	call := func(method, path, token, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, s.ControlURL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := noRedirects.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	tok := s.ControlToken()
	if status, _ := call("GET", "/log", "wrong", ""); status != 401 {
		t.Errorf("a wrong token gave %d", status)
	}
	status, body := call("POST", "/keys", tok, `{"name":"planted","life":"48h"}`)
	var made struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != 201 || made.Secret == "" {
		t.Fatalf("plant: %d %v", status, err)
	}
	tests := []struct {
		name, request, body string
		status              int
		want                string
	}{
		{"show_key", "GET /keys/" + made.ID, "", 200, `"hash"`},
		{"unknown_key", "GET /keys/nothing", "", 404, ""},
		{"all_keys", "GET /keys", "", 200, made.ID},
		{"clock", "POST /clock", `{"advance":"1h"}`, 200, "now"},
		{"clock_shown", "GET /clock", "", 200, "now"},
		{"clock_wrong", "POST /clock", `{"advance":"soon"}`, 400, ""},
		{"event", "POST /keys/" + made.ID + "/event", `{"event":"revoked"}`, 200, ""},
		{"event_unknown", "POST /keys/" + made.ID + "/event", `{"event":"eaten"}`, 400, "want revoked"},
		{"fault", "POST /faults", `{"match":{"path":"me"},"do":{"status":503}}`, 200, ""},
		{"fault_empty", "POST /faults", `{"do":{}}`, 400, "does nothing"},
		{"policy", "POST /policy", `{"grace":"1h"}`, 200, ""},
		{"policy_unknown", "POST /policy", `{"mercy":"1h"}`, 400, "no policy"},
		{"policies", "GET /policy", "", 200, "grace_end"},
		{"log", "GET /log", "", 200, "counters"},
		{"outbox", "GET /outbox", "", 200, "key.revoked"},
		{"reset", "POST /reset", "", 200, ""},
		{"no_such_call", "POST /nothing", "", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.request, " ")
			status, body := call(method, path, tok, tt.body)
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%s: %d %s, want %d with %q", tt.request, status, body, tt.status, tt.want)
			}
			if strings.Contains(body, made.Secret) {
				t.Error("the secret is shown again")
			}
		})
	}
	if got := len(s.State()); got != 1 {
		t.Errorf("%d keys after reset, want the operator's alone", got)
	}
}

func TestClock(t *testing.T) {
	c := NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), false)
	var seen []string
	add := func(d time.Duration, name string) {
		c.at(c.Now().Add(d), func(at time.Time) { seen = append(seen, name+c.Now().Sub(at).String()) })
	}
	add(2*time.Hour, "b")
	add(time.Hour, "a")
	add(3*time.Hour, "c")
	c.Advance(2 * time.Hour)
	if !slices.Equal(seen, []string{"a0s", "b0s"}) {
		t.Errorf("seen %v", seen)
	}
	c.Set(c.Now().Add(-time.Hour))
	if got := c.Now(); got.Hour() != 2 {
		t.Errorf("the clock went back to %v", got)
	}
	running := NewClock(time.Time{}, true)
	a := running.Now()
	time.Sleep(time.Millisecond)
	if !running.Now().After(a) {
		t.Error("a running clock stands")
	}
}
