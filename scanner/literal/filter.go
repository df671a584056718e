package literal

import "math/bits"

// A filter tells the few positions of a text where a pattern may be from the
// many where none is. Of each pattern it holds one window: four neighbouring
// bytes c0 c1 c2 c3, the rarest that the pattern has.
//
// It looks at every second position e only. A window that begins at e has c0 c1
// c2 there; one that begins at e-1 has c1 c2 c3 there. So each window is entered
// twice: the hash of c0 c1 c2 chooses a word of the table, whose high half says
// which c3 may follow; the hash of c1 c2 c3 chooses another, whose low half says
// which c0 may precede. One load then answers for two positions, and for all
// four bytes of both.
//
// Each half is two groups of eight bits. A byte is first mixed with those bits of
// the hash that did not choose the word; then each group has one bit for it,
// its selector, which is 0 if some window allows the byte. Both must be 0.
//
// A byte beyond the end of a short pattern may have any value, and all of them
// are entered. The filter therefore never misses a window; what it lets through
// wrongly, the index rejects.
type filter struct {
	table    []uint32
	shift    uint64 // makes a hash an index into table
	selector [256]uint16
}

const (
	windowLen  = 4
	hashFactor = 0x9E3779B1

	minTableBits = 12 // 16 KiB
	maxTableBits = 16 // 256 KiB; more would leave the second-level cache
)

// hash mixes the low three bytes of trigram. Its high bits are an index into the
// table; its second byte is what selectors are mixed with. As hashFactor is odd,
// the bits that are not in the index tell apart the trigrams that share it.
func hash(trigram uint32) uint32 { return trigram << 8 * hashFactor }

func newFilter(patterns []Pattern, windows []int) *filter {
	// Sixteen words for each pattern: half as many let through twice as much,
	// twice as many miss the first-level cache more than they save.
	log := min(max(bits.Len(uint(len(patterns)))+4, minTableBits), maxTableBits)
	f := &filter{table: make([]uint32, 1<<log), shift: uint64(32 - log)}
	for i := range f.table {
		f.table[i] = ^uint32(0)
	}
	for c := range f.selector {
		v := c * 33 // in one byte c, in the next c/8 (and a carry): one instruction in AVX2
		f.selector[c] = 1<<(v&7) | 0x100<<(v>>8&7)
	}
	for i, p := range patterns {
		f.enter(spellings(p, windows[i]))
	}
	return f
}

// spelling is the values that one byte of a window may have.
type spelling struct {
	bytes [2]byte
	n     int // of bytes; 0 means that all 256 values are possible
}

func spellings(p Pattern, at int) (w [windowLen]spelling) {
	for k, c := range p.Bytes[at:min(at+windowLen, len(p.Bytes))] {
		w[k] = spelling{bytes: [2]byte{c, c ^ 0x20}, n: 1}
		if p.Fold && isLetter(c) {
			w[k].n = 2
		}
	}
	return w
}

func (s *spelling) len() int {
	if s.n == 0 {
		return 256
	}
	return s.n
}

func (s *spelling) at(i int) uint32 {
	if s.n == 0 {
		return uint32(i)
	}
	return uint32(s.bytes[i])
}

func (f *filter) enter(w [windowLen]spelling) {
	f.allow(w[0], w[1], w[2], w[3], 16)
	f.allow(w[1], w[2], w[3], w[0], 0)
}

// allow enters that next to each spelling of the trigram t0 t1 t2, there may be
// beside, in the half of the words that begins at bit half.
func (f *filter) allow(t0, t1, t2, beside spelling, half int) {
	for i := range t0.len() {
		for j := range t1.len() {
			for k := range t2.len() {
				h := hash(t0.at(i) | t1.at(j)<<8 | t2.at(k)<<16)
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
