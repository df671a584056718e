package emulator

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// core is what all services share: keys, clock, policies, audit, limits. Its mutex is
// held by whoever calls a service.
type core struct {
	mu      sync.Mutex
	clock   *Clock
	post    func(url, signature string, body []byte) // delivers a webhook
	knobs   []Knob
	set     map[string]string // policies that were changed
	keys    []*Key            // in the order of their making
	secrets map[string]*secret
	buckets map[string]*bucket
	audit   []Audit
	outbox  []Message
	sealer  cipher.AEAD
	// form matches what looks like one of the service's keys, for the log.
	form *regexp.Regexp
}

// Key is the state of one key. It never holds the secret.
type Key struct {
	ID         string         `json:"id"`
	Name       string         `json:"name,omitempty"`
	Kind       string         `json:"kind,omitempty"`
	Owner      string         `json:"owner,omitempty"`
	State      string         `json:"state"`
	Hash       string         `json:"hash"` // SHA-256 of the current secret
	Times      Times          `json:"times"`
	Grants     Grants         `json:"grants"`
	Lineage    Lineage        `json:"lineage"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// Times of a key. Nil is never.
type Times struct {
	Created    time.Time  `json:"created"`
	Expires    *time.Time `json:"expires"`
	LastUsed   *time.Time `json:"last_used"`
	GraceUntil *time.Time `json:"grace_until,omitempty"`
	Revoked    *time.Time `json:"revoked,omitempty"`
}

// Grants are what a key may do.
type Grants struct {
	Environment string   `json:"environment,omitempty"`
	Scopes      []string `json:"scopes,omitempty"`
	Services    []string `json:"services,omitempty"`
	IPAllowlist []string `json:"ip_allowlist,omitempty"`
}

// Lineage tells which keys stand before and after a key, and why it ended.
type Lineage struct {
	Replaces   string `json:"replaces,omitempty"`
	ReplacedBy string `json:"replaced_by,omitempty"`
	Reason     string `json:"reason,omitempty"`
	AutoRenew  bool   `json:"auto_renew,omitempty"`
	Notices    []int  `json:"notices,omitempty"` // days before expiry that were announced
}

// States that several services have.
const (
	stateActive   = "active"
	stateGrace    = "grace"
	stateExpired  = "expired"
	stateRevoked  = "revoked"
	stateDisabled = "disabled"
	stateDeleted  = "deleted"
)

// secret says which key a value opens, and until when.
type secret struct {
	key    *Key
	slot   string
	ends   *time.Time // nil: as long as the key lives
	sealed []byte     // only where the service can show or use it again
}

// Audit is one line of the service's own audit trail.
type Audit struct {
	ID       string    `json:"eventId"`
	Time     time.Time `json:"timestamp"`
	Actor    string    `json:"actor"`
	Action   string    `json:"action"`
	Resource string    `json:"resource"`
	Source   string    `json:"source_ip,omitempty"`
}

// Message is an e-mail or webhook that the service sent.
type Message struct {
	Time time.Time      `json:"time"`
	Kind string         `json:"kind"` // email or webhook
	To   string         `json:"to"`
	Type string         `json:"type"`
	Data map[string]any `json:"data"`
}

func newCore(clock *Clock) *core {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &core{clock: clock, set: map[string]string{}, secrets: map[string]*secret{}, buckets: map[string]*bucket{}, sealer: aead}
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (c *core) seal(text string) []byte {
	nonce := make([]byte, c.sealer.NonceSize())
	_, _ = rand.Read(nonce)
	return c.sealer.Seal(nonce, nonce, []byte(text), nil)
}

func (c *core) open(sealed []byte) string {
	n := c.sealer.NonceSize()
	if len(sealed) < n {
		return ""
	}
	text, err := c.sealer.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil {
		return ""
	}
	return string(text)
}

// add stores a key under its secret. The secret itself is not kept.
func (c *core) add(k *Key, value string) {
	k.Hash = hash(value)
	if k.Times.Created.IsZero() {
		k.Times.Created = c.clock.Now()
	}
	c.keys = append(c.keys, k)
	c.secrets[k.Hash] = &secret{key: k}
}

// replace gives a key (or its slot) a new secret; the old one works for as long as
// changes take to be seen.
func (c *core) replace(k *Key, slot, value string) *secret {
	end := c.clock.Now().Add(c.duration("propagation"))
	for _, s := range c.secrets {
		if s.key == k && s.slot == slot && s.ends == nil {
			s.ends, s.sealed = &end, nil
		}
	}
	n := &secret{key: k, slot: slot}
	c.secrets[hash(value)] = n
	if slot == "" {
		k.Hash = hash(value)
	}
	return n
}

// end makes all secrets of a key stop as soon as changes are seen.
func (c *core) end(k *Key) {
	end := c.clock.Now().Add(c.duration("propagation"))
	for _, s := range c.secrets {
		if s.key == k && s.ends == nil {
			s.ends = &end
		}
	}
}

// find returns the key that a value opens now; nil where there is none.
func (c *core) find(value string) *Key {
	s := c.secrets[hash(value)]
	if value == "" || s == nil || s.ends != nil && !c.clock.Now().Before(*s.ends) {
		return nil
	}
	return s.key
}

// known returns the key that a value opens or has opened.
func (c *core) known(value string) *Key {
	if s := c.secrets[hash(value)]; s != nil && value != "" {
		return s.key
	}
	return nil
}

func (c *core) byID(id string) *Key {
	for _, k := range c.keys {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// listed returns the keys that a list shows: those made at least list_lag ago.
func (c *core) listed(keep func(*Key) bool) []*Key {
	var out []*Key
	since := c.clock.Now().Add(-c.duration("list_lag"))
	for _, k := range c.keys {
		if !k.Times.Created.After(since) && keep(k) {
			out = append(out, k)
		}
	}
	return out
}

func (c *core) use(k *Key) {
	now := c.clock.Now()
	k.Times.LastUsed = &now
}

func (c *core) note(actor, action, resource, source string) {
	c.audit = append(c.audit, Audit{ID: "evt_" + randomText(16, lowerAlnum), Time: c.clock.Now(), Actor: actor, Action: action, Resource: resource, Source: source})
}

// commonKnobs are the policies that every service has.
var commonKnobs = []Knob{
	{"propagation", "0s", "duration"}, // how long a value works on after it was ended
	{"list_lag", "0s", "duration"},    // how long a new key stays out of lists
	{"trust_xff", "off", "on|off"},    // take the client's address from X-Forwarded-For
}

func (c *core) knob(name string) string {
	if v, ok := c.set[name]; ok {
		return v
	}
	for _, k := range c.knobs {
		if k.Name == name {
			return k.Default
		}
	}
	return ""
}

func (c *core) duration(name string) time.Duration {
	d, _ := time.ParseDuration(c.knob(name)) // checked by setKnob
	return d
}

func (c *core) number(name string) int {
	n, _ := strconv.Atoi(c.knob(name))
	return n
}

func (c *core) setKnob(name, value string) error {
	i := slices.IndexFunc(c.knobs, func(k Knob) bool { return k.Name == name })
	if i < 0 {
		var names []string
		for _, k := range c.knobs {
			names = append(names, k.Name)
		}
		slices.Sort(names)
		return fmt.Errorf("no policy %q: want one of %s", name, strings.Join(names, ", "))
	}
	ok := true
	switch form := c.knobs[i].Form; form {
	case "duration":
		d, err := time.ParseDuration(value)
		ok = err == nil && d >= 0
	case "number":
		n, err := strconv.Atoi(value)
		ok = err == nil && n >= 0
	case "text":
	default:
		ok = slices.Contains(strings.Split(form, "|"), value)
	}
	if !ok {
		return fmt.Errorf("policy %s: %q: want %s", name, value, c.knobs[i].Form)
	}
	c.set[name] = value
	return nil
}

// bucket is a token bucket on the virtual clock.
type bucket struct {
	tokens float64
	last   time.Time
}

// allow takes a token of the named bucket. It returns how long to wait where there is
// none.
func (c *core) allow(name string, perSecond float64, capacity int) (wait time.Duration, ok bool) {
	now := c.clock.Now()
	b := c.buckets[name]
	if b == nil {
		b = &bucket{tokens: float64(capacity), last: now}
		c.buckets[name] = b
	}
	b.tokens = math.Min(float64(capacity), b.tokens+now.Sub(b.last).Seconds()*perSecond)
	b.last = now
	if b.tokens >= 1-1e-9 {
		b.tokens--
		return 0, true
	}
	return time.Duration((1 - b.tokens) / perSecond * float64(time.Second)), false
}

// admitted reports whether an address is on a list of prefixes; an empty list admits
// everybody.
func admitted(list []string, address string) bool {
	if len(list) == 0 {
		return true
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil && p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// clone copies a key so that a reader sees one state.
func (k *Key) clone() Key {
	out := *k
	out.Grants.Scopes, out.Grants.Services = slices.Clone(k.Grants.Scopes), slices.Clone(k.Grants.Services)
	out.Grants.IPAllowlist, out.Lineage.Notices = slices.Clone(k.Grants.IPAllowlist), slices.Clone(k.Lineage.Notices)
	out.Attributes = maps.Clone(k.Attributes)
	return out
}

// seconds writes a duration as Retry-After does, rounded up.
func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
