package literal

import (
	"encoding/binary"
	"math/bits"
)

// An index says which patterns are at a window. Patterns are grouped by the bytes
// of their windows: four, or as many as the pattern has. Pairs of bytes are so
// frequent that they are not looked up but compared each time.
type index struct {
	quads, triples group
	pairs          []entry
	words          []word // what entries compare beyond their first eight bytes
}

// A group finds patterns by the first bytes of their windows, case ignored. Most
// positions looked up are false alarms of the filter, so the slot found first
// compares the bits around the window that all its patterns have in common; only
// then is each of them compared.
type group struct {
	slotOf  []uint32 // by hash; slot 0 is the one without patterns
	shift   uint32
	drop    uint32 // how many bits of four bytes do not count
	slots   []slot
	entries []entry
}

// slot is entries[from:to] of its group, and what they have in common: eight
// bytes, the first of which is before bytes before the window.
type slot struct {
	common   word
	before   uint32
	from, to uint32
}

// entry is a pattern made ready for comparison.
type entry struct {
	first  word
	id     uint32
	len    uint32
	window uint32 // where in the pattern its window begins
	rest   uint32 // first of its words in index.words
}

// word compares eight bytes of text at once. Bits that may differ (the case bit
// of a folded letter, bytes beyond the pattern) are 0 in mask and in value.
type word struct{ value, mask uint64 }

func (w word) matches(text uint64) bool { return text&w.mask == w.value }

// makeWord prepares the comparison of p's bytes from at on.
func makeWord(p Pattern, at int) word {
	w := word{value: load(p.Bytes, at), mask: ^uint64(0)}
	if n := len(p.Bytes) - at; n < 8 {
		w.mask >>= 8 * (8 - n)
	}
	if p.Fold {
		w.mask &^= caseBits(w.value)
	}
	w.value &= w.mask
	return w
}

// caseBits returns the case bits of those of the eight bytes of x that are ASCII
// letters: in each byte, a carry into the highest bit says whether its low seven
// bits, made lower-case, are at least 'a' or more than 'z'.
func caseBits(x uint64) uint64 {
	const each = 0x0101010101010101
	low := (x | 0x20*each) &^ (0x80 * each)
	letters := (low + (0x80-'a')*each) &^ (low + (0x7F-'z')*each) &^ x & (0x80 * each)
	return letters >> 2
}

func newIndex(patterns []Pattern, windows []int) *index {
	x := &index{}
	quads, triples := make([]int, 0, len(patterns)), []int(nil)
	words := 0
	for i, p := range patterns {
		words += (len(p.Bytes) - 1) / 8
		switch len(p.Bytes) {
		case 2:
			x.pairs = append(x.pairs, x.newEntry(p, i, 0))
		case 3:
			triples = append(triples, i)
		default:
			quads = append(quads, i)
		}
	}
	x.words = make([]word, 0, words)
	// The few triples get a sparse table: see verifyAll.
	x.quads = x.newGroup(patterns, windows, quads, 0, bits.Len(uint(len(quads)))+1)
	x.triples = x.newGroup(patterns, windows, triples, 8, bits.Len(uint(len(triples)))+5)
	return x
}

func (x *index) newGroup(patterns []Pattern, windows, members []int, drop uint32, log int) group {
	log = min(log, 31)
	g := group{slotOf: make([]uint32, 1<<log), shift: uint32(32 - log), drop: drop}
	g.slots = make([]slot, 1, len(members)+1)
	g.slots[0].common.value = 1 // with an empty mask: matches nothing
	chosen := make([]uint32, len(members))
	for k, i := range members {
		h := g.hash(load(patterns[i].Bytes, windows[i]))
		if g.slotOf[h] == 0 {
			g.slotOf[h] = uint32(len(g.slots))
			g.slots = append(g.slots, slot{before: maxWindow})
		}
		chosen[k] = g.slotOf[h]
		s := &g.slots[chosen[k]]
		s.to++ // their number, for now
		s.before = min(s.before, uint32(windows[i]))
	}
	sum := uint32(0)
	for i := range g.slots {
		s := &g.slots[i]
		s.from, s.to, sum = sum, sum, sum+s.to
	}
	g.entries = make([]entry, sum)
	for k, i := range members {
		s := &g.slots[chosen[k]]
		around := makeWord(patterns[i], windows[i]-int(s.before))
		if s.from == s.to {
			s.common = around
		}
		s.common.mask &= around.mask &^ (s.common.value ^ around.value)
		s.common.value &= s.common.mask
		g.entries[s.to] = x.newEntry(patterns[i], i, windows[i])
		s.to++
	}
	return g
}

