package keyservice

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// operation is one way in which a built-in service is asked over HTTP.
type operation struct {
	service *rules.Service
	index   int
	op      *rules.Operation
	rule    string
}

func operations(t *testing.T) []operation {
	t.Helper()
	var out []operation
	services := builtin.Services()
	for i := range services {
		s := &services[i]
		ops := s.Operations().Verify
		for j := range ops {
			op := &ops[j]
			if op.Driver != "" || op.Request.Path == "" && op.Request.URL == "" {
				continue
			}
			for _, r := range s.Rules {
				if o := find(ops, r.ID); o == op {
					out = append(out, operation{s, j, op, r.ID})
					break
				}
			}
		}
	}
	return out
}

func (o operation) name() string { return fmt.Sprintf("%s_%d", o.service.ID, o.index) }

var placeholder = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// key returns a key with every value that the requests name.
func (o operation) key() Key {
	k := Key{Service: o.service.ID, Rule: o.rule, Secret: finding.NewSecret([]byte("the-key-under-test-0123456789")), Values: map[string]string{}}
	texts := fmt.Sprintf("%+v %+v %s", o.op.Request, o.op.Before, o.service.BaseURL)
	for _, m := range placeholder.FindAllStringSubmatch(texts, -1) {
		if n := m[1]; n != "secret" && n != "operator" {
			k.Values[n] = "value-of-" + strings.ReplaceAll(n, "_", "-")
		}
	}
	for _, st := range o.op.Before { // what steps save comes from their answers
		for n := range st.Save {
			delete(k.Values, n)
		}
	}
	return k
}

// stage is a server that plays one service.
type stage struct {
	srv    *httptest.Server
	answer func(w http.ResponseWriter, r *http.Request, step int)
	mu     sync.Mutex
	seen   []*http.Request
	bodies []string
}

func newStage(t *testing.T) *stage {
	st := &stage{}
	st.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		st.mu.Lock()
		defer st.mu.Unlock()
		st.seen, st.bodies = append(st.seen, r), append(st.bodies, string(body))
		st.answer(w, r, len(st.seen)-1)
	}))
	t.Cleanup(st.srv.Close)
	return st
}

