package inflate

import (
	"encoding/binary"
	"math/bits"
)

// builder makes decoding tables; its fields are room that every table needs.
type builder struct {
	sorted [288 + 1]uint16 // symbols by length of their code, then by value
}

// build fills table for the canonical code whose lengths are lens, at most
// maxCodeBits each. It is false when the lengths are not those of a code that
// zlib accepts: oversubscribed, or incomplete and not a single code of one bit.
// No length at all gives a table of invalid entries, as in zlib: a block without
// matches needs no distances.
//
// The canonical order lets the codes be counted up in bit-reversed form, so that
// a primary table of n bits is made by filling in the codes of n bits behind two
// copies of the table for n-1 bits.
func (b *builder) build(table []uint32, tableBits uint, lens []uint8, symbols []uint32) bool {
	var count [16]uint32
	lens = lens[:len(lens):len(lens)]
	whole := len(lens) &^ 7
	for i := 0; i < whole; i += 8 {
		if w := binary.LittleEndian.Uint64(lens[i : i+8]); w != 0 { // most bytes do not occur in a text
			for range 8 {
				count[w&15]++
				w >>= 8
			}
		}
	}
	for _, l := range lens[whole:] {
		count[l&15]++
	}
	longest := uint(maxCodeBits)
	for longest > 0 && count[longest&15] == 0 {
		longest--
	}
	primary := table[:1<<tableBits]
	if longest == 0 {
		fill(primary, invalid)
		return true
	}

	var next [16]uint32 // where the symbols of each length go
	space := uint32(0)  // codes used, in units of the longest
	at := uint32(0)
	for l := uint(1); l <= longest; l++ {
		next[l&15] = at
		at += count[l&15]
		space = space<<1 + count[l&15]
	}
	next[0] = at // unused symbols go behind the used ones
	for i := 0; i < whole; i += 8 {
		if w := binary.LittleEndian.Uint64(lens[i : i+8]); w != 0 {
			for k := range 8 {
				p := next[w&15]
				next[w&15] = p + 1
				b.sorted[p] = uint16(i + k)
				w >>= 8
			}
		}
	}
	for k, l := range lens[whole:] {
		p := next[l&15]
		next[l&15] = p + 1
		b.sorted[p] = uint16(whole + k)
	}
	if space != 1<<longest {
		if longest != 1 || space != 1 { // 1: a single code of one bit
			return false
		}
		fill(primary, invalid)
		e := symbols[b.sorted[0]] + 1<<8*notLiteral(symbols[b.sorted[0]]) + 1
		for i := 0; i < len(primary); i += 2 {
			primary[i] = e
		}
		return true
	}
	b.fillComplete(table, tableBits, longest, &count, symbols)
	return true
}

// notLiteral is 1 where the entry of a symbol has room for the bits of its code, 0 for a literal.
func notLiteral(e uint32) uint32 { return e>>31 ^ 1 }

func fill(t []uint32, e uint32) {
	for i := range t {
		t[i] = e
	}
}

// fillComplete fills table for a complete code of symbols in b.sorted.
func (b *builder) fillComplete(table []uint32, tableBits, longest uint, count *[16]uint32, symbols []uint32) {
	code := uint32(0) // bit-reversed
	sorted := b.sorted[:]
	end := uint32(1) // primary[:end] is filled, periodically, for codes so far
	l := uint(1)
	for ; l <= tableBits && l <= longest; l++ {
		copy(table[end:2*end], table[:end])
		end <<= 1
		n := count[l&15]
		add := uint32(l)
		wide := uint32(l) << 8
		for _, s := range sorted[:n] {
			e := symbols[s]
			table[code] = e + add + wide*notLiteral(e)
			code = nextCode(code, l)
		}
		sorted = sorted[n:]
	}
	for ; end < 1<<tableBits; end <<= 1 {
		copy(table[end:2*end], table[:end])
	}
	if l > longest {
		return
	}
	start, prefix := uint32(0), ^uint32(0)
	for ; l <= longest; l++ {
		n := count[l&15]
		rest := uint32(l - tableBits)
		for k, s := range sorted[:n] {
			if p := code & (1<<tableBits - 1); p != prefix {
				prefix, start = p, end
				sub := rest
				for used := n - uint32(k); used < 1<<sub; {
					sub++
					used = used<<1 + count[(uint32(tableBits)+sub)&15]
				}
				end = start + 1<<sub
				table[prefix] = flagExceptional | flagSubtable | start<<16 | sub<<8 | uint32(tableBits)
			}
			e := symbols[s]
			e += rest + rest<<8*notLiteral(e)
			for i := start + code>>tableBits; i < end; i += 1 << rest {
				table[i] = e
			}
			code = nextCode(code, l)
		}
		sorted = sorted[n:]
	}
}

// nextCode is the canonical successor of a code of l bits, both bit-reversed:
// one added to the highest bit with the carry going down. Behind the last code,
// all ones, it is 0.
func nextCode(code uint32, l uint) uint32 {
	rest := code ^ (1<<l - 1) // the zeros
	if rest == 0 {
		return 0
	}
	top := uint32(1) << (bits.Len32(rest) - 1)
	return code&(top-1) | top
}
