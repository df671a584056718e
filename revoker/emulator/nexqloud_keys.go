package emulator

import (
	"net/http"
	"slices"
	"time"
)

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
