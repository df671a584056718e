package emulator

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// clore emulates Clore.ai (key-services.md section 3.3): the header auth, the code in
// every answer, one request a second, and /marketplace, which answers anybody, are
// documented or public; the calls that manage keys are assumed.
type clore struct {
	*core
	admin string // hash of the owner's credential
	next  int    // id of the next key
}

func newClore(c *core) service {
	c.form = regexp.MustCompile(`^[A-Za-z0-9_\-]{32}$`)
	c.knobs = append(slices.Clone(c.knobs),
		Knob{"http_mode", "ok200", "ok200|mapped"}, // is the code also an HTTP status?
		Knob{"marketplace_auth", "off", "on|off"},
		Knob{"rate_per_minute", "60", "number"}, // 0: no limit
		Knob{"error_field", "off", "on|off"},    // name the error of codes 1 to 5, too
	)
	return &clore{core: c, next: 1001}
}

func (s *clore) operator(secret string) { s.admin = hash(secret) }

func (s *clore) issue(i Issue) (Issued, error) {
	if i.Secret != "" && (!s.form.MatchString(i.Secret) || s.known(i.Secret) != nil) {
		return Issued{}, errors.New("the given secret has another form, or is taken")
	}
	k, value := s.make(i.Name, i.Secret)
	return Issued{ID: k.ID, Secret: value}, nil
}

func (s *clore) make(name, value string) (*Key, string) {
	if value == "" {
		value = cloreSecret()
	}
	k := &Key{ID: strconv.Itoa(s.next), Name: name, State: stateActive}
	s.next++
	s.add(k, value)
	return k, value
}

// event knows deleted (also revoked), disabled and active.
func (s *clore) event(id, event string) error {
	k := s.byID(id)
	switch {
	case k == nil:
		return fmt.Errorf("no key %q", id)
	case event == stateDeleted || event == stateRevoked:
		s.remove(k)
	case (event == stateDisabled || event == stateActive) && k.State != stateDeleted:
		k.State = event
	default:
		return fmt.Errorf("event %q: want deleted, disabled or active", event)
	}
	return nil
}

func (s *clore) remove(k *Key) {
	now := s.clock.Now()
	k.State, k.Times.Revoked = stateDeleted, &now
	s.end(k)
}

func (s *clore) routes() []route {
	empty := func(name string) func(*request) answer {
		return s.authorised(func(*request) answer { return s.code(0, object{name: []any{}}) })
	}
	spend := s.authorised(func(*request) answer { return s.code(0, nil) })
	return []route{
		{"GET", "/wallets", s.authorised(s.wallets)},
		{"GET", "/my_orders", s.authorised(func(*request) answer { return s.code(0, object{"orders": []any{}, "limit": 10}) })},
		{"GET", "/my_servers", empty("servers")},
		{"GET", "/server_config", empty("config")},
		{"GET", "/spot_marketplace", empty("market")},
		{"GET", "/poh_balance", empty("balances")},
		{"GET", "/renter_fees", empty("fees")},
		{"GET", "/marketplace", s.marketplace},
		{"POST", "/create_order", spend},
		{"POST", "/cancel_order", spend},
		{"POST", "/set_server_settings", spend},
		{"POST", "/set_spot_price", spend},
		{"GET", "/api_keys", s.authorised(s.listKeys)},
		{"POST", "/create_api_key", s.authorised(s.createKey)},
		{"POST", "/revoke_api_key", s.authorised(s.revokeKey)},
		{"POST", "/disable_api_key", s.authorised(func(q *request) answer { return s.change(q, stateDisabled) })},
		{"POST", "/enable_api_key", s.authorised(func(q *request) answer { return s.change(q, stateActive) })},
	}
}

func (s *clore) unknown(*request) answer { return s.code(4, nil) }

// cloreErrors names the codes (docs.clore.ai, read 2026-11-21); the texts are assumed.
var cloreErrors = map[int]string{1: "database_error", 2: "invalid_input_data", 3: "invalid_api_token", 4: "invalid_endpoint", 5: "exceeded_request_limit"}

