// Package literal finds all literals of all rules in one pass over the bytes.
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
	s := &Set{}
	windows := chooseWindows(patterns)
	for _, w := range windows {
		s.reach = max(s.reach, w)
	}
	s.wide = hasWide()
	s.filter = newFilter(patterns, windows)
	s.index = newIndex(patterns, windows)
	return s, nil
}

// A Set is a compiled group of patterns. It is immutable and safe for
// concurrent use. The zero Set finds nothing.
type Set struct {
	wide   bool // scan with scanWide
	filter *filter
	index  *index
	reach  int // the largest distance from a pattern's start to its window
}

// Find appends to hits every occurrence of every pattern, overlapping ones too,
// whose first byte lies in data[lo:hi]; it may extend beyond hi, up to the end
// of data. What it appends is ordered by position, then ID. Bounds outside data
// are cut to it. Apart from growing hits it does not allocate, and its time is
// linear in hi-lo and in the number of hits. len(data) must be below 4 GiB.
func (s *Set) Find(hits []Hit, data []byte, lo, hi int) []Hit {
	lo, hi = max(lo, 0), min(hi, len(data))
	if lo >= hi || s.index == nil {
		return hits
	}
	n := len(hits)
	end := min(hi+s.reach, len(data)) // windows begin in data[lo:end]
	var found candidates
	for q := lo; q < end; {
		var n int
		n, q = s.scan(&found, data, q, end)
		for _, at := range found[:n] {
			if int(at) >= end {
				break
			}
			hits = s.index.verify(hits, data, int(at), lo, hi)
		}
	}
	sortHits(hits[n:])
	return hits
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
