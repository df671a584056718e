package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// cloudNexus emulates CloudNexus (key-services.md section 3.1). The paths /instances
// and /keys/rotate, the 24 hours of grace, the tiers of the rate limit and 401 for
// expired keys are the seed's; the rest is assumed.
type cloudNexus struct {
	*core
	replay   map[string]replayed // by key id and Idempotency-Key
	webhooks []webhook
	created  int // instances
}

type replayed struct {
	sealed []byte
	until  time.Time
}

type webhook struct {
	id, url, secret string
	events          []string
}

func newCloudNexus(c *core) service {
	c.form = regexp.MustCompile(`cnx_(?:prod|stg|dev)_[0-9A-Za-z]{30}`)
	c.knobs = append(slices.Clone(c.knobs),
		Knob{"grace", "24h", "duration"},
		Knob{"grace_end", "auto", "auto|manual"},
		Knob{"ip_denied_status", "403", "403|401"},
		Knob{"unauthorized_detail", "none", "none|reason"},
		Knob{"rotate_expiry", "keep", "keep|same-ttl|none"},
		Knob{"rotate_scopes", "same", "same|drop|widen"},
		Knob{"query_param", "api_key", "text"},
		Knob{"rate_scope", "key", "key|account"},
		Knob{"reveal_headers", "off", "on|off"},
		Knob{"plan", "starter", "starter|professional|enterprise"},
		Knob{"idempotency", "on", "on|off"},
	)
	return &cloudNexus{core: c, replay: map[string]replayed{}}
}

const cnxAccount = "acct_emulated"

func (s *cloudNexus) operator(secret string) {
	s.add(&Key{ID: secret[:len("cnx_prod_")+4], Name: "Management", Kind: "operator", State: stateActive, Grants: Grants{Environment: "production", Scopes: []string{"admin:*"}}}, secret)
}

var cnxEnvironments = map[string]string{"prod": "production", "stg": "staging", "dev": "development"}

// make adds an active key. Its public id is the prefix and four characters.
func (s *cloudNexus) make(env string, k *Key, value string) string {
	for value == "" || s.byID(value[:len(env)+9]) != nil {
		value = "cnx_" + env + "_" + randomText(30, alnum)
	}
	k.ID, k.State, k.Grants.Environment = value[:len(env)+9], stateActive, cnxEnvironments[env]
	s.add(k, value)
	s.schedule(k)
	return value
}

func (s *cloudNexus) issue(i Issue) (Issued, error) {
	env := i.Environment
	if env == "" {
		env = "prod"
	}
	if cnxEnvironments[env] == "" {
		return Issued{}, fmt.Errorf("environment %q: want prod, stg or dev", env)
	}
	if i.Scopes == nil {
		i.Scopes = []string{"compute:read"}
	}
	if err := s.checkGrants(i.Scopes, i.IPAllowlist); err != nil {
		return Issued{}, err
	}
	if i.Secret != "" && (!s.form.MatchString(i.Secret) || s.byID(i.Secret[:len(env)+9]) != nil) {
		return Issued{}, errors.New("the given secret has another form, or its id is taken")
	}
	k := &Key{Name: i.Name, Grants: Grants{Scopes: i.Scopes, Services: i.Services, IPAllowlist: i.IPAllowlist}, Lineage: Lineage{AutoRenew: i.AutoRenew}}
	k.Times.Created = s.clock.Now()
	if i.Life > 0 {
		at := k.Times.Created.Add(time.Duration(i.Life))
		k.Times.Expires = &at
	}
	value := s.make(env, k, i.Secret)
	s.note("user", "key.created", k.ID, "")
	return Issued{ID: k.ID, Secret: value}, nil
}

var cnxScope = regexp.MustCompile(`^(compute|storage|network|billing|admin):(read|write|admin|\*)$`)

func (s *cloudNexus) checkGrants(scopes, ips []string) error {
	for _, sc := range scopes {
		if !cnxScope.MatchString(sc) {
			return fmt.Errorf("scope %q: want RESOURCE:ACTION", sc)
		}
	}
	for _, p := range ips {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("ip_allowlist %q: want a CIDR", p)
		}
	}
	return nil
}

// allows reports whether scopes hold resource:action; admin is above write, write
// above read, and * above all.
func allows(scopes []string, resource, action string) bool {
	rank := []string{"read", "write", "admin", "*"}
	for _, sc := range scopes {
		r, a, _ := strings.Cut(sc, ":")
		if r == resource && slices.Index(rank, a) >= slices.Index(rank, action) {
			return true
		}
	}
	return false
}

