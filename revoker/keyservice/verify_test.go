package keyservice

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/finding"
)

const deadKey = "acme_" + "deaddeaddeaddeaddeaddead"

func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// forLive gives liveKey the answer under test and refuses every other key.
func forLive(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), liveKey) {
			h(w, r)
			return
		}
		honest(w, r)
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   finding.Status
		words  string
	}{
		{"active", reply(200, `{"id":"a"}`), finding.Active, ""},
		{"restricted", reply(403, `{"error":"scope"}`), finding.Restricted, ""},
		{"inactive", reply(401, `{"error":"invalid_key"}`), finding.Inactive, ""},
		{"other_401", reply(401, `{"error":"ip_not_allowed"}`), finding.Unknown, "none that the rule knows"},
		{"empty_401", reply(401, ``), finding.Unknown, ""},
		{"error_in_200", reply(200, `{"error":"invalid_key"}`), finding.Unknown, ""},
		{"array", reply(200, `[{"id":"a"}]`), finding.Unknown, ""},
		{"plan", reply(402, `{"error":"plan"}`), finding.Unknown, ""},
		{"not_found", reply(404, `{"id":"a"}`), finding.Unknown, ""},
		{"html_200", reply(200, `<html>{"id":"a"}</html>`, "Content-Type", "text/html"), finding.Unknown, "web page"},
		{"html_doctype_as_json", reply(401, "\ufeff\n<!DOCTYPE HTML>"), finding.Unknown, "web page"},
		{"redirect", reply(302, `{"id":"a"}`, "Location", "/elsewhere"), finding.Unknown, "redirects"},
		{"server_error", reply(500, `{"id":"a"}`), finding.Unknown, "failed"},
		{"proxy", reply(407, `{"error":"invalid_key"}`), finding.Unknown, "proxy"},
		{"two_documents", reply(200, `{"id":"a"}{"id":"b"}`), finding.Unknown, ""},
		{"not_utf8", reply(200, "{\"id\":\"\xff\"}"), finding.Unknown, ""},
		{"too_long", reply(200, `{"id":"a","x":"`+strings.Repeat("x", 70<<10)+`"}`), finding.Unknown, ""},
		{"deep", reply(200, strings.Repeat("[", 30000)), finding.Unknown, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantVerdict(t, check(client(t, forLive(c.answer), acme(nil), nil), liveKey), c.want, c.words)
		})
	}
}

func TestLargeNumbersKeepAllDigits(t *testing.T) {
	for in, want := range map[string]string{
		`1234567890123456789`: "1234567890123456789", `12345678901234567890123`: "12345678901234567890123", `1.5`: "1.500000", `"x"`: "x", `[1,"b"]`: "1 b",
	} {
		v := check(client(t, forLive(reply(200, `{"id":`+in+`}`)), acme(nil), nil), liveKey)
		if v.Owner != want {
			t.Errorf("%s: owner %q, want %q", in, v.Owner, want)
		}
	}
}

func TestControls(t *testing.T) {
	t.Run("accepts_everything", func(t *testing.T) {
		wantVerdict(t, check(client(t, reply(200, `{"id":"a"}`), acme(nil), nil), liveKey), finding.Unknown, "made-up key as well")
	})
	t.Run("control_not_understood", func(t *testing.T) {
		c := client(t, forLive(reply(200, `{"id":"a"}`)), acme(func(_ *rules.Service, op *rules.Operation) { op.Inactive = `status == 418` }), nil)
		wantVerdict(t, check(c, liveKey), finding.Unknown, "was not refused")
	})
	t.Run("one_for_many_keys", func(t *testing.T) {
		s := &spy{}
		c := client(t, s.wrap(honest), acme(nil), nil)
		for i := range 20 {
			check(c, fmt.Sprintf("acme_%024s", strings.Repeat(string(rune('a'+i)), 24)))
		}
		if got := c.Requests()["acme"]; got != (Count{Keys: 20, Controls: 1}) || s.count() != 21 {
			t.Errorf("%+v, %d arrived; want 20 keys and one control", got, s.count())
		}
	})
	t.Run("failed_once", func(t *testing.T) {
		var n atomic.Int64
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+liveKey && n.Add(1) == 1 {
				w.WriteHeader(500)
				return
			}
			honest(w, r)
		}, acme(nil), nil)
		wantVerdict(t, check(c, liveKey), finding.Unknown, "not refused")
		wantVerdict(t, check(c, liveKey), finding.Active, "")
	})
	t.Run("words_of_refusal_unknown", func(t *testing.T) {
		services := acme(func(_ *rules.Service, op *rules.Operation) { op.Inactive = "" })
		wantVerdict(t, check(client(t, honest, services, nil), liveKey), finding.Active, "")
		wantVerdict(t, check(client(t, honest, services, nil), deadKey), finding.Unknown, "none that the rule knows")
		wantVerdict(t, check(client(t, forLive(reply(200, `{"id":"a"}`)), services, nil), liveKey), finding.Active, "")
		broken := func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.Header.Get("Authorization"), liveKey) {
				honest(w, r)
				return
			}
			w.WriteHeader(500)
		}
		wantVerdict(t, check(client(t, broken, services, nil), liveKey), finding.Unknown, "was not refused")
	})
	t.Run("none_is_said", func(t *testing.T) {
		c := client(t, honest, acme(func(_ *rules.Service, op *rules.Operation) { op.Control, op.Why = "none", "it costs money" }), nil)
		wantVerdict(t, check(c, liveKey), finding.Active, "it costs money")
	})
}

