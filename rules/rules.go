// Package rules turns TOML files into checked, immutable descriptions of key
// services: what their keys look like and how a key is verified, regenerated and
// revoked. It holds data and its checks, no behaviour: scanner/detect compiles the
// rules, revoker/keyservice runs the operations.
package rules

import "github.com/rekeyhq/rekey/scanner/finding"

// Trust says whether secrets may go to a service's built-in host.
type Trust string

// Trust values. With Ask a secret is sent only to a base URL that the user named.
const (
	TrustBuiltin Trust = "builtin"
	TrustAsk     Trust = "ask"
	TrustNever   Trust = "never"
)

// Evidence is where a fact about a service comes from (design.md section 10).
type Evidence string

// Evidence values, strongest first. An assumed operation never runs against a
// built-in host; a recalled one may verify, and revokes only when a person confirms.
const (
	Documented Evidence = "documented"
	Public     Evidence = "public"
	Inferred   Evidence = "inferred"
	Recalled   Evidence = "recalled"
	Assumed    Evidence = "assumed"
)

// Service is one TOML file: a key service, the rules that find its keys and the
// operations it offers.
type Service struct {
	ID      string `toml:"id"`
	Name    string `toml:"name"`
	Docs    string `toml:"docs"`
	BaseURL string `toml:"base_url"`
	Trust   Trust  `toml:"trust"`
	// Hosts lists suffixes (".example.com" or a whole host) that a host taken from a
	// credential must match before a secret goes there.
	Hosts []string `toml:"hosts"`
	// HostFrom names where self-hosted services take their host: a part's or group's
	// name such as "host". Empty: BaseURL only.
	HostFrom string `toml:"host_from"`
	// Note is shown to people who are about to act on the service.
	Note string `toml:"note"`

	File  string `toml:"-"` // where it was read, for messages
	Rules []Rule `toml:"-"`
	// Ops are the service's operations as a file gave them; built-in services make
	// theirs on demand through MakeOps, so that a scan does not pay for them. Read
	// both through Operations.
	Ops     Operations        `toml:"-"`
	MakeOps func() Operations `toml:"-"`
}

// Operations returns what the service offers: first what Ops holds, then what
// MakeOps makes.
func (s *Service) Operations() Operations {
	if s.MakeOps == nil {
		return s.Ops
	}
	made := s.MakeOps()
	join := func(a, b []Operation) []Operation { return append(append([]Operation(nil), a...), b...) }
	return Operations{
		Verify: join(s.Ops.Verify, made.Verify), Whoami: join(s.Ops.Whoami, made.Whoami), List: join(s.Ops.List, made.List),
		Regenerate: join(s.Ops.Regenerate, made.Regenerate), Revoke: join(s.Ops.Revoke, made.Revoke),
		Disable: join(s.Ops.Disable, made.Disable), Enable: join(s.Ops.Enable, made.Enable),
	}
}

// Rule describes one kind of key.
//
// The secret is the pattern's group "secret", or the whole match. Before and after
// it no byte may stand that would continue the key, unless Boundary is "none".
type Rule struct {
	ID          string              `toml:"id"`
	Title       string              `toml:"title"`
	Description string              `toml:"description"`
	Severity    finding.Severity    `toml:"severity"`
	Confidence  *finding.Confidence `toml:"confidence"`
	Kind        string              `toml:"kind"`
	// Prefixes are literals, one of which begins the match. They may be left out
	// where the pattern begins with literals: the loader extracts them.
	Prefixes []string `toml:"prefixes"`
	// Keywords are words, matched without regard to case, one of which stands inside
	// every match of the pattern: for shapes that begin with no literal.
	Keywords []string `toml:"keywords"`
	Pattern  string   `toml:"pattern"`
	// Block describes a secret between two markers, such as a PEM block, in place
	// of Pattern.
	Block    *Block    `toml:"block"`
	Checksum *Checksum `toml:"checksum"`
	Entropy  *Entropy  `toml:"entropy"`
	Context  *Context  `toml:"context"`
	Parts    []Part    `toml:"parts"`
	// Boundary is "token" (default) or "none".
	Boundary string `toml:"boundary"`
	// Allow lists patterns; a match whose secret one of them matches is dropped.
	Allow []string `toml:"allow"`
	// Paths narrows the files in which the rule looks (globs with **).
	Paths *Paths `toml:"paths"`
	// Examples are hex SHA-256 of keys that the service's documentation publishes:
	// reported as example, never sent.
	Examples []string `toml:"examples_sha256"`
	// LowEntropy marks secrets that can be guessed, such as passwords: their
	// fingerprint is scrypt, and they are never shown even in part.
	LowEntropy bool `toml:"low_entropy"`
	// Hook says whether the rule blocks in hooks; default: confidence high or more.
	Hook *bool `toml:"hook"`
	// Weak marks a generic shape: where another rule finds the same bytes, it yields.
	Weak bool     `toml:"weak"`
	Tags []string `toml:"tags"`
	// Match and NoMatch are examples; "{cut}" is removed before use. A Match may
	// span lines.
	Match   []string `toml:"match"`
	NoMatch []string `toml:"no_match"`

	Service string `toml:"-"`
	File    string `toml:"-"`
	Line    int    `toml:"-"`
	// Shape is what the loader found out about the pattern, so that a detector can be
	// built without parsing it.
	Shape Shape `toml:"-"`
}

// Shape is what must be known of a rule before its first literal is met.
type Shape struct {
	// Literals begin every match of the pattern, or of the block's begin marker.
	Literals []Literal
	// Max is the longest match in bytes; of a block, Block.Max.
	Max int
}

// Block is a secret that stands between a begin and an end marker, such as PEM.
type Block struct {
	Begin string `toml:"begin"` // pattern; begins with a literal
	End   string `toml:"end"`   // pattern, searched after Begin
	Max   int    `toml:"max"`   // bytes from begin to end; default 65536
	// Decode names how the secret is made from the text: "" (as it is), "pem"
	// (escapes undone, base64 checked; encrypted and empty blocks are dropped),
	// "ppk" (PuTTY).
	Decode string `toml:"decode"`
}

// Checksum says where a format carries a checksum. The digits follow the group
// Over, after Skip bytes.
type Checksum struct {
	Kind       string   `toml:"kind"`
	Alphabet   string   `toml:"alphabet"`
	Over       string   `toml:"over"` // a group's name, or "before": everything of the secret before the digits
	Digits     int      `toml:"digits"`
	Skip       int      `toml:"skip"`
	Seeds      []string `toml:"seeds"`       // Marvin32
	OnMismatch string   `toml:"on_mismatch"` // drop | keep
}

// Entropy is a lower bound on Shannon entropy in bits a character over a group.
type Entropy struct {
	Over string  `toml:"over"`
	Min  float64 `toml:"min"`
}

// Context asks for one of the words near a match, without regard to case.
type Context struct {
	Any    []string `toml:"any"`
	Within string   `toml:"within"` // "15 lines"; default "10 lines"
}

// Part is a further value of the credential that stands near the secret.
type Part struct {
	Name     string `toml:"name"`
	Pattern  string `toml:"pattern"` // its group named as the part, or the whole match
	Within   string `toml:"within"`  // "10 lines"
	Optional bool   `toml:"optional"`
	Secret   bool   `toml:"secret"`
}

// Paths narrows where a rule looks.
type Paths struct {
	Include []string `toml:"include"`
	Exclude []string `toml:"exclude"`
}