// schedule arranges the notices and the end of a key that expires.
func (s *cloudNexus) schedule(k *Key) {
	if k.Times.Expires == nil {
		return
	}
	at := *k.Times.Expires
	due := func(t time.Time, do func()) {
		if t.Before(s.clock.Now()) {
			return
		}
		s.clock.at(t, func(time.Time) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if k.Times.Expires != nil && k.Times.Expires.Equal(at) && (k.State == stateActive || k.State == stateGrace) {
				do()
			}
		})
	}
	for _, days := range []int{7, 1} {
		due(at.AddDate(0, 0, -days), func() {
			if k.State != stateActive || slices.Contains(k.Lineage.Notices, days) {
				return
			}
			if days == 7 && k.Lineage.AutoRenew { // the same secret lives as long again
				later := at.Add(at.Sub(k.Times.Created))
				k.Times.Expires = &later
				s.schedule(k)
				s.tell("key.renewed", object{"key_id": k.ID, "expires_at": moment(&later)})
				return
			}
			k.Lineage.Notices = append(k.Lineage.Notices, days)
			s.mail("key.expiring", object{"key_id": k.ID, "days": days})
			s.tell("key.expiring", object{"key_id": k.ID, "days": days})
		})
	}
	due(at, func() { // wins over grace
		k.State = stateExpired
		now := at
		for _, v := range s.secrets {
			if v.key == k && v.ends == nil {
				v.ends = &now // at once, whatever propagation says
			}
		}
		s.note("system", "key.expired", k.ID, "")
	})
}

func (s *cloudNexus) revoke(k *Key, reason, actor, source string) {
	if k.State == stateRevoked {
		return
	}
	now := s.clock.Now()
	k.State, k.Times.Revoked, k.Lineage.Reason = stateRevoked, &now, reason
	s.end(k)
	s.note(actor, "key.revoked", k.ID, source)
	s.tell("key.revoked", object{"key_id": k.ID, "reason": reason})
}

// event knows revoked, expired and grace.
func (s *cloudNexus) event(id, event string) error {
	k := s.byID(id)
	if k == nil {
		return fmt.Errorf("no key %q", id)
	}
	switch event {
	case stateRevoked:
		s.revoke(k, "manual", "user", "")
	case stateExpired:
		now := s.clock.Now()
		k.Times.Expires, k.State = &now, stateExpired
		for _, v := range s.secrets {
			if v.key == k {
				v.ends = &now
			}
		}
	case stateGrace:
		if k.State == stateActive {
			s.rotate(k, "user", "")
		}
	default:
		return fmt.Errorf("event %q: want revoked, expired or grace", event)
	}
	return nil
}

// rotate makes the successor and puts the old key into its grace period.
func (s *cloudNexus) rotate(old *Key, actor, source string) (*Key, string) {
	now := s.clock.Now()
	k := &Key{Name: old.Name, Grants: old.clone().Grants, Lineage: Lineage{Replaces: old.ID, AutoRenew: old.Lineage.AutoRenew}}
	k.Times.Created = now
	switch s.knob("rotate_scopes") {
	case "drop":
		k.Grants.Scopes = k.Grants.Scopes[:max(0, len(k.Grants.Scopes)-1)]
	case "widen":
		k.Grants.Scopes = append(k.Grants.Scopes, "billing:admin")
	}
	if e := old.Times.Expires; e != nil {
		at := *e
		if s.knob("rotate_expiry") == "same-ttl" {
			at = now.Add(e.Sub(old.Times.Created))
		}
		if s.knob("rotate_expiry") != "none" {
			k.Times.Expires = &at
		}
	}
	env := "prod"
	for short, long := range cnxEnvironments {
		if long == old.Grants.Environment {
			env = short
		}
	}
	value := s.make(env, k, "")
	until := now.Add(s.duration("grace"))
	old.State, old.Times.GraceUntil, old.Lineage.ReplacedBy = stateGrace, &until, k.ID
	if s.knob("grace_end") == "auto" {
		s.clock.at(until, func(time.Time) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if old.State == stateGrace {
				s.revoke(old, "grace_elapsed", "system", "")
			}
		})
	}
	s.note(actor, "key.rotated", old.ID, source)
	s.note(actor, "key.created", k.ID, source)
	s.tell("key.rotated", object{"key_id": old.ID, "replaced_by": k.ID, "grace_until": moment(&until)})
	return k, value
}

func (s *cloudNexus) mail(kind string, data object) {
	s.outbox = append(s.outbox, Message{Time: s.clock.Now(), Kind: "email", To: "owner@example.com", Type: kind, Data: data})
}

// tell sends a webhook to everybody who asked for it, signed and without secrets.
func (s *cloudNexus) tell(kind string, data object) {
	s.outbox = append(s.outbox, Message{Time: s.clock.Now(), Kind: "webhook", Type: kind, Data: data})
	for _, w := range s.webhooks {
		if len(w.events) > 0 && !slices.Contains(w.events, kind) {
			continue
		}
		body, err := json.Marshal(object{"id": "whd_" + randomText(16, lowerAlnum), "type": kind, "created_at": s.clock.Now().Format(time.RFC3339), "data": data})
		if err != nil {
			continue // our own values always encode
		}
		t := fmt.Sprint(s.clock.Now().Unix())
		mac := hmac.New(sha256.New, []byte(w.secret))
		mac.Write([]byte(t + "." + string(body)))
		s.post(w.url, "t="+t+",v1="+hex.EncodeToString(mac.Sum(nil)), body)
	}
}
