package literal

import "encoding/binary"

// index maps a window of text to the patterns that may contain it and compares
// them. Patterns of two bytes have no room for a key of three; they are few and
// are tried at every candidate.
type index struct {
	entries []entry
	heads   []uint32 // heads[h]:heads[h+1] are the entries of slot h; the last slot holds the short ones
	words   []word   // what entries compare beyond their first eight bytes
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
// of a folded letter, bytes beyond the pattern) are 0 in mask.
type word struct{ value, mask uint64 }

const indexBits = 12

// slot ignores the case bit, so that a folded pattern has one slot only.
func slot(window uint32) uint32 {
	return (window<<8 | 0x20202000) * 0x9E3779B1 >> (32 - indexBits)
}

const pairSlot = 1 << indexBits

func (x *index) build(patterns []Pattern, windows []int) {
	slots := make([]uint32, len(patterns))
	heads := make([]uint32, pairSlot+2)
	for i, p := range patterns {
		slots[i] = pairSlot
		if len(p.Bytes) > 2 {
			b := p.Bytes[windows[i]:]
			slots[i] = slot(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16)
		}
		heads[slots[i]]++
	}
	sum := uint32(0)
	for i, n := range heads {
		sum += n
		heads[i] = sum
	}
	x.entries = make([]entry, len(patterns))
	for i := len(patterns) - 1; i >= 0; i-- { // backwards, so that a slot's IDs ascend
		p := patterns[i]
		heads[slots[i]]--
		x.entries[heads[slots[i]]] = entry{
			first:  makeWord(p, 0),
			id:     uint32(i),
			len:    uint32(len(p.Bytes)),
			window: uint32(windows[i]),
			rest:   uint32(len(x.words)),
		}
		for at := 8; at < len(p.Bytes); at += 8 {
			x.words = append(x.words, makeWord(p, min(at, len(p.Bytes)-8)))
		}
	}
	x.heads = heads
}

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

func (w word) matches(text uint64) bool { return text&w.mask == w.value }

// verify appends the patterns whose window begins at data[q] and whose first
// byte lies in data[lo:hi]. Exactly these: it does not rely on the filter.
func (x *index) verify(hits []Hit, data []byte, q, lo, hi int) []Hit {
	h := slot(uint32(load(data, q)))
	hits = x.compare(hits, x.entries[x.heads[h]:x.heads[h+1]], data, q, lo, hi)
	if pairs := x.entries[x.heads[pairSlot]:]; len(pairs) > 0 {
		hits = x.compare(hits, pairs, data, q, lo, hi)
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
	if b := data[at:]; len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	var b [8]byte
	copy(b[:], data[at:])
	return binary.LittleEndian.Uint64(b[:])
}
