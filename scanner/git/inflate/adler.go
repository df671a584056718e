package inflate

import "encoding/binary"

// adlerWords is how many words of 8 bytes the lanes of adler hold: 16 bits
// are enough for 255 * 22*21/2.
const adlerWords = 22

// adler is the Adler-32 of p (RFC 1950), in eight lanes of 16 bits in four
// registers: four times as fast as hash/adler32, which goes byte by byte.
func adler(p []byte) uint32 {
	a, b := uint64(1), uint64(0)
	for len(p) >= 8 {
		n := min(len(p)/8, adlerWords)
		// sum has the bytes of each lane, run their sums before each word.
		var sumEven, sumOdd, runEven, runOdd uint64
		q := p[:n*8]
		for ; len(q) >= 16; q = q[16:] {
			v := binary.LittleEndian.Uint64(q[:8])
			runEven += sumEven
			runOdd += sumOdd
			sumEven += v & lanes
			sumOdd += v >> 8 & lanes
			v = binary.LittleEndian.Uint64(q[8:16])
			runEven += sumEven
			runOdd += sumOdd
			sumEven += v & lanes
			sumOdd += v >> 8 & lanes
		}
		if len(q) >= 8 {
			v := binary.LittleEndian.Uint64(q)
			runEven += sumEven
			runOdd += sumOdd
			sumEven += v & lanes
			sumOdd += v >> 8 & lanes
		}
		// In the word where it stands, byte k of 8 counts 8-k times.
		b += a*uint64(n)*8 + 8*(spread(runEven)+spread(runOdd))
		b += weigh(sumEven, 8) + weigh(sumOdd, 7)
		a += spread(sumEven) + spread(sumOdd)
		a %= 65521
		b %= 65521
		p = p[n*8:]
	}
	for _, c := range p {
		a += uint64(c)
		b += a
	}
	return uint32(b%65521<<16 | a%65521)
}

const lanes = 0x00ff00ff00ff00ff

// spread adds up the four lanes of v.
func spread(v uint64) uint64 {
	v = v&0x0000ffff0000ffff + v>>16&0x0000ffff0000ffff
	return v&0xffffffff + v>>32
}

// weigh adds up the four lanes of v, the lowest one w times, each next one two times less.
func weigh(v uint64, w uint64) uint64 {
	return v&0xffff*w + v>>16&0xffff*(w-2) + v>>32&0xffff*(w-4) + v>>48*(w-6)
}
