package literal

import "encoding/binary"

// candidates receives the positions that the filter lets through. It is small,
// as every call of Find has to clear one.
type candidates [128]uint32

// blockLen is how many positions scanWide answers at once; it reads blockReach
// bytes for them.
const (
	blockLen   = 64
	blockReach = 72
)

// scan fills found with the positions of text[from:to], in ascending order, where
// a window may begin. It stops early when found is nearly full: next is where to
// go on. Some positions may be beyond to.
func (s *Set) scan(found *candidates, text []byte, from, to int) (n, next int) {
	if !s.wide {
		return s.filter.scanNarrow(found, text, from, to)
	}
	if len(text)-from >= blockReach {
		blocks := min((to-from+blockLen-1)/blockLen, (len(text)-from-blockReach)/blockLen+1)
		n, done := s.filter.scanWide(found, text[from:], blocks, uint32(from))
		return n, from + done*blockLen
	}
	var padded [blockLen + blockReach]byte // what is left is less than blockReach, so two blocks at most
	copy(padded[:], text[from:])
	n, done := s.filter.scanWide(found, padded[:], (to-from+blockLen-1)/blockLen, uint32(from))
	return n, from + done*blockLen
}

// scanNarrow is scan in plain Go.
func (f *filter) scanNarrow(found *candidates, text []byte, from, to int) (n, next int) {
	table, shift := f.table, f.shift
	q := from
	for ; q < to && len(text)-q >= 8 && n <= len(found)-4; q += 4 {
		x := binary.LittleEndian.Uint64(text[q:])
		for k := 0; k < 4; k += 2 {
			h := hash(uint32(x >> 8))
			mix := byte(h >> 8)
			word := table[h>>shift]
			if word&uint32(f.selector[byte(x)^mix]) == 0 {
				found[n] = uint32(q + k)
				n++
			}
			if word>>16&uint32(f.selector[byte(x>>32)^mix]) == 0 {
				found[n] = uint32(q + k + 1)
				n++
			}
			x >>= 16
		}
	}
	for ; q < to && len(text)-q < 8 && n <= len(found)-1; q++ {
		found[n] = uint32(q) // too few for the filter to be worth its while
		n++
	}
	return n, q
}
