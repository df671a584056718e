package emulator

import (
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"
)

// Logged is one request, without its secrets.
type Logged struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Query  []string  `json:"query,omitempty"` // names only
	Key    string    `json:"key,omitempty"`   // id of the key it came with; "?" for one that nobody knows
	Source string    `json:"source"`
	// KeyInURL says that a key, known or of the service's form, stood in the URL.
	KeyInURL bool   `json:"key_in_url"`
	Status   int    `json:"status"` // 0: the connection was broken
	Fault    string `json:"fault,omitempty"`
}

// Counters sum up the log.
type Counters struct {
	Requests int            `json:"requests"`
	Writes   int            `json:"writes"` // anything but GET and HEAD
	InURL    int            `json:"key_in_url"`
	ByRoute  map[string]int `json:"by_route"` // "GET /v2/instances"
	ByKey    map[string]int `json:"by_key"`
}

// Requests returns the log.
func (s *Server) Requests() []Logged {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Logged(nil), s.log...)
}

// Counters returns the sums of the log.
func (s *Server) Counters() Counters {
	c := Counters{ByRoute: map[string]int{}, ByKey: map[string]int{}}
	for _, l := range s.Requests() {
		c.Requests++
		if l.Method != http.MethodGet && l.Method != http.MethodHead {
			c.Writes++
		}
		if l.KeyInURL {
			c.InURL++
		}
		c.ByRoute[l.Method+" "+l.Path]++
		if l.Key != "" {
			c.ByKey[l.Key]++
		}
	}
	return c
}

// record adds a request to the log.
func (s *Server) record(r *http.Request, key *Key, status int, fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.core
	c.mu.Lock()
	defer c.mu.Unlock()
	l := Logged{Time: c.clock.Now(), Method: r.Method, Source: address(c, r), Status: status, Fault: fault}
	if key != nil {
		l.Key = key.ID
	} else if r.Header.Get("Authorization") != "" || r.Header.Get("Api-Key") != "" || r.Header.Get("Auth") != "" || r.Header.Get("Private-Token") != "" {
		l.Key = "?"
	}
	l.Path, l.KeyInURL = c.redactPath(r.URL.Path)
	for name, values := range r.URL.Query() {
		if c.secretish(name) {
			name, l.KeyInURL = "{key}", true
		}
		l.Query = append(l.Query, name)
		for _, v := range values {
			l.KeyInURL = l.KeyInURL || c.secretish(v)
		}
	}
	sort.Strings(l.Query)
	for _, raw := range strings.FieldsFunc(r.URL.RawQuery, func(r rune) bool { return r == '&' || r == '=' }) {
		l.KeyInURL = l.KeyInURL || c.secretish(raw) // not escaped, or malformed
	}
	s.log = append(s.log, l)
}

// redactPath replaces what is or looks like a key.
func (c *core) redactPath(p string) (string, bool) {
	parts := strings.Split(p, "/")
	found := false
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			plain = part
		}
		if c.secretish(plain) {
			parts[i], found = "{key}", true
		}
	}
	return strings.Join(parts, "/"), found
}

func (c *core) secretish(text string) bool {
	return text != "" && (c.known(text) != nil || c.form != nil && c.form.MatchString(text))
}
