package literal

import (
	"encoding/binary"
	"math/bits"
)

// An index says which patterns are at a window. Their slot is chosen by the first
// three bytes of the window, case ignored. Most positions that come here are
// false alarms of the filter, so a slot first compares the bits around the window
// that all its patterns have in common; only then is each pattern compared.
//
// Patterns of two bytes are too short for that and are compared each time.
type index struct {
	slots   []slot
	slotOf  []uint32 // by hash; slot 0 is the one without patterns
	shift   uint64
	entries []entry
	words   []word // what entries compare beyond their first eight bytes
	pairs   []entry
}

// slot is entries[from:to] of the index, and what they have in common: eight
// bytes that begin before bytes before the window.
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
	var w word
	for k := 0; k < 8 && at+k < len(p.Bytes); k++ {
		c, m := p.Bytes[at+k], byte(0xFF)
		if p.Fold && isLetter(c) {
			m = 0xDF
		}
		w.value |= uint64(c&m) << (8 * k)
		w.mask |= uint64(m) << (8 * k)
	}
	return w
}

// slotHash ignores the case bit, so that a folded pattern has one slot only.
func (x *index) slotHash(text uint64) uint32 {
	return (uint32(text)<<8 | 0x20202000) * 0x85EBCA6B >> (x.shift & 31)
}

func newIndex(patterns []Pattern, windows []int) *index {
	log := bits.Len(uint(len(patterns))) + 2
	x := &index{slotOf: make([]uint32, 1<<log), shift: uint64(32 - log)}
	x.slots = append(x.slots, slot{common: word{value: 1}})
	slots := make([]uint32, len(patterns)) // of each pattern
	for i, p := range patterns {
		if len(p.Bytes) < 3 {
			continue
		}
		h := x.slotHash(makeWord(Pattern{Bytes: p.Bytes}, windows[i]).value)
		if x.slotOf[h] == 0 {
			x.slotOf[h] = uint32(len(x.slots))
			x.slots = append(x.slots, slot{before: maxWindow})
		}
		slots[i] = x.slotOf[h]
		s := &x.slots[slots[i]]
		s.to++ // their number, for now
		s.before = min(s.before, uint32(windows[i]))
	}
	sum := uint32(0)
	for i := range x.slots {
		s := &x.slots[i]
		s.from, s.to, sum = sum, sum, sum+s.to
	}
	x.entries = make([]entry, sum)
	for i, p := range patterns {
		e := x.newEntry(p, i, windows[i])
		if slots[i] == 0 {
			x.pairs = append(x.pairs, e)
			continue
		}
		s := &x.slots[slots[i]]
		around := makeWord(p, windows[i]-int(s.before))
		if s.from == s.to {
			s.common = around
		}
		s.common.mask &= around.mask &^ (s.common.value ^ around.value)
		s.common.value &= s.common.mask
		x.entries[s.to] = e
		s.to++
	}
	return x
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

// verify appends the patterns whose window begins at data[q] and whose first
// byte lies in data[lo:hi]: exactly these, whatever the filter said.
func (x *index) verify(hits []Hit, data []byte, q, lo, hi int) []Hit {
	s := &x.slots[x.slotOf[x.slotHash(load(data, q))]]
	if at := q - int(s.before); at >= 0 && s.common.matches(load(data, at)) {
		hits = x.compare(hits, x.entries[s.from:s.to], data, q, lo, hi)
	}
	if len(x.pairs) > 0 {
		hits = x.compare(hits, x.pairs, data, q, lo, hi)
	}
	return hits
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