func TestAskedOncePerKey(t *testing.T) {
	s := &spy{}
	c := client(t, s.wrap(honest), acme(nil), nil)
	key := finding.NewSecret([]byte(liveKey))
	var fs []finding.Finding
	for range 50 {
		fs = append(fs, finding.Finding{Service: "acme", Rule: "acme-key", Secret: key, Fingerprint: key.Fingerprint("acme", "")})
	}
	example := finding.Finding{Service: "acme", Rule: "acme-key", Secret: finding.NewSecret([]byte(deadKey)), Fingerprint: "e"}
	example.Verification.Status = finding.Example
	canary := example
	canary.Verification.Status = finding.Canary
	fs = append(fs, example, canary)
	if err := c.Verify(context.Background(), fs); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		wantVerdict(t, fs[i].Verification, finding.Active, "")
	}
	if got := c.Requests()["acme"]; got != (Count{1, 1}) || s.count() != 2 {
		t.Errorf("%+v, %d arrived", got, s.count())
	}
	if fs[50].Verification.Status != finding.Example || fs[51].Verification.Status != finding.Canary {
		t.Error("example or canary was changed")
	}
}

func TestPatience(t *testing.T) {
	for _, c := range []struct {
		name, after string
		want        finding.Status
		least       time.Duration
	}{
		{"seconds", "1", finding.Active, time.Second},
		{"date", "date", finding.Active, 900 * time.Millisecond},
		{"none", "", finding.Active, 200 * time.Millisecond},
		{"nonsense", "-5", finding.Active, 200 * time.Millisecond},
		{"too_long", "86400", finding.Unknown, 0},
		{"overflow", "99999999999999999999999999", finding.Active, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int64
			cl := client(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 1 {
					after := c.after
					if after == "date" {
						after = time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat)
					}
					if after != "" {
						w.Header().Set("Retry-After", after)
					}
					w.WriteHeader(429)
					return
				}
				honest(w, r)
			}, acme(nil), nil)
			from := time.Now()
			v := check(cl, liveKey)
			if took := time.Since(from); took < c.least {
				t.Errorf("waited %s", took)
			}
			wantVerdict(t, v, c.want, "")
		})
	}
}

