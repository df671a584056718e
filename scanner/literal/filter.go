package literal

import (
	"encoding/binary"
)

// filter is a bit table of the windows: four bytes out of each pattern, fewer
// if it is shorter. The first three bytes choose a word, the fourth a bit of it,
// so that a pattern of three bytes sets one whole word.
type filter struct {
	words [filterWords]uint64
}

const (
	filterBits  = 12
	filterWords = 1 << filterBits
)

// filterWord hashes the low three bytes of window.
func filterWord(window uint32) uint32 {
	return (window << 8) * 0x85EBCA6B >> (32 - filterBits)
}

// add enters every spelling of the window of p that begins at byte at.
func (f *filter) add(p Pattern, at int) {
	b := p.Bytes[at:]
	if len(b) > 4 {
		b = b[:4]
	}
	f.spell(b, p.Fold, 0, 0)
}

// spell goes through the spellings of b byte by byte: both cases of a folded
// letter, everything for bytes beyond the pattern's end.
func (f *filter) spell(b []byte, fold bool, k int, window uint32) {
	switch {
	case k == 3 && len(b) == 3:
		f.words[filterWord(window)] = ^uint64(0)
	case k == 4:
		f.words[filterWord(window)] |= 1 << (window >> 24 & 63)
	case k == 2 && len(b) == 2:
		for c := range uint32(256) {
			f.words[filterWord(window|c<<16)] = ^uint64(0)
		}
	default:
		c := uint32(b[k])
		if fold && isLetter(b[k]) {
			f.spell(b, fold, k+1, window|(c^0x20)<<(8*k))
		}
		f.spell(b, fold, k+1, window|c<<(8*k))
	}
}

// has reports whether a pattern may have its window in the low bytes of text.
func (f *filter) has(text uint64) bool {
	return f.words[filterWord(uint32(text))&(filterWords-1)]>>(text>>24&63)&1 != 0
}

// findPortable is Find in plain Go; hits come in the order of their windows.
func (s *Set) findPortable(hits []Hit, data []byte, lo, hi int) []Hit {
	f := &s.filter
	end := min(hi+s.reach, len(data)) // windows begin in data[lo:end]
	q := lo
	for ; q < end && len(data)-q >= 8; q += 5 {
		x := binary.LittleEndian.Uint64(data[q:])
		for k := 0; k < 5; k++ {
			if f.has(x>>(8*k)) && q+k < end {
				hits = s.index.verify(hits, data, q+k, lo, hi)
			}
		}
	}
	for ; q < end; q++ {
		if f.has(load(data, q)) {
			hits = s.index.verify(hits, data, q, lo, hi)
		}
	}
	return hits
}
