package emulator

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
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
		Knob{"anomaly", "0", "number"},       // uses of a key in a minute that are reported; 0: never
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
	k.Attributes["uses"], k.Attributes["last_ip"] = uses+1, q.source
	s.note(k.ID, "use", k.ID, q.source)
	s.watch(k, q.source)
	return k, nil
}

// watch adds an audit event and a message when a key is used more often in a minute
// than the policy takes for normal.
func (s *nexQloud) watch(k *Key, source string) {
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
	if n == most+1 {
		s.note("system", "anomaly", k.ID, source)
		s.outbox = append(s.outbox, Message{Time: s.clock.Now(), Kind: "webhook", Type: "key.anomaly", Data: object{"key_id": k.ID, "requests": n}})
	}
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

// managed wraps what the owner's credential alone may do.
func (s *nexQloud) managed(do func(*request) answer) func(*request) answer {
	return func(q *request) answer {
		value := bearer(q.Request)
		q.key = s.known(value)
		switch {
		case value != "" && hash(value) == s.admin:
			return do(q)
		case s.find(value) != nil:
			return s.fail(http.StatusForbidden, "Forbidden resource")
		}
		return s.fail(http.StatusUnauthorized, "Unauthorized")
	}
}

func (s *nexQloud) described(k *Key) object {
	return object{
		"id": k.ID, "name": k.Name, "description": k.Attributes["description"], "kind": k.Kind, "scopes": orEmpty(k.Grants.Scopes),
		"services": orEmpty(k.Grants.Services), "resource_limits": k.Attributes["resource_limits"], "quota": k.Attributes["quota"],
		"ip_allowlist": orEmpty(k.Grants.IPAllowlist), "rate_limit": k.Attributes["rate_limit"], "team": k.Attributes["team"],
		"created_at": moment(&k.Times.Created), "expires_at": moment(k.Times.Expires), "last_used_at": moment(k.Times.LastUsed),
		"status": k.State, "owner": k.Owner, "derived_from": orNull(s.from[k.ID]),
	}
}

func (s *nexQloud) listKeys(*request) answer {
	out := []object{}
	for _, k := range s.listed(func(*Key) bool { return true }) {
		out = append(out, s.described(k))
	}
	return say(http.StatusOK, out)
}

// nexQloudAttributes are fields that are kept as they come.
var nexQloudAttributes = []string{"description", "resource_limits", "quota", "rate_limit", "team"}

func (s *nexQloud) createKey(q *request) answer {
	in, err := q.decode(append([]string{"name", "scopes", "services", "ip_allowlist", "expires_at"}, nexQloudAttributes...)...)
	if err != nil {
		return s.fail(http.StatusBadRequest, err.Error())
	}
	k := &Key{Name: text(in["name"]), Kind: "api_key", Grants: Grants{Scopes: list(in["scopes"]), Services: list(in["services"]), IPAllowlist: list(in["ip_allowlist"])}, Attributes: map[string]any{}}
	for _, name := range nexQloudAttributes {
		if in[name] != nil {
			k.Attributes[name] = in[name]
		}
	}
	if at := text(in["expires_at"]); at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil || !t.After(q.now) {
			return s.fail(http.StatusBadRequest, "expires_at must be a time to come")
		}
		k.Times.Expires = &t
	}
	value := s.make(k, "")
	out := s.described(k)
	out["key"] = value
	return say(http.StatusCreated, out).with("Cache-Control", "no-store")
}

func (s *nexQloud) revokeKey(q *request) answer {
	k := s.byID(q.PathValue("id"))
	if k == nil {
		return s.fail(http.StatusNotFound, "Not Found")
	}
	s.revoke(k, "operator", q.source)
	return say(http.StatusOK, object{"id": k.ID, "status": stateRevoked})
}

