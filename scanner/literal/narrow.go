package literal

import "encoding/binary"

// narrowFilter is the filter in plain Go: a bit for each hash of four bytes, 1 if
// some window has that hash. It looks at every position.
//
// It ignores the case bit of every byte: that is one instruction for eight bytes
// of text, and lets a folded window have one entry instead of sixteen.
type narrowFilter struct {
	table [1 << 14]uint64 // 128 KiB
}

const caseBit = 0x2020202020202020

func newNarrowFilter(patterns []Pattern, windows []int) *narrowFilter {
	f := &narrowFilter{}
	for i, p := range patterns {
		b := p.Bytes[windows[i]:]
		switch len(b) {
		case 2: // half of 65536 windows: nothing would be left to filter
			for k := range f.table {
				f.table[k] = ^uint64(0)
			}
			return f
		case 3: // the fourth byte may have any value
			for c := range uint64(256) {
				f.allow(load(b, 0) | c<<24)
			}
		default:
			f.allow(load(b, 0))
		}
	}
	return f
}

func (f *narrowFilter) allow(window uint64) {
	h := narrowHash(window | caseBit)
	f.table[h>>18] |= 1 << (h & 63)
}

// may reports whether a window may begin with the low four bytes of text, whose
// case bits must be set. The bit in the word is chosen by the low bits of the
// hash: they say all about the first byte that the high ones do not.
func (f *narrowFilter) may(text uint64) bool {
	h := narrowHash(text)
	return f.table[h>>18]&(1<<(h&63)) != 0
}

func narrowHash(window uint64) uint32 { return uint32(window) * hashFactor }

// scan does what Set.scan promises.
func (f *narrowFilter) scan(found *candidates, text []byte, from, to int) (n, next int) {
	q := from
	for ; q < to && len(text)-q >= 8 && n <= len(found)-5; q += 5 {
		x := binary.LittleEndian.Uint64(text[q:]) | caseBit
		if f.may(x) {
			found[n] = uint32(q - from)
			n++
		}
		if f.may(x >> 8) {
			found[n] = uint32(q - from + 1)
			n++
		}
		if f.may(x >> 16) {
			found[n] = uint32(q - from + 2)
			n++
		}
		if f.may(x >> 24) {
			found[n] = uint32(q - from + 3)
			n++
		}
		if f.may(x >> 32) {
			found[n] = uint32(q - from + 4)
			n++
		}
	}
	for ; q < to && len(text)-q < 8 && n < len(found); q++ {
		found[n] = uint32(q - from) // too few to be worth filtering
		n++
	}
	return n, q
}
