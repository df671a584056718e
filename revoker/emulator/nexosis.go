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

// nexosis emulates Nexosis behind its gateway, Azure API Management (key-services.md
// section 3.2). An account has subscriptions with two keys each, primary and secondary;
// regenerating one kills its old value at once. Header, texts of refusals and quota
// headers are documented; that a customer may call the management is assumed.
//
// The management is served beside the API under the same prefix, as a private gateway
// would: rekey knows one base URL for a service.
type nexosis struct {
	*core
	admin   string // hash
	session string // hash of the portal's cookie, the same value
	data    int    // data sets
}

func newNexosis(c *core) service {
	c.form = regexp.MustCompile(`^[0-9a-f]{32}$`)
	c.knobs = append(slices.Clone(c.knobs),
		Knob{"regenerate_returns", "204", "204|200"},
		Knob{"quota_headers", "on", "on|off"},
		Knob{"limits", "0", "number"}, // calls in 60 s; 0: no limit
		Knob{"strict_missing_text", "apim", "apim|nexosis"},
		Knob{"paid_only", "on", "on|off"},      // imports and sessions refuse community plans
		Knob{"plan_required", "off", "on|off"}, // reads do, too
		Knob{"if_match", "on", "on|off"},       // regenerate looks at If-Match
	)
	return &nexosis{core: c}
}

func (s *nexosis) operator(secret string) { s.admin, s.session = hash(secret), hash(secret) }

// Slots of a subscription.
const (
	primary   = "primary"
	secondary = "secondary"
)

// issue makes a subscription; Secret is its primary key, Second the secondary.
func (s *nexosis) issue(i Issue) (Issued, error) {
	product, name := "community", "Nexosis Developer subscription"
	switch i.Kind {
	case "", "community":
	case "paid":
		product, name = "paid", "Paid Subscription"
	default:
		return Issued{}, fmt.Errorf("kind %q: want community or paid", i.Kind)
	}
	if i.Name != "" {
		name = i.Name
	}
	if i.Secret != "" && (!s.form.MatchString(i.Secret) || s.known(i.Secret) != nil) {
		return Issued{}, errors.New("the given secret is not 32 hexadecimal digits, or is taken")
	}
	k := &Key{ID: randomHex(12), Name: name, Kind: product, State: stateActive, Attributes: map[string]any{"product": product}}
	k.Times.Created = s.clock.Now()
	s.keys = append(s.keys, k)
	first := s.fill(k, primary, i.Secret)
	return Issued{ID: k.ID, Secret: first, Second: s.fill(k, secondary, "")}, nil
}

// fill gives a slot a new value. The portal can show it again, so it is kept, sealed.
func (s *nexosis) fill(k *Key, slot, value string) string {
	if value == "" {
		value = randomHex(16)
	}
	s.replace(k, slot, value).sealed = s.seal(value)
	k.Attributes[slot+"_hash"] = hash(value)
	if slot == primary {
		k.Hash = hash(value)
	}
	return value
}

func (s *nexosis) shown(k *Key, slot string) string {
	for _, v := range s.secrets {
		if v.key == k && v.slot == slot && v.ends == nil {
			return s.open(v.sealed)
		}
	}
	return ""
}

// event knows suspended, cancelled, active, regenerate-primary and
// regenerate-secondary, and purchase: a new paid subscription beside the old one.
func (s *nexosis) event(id, event string) error {
	k := s.byID(id)
	if k == nil {
		return fmt.Errorf("no subscription %q", id)
	}
	switch event {
	case "suspended", "cancelled", stateActive:
		k.State = event
	case stateRevoked:
		k.State = "cancelled"
	case "regenerate-primary":
		s.fill(k, primary, "")
	case "regenerate-secondary":
		s.fill(k, secondary, "")
	case "purchase":
		_, err := s.issue(Issue{Kind: "paid"})
		return err
	default:
		return fmt.Errorf("event %q: want suspended, cancelled, active, regenerate-primary, regenerate-secondary or purchase", event)
	}
	return nil
}

