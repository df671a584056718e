package emulator

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// stripe emulates the two reads by which rekey knows a Stripe key (providers.md, entry
// 13). Keys are rolled in the dashboard only: events do it here.
type stripe struct{ *core }

func newStripe(c *core) service {
	c.form = regexp.MustCompile(`^[rs]k_(?:live|test)_[0-9A-Za-z]{24,247}$`)
	return &stripe{c}
}

func (s *stripe) operator(string) {}

// issue makes a key of Kind live (the default), restricted or test. A restricted key
// reads the balance only with the scope balance:read.
func (s *stripe) issue(i Issue) (Issued, error) {
	prefix := map[string]string{"": "sk_" + "live_", "live": "sk_" + "live_", "restricted": "rk_" + "live_", "test": "sk_" + "test_"}[i.Kind]
	if prefix == "" {
		return Issued{}, fmt.Errorf("kind %q: want live, restricted or test", i.Kind)
	}
	value := i.Secret
	if value == "" {
		value = prefix + "51" + randomText(97, alnum)
	}
	if s.known(value) != nil {
		return Issued{}, fmt.Errorf("the given secret is taken")
	}
	k := &Key{ID: "key_" + randomText(14, alnum), Name: i.Name, Kind: prefix[:7], Owner: "acct_1Emulated", State: stateActive, Grants: Grants{Scopes: i.Scopes, IPAllowlist: i.IPAllowlist}}
	s.add(k, value)
	return Issued{ID: k.ID, Secret: value}, nil
}

// event knows revoked (rolled or deleted in the dashboard) and expired.
func (s *stripe) event(id, event string) error {
	k := s.byID(id)
	if k == nil || event != stateRevoked && event != stateExpired {
		return fmt.Errorf("key %q, event %q: want a known key, and revoked or expired", id, event)
	}
	k.State = event
	s.end(k)
	return nil
}

func (s *stripe) routes() []route {
	return []route{
		{"GET", "/account", s.account},
		{"GET", "/balance", s.balance},
		{"POST", "/charges", s.charge}, // here to prove that rekey never calls it
	}
}

func (s *stripe) fail(status int, kind, code, message string) answer {
	e := object{"message": message, "type": kind}
	if code != "" {
		e["code"] = code
	}
	return say(status, object{"error": e}).with("Request-Id", "req_"+randomText(14, alnum))
}

func (s *stripe) unknown(q *request) answer {
	return s.fail(http.StatusNotFound, "invalid_request_error", "", "Unrecognized request URL ("+q.Method+")")
}

func (s *stripe) authenticate(q *request) (*Key, *answer) {
	value := bearer(q.Request)
	if user, _, ok := q.BasicAuth(); ok {
		value = user
	}
	refuse := func(status int, code, text string) (*Key, *answer) {
		a := s.fail(status, "invalid_request_error", code, text)
		return nil, &a
	}
	if value == "" {
		return refuse(http.StatusUnauthorized, "", "You did not provide an API key.")
	}
	q.key = s.known(value)
	k := s.find(value)
	shown := value[:min(len(value), 8)] + strings.Repeat("*", 12) + value[max(0, len(value)-4):]
	switch {
	case k == nil && q.key != nil && q.key.State == stateExpired:
		return refuse(http.StatusUnauthorized, "api_key_expired", "Expired API Key provided: "+shown)
	case k == nil:
		return refuse(http.StatusUnauthorized, "", "Invalid API Key provided: "+shown)
	case !admitted(k.Grants.IPAllowlist, q.source):
		return refuse(http.StatusForbidden, "", "The provided key does not allow requests from your IP address.")
	}
	s.use(k)
	return k, nil
}

// allowed is authenticate for what a restricted key needs a permission for.
func (s *stripe) allowed(q *request, scope string) (*Key, *answer) {
	k, refusal := s.authenticate(q)
	if refusal == nil && k.Kind == "rk_live" && !slices.Contains(k.Grants.Scopes, scope) {
		a := s.fail(http.StatusForbidden, "invalid_request_error", "", "The provided key does not have the required permissions for this endpoint.")
		return nil, &a
	}
	return k, refusal
}

func (s *stripe) account(q *request) answer {
	k, refusal := s.allowed(q, "account:read")
	if refusal != nil {
		return *refusal
	}
	return say(http.StatusOK, object{"id": k.Owner, "object": "account", "email": "owner@example.com", "country": "DE"})
}

func (s *stripe) balance(q *request) answer {
	k, refusal := s.allowed(q, "balance:read")
	if refusal != nil {
		return *refusal
	}
	return say(http.StatusOK, object{"object": "balance", "available": []object{{"amount": 0, "currency": "eur"}}, "livemode": k.Kind != "sk_test"})
}

func (s *stripe) charge(q *request) answer {
	if _, refusal := s.allowed(q, "charges:write"); refusal != nil {
		return *refusal
	}
	return say(http.StatusOK, object{"object": "charge"})
}
