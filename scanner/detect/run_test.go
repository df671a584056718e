package detect

import (
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/rules"
)

// find agrees with a slow search for the first run.
func TestNeedFindsTheFirstRun(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	n := need{n: 8}
	for c := byte('a'); c <= 'f'; c++ {
		n.set[c] = true
	}
	re := regexp.MustCompile(`[a-f]{8,}`)
	found := 0
	for range 20000 {
		data := make([]byte, rng.IntN(60))
		for i := range data {
			data[i] = "abcdefabcdefabcdef.-"[rng.IntN(20)]
		}
		start, end := n.find(data)
		want := re.FindIndex(data)
		if want == nil && start < 0 {
			continue
		}
		found++
		if want == nil || start != want[0] || end != want[1] {
			t.Fatalf("%q: [%d, %d), want %v", data, start, end, want)
		}
	}
	if found < 1000 {
		t.Errorf("only %d runs", found)
	}
}

// Whatever a built-in pattern matches holds the run that it is said to need.
func TestMatchesHoldWhatTheyNeed(t *testing.T) {
	with, all := 0, 0
	for _, svc := range loaded(t) {
		for _, r := range svc.Rules {
			if r.Pattern == "" {
				continue
			}
			p, err := rules.ParsePattern(r.Pattern)
			if err != nil {
				t.Fatal(err)
			}
			n := needOf(p.Tree)
			all++
			if n.n > 0 {
				with++
			}
			re := regexp.MustCompile(r.Pattern)
			for _, e := range r.Match {
				for _, m := range re.FindAllString(strings.ReplaceAll(e, "{cut}", ""), -1) {
					if !n.in([]byte(m)) {
						t.Errorf("%s: a match has no run of %d", r.ID, n.n)
					}
				}
			}
		}
	}
	t.Logf("%d of %d patterns need a run", with, all)
}

func TestNeverEscaped(t *testing.T) {
	for p, want := range map[string]bool{`acme_[0-9a-f]{8}`: true, `a[+/]b`: false, `x=[a-z]{3}`: false, `(?:ab|c-d)_?`: true, `a.b`: false} {
		re, err := syntax.Parse(p, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := neverEscaped(re); got != want {
			t.Errorf("neverEscaped(%s) = %v", p, got)
		}
	}
}

// What may follow a literal never excludes a match.
func TestAheadAllowsEveryMatch(t *testing.T) {
	checked := 0
	for _, svc := range loaded(t) {
		for _, r := range svc.Rules {
			if r.Pattern == "" {
				continue
			}
			p, err := rules.ParsePattern(r.Pattern)
			if err != nil {
				t.Fatal(err)
			}
			prog, err := syntax.Compile(p.Tree.Simplify())
			if err != nil {
				t.Fatal(err)
			}
			re := regexp.MustCompile(`^(?:` + r.Pattern + `)`)
			for _, lit := range r.Shape.Literals {
				a := newAhead(prog, lit.Text, lit.Fold)
				for _, e := range r.Match {
					text := strings.ReplaceAll(e, "{cut}", "")
					for i := range text {
						has := strings.HasPrefix(text[i:], lit.Text) || lit.Fold && len(text)-i >= len(lit.Text) && strings.EqualFold(text[i:i+len(lit.Text)], lit.Text)
						if !has || !re.MatchString(text[i:]) {
							continue
						}
						checked++
						if ok, _ := a.allows([]byte(text[i:])); !ok {
							t.Errorf("%s: a match after %q is excluded", r.ID, lit.Text)
						}
					}
				}
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d matches checked", checked)
	}
}

// Whatever a built-in pattern matches holds the byte and the word that it must.
func TestMatchesHoldWhatTheyMust(t *testing.T) {
	words := 0
	for _, svc := range loaded(t) {
		for _, r := range svc.Rules {
			if r.Pattern == "" {
				continue
			}
			p, err := rules.ParsePattern(r.Pattern)
			if err != nil {
				t.Fatal(err)
			}
			l := &lazy{must: mustHold(p.Tree), word: mustWord(p.Tree), need: needOf(p.Tree)}
			if l.word != "" {
				words++
			}
			re := regexp.MustCompile(r.Pattern)
			for _, e := range r.Match {
				for _, m := range re.FindAllString(strings.ReplaceAll(e, "{cut}", ""), -1) {
					if !l.holds([]byte(m)) {
						t.Errorf("%s: a match lacks byte %q, word %q or a run of %d", r.ID, l.must, l.word, l.need.n)
					}
				}
			}
		}
	}
	t.Logf("%d patterns must hold a word", words)
}

func TestIndexFold(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		data := make([]byte, rng.IntN(12))
		for i := range data {
			data[i] = "aAbB-"[rng.IntN(5)]
		}
		word := []string{"a", "ab", "ba", "aba", "-a"}[rng.IntN(5)]
		if got, want := indexFold(data, word), strings.Index(strings.ToLower(string(data)), word); got != want {
			t.Fatalf("indexFold(%q, %q) = %d, want %d", data, word, got, want)
		}
	}
}

// Looking for runs first finds what running the pattern everywhere finds.
func TestBareShapesAreFoundByTheirRuns(t *testing.T) {
	const shape = `(?:token[ ]?)?(?P<secret>[0-9A-F]{6}[0-9a-z-]{12,40}={0,2})`
	svc := rules.Service{ID: "x", Rules: []rules.Rule{{ID: "x", Pattern: shape, Service: "x", Context: &rules.Context{Any: []string{"context"}, Within: "100 lines"}, Shape: rules.Shape{Max: 60}}}}
	with, err := New([]rules.Service{svc}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	without, err := New([]rules.Service{svc}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	without.rules[0].get().need = need{}
	if with.rules[0].get().need.n == 0 {
		t.Fatal("the shape needs no run")
	}
	rng := rand.New(rand.NewPCG(8, 9))
	a, b := with.NewScratch(), without.NewScratch()
	found := 0
	for range 3000 {
		text := []byte("context ")
		for range rng.IntN(40) {
			switch rng.IntN(3) {
			case 0:
				text = append(text, " token \n, : = -"[rng.IntN(15)])
			case 1:
				for range rng.IntN(30) {
					text = append(text, "0123456789abcdefghijklmnop-"[rng.IntN(27)])
				}
			case 2:
				for range 6 {
					text = append(text, "0123456789ABCDEF"[rng.IntN(16)])
				}
			}
		}
		got, want := with.Detect(a, text), without.Detect(b, text)
		found += len(want)
		if len(got) != len(want) {
			t.Fatalf("%q: %d with runs, %d without", text, len(got), len(want))
		}
		for i := range got {
			if got[i].Start != want[i].Start || got[i].End != want[i].End {
				t.Fatalf("%q: [%d, %d) with runs, [%d, %d) without", text, got[i].Start, got[i].End, want[i].Start, want[i].End)
			}
		}
	}
	if found < 500 {
		t.Errorf("only %d matches", found)
	}
}
