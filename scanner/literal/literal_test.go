package literal

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFindEqualsReferenceOnRandomText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		alphabet := []byte("aAbB_-\x00\x80")[:1+r.IntN(8)]
		random := func(n int) []byte {
			b := make([]byte, n)
			for i := range b {
				b[i] = alphabet[r.IntN(len(alphabet))]
			}
			return b
		}
		patterns := make([]Pattern, r.IntN(20))
		for i := range patterns {
			patterns[i] = Pattern{Bytes: random(2 + r.IntN(1+r.IntN(40))), Fold: r.IntN(2) == 0}
		}
		data := random(r.IntN(200))
		lo := r.IntN(len(data)+1) - r.IntN(3)
		hi := lo + r.IntN(len(data)+3)
		s, err := Compile(patterns)
		if err != nil {
			t.Fatal(err)
		}
		want := Reference(patterns, nil, data, lo, hi)
		for _, s := range []*Set{s, compile(patterns, false)} {
			if got := s.Find(nil, data, lo, hi); !slices.Equal(got, want) {
				t.Fatalf("wide %v: Find(%q, %d, %d) with %v = %v, want %v", s.wide != nil, data, lo, hi, patterns, got, want)
			}
		}
	}
}
