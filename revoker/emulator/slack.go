package emulator

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// slack emulates Slack's auth.test and auth.revoke and its incoming webhooks
// (providers.md, entry 12): errors come with status 200, and a made-up token is told
// invalid_auth, as is a live one from a foreign address.
type slack struct{ *core }

func newSlack(c *core) service {
	// A webhook's secret is a part of its path.
	c.form = regexp.MustCompile(`^(?:xox[bpas]-[\w\-]{20,}|[0-9A-Za-z]{24})$`)
	c.knobs = append(slices.Clone(c.knobs),
		Knob{"rate_per_minute", "0", "number"}, // 0: no limit
	)
	return &slack{core: c}
}

func (s *slack) operator(string) {}

// issue makes a token (Kind bot, the default, or user) or an incoming webhook (Kind
// webhook: the secret is the last part of its path, the id TEAM/HOOK).
func (s *slack) issue(i Issue) (Issued, error) {
	team := randomText(12, "123456789")
	k := &Key{Name: i.Name, Kind: i.Kind, State: stateActive, Grants: Grants{Scopes: i.Scopes, IPAllowlist: i.IPAllowlist}}
	if i.Scopes == nil {
		k.Grants.Scopes = []string{"chat:write"}
	}
	value := i.Secret
	switch i.Kind {
	case "", "bot":
		k.Kind, k.ID = "bot", "U"+randomText(9, "ABCDEFGHJK0123456789")
		if value == "" {
			value = "xo" + "xb-" + team + "-" + randomText(13, "123456789") + "-" + randomText(24, alnum)
		}
	case "user":
		k.ID = "U" + randomText(9, "ABCDEFGHJK0123456789")
		if value == "" {
			value = "xo" + "xp-" + team + "-" + randomText(12, "123456789") + "-" + randomText(13, "123456789") + "-" + randomHex(16)
		}
	case "webhook":
		k.ID = "T" + randomText(9, "ABCDEFGHJK0123456789") + "/B" + randomText(9, "ABCDEFGHJK0123456789")
		if value == "" {
			value = randomText(24, alnum)
		}
	default:
		return Issued{}, fmt.Errorf("kind %q: want bot, user or webhook", i.Kind)
	}
	if s.known(value) != nil {
		return Issued{}, fmt.Errorf("the given secret is taken")
	}
	s.add(k, value)
	return Issued{ID: k.ID, Secret: value}, nil
}

// event knows revoked, expired and inactive (the account was closed).
func (s *slack) event(id, event string) error {
	k := s.byID(id)
	if k == nil || !slices.Contains([]string{stateRevoked, stateExpired, "inactive"}, event) {
		return fmt.Errorf("key %q, event %q: want a known key, and revoked, expired or inactive", id, event)
	}
	k.State = event
	s.end(k)
	return nil
}

func (s *slack) routes() []route {
	return []route{
		{"POST", "/auth.test", s.authTest},
		{"GET", "/auth.test", s.authTest},
		{"POST", "/auth.revoke", s.authRevoke},
		{"POST", "/services/{team}/{hook}/{secret}", s.webhook},
	}
}

func (s *slack) fail(code string) answer {
	return say(http.StatusOK, object{"ok": false, "error": code})
}

func (s *slack) unknown(*request) answer { return s.fail("unknown_method") }

func (s *slack) authenticate(q *request) (*Key, *answer) {
	refuse := func(code string) (*Key, *answer) { a := s.fail(code); return nil, &a }
	value := bearer(q.Request)
	if value == "" {
		value = q.formToken()
	}
	if value == "" {
		return refuse("not_authed")
	}
	q.key = s.known(value)
	k := s.find(value)
	if n := s.number("rate_per_minute"); n > 0 {
		if wait, ok := s.allow("ip "+q.source, float64(n)/60, n); !ok {
			a := say(http.StatusTooManyRequests, object{"ok": false, "error": "ratelimited"}).with("Retry-After", seconds(wait))
			return nil, &a
		}
	}
	switch {
	case k == nil && q.key != nil && q.key.State == stateExpired:
		return refuse("token_expired")
	case k == nil && q.key != nil && q.key.State == "inactive":
		return refuse("account_inactive")
	case k == nil && q.key != nil:
		return refuse("token_revoked")
	case k == nil || k.Kind == "webhook":
		return refuse("invalid_auth")
	case !admitted(k.Grants.IPAllowlist, q.source):
		return refuse("invalid_auth")
	}
	s.use(k)
	return k, nil
}

// formToken returns the token of a form body, Slack's older way.
func (q *request) formToken() string {
	if !strings.HasPrefix(q.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return ""
	}
	return q.form().Get("token")
}

func (s *slack) authTest(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	out := object{"ok": true, "url": "https://emulated.slack.com/", "team": "Emulated", "user": "rekey", "team_id": "T0EMULATED", "user_id": k.ID}
	if k.Kind == "bot" {
		out["bot_id"] = "B" + k.ID[1:]
	}
	return say(http.StatusOK, out).with("X-OAuth-Scopes", strings.Join(k.Grants.Scopes, ","))
}

// authRevoke with test=1 is a dry run.
func (s *slack) authRevoke(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if q.URL.Query().Get("test") == "1" || q.form().Get("test") == "1" {
		return say(http.StatusOK, object{"ok": true, "revoked": false})
	}
	k.State = stateRevoked
	s.end(k)
	return say(http.StatusOK, object{"ok": true, "revoked": true})
}

// webhook refuses a message without text and tells a dead hook from a live one.
func (s *slack) webhook(q *request) answer {
	plain := func(status int, text string) answer {
		return answer{status: status, text: text}.with("Content-Type", "text/html")
	}
	q.key = s.known(q.PathValue("secret"))
	k := s.find(q.PathValue("secret"))
	if k == nil || k.Kind != "webhook" || k.ID != q.PathValue("team")+"/"+q.PathValue("hook") {
		return plain(http.StatusNotFound, "no_service")
	}
	in, err := q.decode()
	switch {
	case err != nil:
		return plain(http.StatusBadRequest, "invalid_payload")
	case text(in["text"]) == "":
		return plain(http.StatusBadRequest, "no_text")
	}
	s.use(k)
	s.outbox = append(s.outbox, Message{Time: s.clock.Now(), Kind: "message", Type: "webhook.posted", Data: object{"key_id": k.ID}})
	return plain(http.StatusOK, "ok")
}
