package literal

import (
	"bytes"
	"fmt"
	"go/build"
	"path/filepath"
	"slices"
	"testing"
)

// benchText is source code: what Go's net/http and cmd/compile are made of, or
// else this package.
func benchText(b *testing.B) []byte {
	src := filepath.Join(build.Default.GOROOT, "src")
	text := sources(b, filepath.Join(src, "net", "http"))
	text = append(text, sources(b, filepath.Join(src, "cmd", "compile", "internal", "ssa"))...)
	for len(text) < 1<<20 {
		text = append(text, sources(b, ".")...)
	}
	return text[:min(len(text), 4<<20)]
}

// BenchmarkFind runs over files of 10 KB, as worktrees have them.
func BenchmarkFind(b *testing.B) {
	text := benchText(b)
	for _, n := range []int{250, 1000, 2000, 4000, 16000} {
		for name, s := range all(workload(n)) {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				const file = 10_000
				var hits []Hit
				total := 0
				b.SetBytes(int64(len(text) / file * file))
				for b.Loop() {
					total = 0
					for lo := 0; lo+file <= len(text); lo += file {
						hits = s.Find(hits[:0], text[lo:lo+file], 0, file)
						total += len(hits)
					}
				}
				b.ReportMetric(float64(total), "hits")
			})
		}
	}
}

// BenchmarkFindShort runs over ranges of 300 bytes, as histories have them.
func BenchmarkFindShort(b *testing.B) {
	text := benchText(b)
	for name, s := range all(workload(1000)) {
		b.Run(name, func(b *testing.B) {
			var hits []Hit
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				for lo := 0; lo < len(text); lo += 300 {
					hits = s.Find(hits[:0], text, lo, lo+300)
				}
			}
		})
	}
}

// BenchmarkFindHostile runs over texts made to be slow.
func BenchmarkFindHostile(b *testing.B) {
	patterns := workload(4000)
	for name, unit := range map[string][]byte{
		"pattern_repeated": patterns[0].Bytes,
		"all_patterns":     bytes.Join(bytesOf(patterns), nil),
		"crowded_window":   crowdedWindow(patterns),
		"zeros":            {0},
	} {
		text := bytes.Repeat(unit, 100_000/len(unit)+1)
		for filter, s := range all(patterns) {
			b.Run(name+"/"+filter, func(b *testing.B) {
				var hits []Hit
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					hits = s.Find(hits[:0], text, 0, len(text))
				}
			})
		}
	}
}

// crowdedWindow returns the beginning of a pattern, up to its window: of those
// that share one with most others.
func crowdedWindow(patterns []Pattern) []byte {
	g := &compile(patterns, narrow).index.quads
	worst := slices.MaxFunc(g.slots, func(a, b slot) int { return int(a.to-a.from) - int(b.to-b.from) })
	e := g.entries[worst.from]
	return patterns[e.id].Bytes[:e.window+windowLen]
}

func bytesOf(patterns []Pattern) (list [][]byte) {
	for _, p := range patterns {
		list = append(list, p.Bytes)
	}
	return list
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{800, 2000, 4000, 16000} {
		patterns := workload(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := Compile(patterns); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkIndexByte is the floor: a search for one byte that is not there.
func BenchmarkIndexByte(b *testing.B) {
	text := bytes.ReplaceAll(benchText(b), []byte{0xFE}, nil)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if bytes.IndexByte(text, 0xFE) >= 0 {
			b.Fatal("the text has the byte")
		}
	}
}

// BenchmarkAhoCorasick is what the package is instead of: a table of the next
// state by state and byte, and one look at each byte.
func BenchmarkAhoCorasick(b *testing.B) {
	text := benchText(b)
	for _, n := range []int{250, 1000, 4000} {
		next, final := ahoCorasick(workload(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			hits := 0
			for b.Loop() {
				state := uint32(0)
				for _, c := range text {
					state = next[state<<8|uint32(c)]
					if final[state] {
						hits++
					}
				}
			}
			b.ReportMetric(float64(len(final)), "states")
		})
	}
}

// ahoCorasick builds the automaton of patterns; final says whether one or more
// end in a state. Case variants of folded patterns lead to the same states.
func ahoCorasick(patterns []Pattern) (next []uint32, final []bool) {
	grow := func() uint32 {
		next, final = append(next, make([]uint32, 256)...), append(final, false)
		return uint32(len(final) - 1)
	}
	grow()
	for _, p := range patterns {
		state := uint32(0)
		for _, c := range p.Bytes {
			to := next[state<<8|uint32(c)]
			if to == 0 {
				to = grow()
				next[state<<8|uint32(c)] = to
				if p.Fold && isLetter(c) && next[state<<8|uint32(c^0x20)] == 0 {
					next[state<<8|uint32(c^0x20)] = to
				}
			}
			state = to
		}
		final[state] = true
	}
	fail := make([]uint32, len(final))
	var queue []uint32
	seen := make([]bool, len(final))
	for c := range 256 {
		if to := next[c]; to != 0 && !seen[to] {
			seen[to] = true
			queue = append(queue, to)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		final[state] = final[state] || final[fail[state]]
		for c := range uint32(256) {
			to, other := next[state<<8|c], next[fail[state]<<8|c]
			if to == 0 {
				next[state<<8|c] = other
			} else if !seen[to] {
				seen[to] = true
				fail[to] = other
				queue = append(queue, to)
			}
		}
	}
	return next, final
}
