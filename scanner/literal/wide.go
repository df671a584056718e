package literal

import "math/bits"

// wideFilter is the filter for machines with vectors of 32 or 64 bytes.
//
// It looks at every second position e, a sample, only. A window c0 c1 c2 c3 that begins at e
// has c0 c1 c2 there; one that begins at e-1 has c1 c2 c3 there. So each window
// is entered twice: the hash of c0 c1 c2 chooses a word of the table, whose high
// half says which c3 may follow; the hash of c1 c2 c3 chooses another, whose low
// half says which c0 may precede. One load then answers for two positions, and
// for all four bytes of both.
//
// Each half is two groups of eight bits. A byte is first mixed with those bits of
// the hash that did not choose the word; then each group has one bit for it, its
// selector, which is 0 if some window allows the byte. Both must be 0.
type wideFilter struct {
	table    []uint32
	shift    uint64 // makes a hash an index into table
	selector [256]uint16
	kind     kind
}

const (
	minTableBits = 12 // 16 KiB
	maxTableBits = 17 // 512 KiB; more would leave the second-level cache
)

// wideHash mixes the low three bytes of trigram. Its high bits are an index into
// the table; its second byte is what selectors are mixed with. As hashFactor is
// odd, the bits outside the index tell apart the trigrams that share it.
func wideHash(trigram uint32) uint32 { return trigram << 8 * hashFactor }

func newWideFilter(patterns []Pattern, windows []int, k kind) *wideFilter {
	// 32 words or more for each pattern where there is room: with half as many,
	// half as much again gets through.
	log := min(max(bits.Len(uint(len(patterns)))+5, minTableBits), maxTableBits)
	f := &wideFilter{table: make([]uint32, 1<<log), shift: uint64(32 - log), kind: k}
	for i := range f.table {
		f.table[i] = ^uint32(0)
	}
	for c := range f.selector {
		v := c * 33 // the low byte begins with the bits of c, the high one with those of c/8 (and a carry)
		f.selector[c] = 1<<(v&7) | 0x100<<(v>>8&7)
	}
	pairs := false
	for i, p := range patterns {
		w := spellings(p, windows[i])
		f.allow(w[0], w[1], w[2], w[3], 16)
		if len(p.Bytes) > 2 {
			f.allow(w[1], w[2], w[3], w[0], 0)
		} else {
			pairs = true
		}
	}
	if pairs {
		f.allowAll() // the second trigram of a pair is one byte and two unknown ones
	}
	return f
}

// allow enters that next to each spelling of the trigram t0 t1 t2 there may be
// beside, in the half of the words that begins at bit half.
func (f *wideFilter) allow(t0, t1, t2, beside spelling, half int) {
	for i := range t0.len() {
		for j := range t1.len() {
			for k := range t2.len() {
				h := wideHash(t0.at(i) | t1.at(j)<<8 | t2.at(k)<<16)
				word := &f.table[h>>f.shift]
				if beside.n == 0 {
					*word &^= 0xFFFF << half
				}
				for _, c := range beside.bytes[:beside.n] {
					*word &^= uint32(f.selector[c^byte(h>>8)]) << half
				}
			}
		}
	}
}

// allowAll lets through the first position of every sample.
func (f *wideFilter) allowAll() {
	for i := range f.table {
		f.table[i] &^= 0xFFFF
	}
}

// scanBlocks answers for blockLen positions at once and reads blockReach bytes
// for them.
const (
	blockLen   = 64
	blockReach = 72
)

// scan does what Set.scan promises. It needs a machine that has f.kind.
func (f *wideFilter) scan(found *candidates, text []byte, from, to int) (n, next int) {
	blocks := (to - from + blockLen - 1) / blockLen
	rest := text[from:]
	if len(rest) < blockReach {
		var padded [blockLen + blockReach]byte // two blocks at most
		copy(padded[:], rest)
		rest = padded[:]
	}
	blocks = min(blocks, (len(rest)-blockReach)/blockLen+1)
	n, done := f.scanBlocks(found, rest, blocks)
	return n, from + done*blockLen
}