func (s *nexosis) routes() []route {
	return []route{
		{"GET", "/sessions", s.sessions},
		{"GET", "/sessions/{id}", s.session1},
		{"POST", "/sessions/forecast", s.paid},
		{"GET", "/data", s.sessions},
		{"PUT", "/data/{name}", s.putData},
		{"GET", "/data/{name}", s.getData},
		{"POST", "/imports/{kind}", s.paid},
		{"GET", "/subscriptions", s.subscriptions},
		{"POST", "/subscriptions/{sid}/listSecrets", s.listSecrets},
		{"POST", "/subscriptions/{sid}/regeneratePrimaryKey", func(q *request) answer { return s.regenerate(q, primary) }},
		{"POST", "/subscriptions/{sid}/regenerateSecondaryKey", func(q *request) answer { return s.regenerate(q, secondary) }},
		{"GET", "/api/keys", s.portal},
	}
}

func (s *nexosis) fail(status int, message, kind string, details object) answer {
	body := object{"statusCode": status, "message": message}
	if kind != "" {
		body["errorType"], body["errorDetails"] = kind, details
	}
	return say(status, body)
}

func (s *nexosis) unknown(*request) answer {
	return s.fail(http.StatusNotFound, "Resource not found", "", nil)
}

// authenticate looks at the header api-key alone: a bearer token or a query parameter
// is no key at all.
func (s *nexosis) authenticate(q *request) (*Key, *answer) {
	value := q.Header.Get("api-key")
	refuse := func(text string) (*Key, *answer) {
		a := s.fail(http.StatusUnauthorized, text, "", nil)
		return nil, &a
	}
	const invalid = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
	if value == "" {
		if s.knob("strict_missing_text") == "nexosis" {
			return refuse(invalid)
		}
		return refuse("Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API.")
	}
	q.key = s.known(value)
	k := s.find(value)
	if k == nil || k.State != stateActive {
		return refuse(invalid)
	}
	if n := s.number("limits"); n > 0 {
		if wait, ok := s.allow(k.ID, float64(n)/60, n); !ok {
			text := seconds(wait)
			a := s.fail(http.StatusTooManyRequests, "Rate limit is exceeded. Try again in "+text+" seconds.", "", nil).with("Retry-After", text)
			return nil, &a
		}
	}
	s.use(k)
	return k, nil
}

func (s *nexosis) planRefusal() answer {
	return s.fail(http.StatusForbidden, "Plan Upgrade Required", "", nil)
}

func (s *nexosis) quota(a answer, k *Key) answer {
	if s.knob("quota_headers") == "off" {
		return a
	}
	sets, predictions, sessions := "20", "1000", "35"
	if k.Kind == "paid" {
		sets, predictions, sessions = "200", "250000", "3500"
	}
	for name, v := range map[string]string{
		"DataSetCount-Allotted": sets, "DataSetCount-Current": strconv.Itoa(s.data), "PredictionCount-Allotted": predictions, "PredictionCount-Current": "0",
		"SessionCount-Allotted": sessions, "SessionCount-Current": "0", "Balance": "0.00 USD",
	} {
		a = a.with("Nexosis-Account-"+name, v)
	}
	return a.with("Nexosis-Request-Cost", "0.00 USD")
}

func (s *nexosis) sessions(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if s.knob("plan_required") == "on" && k.Kind != "paid" {
		return s.planRefusal()
	}
	size, page := 50, 0
	for name, into := range map[string]*int{"pageSize": &size, "page": &page} {
		if text := q.URL.Query().Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 || n > 1000 {
				return s.fail(http.StatusBadRequest, name+" is invalid", "RequestValidation", object{})
			}
			*into = n
		}
	}
	return s.quota(say(http.StatusOK, object{"items": []any{}, "pageNumber": page, "totalPages": 0, "pageSize": size, "totalCount": 0}), k)
}

func (s *nexosis) notFound(kind, id string) answer {
	return s.fail(http.StatusNotFound, "Item of type "+kind+" with identifier "+id+" was not found", "NotFound", object{"itemType": kind, "itemId": id})
}

// session1 answers HEAD, too: the only session there is has the id "1".
func (s *nexosis) session1(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if q.PathValue("id") != "1" {
		return s.notFound("session", q.PathValue("id"))
	}
	return s.quota(say(http.StatusOK, object{"sessionId": "1", "status": "completed"}), k).with("Nexosis-Session-Status", "completed")
}

