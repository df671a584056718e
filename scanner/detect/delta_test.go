package detect_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner/detect"
)

type copied struct{ Dst, Src, Len int }

// snippets are texts full of what rules look at: every built-in example, whole, cut
// and encoded, context words, comments, code.
func snippets(t *testing.T) []string {
	t.Helper()
	files, err := rules.LoadFS(builtin.Files, ".")
	if err != nil {
		t.Fatal(err)
	}
	out := []string{"func main() {\n\treturn nil\n}\n", "lorem ipsum dolor sit amet, ", "\n", "\n\n\n", "acmecloud ", "# rekey:allow test\n", "acme_", "acme_live_" + body, "=", "\x00", "eyJhbGciOi", "%3D", `\n`, "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
	for _, s := range files {
		for _, r := range s.Rules {
			for _, e := range append(slices.Clone(r.Match), r.NoMatch...) {
				out = append(out, strings.ReplaceAll(e, "{cut}", ""))
			}
		}
	}
	return out
}

// edit makes new data from old by copying ranges and inserting snippets, as a delta
// does: in order or not, with copies that touch, overlap in the source, or are tiny.
func edit(rng *rand.Rand, old []byte, pool []string) (data []byte, copies []copied) {
	at := 0
	for n := rng.IntN(12); n >= 0; n-- {
		if len(old) > 0 && rng.IntN(4) > 0 {
			c := copied{Dst: len(data)}
			if rng.IntN(5) == 0 {
				at = rng.IntN(len(old))
			}
			c.Src = min(at, len(old)-1)
			c.Len = 1 + rng.IntN(min(len(old)-c.Src, 1+rng.IntN(4000)))
			at = c.Src + c.Len + rng.IntN(3)*rng.IntN(60)
			data = append(data, old[c.Src:c.Src+c.Len]...)
			copies = append(copies, c)
		}
		if rng.IntN(2) == 0 {
			p := pool[rng.IntN(len(pool))]
			if rng.IntN(3) == 0 {
				p = p[rng.IntN(len(p)):]
			}
			data = append(data, p...)
		}
	}
	return data, copies
}

func TestDeriveEqualsDetect(t *testing.T) {
	services := append(builtin.Services()[:len(builtin.Services()):len(builtin.Services())], parse(t, acme))
	d, err := detect.New(services, detect.Options{
		Comment: func(line []byte) (string, string, bool) {
			return "x", "y", strings.Contains(string(line), "rekey:allow")
		},
		CommentMarkers: []string{"rekey:allow"},
	})
	if err != nil {
		t.Fatal(err)
	}
	rounds := deriveRounds
	pool := snippets(t)
	s, ref := d.NewScratch(), d.NewScratch()
	total, withDelta, logical, searched := 0, 0, 0, 0
	for round := range rounds {
		rng := rand.New(rand.NewPCG(7, uint64(round)))
		data, _ := edit(rng, nil, pool)
		for range 12 {
			data = append(data, pool[rng.IntN(len(pool))]...)
		}
		base := &detect.State{}
		d.Whole(s, data, base)
		for range 12 {
			next, copies := edit(rng, data, pool)
			st := &detect.State{}
			got, n := detect.Derive(d, s, next, st, base, copies)
			want := d.Detect(ref, next)
			if g, w := fmt.Sprint(full(got)), fmt.Sprint(full(want)); g != w {
				t.Fatalf("round %d: Derive gives\n%s\nDetect gives\n%s\ncopies %v", round, g, w, copies)
			}
			total += len(want)
			withDelta++
			logical += len(next)
			searched += n
			data, base = next, st
		}
	}
	t.Logf("%d deltas, %d matches, %d of %d bytes searched", withDelta, total, searched, logical)
	if total < 10*rounds {
		t.Errorf("only %d matches: the test looks at too little", total)
	}
}

func full(ms []detect.Match) (out []string) {
	for _, m := range ms {
		out = append(out, fmt.Sprintln(m.Rule.ID, m.Start, m.End, m.Key, m.Confidence, m.Decoded, m.Allowed != nil, len(m.Parts)))
	}
	return out
}