// ask asks about one key without control and returns the verdict.
func (st *stage) ask(t *testing.T, o operation, k Key) finding.Verification {
	t.Helper()
	st.seen, st.bodies = nil, nil
	c, err := New(Options{Services: []rules.Service{*o.service}, Bases: map[string]Base{o.service.ID: {URL: st.srv.URL}}, Rate: 1e6, Timeout: 5 * time.Second, Sent: func(r Request) {
		if strings.Contains(fmt.Sprintf("%+v", r), string(k.Secret.Reveal())) {
			t.Error("what is told of a request holds the key")
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := c.services[o.service.ID]
	q := &query{c: c, s: s, op: &s.operations().Verify[o.index], base: st.srv.URL}
	op := *q.op
	op.Pace = nil
	q.op = &op
	return q.ask(context.Background(), k, false)
}

func write(w http.ResponseWriter, s *sample) {
	for k, v := range s.header {
		w.Header().Set(k, v)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(s.status)
	w.Write(s.bytes())
}

// steps answers the steps before the last as their conditions want, with every value
// that they save.
func (o operation) steps(w http.ResponseWriter, step int) bool {
	if step >= len(o.op.Before) {
		return false
	}
	st := o.op.Before[step]
	s, ok := solve(st.Done, 0)
	if !ok {
		s = &sample{status: 200}
	}
	for _, e := range st.Save {
		if extra, ok := solve(e+` == "saved"`, 0); ok && extra.json != nil {
			s.json = merge(s.json, extra.json)
		}
	}
	write(w, s)
	return true
}

func merge(a, b any) any {
	ma, ok1 := a.(map[string]any)
	mb, ok2 := b.(map[string]any)
	if !ok1 || !ok2 {
		if b == nil {
			return a
		}
		return b
	}
	for k, v := range mb {
		ma[k] = merge(ma[k], v)
	}
	return ma
}

// Every built-in service is asked as its rule says, each of its conditions has an
// answer that gives its verdict, and no misleading relative of that answer gives one.
func TestEveryService(t *testing.T) {
	st := newStage(t)
	services := map[string]bool{}
	conditions := 0
	for _, o := range operations(t) {
		services[o.service.ID] = true
		t.Run(o.name(), func(t *testing.T) {
			k := o.key()
			for _, c := range []struct {
				name, text string
				want       finding.Status
			}{
				{"active", o.op.Active, finding.Active}, {"restricted", o.op.Restricted, finding.Restricted},
				{"in_grace", o.op.InGrace, finding.Grace}, {"inactive", o.op.Inactive, finding.Inactive},
			} {
				if c.text == "" {
					continue
				}
				s := o.sampleFor(t, st, c.text, c.want)
				if s == nil {
					t.Errorf("%s: no answer was found that gives %s: %s", c.name, c.want, c.text)
					continue
				}
				conditions++
				o.checkRequest(t, st, k)
				o.misleading(t, st, k, s, c.text)
			}
		})
	}
	t.Logf("%d services, %d conditions", len(services), conditions)
	if len(services) < 130 {
		t.Errorf("%d services are verified over HTTP, want 130", len(services))
	}
}

// sampleFor finds an answer that gives the verdict.
func (o operation) sampleFor(t *testing.T, st *stage, text string, want finding.Status) *sample {
	for choice := range 32 {
		s, ok := solve(text, choice)
		if !ok {
			continue
		}
		st.answer = func(w http.ResponseWriter, r *http.Request, step int) {
			if !o.steps(w, step) {
				write(w, s)
			}
		}
		if v := st.ask(t, o, o.key()); v.Status == want {
			return s
		}
	}
	return nil
}

// checkRequest holds what arrived against the rule, by other means than build's.
func (o operation) checkRequest(t *testing.T, st *stage, k Key) {
	t.Helper()
	if len(st.seen) != len(o.op.Before)+1 {
		t.Errorf("%d requests, want %d", len(st.seen), len(o.op.Before)+1)
		return
	}
	r, got := &o.op.Request, st.seen[len(st.seen)-1]
	method := r.Method
	if method == "" {
		method = "GET"
	}
	if got.Method != method {
		t.Errorf("method %s, want %s", got.Method, method)
	}
	path := r.Path
	if r.URL != "" {
		_, rest, _ := strings.Cut(r.URL, "://")
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	path, _, _ = strings.Cut(path, "?")
	if !strings.Contains(path, "{{") && got.URL.Path != path {
		t.Errorf("path %s, want %s", got.URL.Path, path)
	}
	if strings.Contains(got.RequestURI+fmt.Sprint(got.Header)+st.bodies[len(st.bodies)-1], "{{") {
		t.Error("a template was not filled")
	}
	secret := string(k.Secret.Reveal())
	if r.Auth == "none" && !strings.Contains(fmt.Sprintf("%+v", *r), "{{secret}}") {
		return // a webhook: its parts stand in the path
	}
	auth := got.Header.Get("Authorization")
	if o.op.Auth == "operator" || len(o.op.Before) > 0 {
		return
	}
	switch {
	case r.Auth == "bearer" && auth != "Bearer "+secret:
		t.Errorf("Authorization is not the key as bearer")
	case r.Auth == "basic":
		raw, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(auth, "Basic "))
		if !strings.Contains(string(raw), secret) {
			t.Errorf("Authorization is not the key as basic")
		}
	case r.Auth == "header" && !strings.Contains(got.Header.Get(r.Header), secret) && !strings.Contains(r.Value, "{{") && r.Value != "":
		t.Errorf("header %s does not hold the key", r.Header)
	}
	all := got.RequestURI + fmt.Sprint(got.Header) + st.bodies[len(st.bodies)-1] + decoded(auth)
	if !strings.Contains(all, secret) && !strings.Contains(all, strings.ReplaceAll(secret, "-", "%2D")) {
		t.Error("the key was not sent at all")
	}
}

func decoded(auth string) string {
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(auth, "Basic "))
	return string(raw)
}

// misleading gives relatives of a good answer that prove nothing.
func (o operation) misleading(t *testing.T, st *stage, k Key, good *sample, condition string) {
	t.Helper()
	for name, change := range map[string]func(*sample){
		"html":         func(s *sample) { s.json, s.body = nil, "<!DOCTYPE html><html>"+s.body+"</html>" },
		"redirect":     func(s *sample) { s.status = 302; s.header["Location"] = "/login" },
		"server_error": func(s *sample) { s.status = 500 },
		"proxy":        func(s *sample) { s.status = 407 },
		"teapot":       func(s *sample) { s.status = 418 },
	} {
		s := *good
		s.header = map[string]string{}
		for h, v := range good.header {
			s.header[h] = v
		}
		change(&s)
		st.answer = func(w http.ResponseWriter, r *http.Request, step int) {
			if !o.steps(w, step) {
				write(w, &s)
			}
		}
		v := st.ask(t, o, k)
		byCode := name == "teapot" && !strings.Contains(condition, "status") // some services answer in the body alone
		if name == "html" && good.status == 204 {
			continue // has no body
		}
		if v.Status != finding.Unknown && !byCode {
			t.Errorf("%s of %d: %s", name, good.status, v.Status)
		}
	}
	// An answer without its body: a fact is missing, so nothing lives.
	bare := sample{status: good.status}
	st.answer = func(w http.ResponseWriter, r *http.Request, step int) {
		if !o.steps(w, step) {
			write(w, &bare)
		}
	}
	if v := st.ask(t, o, k); v.Status == finding.Active && o.op.Weak == "" {
		t.Errorf("empty body of %d: %s", good.status, v.Status)
	}
}

// What a made-up key must be: of the form of the rule, and not the key.
func TestMadeUpKeysHaveTheFormOfTheirRule(t *testing.T) {
	made, none := 0, 0
	for _, o := range operations(t) {
		if o.op.Control == "none" {
			continue
		}
		c, err := New(Options{Services: []rules.Service{*o.service}})
		if err != nil {
			t.Fatal(err)
		}
		q := &query{c: c, s: c.services[o.service.ID], op: o.op}
		k, why, ok := q.madeUp(o.key())
		if !ok {
			none++
			t.Logf("%s %s: %s", o.name(), o.rule, why)
			continue
		}
		made++
		fits := false
		for _, r := range Fits(o.service, k.Secret.Reveal()) {
			fits = fits || r.ID == o.rule
		}
		if !fits {
			t.Errorf("%s %s: the made-up key is of another form", o.name(), o.rule)
		}
	}
	t.Logf("%d made, %d not", made, none)
	if none > 5 {
		t.Errorf("%d services without control though their rule wants one", none)
	}
}

// garbage makes an answer outside of what any service documents.
func garbage(rnd *rand.Rand, w http.ResponseWriter) {
	statuses := []int{200, 200, 200, 201, 202, 204, 206, 301, 302, 307, 308, 400, 401, 401, 402, 403, 403, 404, 405, 406, 409, 410, 412, 418, 422, 423, 451, 500, 501, 504, 505, 520, 599}
	status := statuses[rnd.IntN(len(statuses))]
	words := []string{"ok", "error", "id", "data", "message", "user", "code", "status", "result", "login", "blocked", "maintenance", "Access denied by firewall", "Incapsula incident", "Please verify you are human"}
	word := func() string { return words[rnd.IntN(len(words))] }
	switch rnd.IntN(10) {
	case 0:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><head><title>%s</title></head>%s</html>", word(), word())
	case 1:
		w.WriteHeader(status)
		b := make([]byte, rnd.IntN(300))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		w.Write(b)
	case 2:
		w.WriteHeader(status)
	case 3:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"%s":{"%s":"%s"`, word(), word(), word()) // cut off
	case 4:
		w.Header().Set("Location", "https://elsewhere.example/"+word())
		w.WriteHeader(301 + rnd.IntN(8))
	case 5:
		w.Header().Set("Content-Length", "500")
		w.WriteHeader(status)
		io.WriteString(w, word())
	case 6:
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\n%s", status, word(), word())
			conn.Close()
		}
	case 7:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(500 + rnd.IntN(100))
		io.WriteString(w, `{"error":"invalid_api_key","message":"Invalid API key","data":{"id":"x"},"id":"x","ok":true}`)
	case 8:
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		io.WriteString(w, word())
	case 9:
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		io.WriteString(w, word()+" "+word())
	}
}

// 5,000 random answers outside the documented ones over all services: not one makes a
// key live or dead where the rule asks for more than a status code. Rules that take
// the bare 401 of their service for a refusal are protected by their control, which
// gets the same garbage: it has to be refused as well, so there the claim is weaker.
func TestGarbageProvesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var n atomic.Int64
	var mu sync.Mutex
	ops := operations(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		mu.Lock()
		defer mu.Unlock()
		garbage(rnd, w)
	}))
	defer srv.Close()
	want := garbageCount
	bare := map[string]int{}
	for i := 0; int(n.Load()) < want; i++ {
		o := ops[i%len(ops)]
		c, err := New(Options{Services: []rules.Service{*o.service}, Bases: map[string]Base{o.service.ID: {URL: srv.URL}}, Rate: 1e6, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		s := c.services[o.service.ID]
		op := s.operations().Verify[o.index]
		op.Pace, op.Before = nil, nil
		k := o.key()
		for _, st := range o.op.Before {
			for name := range st.Save {
				k.Values[name] = "saved"
			}
		}
		q := &query{c: c, s: s, op: &op, base: srv.URL}
		v := q.ask(context.Background(), k, false)
		switch {
		case v.Status == finding.Inactive && onStatusAlone(o.op.Inactive), v.Status == finding.Active && o.op.Weak != "", v.Status == finding.Restricted && onStatusAlone(o.op.Restricted):
			bare[o.service.ID]++
		case v.Status.Live() || v.Status == finding.Inactive:
			t.Errorf("%s: %s by garbage: active %s; inactive %s", o.name(), v.Status, o.op.Active, o.op.Inactive)
		}
		c.Close()
	}
	t.Logf("%d answers; %d services take a bare status for a refusal or a restriction: %v", n.Load(), len(bare), bare)
}

func onStatusAlone(condition string) bool {
	return !strings.Contains(condition, "json") && !strings.Contains(condition, "body") && !strings.Contains(condition, "header")
}
