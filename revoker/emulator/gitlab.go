package emulator

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gitLab emulates GitLab's calls about personal, project and group access tokens
// (providers.md, entry 11): self, rotate with its reuse detection, revoke, and what an
// administrator may do by id.
//
// Rotating a token ends it at once. A rotate with a token that was rotated already ends
// the whole family, the new token included (issue 524639, read 2026-11-21).
type gitLab struct {
	*core
	next int
}

func newGitLab(c *core) service {
	c.form = regexp.MustCompile(`^gl[a-z]{2,5}-[\w.\-]{20,}$`)
	return &gitLab{core: c, next: 1}
}

func (s *gitLab) operator(secret string) {
	s.add(&Key{ID: s.id(), Name: "operator", Kind: "operator", Owner: "1", State: stateActive, Grants: Grants{Scopes: []string{"api", "admin_mode"}}}, secret)
}

func (s *gitLab) id() string { s.next++; return strconv.Itoa(s.next - 1) }

func (s *gitLab) issue(i Issue) (Issued, error) {
	if s.known(i.Secret) != nil {
		return Issued{}, fmt.Errorf("the given secret is taken")
	}
	if i.Scopes == nil {
		i.Scopes = []string{"api"}
	}
	if i.Owner == "" {
		i.Owner = "42"
	}
	k := &Key{Name: i.Name, Owner: i.Owner, Grants: Grants{Scopes: i.Scopes}}
	at := s.clock.Now().AddDate(1, 0, 0)
	if i.Life > 0 {
		at = s.clock.Now().Add(time.Duration(i.Life))
	}
	value := s.make(k, at, i.Secret)
	return Issued{ID: k.ID, Secret: value}, nil
}

func (s *gitLab) make(k *Key, expires time.Time, value string) string {
	if value == "" {
		value = gitlabSecret()
	}
	k.ID, k.State, k.Times.Expires = s.id(), stateActive, &expires
	s.add(k, value)
	return value
}

// event knows revoked and expired.
func (s *gitLab) event(id, event string) error {
	k := s.byID(id)
	switch {
	case k != nil && event == stateRevoked:
		s.revoke(k)
	case k != nil && event == stateExpired:
		now := s.clock.Now()
		k.State, k.Times.Expires = stateExpired, &now
	default:
		return fmt.Errorf("key %q, event %q: want a known key, and revoked or expired", id, event)
	}
	return nil
}

func (s *gitLab) revoke(k *Key) {
	k.State = stateRevoked
	s.end(k)
}

func (s *gitLab) routes() []route {
	return []route{
		{"GET", "/personal_access_tokens/self", s.self},
		{"POST", "/personal_access_tokens/self/rotate", s.rotateSelf},
		{"DELETE", "/personal_access_tokens/self", s.revokeSelf},
		{"GET", "/personal_access_tokens", s.listTokens},
		{"DELETE", "/personal_access_tokens/{id}", s.revokeByID},
		{"POST", "/users/{user}/personal_access_tokens", s.create},
		{"DELETE", "/admin/token", s.revokeByValue},
	}
}

func (s *gitLab) unknown(*request) answer {
	return say(http.StatusNotFound, object{"error": "404 Not Found"})
}

// authenticate takes the header PRIVATE-TOKEN, and a bearer token. What a refusal says
// tells a token that was known from one that never was (lib/api/api_guard.rb).
func (s *gitLab) authenticate(q *request) (*Key, *answer) {
	value := q.Header.Get("PRIVATE-TOKEN")
	if value == "" {
		value = bearer(q.Request)
	}
	q.key = s.known(value)
	k := s.find(value)
	refuse := func(text string) (*Key, *answer) {
		a := say(http.StatusUnauthorized, object{"error": "invalid_token", "error_description": text})
		return nil, &a
	}
	switch {
	case q.key == nil:
		a := say(http.StatusUnauthorized, object{"message": "401 Unauthorized"})
		return nil, &a
	case k == nil:
		return refuse("Token was revoked. You have to re-authorize from the user.")
	case k.State == stateExpired || k.Times.Expires != nil && !q.now.Before(*k.Times.Expires):
		return refuse("Token is expired. You can either do re-authorization or token refresh.")
	}
	s.use(k)
	return k, nil
}

func (s *gitLab) described(k *Key) object {
	id, _ := strconv.Atoi(k.ID) // made by us
	owner, _ := strconv.Atoi(k.Owner)
	out := object{
		"id": id, "name": k.Name, "revoked": k.State == stateRevoked, "created_at": moment(&k.Times.Created), "description": nil,
		"scopes": orEmpty(k.Grants.Scopes), "user_id": owner, "last_used_at": moment(k.Times.LastUsed), "active": k.State == stateActive, "expires_at": nil,
	}
	if e := k.Times.Expires; e != nil {
		out["expires_at"] = e.UTC().Format(time.DateOnly)
	}
	return out
}

