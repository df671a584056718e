package literal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fixed makes case-sensitive patterns; a leading "~" makes one that folds.
func fixed(texts ...string) []Pattern {
	var patterns []Pattern
	for _, s := range texts {
		text, fold := strings.CutPrefix(s, "~")
		patterns = append(patterns, Pattern{Bytes: []byte(text), Fold: fold})
	}
	return patterns
}

// all returns patterns compiled for each filter that this machine can run.
func all(patterns []Pattern) map[string]*Set {
	sets := map[string]*Set{}
	for _, k := range machine() {
		sets[[]string{"narrow", "avx2", "avx512"}[k]] = compile(patterns, k)
	}
	return sets
}

// compare fails unless every filter finds in data[lo:hi] what Reference finds.
func compare(t *testing.T, patterns []Pattern, data []byte, lo, hi int) {
	t.Helper()
	want := Reference(patterns, nil, data, lo, hi)
	for name, s := range all(patterns) {
		if got := s.Find(nil, data, lo, hi); !slices.Equal(got, want) {
			t.Fatalf("%s: Find(%.300q, %d, %d) for %.20q\n got %v\nwant %v", name, data, lo, hi, patterns, got, want)
		}
	}
}

func (p Pattern) String() string { return fmt.Sprintf("%q fold=%v", p.Bytes, p.Fold) }

