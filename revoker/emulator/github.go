package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gitHub emulates what rekey asks of api.github.com (providers.md, entry 1): who a
// token is, what an installation sees, and the revocation of leaked credentials, which
// takes no Authorization header, answers 202 and acts later
// (https://docs.github.com/en/rest/credentials/revoke, read 2026-11-21).
type gitHub struct {
	*core
	next int
}

func newGitHub(c *core) service {
	c.form = regexp.MustCompile(`^(gh[pousr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{82})$`)
	c.knobs = append(slices.Clone(c.knobs),
		Knob{"revoke_delay", "0s", "duration"}, // from 202 to the end of the token
		Knob{"revokes_per_hour", "60", "number"},
		Knob{"saml", "off", "on|off"}, // an organisation asks for single sign-on
	)
	return &gitHub{core: c, next: 1}
}

func (s *gitHub) operator(string) {}

// issue makes a token; Kind is its prefix: ghp (the default), gho, ghu, ghr, ghs or
// github_pat.
func (s *gitHub) issue(i Issue) (Issued, error) {
	if i.Kind == "" {
		i.Kind = "ghp"
	}
	value := i.Secret
	switch i.Kind {
	case "ghp", "gho", "ghu", "ghs":
		if value == "" {
			value = githubSecret(i.Kind, 30)
		}
	case "ghr":
		if value == "" {
			value = githubSecret(i.Kind, 70)
		}
	case "github_pat":
		if value == "" {
			value = "github" + "_pat_" + randomText(22, alnum) + "_" + randomText(59, alnum)
		}
	default:
		return Issued{}, fmt.Errorf("kind %q: want ghp, gho, ghu, ghr, ghs or github_pat", i.Kind)
	}
	if s.known(value) != nil {
		return Issued{}, fmt.Errorf("the given secret is taken")
	}
	if i.Owner == "" {
		i.Owner = "octo-emulated"
	}
	if i.Scopes == nil {
		i.Scopes = []string{"repo", "read:org"}
	}
	k := &Key{ID: "tok-" + strconv.Itoa(s.next), Name: i.Name, Kind: i.Kind, Owner: i.Owner, State: stateActive, Grants: Grants{Scopes: i.Scopes, IPAllowlist: i.IPAllowlist}}
	s.next++
	if i.Life > 0 {
		at := s.clock.Now().Add(time.Duration(i.Life))
		k.Times.Expires = &at
	}
	s.add(k, value)
	return Issued{ID: k.ID, Secret: value}, nil
}

// event knows revoked and expired.
func (s *gitHub) event(id, event string) error {
	k := s.byID(id)
	if k == nil || event != stateRevoked && event != stateExpired {
		return fmt.Errorf("key %q, event %q: want a known key, and revoked or expired", id, event)
	}
	k.State = event
	s.end(k)
	return nil
}

func (s *gitHub) routes() []route {
	return []route{
		{"GET", "/user", s.user},
		{"GET", "/installation/repositories", s.installation},
		{"DELETE", "/installation/token", s.endInstallation},
		{"POST", "/credentials/revoke", s.revokeCredentials},
	}
}

func (s *gitHub) fail(status int, message string) answer {
	return say(status, object{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status)}).with("X-GitHub-Request-Id", strings.ToUpper(randomHex(8)))
}

func (s *gitHub) unknown(*request) answer { return s.fail(http.StatusNotFound, "Not Found") }

// authenticate takes "Bearer" and "token".
func (s *gitHub) authenticate(q *request) (*Key, *answer) {
	if q.Header.Get("User-Agent") == "" {
		a := s.fail(http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header")
		return nil, &a
	}
	value := bearer(q.Request)
	if h := q.Header.Get("Authorization"); value == "" && len(h) > 6 && strings.EqualFold(h[:6], "token ") {
		value = strings.TrimSpace(h[6:])
	}
	if value == "" {
		a := s.fail(http.StatusUnauthorized, "Requires authentication")
		return nil, &a
	}
	q.key = s.known(value)
	k := s.find(value)
	if k != nil && k.Times.Expires != nil && !q.now.Before(*k.Times.Expires) {
		k.State = stateExpired
		k = nil
	}
	switch {
	case k == nil || k.Kind == "ghr": // a refresh token opens nothing by itself
		a := s.fail(http.StatusUnauthorized, "Bad credentials")
		return nil, &a
	case !admitted(k.Grants.IPAllowlist, q.source):
		a := s.fail(http.StatusForbidden, "Although you appear to have the correct authorization credentials, the organization has an IP allow list enabled, and your IP address is not permitted to access this resource.")
		return nil, &a
	case s.knob("saml") == "on":
		a := s.fail(http.StatusForbidden, "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this organization.")
		return nil, &a
	}
	s.use(k)
	return k, nil
}

func (s *gitHub) user(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if k.Kind == "ghs" {
		return s.fail(http.StatusForbidden, "Resource not accessible by integration")
	}
	a := say(http.StatusOK, object{"login": k.Owner, "id": 583231, "type": "User", "name": "Emulated"})
	if k.Kind == "ghp" || k.Kind == "gho" {
		a = a.with("X-OAuth-Scopes", strings.Join(k.Grants.Scopes, ", "))
	}
	if e := k.Times.Expires; e != nil {
		a = a.with("GitHub-Authentication-Token-Expiration", e.UTC().Format("2006-01-02 15:04:05 MST"))
	}
	return a
}

func (s *gitHub) installation(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if k.Kind != "ghs" {
		return s.fail(http.StatusForbidden, "You must authenticate with an installation access token in order to list repositories for an installation.")
	}
	return say(http.StatusOK, object{"total_count": 1, "repositories": []object{{"id": 1, "name": "app"}}})
}

func (s *gitHub) endInstallation(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if k.Kind != "ghs" {
		return s.fail(http.StatusForbidden, "You must authenticate with an installation access token")
	}
	k.State = stateRevoked
	s.end(k)
	return answer{status: http.StatusNoContent}
}

// revokeCredentials needs no credential and takes none; it says 202 whatever it knows.
func (s *gitHub) revokeCredentials(q *request) answer {
	if q.Header.Get("Authorization") != "" {
		return s.fail(http.StatusForbidden, "This endpoint must be called without authentication")
	}
	if n := s.number("revokes_per_hour"); n > 0 {
		if wait, ok := s.allow("revoke "+q.source, float64(n)/3600, n); !ok {
			return s.fail(http.StatusForbidden, "API rate limit exceeded").with("Retry-After", seconds(wait))
		}
	}
	var in struct {
		Credentials []string `json:"credentials"`
	}
	if json.Unmarshal(q.body, &in) != nil || len(in.Credentials) == 0 || len(in.Credentials) > 1000 {
		return s.fail(http.StatusUnprocessableEntity, "Validation Failed")
	}
	at := q.now.Add(s.duration("revoke_delay"))
	for _, value := range in.Credentials {
		k := s.find(value)
		if k == nil || k.Kind == "ghs" { // installation tokens are not taken
			continue
		}
		revoke := func() {
			if k.State == stateActive {
				k.State = stateRevoked
				s.end(k)
				s.note("credentials/revoke", "revoke", k.ID, q.source)
				s.outbox = append(s.outbox, Message{Time: s.clock.Now(), Kind: "email", To: k.Owner, Type: "token.revoked", Data: object{"key_id": k.ID}})
			}
		}
		if !at.After(q.now) {
			revoke()
			continue
		}
		s.clock.at(at, func(time.Time) {
			s.mu.Lock()
			defer s.mu.Unlock()
			revoke()
		})
	}
	return say(http.StatusAccepted, object{})
}
