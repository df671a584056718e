package emulator

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// controlPlane serves /_ctl: what a test or a person may do to the service that no
// client may. Every call needs the bearer token.
func (s *Server) controlPlane() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(body []byte, r *http.Request) (int, any)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
				write(w, r, say(http.StatusUnauthorized, object{"error": "the control plane needs its bearer token"}), false)
				return
			}
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				write(w, r, say(http.StatusBadRequest, object{"error": "request too large or cut off"}), false)
				return
			}
			status, out := do(body, r)
			if err, ok := out.(error); ok {
				out = object{"error": err.Error()}
			}
			write(w, r, say(status, out).with("Cache-Control", "no-store"), false)
		})
	}
	handle("POST /_ctl/reset", func([]byte, *http.Request) (int, any) { return result(s.Reset(), object{}) })
	handle("POST /_ctl/clock", s.ctlClock)
	handle("GET /_ctl/clock", func([]byte, *http.Request) (int, any) { return 200, object{"now": s.clock.Now()} })
	handle("POST /_ctl/keys", s.ctlIssue)
	handle("GET /_ctl/keys", func([]byte, *http.Request) (int, any) { return 200, object{"keys": s.State()} })
	handle("GET /_ctl/keys/{id}", func(_ []byte, r *http.Request) (int, any) {
		for _, k := range s.State() {
			if k.ID == r.PathValue("id") {
				return 200, k
			}
		}
		return 404, object{"error": "no such key"}
	})
	handle("POST /_ctl/keys/{id}/event", func(body []byte, r *http.Request) (int, any) {
		var in struct {
			Event string `json:"event"`
		}
		if err := strict(body, &in); err != nil {
			return 400, err
		}
		return result(s.Event(r.PathValue("id"), in.Event), object{})
	})
	handle("POST /_ctl/faults", func(body []byte, _ *http.Request) (int, any) {
		var f Fault
		if err := strict(body, &f); err != nil {
			return 400, err
		}
		return result(s.AddFault(f), object{})
	})
	handle("POST /_ctl/policy", func(body []byte, _ *http.Request) (int, any) {
		in := map[string]string{}
		if err := strict(body, &in); err != nil {
			return 400, err
		}
		for name, v := range in {
			if err := s.SetKnob(name, v); err != nil {
				return 400, err
			}
		}
		return 200, object{}
	})
	handle("GET /_ctl/policy", func([]byte, *http.Request) (int, any) { return 200, s.Knobs() })
	handle("GET /_ctl/log", func([]byte, *http.Request) (int, any) {
		return 200, object{"requests": s.Requests(), "counters": s.Counters()}
	})
	handle("GET /_ctl/outbox", func([]byte, *http.Request) (int, any) { return 200, object{"messages": s.Outbox()} })
	return mux
}

func result(err error, ok any) (int, any) {
	if err != nil {
		return 400, err
	}
	return 200, ok
}

func strict(body []byte, into any) error {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

func (s *Server) ctlClock(body []byte, _ *http.Request) (int, any) {
	var in struct {
		Advance Duration  `json:"advance"`
		Set     time.Time `json:"set"`
	}
	if err := strict(body, &in); err != nil {
		return 400, err
	}
	if !in.Set.IsZero() {
		s.clock.Set(in.Set)
	}
	s.clock.Advance(time.Duration(in.Advance))
	return 200, object{"now": s.clock.Now()}
}

func (s *Server) ctlIssue(body []byte, _ *http.Request) (int, any) {
	var in Issue
	if err := strict(body, &in); err != nil {
		return 400, err
	}
	made, err := s.Issue(in)
	if err != nil {
		return 400, err
	}
	out := object{"id": made.ID, "secret": made.Secret}
	if made.Second != "" {
		out["second"] = made.Second
	}
	return 201, out
}