func TestFind(t *testing.T) {
	tests := []struct {
		name     string
		patterns []Pattern
		data     string
		lo, hi   int
		want     []Hit
	}{
		{"no_patterns", nil, "abc", 0, 3, nil},
		{"empty_data", fixed("abcd"), "", 0, 0, nil},
		{"whole_data", fixed("abcd"), "abcd", 0, 4, []Hit{{0, 0}}},
		{"data_too_short", fixed("abcd"), "abc", 0, 3, nil},
		{"same_pattern_twice", fixed("abcd", "abcd"), "xabcd", 0, 5, []Hit{{1, 0}, {1, 1}}},
		{"overlapping_itself", fixed("aaaa"), "aaaaaa", 0, 6, []Hit{{0, 0}, {1, 0}, {2, 0}}},
		{"prefix_of_another", fixed("sk-ant-api03-", "sk-ant-", "sk-"), " sk-ant-api03-", 0, 14, []Hit{{1, 0}, {1, 1}, {1, 2}}},
		{"ordered_by_position_not_window", fixed("eeeeeeeeeQZXJ", "eeeQ"), "eeeeeeeeeQZXJ", 0, 13, []Hit{{0, 0}, {6, 1}}},
		{"folded", fixed("~fastly"), "fastly FASTLY fAsTlY fast1y", 0, 27, []Hit{{0, 0}, {7, 0}, {14, 0}}},
		{"case_sensitive", fixed("AKIA"), "akia AKIA AKia", 0, 14, []Hit{{5, 0}}},
		{"fold_leaves_other_bytes", fixed("~a[b@"), "A{B`A[B@a[b`", 0, 12, []Hit{{4, 0}}},
		{"fold_is_ascii_only", fixed("~k\u00e9y"), "k\u00e9y K\u00c9Y K\u00e9Y", 0, 14, []Hit{{0, 0}, {10, 0}}},
		{"kelvin_is_no_k", fixed("~kkkk"), "\u212akkk kkkk", 0, 11, []Hit{{7, 0}}},
		{"begins_before_lo", fixed("abcd"), "abcdabcd", 1, 8, []Hit{{4, 0}}},
		{"begins_at_hi", fixed("abcd"), "abcdabcd", 0, 4, []Hit{{0, 0}}},
		{"extends_beyond_hi", fixed("abcdefgh"), "xabcdefgh", 0, 2, []Hit{{1, 0}}},
		{"window_beyond_hi", fixed("eeeeeeeeQZXJ"), "eeeeeeeeQZXJ", 0, 1, []Hit{{0, 0}}},
		{"bounds_outside_data", fixed("abcd"), "abcd", -5, 99, []Hit{{0, 0}}},
		{"bounds_crossed", fixed("abcd"), "abcd", 3, 1, nil},
		{"three_bytes_at_the_end", fixed("hvs"), "xxxxxhvs", 0, 8, []Hit{{5, 0}}},
		{"two_bytes", fixed("~S."), "s. S. s", 0, 7, []Hit{{0, 0}, {3, 0}}},
		{"nul_at_the_end", fixed("a\x00\x00\x00", "a\x00\x00"), "a\x00\x00", 0, 3, []Hit{{0, 1}}},
		{"bytes_not_text", fixed("\xff\xfe\x00\x80"), "\xff\xfe\x00\x80\xff\xfe\x00\x80", 0, 8, []Hit{{0, 0}, {4, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, s := range all(tt.patterns) {
				if got := s.Find(nil, []byte(tt.data), tt.lo, tt.hi); !slices.Equal(got, tt.want) {
					t.Errorf("%s: Find(%q, %d, %d) = %v, want %v", name, tt.data, tt.lo, tt.hi, got, tt.want)
				}
			}
			compare(t, tt.patterns, []byte(tt.data), tt.lo, tt.hi)
		})
	}
}

func TestCompileErrors(t *testing.T) {
	for _, text := range []string{"", "a"} {
		_, err := Compile(fixed("abcd", text))
		if err == nil || !strings.Contains(err.Error(), "pattern 1") {
			t.Errorf("Compile with pattern %q: %v, want an error that names pattern 1", text, err)
		}
	}
}

func TestZeroSetFindsNothing(t *testing.T) {
	if got := new(Set).Find(nil, []byte("abcd"), 0, 4); got != nil {
		t.Errorf("Find = %v, want nothing", got)
	}
}

func TestFindAppends(t *testing.T) {
	s, err := Compile(fixed("abcd"))
	if err != nil {
		t.Fatal(err)
	}
	before := []Hit{{9, 9}, {5, 5}}
	want := []Hit{{9, 9}, {5, 5}, {0, 0}}
	if got := s.Find(before, []byte("abcd"), 0, 4); !slices.Equal(got, want) {
		t.Errorf("Find = %v, want %v", got, want)
	}
}

func TestCompileKeepsNoReference(t *testing.T) {
	patterns := fixed("abcdefghijkl")
	s, err := Compile(patterns)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(patterns[0].Bytes)
	clear(patterns[0].Bytes)
	if got := s.Find(nil, data, 0, len(data)); len(got) != 1 {
		t.Errorf("after its bytes changed, the pattern is found %d times, want 1", len(got))
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	data := bytes.Repeat([]byte("some text with ghp_ and FASTLY and eeeeeQZXJ in it\n"), 200)
	for name, s := range all(append(fixed("ghp_", "~fastly", "eeeeeQZXJ", "eQZX"), workload(500)...)) {
		hits := s.Find(nil, data, 0, len(data))
		if n := testing.AllocsPerRun(20, func() { hits = s.Find(hits[:0], data, 0, len(data)) }); n != 0 {
			t.Errorf("%s: %v allocations for each call, want 0", name, n)
		}
	}
}

// Random patterns over few letters: many occurrences, overlaps and shared windows.
func TestFindEqualsReferenceOnRandomText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 {
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
		data := random(r.IntN(400))
		lo := r.IntN(len(data)+1) - r.IntN(3)
		compare(t, patterns, data, lo, lo+r.IntN(len(data)+3))
	}
}

// One occurrence at each position of texts of each length around the block sizes,
// searched whole and cut at it.
func TestFindAtEveryPosition(t *testing.T) {
	patterns := fixed("ghp_", "hvs", "~fastly", "cnx_prod_0123456789", "eeeeeeeeeeeeQZXJ")
	for n := 60; n <= 150; n += 9 {
		for id, p := range patterns {
			for at := 0; at+len(p.Bytes) <= n; at++ {
				data := bytes.Repeat([]byte{'.'}, n)
				copy(data[at:], p.Bytes)
				for name, s := range all(patterns[id : id+1]) {
					want := []Hit{{uint32(at), 0}}
					if got := s.Find(nil, data, 0, n); !slices.Equal(got, want) {
						t.Fatalf("%s: %v at %d of %d: got %v", name, p, at, n, got)
					}
					if got := s.Find(nil, data, at, at+1); !slices.Equal(got, want) {
						t.Fatalf("%s: %v at %d of %d, from there to the next byte: got %v", name, p, at, n, got)
					}
					if got := slices.Concat(s.Find(nil, data, 0, at), s.Find(nil, data, at+1, n)); len(got) != 0 {
						t.Fatalf("%s: %v at %d of %d, around it: got %v", name, p, at, n, got)
					}
				}
			}
		}
	}
}

func TestFindEqualsReferenceOnHostileText(t *testing.T) {
	many := fixed("aaaa", "aaaaaaaa", "~aaaaaaaaaaaaaaaa", strings.Repeat("a", 64), strings.Repeat("a", 300))
	for i := range 100 {
		many = append(many, fixed(fmt.Sprintf("ghp_%03d", i))...)
	}
	for name, text := range map[string]string{
		"one_byte":            strings.Repeat("a", 1000),
		"prefixes_repeated":   strings.Repeat("ghp_", 200),
		"prefix_then_members": strings.Repeat("ghp_ghp_042ghp_0", 60),
		"all_but_the_last":    strings.Repeat(strings.Repeat("a", 63)+"b", 15),
		"nul_bytes":           strings.Repeat("\x00", 700),
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, many, []byte(text), 0, len(text))
			compare(t, many, []byte(text), 100, 613)
		})
	}
}