// hash ignores the case bit, so that a folded pattern has one slot only.
func (g *group) hash(text uint64) uint32 {
	return (uint32(text)<<(g.drop&31) | 0x20202020) * 0x85EBCA6B >> (g.shift & 31)
}

func (x *index) newEntry(p Pattern, id, window int) entry {
	e := entry{
		first:  makeWord(p, 0),
		id:     uint32(id),
		len:    uint32(len(p.Bytes)),
		window: uint32(window),
		rest:   uint32(len(x.words)),
	}
	for at := 8; at < len(p.Bytes); at += 8 {
		x.words = append(x.words, makeWord(p, min(at, len(p.Bytes)-8)))
	}
	return e
}

// verifyAll appends the patterns that have their window at one of the positions
// data[from+found[i]] below end, and their first byte in data[lo:hi].
func (x *index) verifyAll(hits []Hit, data []byte, found []uint32, from, end, lo, hi int) []Hit {
	g, g3 := &x.quads, &x.triples
	for _, at := range found {
		q := from + int(at)
		if q >= end {
			break
		}
		// Most candidates end here, without a call or a branch that is hard to
		// predict. Where no edge of data is near, it is what lookUp does.
		if q >= maxWindow && q <= len(data)-8 && len(x.pairs) == 0 {
			text := binary.LittleEndian.Uint64(data[q:])
			s := &g.slots[g.slotOf[g.hash(text)]]
			if !s.common.matches(binary.LittleEndian.Uint64(data[q-int(s.before):])) && g3.slotOf[g3.hash(text)] == 0 {
				continue
			}
		}
		hits = x.verify(hits, data, q, lo, hi)
	}
	return hits
}

// verify appends the patterns whose window begins at data[q] and whose first
// byte lies in data[lo:hi]: exactly these, whatever the filter said.
func (x *index) verify(hits []Hit, data []byte, q, lo, hi int) []Hit {
	if s := x.quads.lookUp(data, q); s != nil {
		hits = x.compare(hits, x.quads.entries[s.from:s.to], data, q, lo, hi)
	}
	if len(x.triples.entries) > 0 {
		if s := x.triples.lookUp(data, q); s != nil {
			hits = x.compare(hits, x.triples.entries[s.from:s.to], data, q, lo, hi)
		}
	}
	if len(x.pairs) > 0 {
		hits = x.compare(hits, x.pairs, data, q, lo, hi)
	}
	return hits
}

// lookUp returns the slot of the window at data[q], or nil if none of its
// patterns can be there.
func (g *group) lookUp(data []byte, q int) *slot {
	s := &g.slots[g.slotOf[g.hash(load(data, q))]]
	if at := q - int(s.before); at >= 0 && s.common.matches(load(data, at)) {
		return s
	}
	return nil
}

func (x *index) compare(hits []Hit, entries []entry, data []byte, q, lo, hi int) []Hit {
	for i := range entries {
		e := &entries[i]
		pos := q - int(e.window)
		if pos < lo || pos >= hi || int(e.len) > len(data)-pos {
			continue
		}
		if e.first.matches(load(data, pos)) && (e.len <= 8 || x.matchesRest(e, data[pos:])) {
			hits = append(hits, Hit{Pos: uint32(pos), ID: e.id})
		}
	}
	return hits
}

func (x *index) matchesRest(e *entry, text []byte) bool {
	n := int(e.len)
	words := x.words[e.rest:]
	for at := 8; at < n; at += 8 {
		if !words[0].matches(binary.LittleEndian.Uint64(text[min(at, n-8):])) {
			return false
		}
		words = words[1:]
	}
	return true
}

// load returns the eight bytes at data[at:], the first in the lowest bits; bytes
// beyond the end are 0.
func load(data []byte, at int) uint64 {
	if at+8 <= len(data) {
		return binary.LittleEndian.Uint64(data[at:])
	}
	return loadEnd(data[at:])
}

func loadEnd(data []byte) uint64 {
	var b [8]byte
	copy(b[:], data)
	return binary.LittleEndian.Uint64(b[:])
}
