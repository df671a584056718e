// Package checksum tells offline whether the bytes of a key fit the format that its
// key service uses: a sum over the body, or a structure that a random string does
// not have. Functions are pure. It is a leaf: standard library only.
package checksum

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// Result is what a scheme says about one candidate.
type Result int

// Results. Mismatch proves only that the digits do not fit; the rule says whether
// such a candidate is dropped. Valid proves the form and nothing about the owner or
// the state. NotApplicable means that the scheme cannot tell: a value it needs is
// not known, or the Scheme is nil or zero.
const (
	NotApplicable Result = iota
	Mismatch
	Valid
)

func (r Result) String() string {
	switch r {
	case Valid:
		return "valid"
	case Mismatch:
		return "mismatch"
	}
	return "not-applicable"
}

// Alphabets of base62, in the spelling that rules use: which case comes first.
const (
	UpperFirst = "0-9A-Za-z"
	LowerFirst = "0-9a-zA-Z"
)

const (
	base62Upper = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base62Lower = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// Scheme is one compiled checksum scheme: immutable, safe for concurrent use. A nil
// or zero Scheme answers NotApplicable to everything.
type Scheme struct {
	kind     string
	alphabet string
	digits   int
	seeds    []uint64 // marvin32
	refs     []string // sha256-base64url
}

// spec is what New accepts for a kind.
type spec struct {
	digits, min, max int // default and bounds of the number of digits
	alphabets        []string
	seeds            bool
}

var specs = map[string]spec{
	"crc32-base62":     {digits: 6, min: 6, max: 16, alphabets: []string{UpperFirst, LowerFirst}},
	"crc32-base36":     {digits: 7, min: 7, max: 16},
	"crc32-hex":        {digits: 8, min: 8, max: 8},
	"crc32-hex-upper":  {digits: 8, min: 8, max: 8},
	"crc32-hex-le":     {digits: 8, min: 8, max: 8},
	"crc32-base64-le":  {digits: 6, min: 4, max: 8},
	"marvin32":         {digits: 6, min: 6, max: 9, seeds: true},
	"cask":             {digits: 4, min: 4, max: 8},
	"entra":            {digits: 3, min: 3, max: 3},
	"azure-devops":     {},
	"gitlab-routable":  {digits: 7, min: 7, max: 7},
	"pypi":             {},
	"jwt":              {},
	"base64-json":      {},
	"sha256-base64url": {digits: 8, min: 8, max: 43, seeds: true},
}

// Kinds returns the names of all schemes, sorted.
func Kinds() []string {
	names := make([]string, 0, len(specs))
	for name := range specs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// New compiles a scheme. digits 0 means the kind's usual number; alphabet is needed
// by crc32-base62 alone. seeds are Marvin32's 8-character seeds, of which one must
// fit, and for sha256-base64url the project references that need not stand near the
// key (none: the one of self-hosted installations). An error names the field.
func New(kind, alphabet string, digits int, seeds []string) (*Scheme, error) {
	sp, ok := specs[kind]
	if !ok {
		return nil, fmt.Errorf("kind: unknown checksum %q: want one of %s", kind, strings.Join(Kinds(), ", "))
	}
	s := &Scheme{kind: kind, digits: sp.digits}
	if digits != 0 {
		if digits < sp.min || digits > sp.max {
			return nil, fmt.Errorf("digits: %d with %s: want %d to %d", digits, kind, sp.min, sp.max)
		}
		s.digits = digits
	}
	switch {
	case sp.alphabets == nil && alphabet != "":
		return nil, fmt.Errorf("alphabet: %s takes none", kind)
	case sp.alphabets != nil && !slices.Contains(sp.alphabets, alphabet):
		return nil, fmt.Errorf("alphabet: %q with %s: want %s", alphabet, kind, strings.Join(sp.alphabets, " or "))
	case alphabet == UpperFirst:
		s.alphabet = base62Upper
	case alphabet == LowerFirst:
		s.alphabet = base62Lower
	}
	if len(seeds) > 0 && !sp.seeds {
		return nil, fmt.Errorf("seeds: %s takes none", kind)
	}
	return s, s.setSeeds(seeds)
}

func (s *Scheme) setSeeds(seeds []string) error {
	switch s.kind {
	case "marvin32":
		if len(seeds) == 0 {
			return fmt.Errorf("seeds: marvin32 needs at least one")
		}
		for _, seed := range seeds {
			if len(seed) != 8 {
				return fmt.Errorf("seeds: %q has %d bytes: want 8", seed, len(seed))
			}
			s.seeds = append(s.seeds, seed64(seed))
		}
	case "sha256-base64url":
		if slices.Contains(seeds, "") {
			return fmt.Errorf("seeds: empty project reference")
		}
		s.refs = slices.Clone(seeds)
		if len(seeds) == 0 {
			s.refs = []string{selfHosted}
		}
	}
	return nil
}

// Structural reports whether the scheme checks a structure only, such as that of a
// JWT: what has it is of the form, but anybody can make it.
func (s *Scheme) Structural() bool {
	switch s.kind {
	case "jwt", "base64-json", "pypi":
		return true
	}
	return false
}

// Whole reports that the digits are not one run at the end of the key: over and
// digits are ignored, and Make returns the whole key with its digits set right.
func (s *Scheme) Whole() bool { return s != nil && s.kind == "azure-devops" }

// Check reports whether digits are the checksum of over. secret is the whole key:
// marvin32, cask, entra and azure-devops look at it and not at over; pypi, jwt and
// base64-json look at over, and at secret where over is empty. digits whose number
// is not the scheme's are a Mismatch.
//
// Check does not allocate, except for the kinds that decode JSON.
func (s *Scheme) Check(secret, over, digits []byte) Result {
	if s == nil {
		return NotApplicable
	}
	switch s.kind {
	case "marvin32":
		return result(s.checkHIS(secret))
	case "cask":
		return result(checkCASK(secret))
	case "entra":
		return result(checkEntra(secret))
	case "azure-devops":
		return result(checkAzureDevOps(secret))
	case "gitlab-routable":
		return result(len(digits) == s.digits && s.crcFits(over, digits) && gitlabLengthFits(over))
	case "pypi":
		return result(isPyPI(either(over, secret)))
	case "jwt":
		return result(isJWT(either(over, secret)))
	case "base64-json":
		return result(isBase64JSON(either(over, secret)))
	case "sha256-base64url":
		return s.checkRefs(over, digits)
	case "":
		return NotApplicable
	}
	return result(len(digits) == s.digits && s.crcFits(over, digits))
}

// Make returns the digits that Check accepts after over, for made-up keys: examples,
// and controls in verification. secret is the key being made, with any digits, and
// is needed where Whole is true; for marvin32 and cask it supplies bits that share a
// character with the first digit, and may be nil. ok is false for schemes that check
// only a structure and where over and secret have not the format's form.
func (s *Scheme) Make(secret, over []byte) (digits []byte, ok bool) {
	if s == nil {
		return nil, false
	}
	var buf [16]byte
	switch s.kind {
	case "marvin32":
		return s.makeHIS(secret, over)
	case "cask":
		return makeCASK(over)
	case "entra":
		return makeEntra(over)
	case "azure-devops":
		return makeAzureDevOps(secret)
	case "sha256-base64url":
		d := refDigits([]byte(s.refs[0]), over)
		return bytes.Clone(d[:s.digits]), true
	case "pypi", "jwt", "base64-json", "":
		return nil, false
	case "gitlab-routable":
		if !gitlabLengthFits(over) {
			return nil, false
		}
	}
	return bytes.Clone(s.crcDigits(over, &buf)), true
}

func (s *Scheme) crcFits(over, digits []byte) bool {
	var buf [16]byte
	return bytes.Equal(s.crcDigits(over, &buf), digits)
}

// crcDigits writes the CRC-32 (IEEE) of over into buf as the kind spells it.
func (s *Scheme) crcDigits(over []byte, buf *[16]byte) []byte {
	sum := crc32.ChecksumIEEE(over)
	out := buf[:s.digits]
	switch s.kind {
	case "crc32-base62":
		encode(out, sum, s.alphabet)
	case "crc32-base36", "gitlab-routable":
		encode(out, sum, base62Lower[:36])
	case "crc32-hex":
		encode(out, sum, "0123456789abcdef")
	case "crc32-hex-upper":
		encode(out, sum, "0123456789ABCDEF")
	case "crc32-hex-le":
		encode(out, swap(sum), "0123456789abcdef")
	case "crc32-base64-le":
		le := [4]byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)}
		var all [8]byte
		base64.StdEncoding.Encode(all[:], le[:])
		copy(out, all[:])
	}
	return out
}

// encode writes n in the alphabet's base, padded on the left with its zero.
func encode(out []byte, n uint32, alphabet string) {
	base := uint32(len(alphabet))
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = alphabet[n%base]
		n /= base
	}
}

func swap(n uint32) uint32 { return n<<24 | n&0xff00<<8 | n>>8&0xff00 | n>>24 }

func result(ok bool) Result {
	if ok {
		return Valid
	}
	return Mismatch
}

func either(over, secret []byte) []byte {
	if len(over) > 0 {
		return over
	}
	return secret
}
