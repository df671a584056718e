package keyservice

import (
	"crypto/rand"
	"math/big"
	"regexp"
	"regexp/syntax"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/checksum"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// madeUp returns a key of the same form as k that was never issued: random letters
// where the rule's pattern allows any, and a valid checksum where the form has one,
// so that a service cannot refuse it for its form alone.
func (q *query) madeUp(k Key) (Key, string, bool) {
	if q.driver != nil {
		return q.driver.MadeUp(k)
	}
	var rule *rules.Rule
	for i := range q.s.Rules {
		if q.s.Rules[i].ID == k.Rule {
			rule = &q.s.Rules[i]
		}
	}
	if rule == nil || rule.Pattern == "" {
		return Key{}, "its form cannot be made up", false
	}
	tree, err := syntax.Parse(rule.Pattern, syntax.Perl)
	if err != nil {
		return Key{}, "its form cannot be made up", false
	}
	shape, err := secretShape(tree)
	if err != nil {
		return Key{}, "its form cannot be made up", false
	}
	for range 16 {
		if secret, ok := madeUpSecret(rule, tree, k.Secret.Len()); ok && shape.Match(secret) && string(secret) != string(k.Secret.Reveal()) {
			values := make(map[string]string, len(k.Values))
			for n, v := range k.Values {
				values[n] = v
			}
			return Key{Service: k.Service, Rule: k.Rule, Secret: finding.NewSecret(secret), Values: values}, "", true
		}
	}
	return Key{}, "its form cannot be made up", false
}

// madeUpSecret makes a random match of the pattern's group "secret", of about the
// given length, and puts the checksum right.
func madeUpSecret(rule *rules.Rule, tree *syntax.Regexp, length int) ([]byte, bool) {
	g := &generator{groups: map[string][2]int{}}
	secret := group(tree, "secret")
	if secret == nil {
		secret = tree
	}
	g.extra = max(0, length-least(secret))
	g.write(secret)
	k := rule.Checksum
	if k == nil {
		return g.out, len(g.out) > 0
	}
	s, err := checksum.New(k.Kind, k.Alphabet, k.Digits, k.Seeds)
	if err != nil {
		return nil, false
	}
	from, to := 0, len(g.out)-k.Digits-k.Skip
	if k.Over != "before" && k.Over != "secret" && k.Over != "" {
		r, ok := g.groups[k.Over]
		if !ok {
			return nil, false
		}
		from, to = r[0], r[1]
	}
	if from < 0 || to < from || to > len(g.out) {
		return nil, false
	}
	digits, ok := s.Make(g.out, g.out[from:to])
	if !ok { // a structure, not a sum: the pattern alone decides
		return g.out, k.OnMismatch != "drop"
	}
	if to+k.Skip+len(digits) > len(g.out) {
		return nil, false
	}
	copy(g.out[to+k.Skip:], digits)
	return g.out, true
}

// secretShape compiles the pattern's group "secret", or the whole pattern, to be held
// against what was made up.
func secretShape(tree *syntax.Regexp) (*regexp.Regexp, error) {
	secret := group(tree, "secret")
	if secret == nil {
		secret = tree
	}
	return regexp.Compile("^(?:" + secret.String() + ")$")
}

// Fits returns the rules of a service whose secret has the form of key, for keys that
// a person gave without their surroundings.
func Fits(s *rules.Service, key []byte) []*rules.Rule {
	var out []*rules.Rule
	for i := range s.Rules {
		r := &s.Rules[i]
		if r.Pattern == "" {
			continue
		}
		tree, err := syntax.Parse(r.Pattern, syntax.Perl)
		if err != nil {
			continue
		}
		if shape, err := secretShape(tree); err == nil && shape.Match(key) {
			out = append(out, r)
		}
	}
	return out
}

func group(re *syntax.Regexp, name string) *syntax.Regexp {
	if re.Op == syntax.OpCapture && re.Name == name {
		return re
	}
	for _, s := range re.Sub {
		if g := group(s, name); g != nil {
			return g
		}
	}
	return nil
}

// generator writes a random string that a pattern matches.
type generator struct {
	out    []byte
	extra  int // bytes by which repeats may exceed their least count
	groups map[string][2]int
}

func (g *generator) write(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		g.out = append(g.out, string(re.Rune)...)
	case syntax.OpCharClass:
		g.out = append(g.out, pick(re.Rune))
	case syntax.OpCapture:
		from := len(g.out)
		g.write(re.Sub[0])
		if re.Name != "" {
			g.groups[re.Name] = [2]int{from, len(g.out)}
		}
	case syntax.OpConcat:
		for _, s := range re.Sub {
			g.write(s)
		}
	case syntax.OpAlternate:
		g.write(re.Sub[random(len(re.Sub))])
	case syntax.OpPlus:
		n := 1 + g.extra
		g.extra = 0
		for range n {
			g.write(re.Sub[0])
		}
	case syntax.OpRepeat:
		n := re.Min
		if more := g.more(re); more > 0 {
			n += more
			g.extra -= more
		}
		for range n {
			g.write(re.Sub[0])
		}
	}
}

// more returns by how many a repeat may exceed its least count.
func (g *generator) more(re *syntax.Regexp) int {
	if re.Max < 0 {
		return g.extra
	}
	return min(re.Max-re.Min, g.extra)
}

// least returns the length of a shortest match.
func least(re *syntax.Regexp) int {
	g := &generator{groups: map[string][2]int{}}
	g.write(re)
	return len(g.out)
}

// pick chooses an ASCII letter or digit of a class where there is one.
func pick(ranges []rune) byte {
	var all, good []byte
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1] && r < 0x7f; r++ {
			if r < 0x21 {
				continue
			}
			all = append(all, byte(r))
			if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
				good = append(good, byte(r))
			}
		}
	}
	if len(good) > 0 {
		return good[random(len(good))]
	}
	if len(all) > 0 {
		return all[random(len(all))]
	}
	return 'x'
}

func random(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0
	}
	return int(v.Int64())
}
