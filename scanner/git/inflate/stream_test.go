package inflate

import (
	"math/bits"
	"math/rand"
)

// bitWriter writes a DEFLATE stream bit by bit.
type bitWriter struct {
	out []byte
	acc uint64
	n   uint
}

func (w *bitWriter) bits(v uint64, n uint) {
	for k := range n {
		w.acc |= (v >> k & 1) << w.n
		if w.n++; w.n == 8 {
			w.out, w.acc, w.n = append(w.out, byte(w.acc)), 0, 0
		}
	}
}

func (w *bitWriter) align() {
	if w.n > 0 {
		w.bits(0, 8-w.n)
	}
}

// code is a canonical code, bit-reversed.
type code struct {
	lens  []uint8
	codes []uint64
}

func newCode(lens []uint8) code {
	c := code{lens, make([]uint64, len(lens))}
	next := uint64(0)
	for l := uint8(1); l <= 15; l++ {
		for s, n := range lens {
			if n == l {
				c.codes[s] = bits.Reverse64(next) >> (64 - l)
				next++
			}
		}
		next <<= 1
	}
	return c
}

func (w *bitWriter) symbol(c code, s int) { w.bits(c.codes[s], uint(c.lens[s])) }

// randomLens gives `used` of n symbols the lengths of a complete code of at most
// limit bits, lopsided as often as not; must is one of the symbols.
func randomLens(r *rand.Rand, n, used, limit, must int) []uint8 {
	leaves := []uint8{0}
	deep := r.Intn(2) == 0
	for tries := 0; len(leaves) < used && tries < 10*used; tries++ {
		k := r.Intn(len(leaves))
		if deep && r.Intn(3) > 0 {
			k = len(leaves) - 1
		}
		if int(leaves[k]) < limit {
			leaves[k]++
			leaves = append(leaves, leaves[k])
		}
	}
	if len(leaves) == 1 {
		leaves[0] = 1 // the one incomplete code that is allowed
	}
	lens := make([]uint8, n)
	order := r.Perm(n)
	for k, s := range order {
		if s == must {
			order[0], order[k] = order[k], order[0]
		}
	}
	r.Shuffle(len(leaves), func(i, j int) { leaves[i], leaves[j] = leaves[j], leaves[i] })
	for k, l := range leaves {
		lens[order[k]] = l
	}
	return lens
}

// randomStream is a zlib stream of random blocks of random codes. Most decode,
// some reach back too far or use a code that is not there; the checksum is right
// where they decode.
func randomStream(r *rand.Rand) []byte {
	w := &bitWriter{out: []byte{0x78, 0x9c}}
	for blocks := 1 + r.Intn(4); blocks > 0; blocks-- {
		final := uint64(0)
		if blocks == 1 {
			final = 1
		}
		w.bits(final, 1)
		switch r.Intn(6) {
		case 0:
			w.bits(0, 2)
			w.align()
			n := r.Intn(300)
			w.bits(uint64(n), 16)
			w.bits(uint64(n)^0xffff, 16)
			for range n {
				w.bits(uint64(r.Intn(256)), 8)
			}
		case 1:
			w.bits(1, 2)
			lens := make([]uint8, 288)
			for i := range lens {
				lens[i] = []uint8{8, 9, 7, 8}[b2i(i >= 144)+b2i(i >= 256)+b2i(i >= 280)]
			}
			dist := make([]uint8, 32)
			for i := range dist {
				dist[i] = 5
			}
			w.symbols(r, newCode(lens[:286+r.Intn(40)/39*2]), newCode(dist[:30+r.Intn(40)/39*2]))
		default:
			w.bits(2, 2)
			nlit, ndist := 257+r.Intn(30), 1+r.Intn(30)
			lit := randomLens(r, nlit, 1+r.Intn(nlit), 15, 256)
			dist := randomLens(r, ndist, 1+r.Intn(ndist), 15, 0)
			w.lengths(r, lit, dist)
			w.symbols(r, newCode(lit), newCode(dist))
		}
	}
	w.align()
	z := append(w.out, 0, 0, 0, 0)
	fix(z)
	return z
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lengths writes the header of a dynamic block.
func (w *bitWriter) lengths(r *rand.Rand, lit, dist []uint8) {
	w.bits(uint64(len(lit)-257), 5)
	w.bits(uint64(len(dist)-1), 5)
	w.bits(15, 4)
	pre := randomLens(r, numPre, numPre, 7, 0)
	for _, s := range preOrder {
		w.bits(uint64(pre[s]), 3)
	}
	c := newCode(pre)
	all := append(append([]uint8{}, lit...), dist...)
	for i := 0; i < len(all); {
		run := 1
		for i+run < len(all) && all[i+run] == all[i] {
			run++
		}
		switch {
		case all[i] == 0 && run >= 11 && r.Intn(4) > 0:
			run = min(run, 138)
			w.symbol(c, 18)
			w.bits(uint64(run-11), 7)
		case all[i] == 0 && run >= 3 && r.Intn(4) > 0:
			run = min(run, 10)
			w.symbol(c, 17)
			w.bits(uint64(run-3), 3)
		case i > 0 && all[i-1] == all[i] && run >= 3 && r.Intn(4) > 0:
			run = min(run, 6)
			w.symbol(c, 16)
			w.bits(uint64(run-3), 2)
		default:
			run = 1
			w.symbol(c, int(all[i]))
		}
		i += run
	}
}

// symbols writes random symbols and the end of the block.
func (w *bitWriter) symbols(r *rand.Rand, lit, dist code) {
	var usedLit, usedDist []int
	for s, l := range lit.lens {
		if l > 0 && s != 256 {
			usedLit = append(usedLit, s)
		}
	}
	for s, l := range dist.lens {
		if l > 0 && (s < 12 || r.Intn(20) == 0) {
			usedDist = append(usedDist, s)
		}
	}
	for range r.Intn(600) {
		if len(usedLit) == 0 {
			break
		}
		s := usedLit[r.Intn(len(usedLit))]
		if s > 256 && (len(usedDist) == 0 || len(w.out) < 90 && r.Intn(10) > 0) {
			continue
		}
		w.symbol(lit, s)
		if s > 256 && s < 286 {
			w.bits(r.Uint64(), uint(litSymbols[s]&63))
			d := usedDist[r.Intn(len(usedDist))]
			w.symbol(dist, d)
			if d < 30 {
				w.bits(r.Uint64()>>uint(r.Intn(64)), uint(distSymbols[d]&63))
			}
		}
	}
	w.symbol(lit, 256)
}