// The package's own sources, whole and in the short ranges that history scans use.
func TestFindEqualsReferenceOnSources(t *testing.T) {
	text := sources(t, ".")
	text = text[:min(len(text), 40_000)]
	patterns := append(workload(400), fixed("func", "~return", "err", "//", "package literal", "\n\t\t")...)
	want := Reference(patterns, nil, text, 0, len(text))
	if len(want) < 500 {
		t.Fatalf("only %d hits in %d bytes: the test has lost its text", len(want), len(text))
	}
	for name, s := range all(patterns) {
		if got := s.Find(nil, text, 0, len(text)); !slices.Equal(got, want) {
			t.Errorf("%s: %d hits in the whole text, want %d", name, len(got), len(want))
		}
		r := rand.New(rand.NewPCG(3, 4))
		var got []Hit
		for lo := 0; lo < len(text); {
			hi := lo + 1 + r.IntN(600)
			got = s.Find(got, text, lo, hi)
			lo = hi
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d hits in ranges that make up the text, want %d", name, len(got), len(want))
		}
	}
}

// sources joins the Go files of a directory.
func sources(t testing.TB, dir string) []byte {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b...)
	}
	return text
}

func TestCaseBits(t *testing.T) {
	for c := range 256 {
		for k := range 8 {
			x := ^uint64(0)&^(0xFF<<(8*k)) | uint64(c)<<(8*k) // its neighbours are no letters
			want := uint64(0)
			if isLetter(byte(c)) {
				want = 0x20 << (8 * k)
			}
			if got := caseBits(x); got != want {
				t.Errorf("caseBits(%016x) = %016x, want %016x", x, got, want)
			}
		}
	}
	if got, want := caseBits(0x7A5A_4161_5B40_7B60), uint64(0x2020_2020_0000_0000); got != want {
		t.Errorf("caseBits of zZAa[@{` = %016x, want %016x", got, want)
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("ghp_ghp_x fastly FASTLY"), []byte("ghp_\xff~fastly\xffhp"), 0, 99)
	f.Add(bytes.Repeat([]byte("a"), 200), []byte("aaa\xff~aaaaaaaaaaaaaaaaaaaa\xffaa"), 63, 130)
	f.Add([]byte("x\x00y\x00z\x00"), []byte("x\x00y\x00\xff\x00y\x00z\x00"), 1, 6)
	f.Fuzz(func(t *testing.T, data, list []byte, lo, hi int) {
		var patterns []Pattern
		for _, b := range bytes.Split(list, []byte{0xFF}) {
			text, fold := bytes.CutPrefix(b, []byte("~"))
			if len(text) >= minLen && len(patterns) < 50 {
				patterns = append(patterns, Pattern{Bytes: text, Fold: fold})
			}
		}
		compare(t, patterns, data[:min(len(data), 5000)], lo, hi)
	})
}
