package literal

import "encoding/binary"

// narrowFilter is the filter in plain Go: a bit for each hash of four bytes, 1 if
// some window has that hash. It looks at every position. Bytes that a short
// pattern lacks are entered with all their values.
type narrowFilter struct {
	table [1 << 13]uint64
}

func newNarrowFilter(patterns []Pattern, windows []int) *narrowFilter {
	f := &narrowFilter{}
	for i, p := range patterns {
		if len(p.Bytes) < 3 { // 65536 windows each: it would be full soon
			for k := range f.table {
				f.table[k] = ^uint64(0)
			}
			return f
		}
		f.allow(spellings(p, windows[i]))
	}
	return f
}

func (f *narrowFilter) allow(w [windowLen]spelling) {
	for i := range w[0].len() {
		for j := range w[1].len() {
			for k := range w[2].len() {
				for l := range w[3].len() {
					h := (w[0].at(i) | w[1].at(j)<<8 | w[2].at(k)<<16 | w[3].at(l)<<24) * hashFactor
					f.table[h>>19] |= 1 << (h & 63)
				}
			}
		}
	}
}

// may reports whether a window may begin with the low four bytes of text. Its bit
// is chosen by the low bits of the hash, which say all about the first byte that
// the high ones do not.
func (f *narrowFilter) may(text uint64) bool {
	h := uint32(text) * hashFactor
	return f.table[h>>19]&(1<<(h&63)) != 0
}

// scan does what Set.scan promises.
func (f *narrowFilter) scan(found *candidates, text []byte, from, to int) (n, next int) {
	q := from
	for ; q < to && len(text)-q >= 8 && n <= len(found)-5; q += 5 {
		x := binary.LittleEndian.Uint64(text[q:])
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
