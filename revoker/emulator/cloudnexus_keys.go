package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rotateKey serves POST /keys/rotate for the key itself or an admin.
func (s *cloudNexus) rotateKey(q *request) answer {
	caller, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	in, err := q.decode("key_id", "reason")
	if err != nil {
		return s.fail(http.StatusBadRequest, "BAD_REQUEST", err.Error())
	}
	id := text(in["key_id"])
	if id == "" {
		id = caller.ID
	}
	if id != caller.ID && !allows(caller.Grants.Scopes, "admin", "write") {
		return s.fail(http.StatusForbidden, "FORBIDDEN", "The key lacks the scope admin:write")
	}
	token := q.Header.Get("Idempotency-Key")
	slot := id + "\x00" + token
	if r, ok := s.replay[slot]; ok && token != "" && q.now.Before(r.until) && s.knob("idempotency") == "on" {
		return answer{status: http.StatusCreated, text: s.open(r.sealed)}.with("Cache-Control", "no-store")
	}
	old := s.byID(id)
	switch {
	case old == nil:
		return s.fail(http.StatusNotFound, "NOT_FOUND", "No such key")
	case old.State == stateGrace:
		a := s.fail(http.StatusConflict, "KEY_ALREADY_ROTATED", "The key was rotated already")
		a.json.(object)["replaced_by"] = old.Lineage.ReplacedBy
		return a
	case old.State == stateExpired:
		return s.fail(http.StatusConflict, "KEY_EXPIRED", "The key has expired")
	case old.State != stateActive:
		return s.fail(http.StatusConflict, "KEY_REVOKED", "The key was revoked")
	}
	k, value := s.rotate(old, caller.ID, q.source)
	out := s.described(k)
	out["key"], out["replaces"] = value, old.ID
	out["previous"] = object{"id": old.ID, "status": old.State, "grace_until": moment(old.Times.GraceUntil)}
	a := s.ok(http.StatusCreated, out).with("Cache-Control", "no-store")
	if token != "" {
		s.replay[slot] = replayed{s.seal(string(a.bytes())), q.now.Add(24 * time.Hour)}
	}
	return a
}

// described is a key as lists show it: never the secret.
func (s *cloudNexus) described(k *Key) object {
	return object{
		"id": k.ID, "name": k.Name, "environment": k.Grants.Environment, "scopes": orEmpty(k.Grants.Scopes),
		"services": orEmpty(k.Grants.Services), "ip_allowlist": orEmpty(k.Grants.IPAllowlist), "status": k.State,
		"created_at": moment(&k.Times.Created), "expires_at": moment(k.Times.Expires), "last_used_at": moment(k.Times.LastUsed),
		"replaced_by": orNull(k.Lineage.ReplacedBy), "replaces": orNull(k.Lineage.Replaces), "grace_until": moment(k.Times.GraceUntil),
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// related reports whether k may see other: itself, its successor and its predecessor.
func related(k, other *Key) bool {
	return k == other || k.Lineage.ReplacedBy == other.ID || k.Lineage.Replaces == other.ID
}

func (s *cloudNexus) listKeys(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	all := allows(k.Grants.Scopes, "admin", "read")
	query := q.URL.Query()
	keys := s.listed(func(o *Key) bool {
		return (all || related(k, o)) && (query.Get("status") == "" || query.Get("status") == o.State) &&
			(query.Get("environment") == "" || query.Get("environment") == o.Grants.Environment)
	})
	from, limit := 0, 100
	if text := query.Get("cursor"); text != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(text, "c"))
		if err != nil || n < 0 || n > len(keys) {
			return s.fail(http.StatusBadRequest, "BAD_REQUEST", "Unknown cursor")
		}
		from = n
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return s.fail(http.StatusBadRequest, "BAD_REQUEST", "limit: want 1 to 100")
		}
		limit = n
	}
	data, next := []object{}, any(nil)
	for i, o := range keys[from:] {
		if i == limit {
			next = "c" + strconv.Itoa(from+limit)
			break
		}
		data = append(data, s.described(o))
	}
	return s.ok(http.StatusOK, object{"data": data, "meta": object{"next_cursor": next}})
}

func (s *cloudNexus) getKey(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	o := s.byID(q.PathValue("id"))
	if o == nil || !related(k, o) && !allows(k.Grants.Scopes, "admin", "read") {
		return s.fail(http.StatusNotFound, "NOT_FOUND", "No such key")
	}
	return s.ok(http.StatusOK, s.described(o))
}

