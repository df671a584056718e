package emulator

import (
	"net/http"
	"strconv"
)

func (s *cloudNexus) routes() []route {
	return []route{
		{"GET", "/instances", s.instances},
		{"POST", "/instances", s.newInstance},
		{"POST", "/keys/rotate", s.rotateKey},
		{"GET", "/keys", s.listKeys},
		{"GET", "/keys/{id}", s.getKey},
		{"POST", "/keys", s.createKey},
		{"DELETE", "/keys/{id}", s.deleteKey},
		{"PATCH", "/keys/{id}", s.patchKey},
		{"GET", "/me", s.me},
		{"POST", "/webhooks", s.newWebhook},
		{"GET", "/audit", s.showAudit},
	}
}

func (s *cloudNexus) fail(status int, code, message string) answer {
	a := say(status, object{"error": object{"code": code, "message": message, "status": status}})
	if status == http.StatusUnauthorized {
		a = a.with("WWW-Authenticate", `Bearer realm="cloudnexus", error="invalid_token"`)
	}
	return a.with("X-Request-Id", "req_"+randomText(16, lowerAlnum))
}

func (s *cloudNexus) ok(status int, body any) answer {
	return say(status, body).with("X-Request-Id", "req_"+randomText(16, lowerAlnum))
}

func (s *cloudNexus) unknown(*request) answer {
	return s.fail(http.StatusNotFound, "NOT_FOUND", "No such resource")
}

// authenticate returns the key of a request, or the refusal. The header comes first,
// then the query parameter; two different keys are a mistake of the caller.
func (s *cloudNexus) authenticate(q *request) (*Key, *answer) {
	value, inQuery := bearer(q.Request), q.URL.Query().Get(s.knob("query_param"))
	if value != "" && inQuery != "" && value != inQuery {
		a := s.fail(http.StatusBadRequest, "AMBIGUOUS_CREDENTIALS", "Two different keys were sent")
		return nil, &a
	}
	if value == "" {
		value = inQuery
	}
	q.key = s.known(value)
	k := s.find(value)
	bucket := "ip " + q.source
	switch {
	case k != nil && s.knob("rate_scope") == "key":
		bucket = k.ID
	case k != nil:
		bucket = "account"
	}
	if a := s.limited(bucket); a != nil {
		return nil, a
	}
	refuse := func(reason string) (*Key, *answer) {
		message := "Invalid or missing API key"
		if s.knob("unauthorized_detail") == "reason" {
			message += ": " + reason
		}
		a := s.fail(http.StatusUnauthorized, "UNAUTHORIZED", message)
		return nil, &a
	}
	switch {
	case value == "":
		return refuse("missing")
	case k == nil && q.key != nil:
		s.note(q.key.ID, "key.denied", q.key.ID, q.source)
		return refuse(q.key.State)
	case k == nil:
		return refuse("unknown")
	case !admitted(k.Grants.IPAllowlist, q.source):
		s.note(k.ID, "key.denied", k.ID, q.source)
		if s.knob("ip_denied_status") == "401" {
			return refuse("address")
		}
		a := s.fail(http.StatusForbidden, "FORBIDDEN", "This key may not be used from this address")
		return nil, &a
	}
	s.use(k)
	s.note(k.ID, "key.used", k.ID, q.source)
	return k, nil
}

// limited takes a token of the plan's bucket: 60 a minute with bursts of 100 for
// Starter, 1000 and 2000 for Professional (seed), none for Enterprise.
func (s *cloudNexus) limited(name string) *answer {
	perMinute, capacity := 60.0, 100
	switch s.knob("plan") {
	case "professional":
		perMinute, capacity = 1000, 2000
	case "enterprise":
		return nil
	}
	wait, ok := s.allow(name, perMinute/60, capacity)
	if ok {
		return nil
	}
	a := s.fail(http.StatusTooManyRequests, "RATE_LIMITED", "Too many requests").with("Retry-After", seconds(wait))
	return &a
}

// authorised is authenticate for routes that need a scope.
func (s *cloudNexus) authorised(q *request, resource, action string) (*Key, *answer) {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return nil, refusal
	}
	if !allows(k.Grants.Scopes, resource, action) {
		a := s.fail(http.StatusForbidden, "FORBIDDEN", "The key lacks the scope "+resource+":"+action)
		return nil, &a
	}
	return k, nil
}

// marked adds what an answer to this key bears.
func (s *cloudNexus) marked(a answer, k *Key) answer {
	if k.State == stateGrace && k.Times.GraceUntil != nil {
		a = a.with("Deprecation", "true").with("Sunset", k.Times.GraceUntil.UTC().Format(http.TimeFormat))
	}
	if s.knob("reveal_headers") == "on" {
		left := 0
		if b := s.buckets[k.ID]; b != nil {
			left = int(b.tokens)
		}
		a = a.with("X-RateLimit-Limit", "60").with("X-RateLimit-Remaining", strconv.Itoa(left))
	}
	return a
}

func (s *cloudNexus) instances(q *request) answer {
	k, refusal := s.authorised(q, "compute", "read")
	if refusal != nil {
		return *refusal
	}
	data := []object{}
	for i := range s.created + 1 {
		data = append(data, object{"id": "i-" + strconv.Itoa(i+1), "name": "web", "status": "running", "region": "eu-1"})
	}
	return s.marked(s.ok(http.StatusOK, object{"data": data, "meta": object{"total": len(data), "page": 1}}), k)
}

func (s *cloudNexus) newInstance(q *request) answer {
	if _, refusal := s.authorised(q, "compute", "write"); refusal != nil {
		return *refusal
	}
	s.created++
	return s.ok(http.StatusCreated, object{"id": "i-" + strconv.Itoa(s.created+1)})
}

func (s *cloudNexus) me(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	return s.marked(s.ok(http.StatusOK, object{
		"key_id": k.ID, "account_id": cnxAccount, "scopes": orEmpty(k.Grants.Scopes), "services": orEmpty(k.Grants.Services),
		"environment": k.Grants.Environment, "ip_allowlist": orEmpty(k.Grants.IPAllowlist), "expires_at": moment(k.Times.Expires),
	}), k)
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
