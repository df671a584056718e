package detect

import (
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
)

// Every built-in pattern that takes the fast path finds what the regular expression
// engine finds, on its own examples, cut, mutated and continued.
func TestLinearEqualsRegexp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	linearRules, all, compared := 0, 0, 0
	for _, svc := range loaded(t) {
		for _, r := range svc.Rules {
			if r.Pattern == "" {
				continue
			}
			all++
			p, err := rules.ParsePattern(r.Pattern)
			if err != nil {
				t.Fatal(err)
			}
			l := newLinear(p.Tree)
			if l == nil {
				continue
			}
			linearRules++
			re := regexp.MustCompile(`^(?:` + r.Pattern + `)`)
			for _, e := range append(slices.Clone(r.Match), r.NoMatch...) {
				text := strings.ReplaceAll(e, "{cut}", "")
				for _, lit := range r.Shape.Literals {
					for at := 0; ; at++ {
						i := strings.Index(text[at:], lit.Text)
						if i < 0 {
							break
						}
						at += i
						compared += compareLinear(t, rng, r.ID, l, re, []byte(text[at:]))
					}
				}
			}
		}
	}
	t.Logf("%d of %d patterns are linear; %d texts compared", linearRules, all, compared)
	if linearRules*3 < all {
		t.Errorf("only %d of %d patterns take the fast path", linearRules, all)
	}
}

func compareLinear(t *testing.T, rng *rand.Rand, id string, l *linear, re *regexp.Regexp, text []byte) int {
	t.Helper()
	const rounds = 40
	for range rounds {
		b := slices.Clone(text)
		switch rng.IntN(4) {
		case 0:
			b = b[:rng.IntN(len(b)+1)]
		case 1:
			for range 1 + rng.IntN(3) {
				b[rng.IntN(len(b))] = "aZ09_-/+= \"\x00\xff."[rng.IntN(14)]
			}
		case 2:
			b = append(b, b[:rng.IntN(len(b)+1)]...)
		}
		want := re.FindSubmatchIndex(b)
		loc := make([]int, 2*l.groups)
		var got []int
		if l.match(loc, b) {
			got = loc
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: linear %v, regexp %v", id, got, want)
		}
	}
	return rounds
}

func TestLinearRefusesWhatNeedsBacktracking(t *testing.T) {
	for _, p := range []string{`ab[a-z]{2,5}x`, `(?:ab|abc)d`, `a[0-9]{1,3}[0-9a-f]{4}`, `ab[a-z]{1,3}?c`, `ab[^x]{3}`, `ab(?i:key)`, `ab(?:cd)?e`} {
		re, err := syntax.Parse(p, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if newLinear(re) != nil {
			t.Errorf("%s is taken for linear", p)
		}
	}
}

// loaded are the built-in services with their examples.
func loaded(t *testing.T) []rules.Service {
	t.Helper()
	services, err := rules.LoadFS(builtin.Files, ".")
	if err != nil {
		t.Fatal(err)
	}
	return services
}