func (s *cloudNexus) createKey(q *request) answer {
	caller, refusal := s.authorised(q, "admin", "write")
	if refusal != nil {
		return *refusal
	}
	in, err := q.decode("name", "environment", "scopes", "services", "expires_at", "ip_allowlist")
	if err != nil {
		return s.fail(http.StatusBadRequest, "BAD_REQUEST", err.Error())
	}
	scopes, ips := list(in["scopes"]), list(in["ip_allowlist"])
	if err := s.checkGrants(scopes, ips); err != nil {
		return s.fail(http.StatusBadRequest, "BAD_REQUEST", err.Error())
	}
	if !allows(caller.Grants.Scopes, "admin", "admin") {
		for _, sc := range scopes {
			if r, a, _ := strings.Cut(sc, ":"); !allows(caller.Grants.Scopes, r, a) {
				return s.fail(http.StatusForbidden, "FORBIDDEN", "The caller lacks the scope "+sc)
			}
		}
	}
	env := text(in["environment"])
	for short, long := range cnxEnvironments {
		if env == long {
			env = short
		}
	}
	if env == "" {
		env = "prod"
	}
	if cnxEnvironments[env] == "" {
		return s.fail(http.StatusBadRequest, "BAD_REQUEST", "Unknown environment")
	}
	k := &Key{Name: text(in["name"]), Grants: Grants{Scopes: scopes, Services: list(in["services"]), IPAllowlist: ips}}
	if at := text(in["expires_at"]); at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil || !t.After(q.now) {
			return s.fail(http.StatusBadRequest, "BAD_REQUEST", "expires_at: want a time to come")
		}
		k.Times.Expires = &t
	}
	value := s.make(env, k, "")
	s.note(caller.ID, "key.created", k.ID, q.source)
	out := s.described(k)
	out["key"] = value
	return s.ok(http.StatusCreated, out).with("Cache-Control", "no-store")
}

func (s *cloudNexus) deleteKey(q *request) answer {
	caller, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	k := s.byID(q.PathValue("id"))
	admin := allows(caller.Grants.Scopes, "admin", "write")
	switch {
	case k == nil, !admin && !related(caller, k):
		return s.fail(http.StatusNotFound, "NOT_FOUND", "No such key")
	case !admin && caller != k && (caller.State != stateGrace || caller.Lineage.ReplacedBy != k.ID):
		return s.fail(http.StatusForbidden, "FORBIDDEN", "The key lacks the scope admin:write")
	}
	reason := q.URL.Query().Get("reason")
	if reason == "" {
		reason = "manual"
	}
	s.revoke(k, reason, caller.ID, q.source)
	return answer{status: http.StatusNoContent}.with("X-Request-Id", "req_"+randomText(16, lowerAlnum))
}

func (s *cloudNexus) patchKey(q *request) answer {
	if _, refusal := s.authorised(q, "admin", "write"); refusal != nil {
		return *refusal
	}
	k := s.byID(q.PathValue("id"))
	if k == nil {
		return s.fail(http.StatusNotFound, "NOT_FOUND", "No such key")
	}
	in, err := q.decode("name", "ip_allowlist", "auto_renew")
	if err == nil {
		err = s.checkGrants(nil, list(in["ip_allowlist"]))
	}
	if err != nil {
		return s.fail(http.StatusBadRequest, "BAD_REQUEST", err.Error())
	}
	if v, ok := in["name"].(string); ok {
		k.Name = v
	}
	if v, ok := in["ip_allowlist"]; ok {
		k.Grants.IPAllowlist = list(v)
	}
	if v, ok := in["auto_renew"].(bool); ok {
		k.Lineage.AutoRenew = v
	}
	return s.ok(http.StatusOK, s.described(k))
}

// newWebhook takes loopback addresses only: an emulator talks to nobody else.
func (s *cloudNexus) newWebhook(q *request) answer {
	if _, refusal := s.authorised(q, "admin", "write"); refusal != nil {
		return *refusal
	}
	in, err := q.decode("url", "events")
	if err != nil || !loopbackURL(text(in["url"])) {
		return s.fail(http.StatusBadRequest, "BAD_REQUEST", "url: want a loopback address")
	}
	w := webhook{id: "wh_" + randomText(12, lowerAlnum), url: text(in["url"]), secret: "whsec_" + randomText(32, alnum), events: list(in["events"])}
	s.webhooks = append(s.webhooks, w)
	return s.ok(http.StatusCreated, object{"id": w.id, "secret": w.secret})
}

func (s *cloudNexus) showAudit(q *request) answer {
	if _, refusal := s.authorised(q, "admin", "read"); refusal != nil {
		return *refusal
	}
	since, _ := time.Parse(time.RFC3339, q.URL.Query().Get("since")) // none: from the start
	out := []json.RawMessage{}
	for _, e := range s.audit {
		if e.Time.Before(since) {
			continue
		}
		kind := "key"
		if slices.Contains([]string{"user", "system"}, e.Actor) {
			kind = e.Actor
		}
		b, err := json.Marshal(object{"eventId": e.ID, "timestamp": moment(&e.Time), "actor": object{"type": kind, "id": e.Actor}, "action": e.Action, "resource": object{"type": "key", "id": e.Resource}, "source_ip": e.Source})
		if err == nil {
			out = append(out, b)
		}
	}
	return s.ok(http.StatusOK, out)
}