func (s *nexosis) putData(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if len(q.body) == 0 {
		return s.fail(http.StatusBadRequest, "No data was sent", "NoData", object{})
	}
	s.data++
	return s.quota(say(http.StatusCreated, object{"dataSetName": q.PathValue("name")}), k)
}

func (s *nexosis) getData(q *request) answer {
	if _, refusal := s.authenticate(q); refusal != nil {
		return *refusal
	}
	return s.notFound("dataSet", q.PathValue("name"))
}

func (s *nexosis) paid(q *request) answer {
	k, refusal := s.authenticate(q)
	if refusal != nil {
		return *refusal
	}
	if s.knob("paid_only") == "on" && k.Kind != "paid" {
		return s.planRefusal()
	}
	return s.quota(say(http.StatusAccepted, object{"status": "requested"}), k)
}

// managed checks the owner's token and finds the subscription of the path.
func (s *nexosis) managed(q *request) (*Key, *answer) {
	fail := func(status int, code, message string) (*Key, *answer) {
		a := say(status, object{"error": object{"code": code, "message": message}})
		return nil, &a
	}
	if hash(bearer(q.Request)) != s.admin {
		return fail(http.StatusUnauthorized, "Unauthorized", "The token is missing or not valid")
	}
	if q.PathValue("sid") == "" {
		return nil, nil
	}
	k := s.byID(q.PathValue("sid"))
	if k == nil {
		return fail(http.StatusNotFound, "ResourceNotFound", "Subscription not found")
	}
	return k, nil
}

func (s *nexosis) subscriptions(q *request) answer {
	if _, refusal := s.managed(q); refusal != nil {
		return *refusal
	}
	value := []object{}
	for _, k := range s.listed(func(*Key) bool { return true }) {
		value = append(value, object{"id": "/subscriptions/" + k.ID, "name": k.Name, "state": k.State, "productId": k.Kind, "createdDate": moment(&k.Times.Created)})
	}
	return say(http.StatusOK, object{"value": value, "count": len(value)})
}

func (s *nexosis) etag(k *Key) string {
	return `"` + hash(text(k.Attributes[primary+"_hash"]) + text(k.Attributes[secondary+"_hash"]))[:16] + `"`
}

func (s *nexosis) listSecrets(q *request) answer {
	k, refusal := s.managed(q)
	if refusal != nil {
		return *refusal
	}
	return s.secretsOf(k)
}

func (s *nexosis) secretsOf(k *Key) answer {
	return say(http.StatusOK, object{"primaryKey": s.shown(k, primary), "secondaryKey": s.shown(k, secondary)}).with("ETag", s.etag(k)).with("Cache-Control", "no-store")
}

func (s *nexosis) regenerate(q *request, slot string) answer {
	k, refusal := s.managed(q)
	if refusal != nil {
		return *refusal
	}
	if want := q.Header.Get("If-Match"); s.knob("if_match") == "on" && want != "" && want != "*" && want != s.etag(k) {
		return say(http.StatusPreconditionFailed, object{"error": object{"code": "PreconditionFailed", "message": "The subscription has changed"}})
	}
	s.fill(k, slot, "")
	s.note("operator", "regenerate "+slot, k.ID, q.source)
	if s.knob("regenerate_returns") == "200" {
		return s.secretsOf(k)
	}
	return answer{status: http.StatusNoContent}
}

// portal is the dashboard's own list, with the session cookie: it shows the keys.
func (s *nexosis) portal(q *request) answer {
	cookie, err := q.Cookie("session")
	if err != nil || hash(cookie.Value) != s.session {
		return answer{status: http.StatusFound, text: "<html>Sign in</html>"}.with("Location", strings.TrimSuffix(q.URL.Path, "/api/keys")+"/account/login").with("Content-Type", "text/html")
	}
	out := []object{}
	for _, k := range s.keys {
		out = append(out, object{"Id": k.ID, "Name": k.Name, "Key": s.shown(k, primary)})
	}
	return say(http.StatusOK, out)
}
