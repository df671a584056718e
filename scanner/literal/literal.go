// Package literal finds all literals of all rules in one pass over the bytes.
//
// # What the pass does
//
// Of each pattern, Compile chooses a window: the four neighbouring bytes that are
// rarest in the texts people keep (window.go). Find then works in three stages.
//
// The filter reads every byte once and lets through the few positions where a
// window may begin, one in some hundreds. What it does for a byte does not depend
// on how many patterns there are: it hashes and looks up a bit. Two filters do
// that. The one for AVX2 and AVX-512 (wide.go) hashes 64 positions with vector
// instructions and needs one load for two positions. The one in plain Go
// (narrow.go) looks at each position.
//
// The index (index.go) looks up which patterns have the window found, compares
// what they have in common, and only if that is there, each of them.
//
// What is found comes in the order of the windows. As these begin at different
// distances from the patterns' starts, hits are sorted at last.
//
// # Why it is exact
//
// Each pattern has exactly one window, at a fixed distance from its start, so
// each occurrence has one position where it can be found, and is found at most
// once. The filters know every spelling of every window, so they let each such
// position through; a false alarm costs time only. The index compares all bytes
// of a pattern, and the bounds, before it reports a hit.
//
// # Time and memory
//
// A hostile text can make every position a candidate, which costs some
// nanoseconds for each, or repeat a window that several patterns share, which
// costs some for each of these. Windows are chosen so that few patterns share one
// where there is a choice. The time remains linear in the text, and n log n in
// the hits of one call where they are out of order.
//
// A Set takes 16 to 512 KiB for the filter and about 100 bytes for each pattern.
//
// Assembly reads inside the text only: a rest shorter than a block is copied
// first. Build with -tags purego for neither assembly nor unsafe code.
package literal

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Pattern is fixed bytes to look for. With Fold, ASCII letters match in
// either case; other bytes, those of UTF-8 sequences included, match exactly.
type Pattern struct {
	Bytes []byte
	Fold  bool
}

// A Hit says that pattern ID, an index into the slice given to Compile, begins
// at byte Pos of the data.
type Hit struct {
	Pos uint32
	ID  uint32
}

// kind is which of the filters a Set uses.
type kind int

const (
	narrow kind = iota // plain Go
	avx2
	avx512
)

// minLen is the shortest pattern taken. Patterns of minLen bytes make every
// occurrence of those two bytes a candidate, so they are correct but slow.
const minLen = 2

// Compile prepares a search for patterns. It keeps no reference to their bytes.
// Equal patterns are allowed and are reported under each of their indices. The
// error names the first pattern shorter than two bytes. No patterns at all is
// valid: such a Set finds nothing.
func Compile(patterns []Pattern) (*Set, error) {
	if len(patterns) > math.MaxInt32 {
		return nil, errors.New("compile literals: more than 2^31 patterns")
	}
	for i, p := range patterns {
		if len(p.Bytes) < minLen {
			return nil, fmt.Errorf("compile literals: pattern %d: %q has %d bytes, want at least %d", i, p.Bytes, len(p.Bytes), minLen)
		}
		if len(p.Bytes) > math.MaxInt32 {
			return nil, fmt.Errorf("compile literals: pattern %d is longer than 2 GiB", i)
		}
	}
	kinds := machine()
	return compile(patterns, kinds[len(kinds)-1]), nil
}

func compile(patterns []Pattern, k kind) *Set {
	windows := chooseWindows(patterns)
	s := &Set{index: newIndex(patterns, windows)}
	for _, w := range windows {
		s.reach = max(s.reach, w)
	}
	if k == narrow {
		s.narrow = newNarrowFilter(patterns, windows)
	} else {
		s.wide = newWideFilter(patterns, windows, k)
	}
	return s
}

// A Set is a compiled group of patterns. It is immutable and safe for
// concurrent use. The zero Set finds nothing.
type Set struct {
	wide   *wideFilter // one of the two filters
	narrow *narrowFilter
	index  *index
	reach  int // the largest distance from a pattern's start to its window
}

// Find appends to hits every occurrence of every pattern, overlapping ones too,
// whose first byte lies in data[lo:hi]; it may extend beyond hi, up to the end
// of data. What it appends is ordered by position, then ID. Bounds outside data
// are cut to it. Apart from growing hits it does not allocate, and its time is
// as the package comment says. len(data) must be below 4 GiB.
func (s *Set) Find(hits []Hit, data []byte, lo, hi int) []Hit {
	lo, hi = max(lo, 0), min(hi, len(data))
	if lo >= hi || s.index == nil {
		return hits
	}
	n := len(hits)
	end := min(hi+s.reach, len(data)) // windows begin in data[lo:end]
	var found candidates
	for q := lo; q < end; {
		k, next := s.scan(&found, data, q, end)
		hits = s.index.verifyAll(hits, data, found[:k], q, end, lo, hi)
		q = next
	}
	sortHits(hits[n:])
	return hits
}

// candidates receives the positions that a filter lets through. It is small, as
// every call of Find has to clear one.
type candidates [128]uint32

// scan fills found with the positions of text[from:to], in ascending order and
// relative to from, where a window may begin. It stops early when found is nearly
// full: next, more than from, is where to go on. Some positions may be to or
// beyond.
func (s *Set) scan(found *candidates, text []byte, from, to int) (n, next int) {
	if s.wide != nil {
		return s.wide.scan(found, text, from, to)
	}
	return s.narrow.scan(found, text, from, to)
}

// sortHits orders hits by position, then ID. They arrive in the order of their
// windows, so they are nearly always in order already.
func sortHits(hits []Hit) {
	if !slices.IsSortedFunc(hits, compareHits) {
		slices.SortFunc(hits, compareHits)
	}
}

func compareHits(a, b Hit) int {
	x, y := uint64(a.Pos)<<32|uint64(a.ID), uint64(b.Pos)<<32|uint64(b.ID)
	if x < y {
		return -1
	}
	if x > y {
		return 1
	}
	return 0
}

// Reference does what Set.Find does in the slowest and most obvious way: it
// tries every pattern at every position. It is what Find is tested against.
func Reference(patterns []Pattern, hits []Hit, data []byte, lo, hi int) []Hit {
	lo, hi = max(lo, 0), min(hi, len(data))
	for pos := lo; pos < hi; pos++ {
		for id, p := range patterns {
			if len(data)-pos < len(p.Bytes) {
				continue
			}
			got := data[pos : pos+len(p.Bytes)]
			if bytes.Equal(got, p.Bytes) || p.Fold && equalFold(got, p.Bytes) {
				hits = append(hits, Hit{Pos: uint32(pos), ID: uint32(id)})
			}
		}
	}
	return hits
}

// equalFold compares two slices of one length; unlike bytes.EqualFold it folds
// ASCII letters only.
func equalFold(a, b []byte) bool {
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}

func isLetter(c byte) bool {
	c |= 0x20
	return 'a' <= c && c <= 'z'
}