func (s *gitLab) self(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if !s.may(k, "api", "read_api", "read_user", "self_rotate") {
		return s.forbidden()
	}
	return say(http.StatusOK, s.described(k))
}

func (s *gitLab) may(k *Key, scopes ...string) bool {
	return slices.ContainsFunc(scopes, func(sc string) bool { return slices.Contains(k.Grants.Scopes, sc) })
}

func (s *gitLab) forbidden() answer {
	return say(http.StatusForbidden, object{"error": "insufficient_scope", "error_description": "The request requires higher privileges than provided by the access token.", "scope": "api"})
}

// rotateSelf replaces the token by one that lives a week, unless expires_at says
// otherwise.
func (s *gitLab) rotateSelf(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		if q.key != nil && q.key.Lineage.ReplacedBy != "" {
			s.endFamily(q.key)
		}
		return *refusal
	}
	if !s.may(k, "api", "self_rotate") {
		return s.forbidden()
	}
	at, bad := s.expiry(q)
	if bad != nil {
		return *bad
	}
	n := &Key{Name: k.Name, Owner: k.Owner, Grants: k.clone().Grants, Lineage: Lineage{Replaces: k.ID}}
	value := s.make(n, at, "")
	k.Lineage.ReplacedBy = n.ID
	s.revoke(k)
	out := s.described(n)
	out["token"] = value
	return say(http.StatusOK, out).with("Cache-Control", "no-store")
}

// endFamily revokes everything that came out of a token that is used once too often.
func (s *gitLab) endFamily(k *Key) {
	for n := s.byID(k.Lineage.ReplacedBy); n != nil; n = s.byID(n.Lineage.ReplacedBy) {
		if n.State == stateActive {
			s.revoke(n)
			s.note("system", "reuse detected", n.ID, "")
		}
	}
}

func (s *gitLab) expiry(q *request) (time.Time, *answer) {
	at := q.now.AddDate(0, 0, 7)
	in, err := q.decode()
	if err == nil && text(in["expires_at"]) != "" {
		day, _, _ := strings.Cut(text(in["expires_at"]), "T")
		at, err = time.Parse(time.DateOnly, day)
	}
	if err != nil || !at.After(q.now) {
		a := say(http.StatusBadRequest, object{"error": "expires_at is invalid"})
		return at, &a
	}
	return at, nil
}

func (s *gitLab) revokeSelf(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	s.revoke(k)
	return answer{status: http.StatusNoContent}
}

// admin is authenticate for administrators.
func (s *gitLab) admin(q *request) (*Key, *answer) {
	k, refusal := s.authenticate(q)
	if refusal == nil && k.Kind != "operator" {
		a := say(http.StatusForbidden, object{"message": "403 Forbidden"})
		return nil, &a
	}
	return k, refusal
}

func (s *gitLab) listTokens(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	out := []object{}
	for _, o := range s.listed(func(o *Key) bool { return k.Kind == "operator" || o.Owner == k.Owner }) {
		out = append(out, s.described(o))
	}
	return say(http.StatusOK, out)
}

func (s *gitLab) revokeByID(q *request) answer {
	if _, refusal := s.admin(q); refusal != nil {
		return *refusal
	}
	return s.revoked(s.byID(q.PathValue("id")))
}

func (s *gitLab) revoked(k *Key) answer {
	if k == nil || k.State == stateRevoked {
		return say(http.StatusNotFound, object{"message": "404 Token Not Found"})
	}
	s.revoke(k)
	return answer{status: http.StatusNoContent}
}

func (s *gitLab) create(q *request) answer {
	if _, refusal := s.admin(q); refusal != nil {
		return *refusal
	}
	in, err := q.decode("name", "scopes", "expires_at", "description")
	if err != nil || text(in["name"]) == "" || len(list(in["scopes"])) == 0 {
		return say(http.StatusBadRequest, object{"error": "name is missing, scopes is missing"})
	}
	at, bad := s.expiry(q)
	if bad != nil {
		return *bad
	}
	k := &Key{Name: text(in["name"]), Owner: q.PathValue("user"), Grants: Grants{Scopes: list(in["scopes"])}}
	value := s.make(k, at, "")
	out := s.described(k)
	out["token"] = value
	return say(http.StatusCreated, out).with("Cache-Control", "no-store")
}

func (s *gitLab) revokeByValue(q *request) answer {
	if _, refusal := s.admin(q); refusal != nil {
		return *refusal
	}
	in, err := q.decode("token")
	if err != nil {
		return say(http.StatusBadRequest, object{"error": "token is missing"})
	}
	return s.revoked(s.known(text(in["token"])))
}
