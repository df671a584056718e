package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// route is one endpoint. The path is relative to the service's prefix and may hold
// {names}.
type route struct {
	method, path string
	do           func(*request) answer
}

// request is what a route sees.
type request struct {
	*http.Request
	body   []byte
	source string // the client's address
	key    *Key   // set by the service when the request's key is known, for the log
	now    time.Time
	answer answer
}

// answer is what a route says. Body is JSON unless text is set.
type answer struct {
	status int
	header http.Header
	json   any
	text   string
}

func say(status int, body any) answer { return answer{status: status, json: body} }

func (a answer) with(name, value string) answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(name, value)
	return a
}

// object is a JSON object.
type object = map[string]any

// maxBody is how much of a request is read.
const maxBody = 1 << 20

// serve is the frame around every request: faults, the service, the log.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(r.Host); err == nil {
		host = h
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		// A web page that gave its own name this address may not talk to us.
		http.Error(w, "this emulator answers to loopback names only", http.StatusMisdirectedRequest)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "request too large or cut off", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	effect := s.faults.next(r.Method, r.URL.Path)
	s.mu.Unlock()
	if effect.Latency > 0 {
		select {
		case <-time.After(time.Duration(effect.Latency)):
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
	}
	if effect.ResetBefore {
		s.record(r, nil, 0, effect.name())
		reset(w)
		return
	}
	if effect.CommitLate > 0 {
		late := r.Clone(s.ctx)
		s.clock.at(s.clock.Now().Add(time.Duration(effect.CommitLate)), func(time.Time) { s.act(late, body) })
		s.record(r, nil, 0, effect.name())
		reset(w)
		return
	}
	if a, ok := effect.refusal(); ok {
		s.record(r, nil, a.status, effect.name())
		write(w, r, a, false)
		return
	}
	s.clock.sync()
	if effect.Repeat {
		s.act(r, body)
	}
	a, key := s.act(r, body)
	s.record(r, key, a.status, effect.name())
	if effect.CommitThenReset {
		reset(w)
		return
	}
	write(w, r, a, effect.Truncate)
}

// act gives the request to the service.
func (s *Server) act(r *http.Request, body []byte) (answer, *Key) {
	s.mu.Lock()
	c, svc, mux := s.core, s.svc, s.mux
	s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &request{Request: r, body: body, now: c.clock.Now(), source: address(c, r)}
	mux.ServeHTTP(discard{}, r.WithContext(context.WithValue(r.Context(), requestKey{}, q)))
	if q.answer.status == 0 {
		q.answer = svc.unknown(q)
	}
	return q.answer, q.key
}

// requestKey carries the request through the multiplexer.
type requestKey struct{}

func newMux(prefix string, routes []route) *http.ServeMux {
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.HandleFunc(rt.method+" "+prefix+rt.path, func(_ http.ResponseWriter, matched *http.Request) {
			q, _ := matched.Context().Value(requestKey{}).(*request)
			q.Request = matched
			q.answer = rt.do(q)
		})
	}
	return mux
}

// discard takes what a multiplexer itself would say, such as 405: the service says it.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func address(c *core, r *http.Request) string {
	if c.knob("trust_xff") == "on" {
		if first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ","); first != "" {
			return strings.TrimSpace(first)
		}
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}

func (a answer) bytes() []byte {
	if a.json == nil {
		return []byte(a.text)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a.json); err != nil {
		return nil // our own values always encode
	}
	return b.Bytes()
}

func write(w http.ResponseWriter, r *http.Request, a answer, truncate bool) {
	body := a.bytes()
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if a.header.Get("Content-Type") == "" && len(body) > 0 {
		w.Header().Set("Content-Type", "application/json")
	}
	if a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead || len(body) == 0 {
		if truncate {
			reset(w)
		}
		return
	}
	if truncate {
		_, _ = w.Write(body[:len(body)/2]) // the connection is about to break anyway
		_ = http.NewResponseController(w).Flush()
		reset(w)
		return
	}
	_, _ = w.Write(body) // a client that went away needs no answer
}

// reset breaks the connection as a crash would: no answer, no orderly end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // how net/http is told to break a connection
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, not an end
	}
	_ = conn.Close()
}

// decode reads a JSON object whose fields are all among the allowed; an empty body is
// an empty object.
func (q *request) decode(allowed ...string) (object, error) {
	out := object{}
	if len(bytes.TrimSpace(q.body)) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(q.body, &out); err != nil {
		return nil, errors.New("body is no JSON object")
	}
	for name := range out {
		ok := len(allowed) == 0
		for _, a := range allowed {
			ok = ok || a == name
		}
		if !ok {
			return nil, errors.New("unknown field " + strconv.Quote(name))
		}
	}
	return out, nil
}

// text returns a string, "" for anything else.
func text(v any) string { s, _ := v.(string); return s }

// list returns a list of strings, also from one string with spaces or commas, which is
// how a template fills a list in.
func list(v any) []string {
	switch v := v.(type) {
	case string:
		return strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' })
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// bearer returns the token of an Authorization header: the scheme in any case, one
// space or more.
func bearer(r *http.Request) string {
	h := r.Header.Get("Authorization")
	if len(h) < 8 || !strings.EqualFold(h[:7], "Bearer ") {
		return ""
	}
	return strings.TrimLeft(h[7:], " ")
}

// moment writes a time as the services do; nil is null.
func moment(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