// code is an answer with a code; whether the HTTP status says the same is a policy,
// because nobody has documented it.
func (s *clore) code(n int, body object) answer {
	out := object{"code": n}
	for k, v := range body {
		out[k] = v
	}
	if n > 0 && n < 6 && s.knob("error_field") == "on" {
		out["error"] = cloreErrors[n]
	}
	status := http.StatusOK
	if s.knob("http_mode") == "mapped" {
		status = map[int]int{0: 200, 1: 500, 2: 400, 3: 401, 4: 404, 5: 429, 6: 400}[n]
	}
	return say(status, out)
}

// authorised wraps a route that needs a live key, or the owner's credential, in the
// header auth; Authorization: Bearer is none.
func (s *clore) authorised(do func(*request) answer) func(*request) answer {
	return func(q *request) answer {
		value := q.Header.Get("auth")
		q.key = s.known(value)
		k := s.find(value)
		bucket := "ip " + q.source
		admin := value != "" && hash(value) == s.admin
		switch {
		case admin:
			bucket = "operator"
		case k != nil:
			bucket = k.ID
		}
		if n := s.number("rate_per_minute"); n > 0 {
			if _, ok := s.allow(bucket, float64(n)/60, 1); !ok {
				return s.code(5, nil)
			}
		}
		if q.URL.Path != "" && strings.HasSuffix(q.URL.Path, "/create_order") {
			if _, ok := s.allow("order "+bucket, 0.2, 1); !ok { // one in five seconds
				return s.code(5, nil)
			}
		}
		if !admin && (k == nil || k.State == stateDisabled) {
			return s.code(3, nil)
		}
		if k != nil {
			s.use(k)
		}
		return do(q)
	}
}

func (s *clore) wallets(*request) answer {
	wallet := func(name string) object {
		return object{"name": name, "deposit": "test-deposit-address", "balance": 0, "withdrawal_fee": 0.0001}
	}
	return s.code(0, object{"wallets": []object{wallet("bitcoin"), wallet("CLORE-Blockchain"), wallet("USD-Blockchain")}})
}

// marketplace is the trap: it answers without any key, so it proves nothing.
func (s *clore) marketplace(q *request) answer {
	open := func(*request) answer { return s.code(0, object{"servers": []any{}, "my_servers": []any{}}) }
	if s.knob("marketplace_auth") == "on" {
		return s.authorised(open)(q)
	}
	q.key = s.known(q.Header.Get("auth"))
	return open(q)
}

func (s *clore) listKeys(*request) answer {
	keys := []object{}
	for _, k := range s.listed(func(k *Key) bool { return k.State != stateDeleted }) {
		id, _ := strconv.Atoi(k.ID) // made by us
		keys = append(keys, object{"id": id, "name": k.Name, "created": moment(&k.Times.Created), "last_used": moment(k.Times.LastUsed), "status": k.State})
	}
	return s.code(0, object{"keys": keys})
}

func (s *clore) createKey(q *request) answer {
	in, err := q.decode("name")
	if err != nil || len(text(in["name"])) > 200 {
		return s.code(2, nil)
	}
	k, value := s.make(text(in["name"]), "")
	id, _ := strconv.Atoi(k.ID)
	return s.code(0, object{"id": id, "api_key": value}).with("Cache-Control", "no-store")
}

// revokeKey takes an id or the key itself.
func (s *clore) revokeKey(q *request) answer {
	in, err := q.decode("id", "api_key")
	if err != nil || (in["id"] == nil) == (in["api_key"] == nil) {
		return s.code(2, nil)
	}
	k := s.byID(idText(in["id"]))
	if v := text(in["api_key"]); v != "" {
		k = s.known(v)
	}
	if k == nil || k.State == stateDeleted {
		return s.code(6, object{"error": "key_not_found"})
	}
	s.remove(k)
	return s.code(0, nil)
}

// change disables or enables. A disabled key can come back: that is no revocation.
func (s *clore) change(q *request, state string) answer {
	in, err := q.decode("id")
	if err != nil {
		return s.code(2, nil)
	}
	k := s.byID(idText(in["id"]))
	if k == nil || k.State == stateDeleted {
		return s.code(6, object{"error": "key_not_found"})
	}
	k.State = state
	return s.code(0, nil)
}

// idText reads an id that may be a number or, filled in by a template, a string.
func idText(v any) string {
	if n, ok := v.(float64); ok {
		return strconv.FormatInt(int64(n), 10)
	}
	return text(v)
}
