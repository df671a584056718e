package emulator

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// nexQloud emulates NexQloud's Distributed Cloud Platform (key-services.md section
// 3.4). Keys are shown once, revoked at once, and can be regenerated in place; that is
// documented. Paths, fields and errors are inferred or assumed.
type nexQloud struct {
	*core
	admin string            // hash of the owner's credential
	from  map[string]string // derived token to the key it came from
}

func newNexQloud(c *core) service {
	c.form = regexp.MustCompile(`^dcp_[A-Za-z0-9_\-]{16,128}$`)
	c.knobs = append(slices.Clone(c.knobs),
		Knob{"quota_status", "429", "402|403|429"},
		Knob{"ip_denied_status", "403", "403|401"},
		Knob{"cascade", "on", "on|off"},      // revoking a key ends the tokens derived from it
		Knob{"anomaly", "0", "number"},       // normal uses of a key in a minute; 0: nothing is reported
		Knob{"token_ttl", "15m", "duration"}, // where a request names none
	)
	return &nexQloud{core: c, from: map[string]string{}}
}

func (s *nexQloud) operator(secret string) { s.admin = hash(secret) }

func (s *nexQloud) issue(i Issue) (Issued, error) {
	if i.Secret != "" && (!s.form.MatchString(i.Secret) || s.known(i.Secret) != nil) {
		return Issued{}, errors.New("the given secret has another form, or is taken")
	}
	if i.Kind == "" {
		i.Kind = "api_key"
	}
	if i.Scopes == nil {
		i.Scopes = []string{"nodes:read"}
	}
	k := &Key{Name: i.Name, Kind: i.Kind, Owner: i.Owner, Grants: Grants{Scopes: i.Scopes, Services: i.Services, IPAllowlist: i.IPAllowlist}, Attributes: maps.Clone(i.Attributes)}
	if i.Life > 0 {
		at := s.clock.Now().Add(time.Duration(i.Life))
		k.Times.Expires = &at
	}
	value := s.make(k, i.Secret)
	return Issued{ID: k.ID, Secret: value}, nil
}

func (s *nexQloud) make(k *Key, value string) string {
	if value == "" {
		value = "dcp_" + randomText(40, alnum)
	}
	k.ID, k.State = "key_"+randomText(16, lowerAlnum), stateActive
	if k.Attributes == nil {
		k.Attributes = map[string]any{}
	}
	s.add(k, value)
	if e := k.Times.Expires; e != nil {
		at := *e
		s.clock.at(at, func(time.Time) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if k.State == stateActive && k.Times.Expires != nil && k.Times.Expires.Equal(at) {
				k.State = stateExpired
			}
		})
	}
	s.note("operator", "create", k.ID, "")
	return value
}

// event knows revoked and expired.
func (s *nexQloud) event(id, event string) error {
	k := s.byID(id)
	switch {
	case k == nil:
		return fmt.Errorf("no key %q", id)
	case event == stateRevoked:
		s.revoke(k, "operator", "")
	case event == stateExpired && k.State == stateActive:
		now := s.clock.Now()
		k.State, k.Times.Expires = stateExpired, &now
	default:
		return fmt.Errorf("event %q: want revoked or expired", event)
	}
	return nil
}

func (s *nexQloud) revoke(k *Key, actor, source string) {
	if k.State != stateRevoked {
		now := s.clock.Now()
		k.State, k.Times.Revoked = stateRevoked, &now
		s.end(k)
		s.note(actor, "revoke", k.ID, source)
	}
	if s.knob("cascade") == "off" {
		return
	}
	for _, o := range s.keys {
		if s.from[o.ID] == k.ID && o.State == stateActive {
			s.revoke(o, actor, source)
		}
	}
}