func TestSlowAndLargeAnswers(t *testing.T) {
	short := func(o *Options) { o.Timeout = 300 * time.Millisecond }
	t.Run("drip", func(t *testing.T) {
		t.Parallel()
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		}, acme(nil), short)
		from := time.Now()
		wantVerdict(t, check(c, liveKey), finding.Unknown, "no answer in time")
		if took := time.Since(from); took > 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
	t.Run("bomb", func(t *testing.T) {
		t.Parallel()
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		z.Write([]byte(`{"id":"`))
		zero := make([]byte, 1<<20)
		for range 100 {
			z.Write(zero)
		}
		z.Close()
		c := client(t, reply(200, buf.String(), "Content-Encoding", "gzip"), acme(nil), nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		wantVerdict(t, check(c, liveKey), finding.Unknown, "")
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 30<<20 {
			t.Errorf("%d MB for a bomb", grown>>20)
		}
	})
	t.Run("cut_off", func(t *testing.T) {
		t.Parallel()
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"id":"a"}`)
		}, acme(nil), nil)
		wantVerdict(t, check(c, liveKey), finding.Unknown, "broke")
	})
}

func TestUnreachableHostIsAskedOnce(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(honest))
	base := srv.URL
	srv.Close()
	var sent atomic.Int64
	c, err := New(Options{Services: acme(nil), Bases: map[string]Base{"acme": {URL: base}}, Rate: 1000, Sent: func(Request) { sent.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	var fs []finding.Finding
	for i := range 200 {
		s := finding.NewSecret(fmt.Appendf(nil, "acme_%024d", i))
		fs = append(fs, finding.Finding{Service: "acme", Rule: "acme-key", Secret: s, Fingerprint: s.Fingerprint("", "")})
	}
	if err := c.Verify(context.Background(), fs); err != nil {
		t.Fatal(err)
	}
	for i := range fs {
		wantVerdict(t, fs[i].Verification, finding.Unknown, "refuses connections")
	}
	if sent.Load() != 1 {
		t.Errorf("%d requests to a dead host, want 1", sent.Load())
	}
}

func TestCancellationIsQuick(t *testing.T) {
	started := make(chan struct{}, 1000)
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		<-r.Context().Done()
	}, acme(nil), func(o *Options) { o.Timeout = time.Minute; o.Rate = 50 })
	var fs []finding.Finding
	for i := range 500 {
		s := finding.NewSecret(fmt.Appendf(nil, "acme_%024d", i))
		fs = append(fs, finding.Finding{Service: "acme", Rule: "acme-key", Secret: s, Fingerprint: s.Fingerprint("", "")})
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	var at time.Time
	go func() { <-started; at = time.Now(); cancel(fmt.Errorf("interrupt")) }()
	if err := c.Verify(ctx, fs); err == nil {
		t.Error("no error")
	}
	if took := time.Since(at); took > 500*time.Millisecond {
		t.Errorf("took %s to stop", took)
	}
	for i := range fs {
		if s := fs[i].Verification; s.Status != finding.Unchecked && s.Status != finding.Unknown || !strings.Contains(s.Reason, "interrupted") {
			t.Fatalf("%d: %s (%s)", i, s.Status, s.Reason)
		}
	}
}

// pace asks about n keys at 50 a second and checks the rate in the whole and in every
// second.
func pace(t *testing.T, n int) {
	var times []time.Time
	s := make(chan time.Time, n+10)
	c := client(t, func(w http.ResponseWriter, r *http.Request) { s <- time.Now(); honest(w, r) }, acme(nil), func(o *Options) { o.Rate = 50 })
	fs := make([]finding.Finding, n)
	for i := range fs {
		sec := finding.NewSecret(fmt.Appendf(nil, "acme_%024d", i))
		fs[i] = finding.Finding{Service: "acme", Rule: "acme-key", Secret: sec, Fingerprint: sec.Fingerprint("", "")}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := c.Verify(context.Background(), fs); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	close(s)
	for at := range s {
		times = append(times, at)
	}
	if len(times) != n+1 {
		t.Fatalf("%d requests for %d keys and a control", len(times), n)
	}
	observed := float64(len(times)-1) / times[len(times)-1].Sub(times[0]).Seconds()
	t.Logf("%d requests at %.2f/s, heap %+d KB", len(times), observed, (int64(after.HeapAlloc)-int64(before.HeapAlloc))/1024)
	if observed > 50*1.05 || observed < 50*0.95 {
		t.Errorf("%.2f requests a second, want 50 within 5 %%", observed)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > int64(2<<20+n*1024) {
		t.Errorf("the heap grew by %d KB", grown/1024)
	}
	worst := 0
	for i, j := 0, 0; j < len(times); j++ {
		for times[j].Sub(times[i]) >= time.Second {
			i++
		}
		worst = max(worst, j-i+1)
	}
	if worst > 55 {
		t.Errorf("%d requests within a second", worst)
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	pace(t, 100)
}

// A machine that stood still does not make up for all of it at once.
func TestPacerAfterAStall(t *testing.T) {
	p := newPacer(1000)
	for range 3 {
		if err := p.wait(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	from := time.Now()
	for range 33 {
		if err := p.wait(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(from); took < 28*time.Millisecond {
		t.Errorf("33 turns of a millisecond in %s", took)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	slow := newPacer(0.001)
	_ = slow.wait(context.Background())
	if err := slow.wait(ctx); err == nil {
		t.Error("waited in spite of cancellation")
	}
}

func TestAccountPace(t *testing.T) {
	c, err := New(Options{Services: acme(nil), Rate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	p := &rules.Pace{Requests: 2, Per: "1s", Scope: "account"}
	h1, a := c.host("h", p, "account 1")
	h2, b := c.host("h", p, "account 2")
	_, a2 := c.host("h", p, "account 1")
	if h1 != h2 || a == b || a != a2 || a.interval != time.Second/2 || h1.limit.interval != time.Millisecond {
		t.Error("the pace of an account is not its own")
	}
	c.host("h", &rules.Pace{Requests: 5, Per: "5s"}, "")
	if h1.limit.interval != time.Second {
		t.Error("the pace of the host did not slow down")
	}
}