// regenerateKey gives the key a new secret; the old one dies at once.
func (s *nexQloud) regenerateKey(q *request) answer {
	k := s.byID(q.PathValue("id"))
	switch {
	case k == nil:
		return s.fail(http.StatusNotFound, "Not Found")
	case k.State != stateActive:
		return s.fail(http.StatusConflict, "The key is "+k.State)
	}
	value := "dcp_" + randomText(40, alnum)
	s.replace(k, "", value)
	s.note("operator", "regenerate", k.ID, q.source)
	out := s.described(k)
	out["key"] = value
	return say(http.StatusOK, out).with("Cache-Control", "no-store")
}

func (s *nexQloud) patchKey(q *request) answer {
	k := s.byID(q.PathValue("id"))
	if k == nil {
		return s.fail(http.StatusNotFound, "Not Found")
	}
	in, err := q.decode(append([]string{"name", "scopes", "services", "ip_allowlist"}, nexQloudAttributes...)...)
	if err != nil {
		return s.fail(http.StatusBadRequest, err.Error())
	}
	for name, into := range map[string]*[]string{"scopes": &k.Grants.Scopes, "services": &k.Grants.Services, "ip_allowlist": &k.Grants.IPAllowlist} {
		if in[name] != nil {
			*into = list(in[name])
		}
	}
	if in["name"] != nil {
		k.Name = text(in["name"])
	}
	for _, name := range nexQloudAttributes {
		if in[name] != nil {
			k.Attributes[name] = in[name]
		}
	}
	return say(http.StatusOK, s.described(k))
}

func (s *nexQloud) usage(q *request) answer {
	k := s.byID(q.PathValue("id"))
	if k == nil {
		return s.fail(http.StatusNotFound, "Not Found")
	}
	anomalies := []object{}
	for _, e := range s.audit {
		if e.Action == "anomaly" && e.Resource == k.ID {
			anomalies = append(anomalies, object{"time": moment(&e.Time), "source_ip": e.Source})
		}
	}
	uses, _ := k.Attributes["uses"].(int)
	return say(http.StatusOK, object{"window": "all", "count": uses, "last_ip": k.Attributes["last_ip"], "anomalies": anomalies})
}

func (s *nexQloud) showAudit(q *request) answer {
	since, _ := time.Parse(time.RFC3339, q.URL.Query().Get("since")) // none: from the start
	out := []Audit{}
	for _, e := range s.audit {
		if !e.Time.Before(since) {
			out = append(out, e)
		}
	}
	return say(http.StatusOK, out)
}

// newToken derives a temporary or refresh token from the caller's key.
func (s *nexQloud) newToken(q *request) answer {
	parent, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	in, err := q.decode("kind", "ttl")
	kind := text(in["kind"])
	if err != nil || !slices.Contains([]string{"temporary", "refresh", "personal", "service_account"}, kind) {
		return s.fail(http.StatusBadRequest, "kind must be temporary, refresh, personal or service_account")
	}
	return s.derive(parent, kind, text(in["ttl"]))
}

func (s *nexQloud) derive(parent *Key, kind, ttl string) answer {
	life := s.duration("token_ttl")
	if ttl != "" {
		d, err := time.ParseDuration(ttl)
		if err != nil || d <= 0 {
			return s.fail(http.StatusBadRequest, "ttl must be a duration")
		}
		life = d
	}
	k := &Key{Name: kind + " of " + parent.ID, Kind: kind, Grants: parent.clone().Grants}
	if kind != "refresh" {
		at := s.clock.Now().Add(life)
		k.Times.Expires = &at
	}
	value := s.make(k, "")
	s.from[k.ID] = parent.ID
	return say(http.StatusCreated, object{"id": k.ID, "token": value, "kind": kind, "expires_at": moment(k.Times.Expires)}).with("Cache-Control", "no-store")
}

// refresh re-issues access tokens until the refresh token is revoked, even when the key
// behind it is gone (unless revoking cascades).
func (s *nexQloud) refresh(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if k.Kind != "refresh" {
		return s.fail(http.StatusForbidden, "This is no refresh token")
	}
	return s.derive(k, "temporary", "")
}