func (s *nexQloud) routes() []route {
	return []route{
		{"GET", "/node-types", s.nodeTypes},
		{"GET", "/api-keys", s.managed(s.listKeys)},
		{"POST", "/api-keys", s.managed(s.createKey)},
		{"POST", "/api-keys/{id}/revoke", s.managed(s.revokeKey)},
		{"POST", "/api-keys/{id}/regenerate", s.managed(s.regenerateKey)},
		{"PATCH", "/api-keys/{id}", s.managed(s.patchKey)},
		{"GET", "/api-keys/{id}/usage", s.managed(s.usage)},
		{"GET", "/audit", s.managed(s.showAudit)},
		{"POST", "/tokens", s.newToken},
		{"POST", "/tokens/refresh", s.refresh},
	}
}

func (s *nexQloud) fail(status int, message string) answer {
	return say(status, object{"statusCode": status, "message": message})
}

func (s *nexQloud) unknown(q *request) answer {
	path, _ := s.redactPath(q.URL.Path)
	return s.fail(http.StatusNotFound, "Cannot "+q.Method+" "+path)
}

// authenticate admits a live key; use counts against its quota.
func (s *nexQloud) authenticate(q *request) (*Key, *answer) {
	value := bearer(q.Request)
	q.key = s.known(value)
	k := s.find(value)
	refuse := func(status int, message string) (*Key, *answer) {
		if q.key != nil {
			s.note(q.key.ID, "deny", q.key.ID, q.source)
		}
		a := s.fail(status, message)
		return nil, &a
	}
	if k == nil || k.State == stateExpired {
		return refuse(http.StatusUnauthorized, "Unauthorized")
	}
	if !admitted(k.Grants.IPAllowlist, q.source) {
		status, _ := strconv.Atoi(s.knob("ip_denied_status"))
		message := "Forbidden"
		if status == http.StatusUnauthorized {
			message = "Unauthorized"
		}
		return refuse(status, message)
	}
	if n := number(field(k.Attributes["rate_limit"], "per_minute")); n > 0 {
		if wait, ok := s.allow(k.ID, n/60, int(n)); !ok {
			a := s.fail(http.StatusTooManyRequests, "Too Many Requests").with("Retry-After", seconds(wait))
			return nil, &a
		}
	}
	if limit := number(field(k.Attributes["quota"], "limit")); limit > 0 {
		used := number(field(k.Attributes["quota"], "used"))
		if used >= limit {
			return refuse(s.number("quota_status"), "Quota exceeded")
		}
		k.Attributes["quota"] = object{"limit": limit, "used": used + 1}
	}
	s.use(k)
	uses, _ := k.Attributes["uses"].(int)
	before := text(k.Attributes["last_ip"])
	k.Attributes["uses"], k.Attributes["last_ip"] = uses+1, q.source
	s.note(k.ID, "use", k.ID, q.source)
	s.watch(k, before, q.source)
	return k, nil
}

// watch adds an audit event and a message when a key is used more often in a minute
// than the policy takes for normal, or from another network than before.
func (s *nexQloud) watch(k *Key, before, source string) {
	most := s.number("anomaly")
	if most == 0 {
		return
	}
	n, since := 0, s.clock.Now().Add(-time.Minute)
	for _, e := range s.audit {
		if e.Action == "use" && e.Resource == k.ID && e.Time.After(since) {
			n++
		}
	}
	if n == most+1 || before != "" && network(before) != network(source) {
		s.note("system", "anomaly", k.ID, source)
		s.outbox = append(s.outbox, Message{Time: s.clock.Now(), Kind: "webhook", Type: "key.anomaly", Data: object{"key_id": k.ID, "requests": n}})
	}
}

// network returns an address's /24, or /64.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	bits := 24
	if a.Unmap().Is6() {
		bits = 64
	}
	p, _ := a.Unmap().Prefix(bits) // the bits fit
	return p.String()
}

func field(v any, name string) any {
	o, _ := v.(map[string]any)
	return o[name]
}

func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int:
		return float64(v)
	}
	return 0
}

func (s *nexQloud) nodeTypes(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if !allows(k.Grants.Scopes, "nodes", "read") {
		return s.fail(http.StatusForbidden, "Forbidden resource")
	}
	return say(http.StatusOK, []object{{"node_type_id": 1, "label": "Standard"}, {"node_type_id": 2, "label": "Compute"}})
}
