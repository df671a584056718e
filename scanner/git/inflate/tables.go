package inflate

// A decoding table maps the next bits of the stream to an entry. The primary
// part is indexed by the next tableBits bits; codes that are longer lead through
// a primary entry to a subtable behind it. The layout follows libdeflate
// (Eric Biggers, MIT licence, https://github.com/ebiggers/libdeflate,
// lib/decompress_template.h, read 2026-11-21); the code is our own.
//
// Entry, from the lowest bit:
//
//	 0-5   bits to drop: the code, in a subtable its rest, with the extra bits
//	 8-12  length or distance: bits of the code alone (where the extra bits start)
//	       pointer to a subtable: its index bits
//	 8-15  literal: the byte
//	16-30  length or distance: base value; pointer: start of the subtable
//	13-15  exceptional entries, see below
//	31     literal
const (
	litBits  = 11
	distBits = 8
	preBits  = 7

	litMask  = 1<<litBits - 1
	distMask = 1<<distBits - 1
	preMask  = 1<<preBits - 1

	// Largest tables that a complete code can need: zlib's `enough 288 11 15`
	// is 2342, `enough 32 8 15` is 402 (libdeflate, lib/deflate_decompress.c).
	litEnough  = 2342
	distEnough = 402

	maxCodeBits = 15
	numLit      = 286 // 286 and 287 have static codes but no meaning
	numDist     = 30
	numPre      = 19

	flagLiteral     = 1 << 31
	flagExceptional = 1 << 15 // one of the next three
	flagSubtable    = 1 << 14
	flagEnd         = 1 << 13 // end of block
	// neither: no code starts with these bits
)

const invalid = flagExceptional

// tables are the two codes of a block.
type tables struct {
	lit  [litEnough]uint32
	dist [distEnough]uint32
}

// Per symbol, the entry without the lengths of its code.
var (
	litSymbols  = makeLitSymbols()
	distSymbols = makeDistSymbols()
	preSymbols  = makePreSymbols()
	static      = makeStatic()
)

// preOrder is the order in which the lengths of the precode are sent (RFC 1951, 3.2.7).
var preOrder = [numPre]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func literal(b byte) uint32 { return flagLiteral | uint32(b)<<8 }

func makeLitSymbols() (res [288]uint32) {
	for b := range 256 {
		res[b] = literal(byte(b))
	}
	res[256] = flagExceptional | flagEnd
	base := uint32(3)
	for i := uint32(0); i < 28; i++ { // RFC 1951, 3.2.5
		extra := uint32(0)
		if i >= 4 {
			extra = i/4 - 1
		}
		res[257+i] = base<<16 | extra
		base += 1 << extra
	}
	res[285] = 258 << 16
	res[286], res[287] = invalid, invalid
	return res
}

func makeDistSymbols() (res [32]uint32) {
	base := uint32(1)
	for i := range uint32(numDist) {
		extra := uint32(0)
		if i >= 2 {
			extra = i/2 - 1
		}
		res[i] = base<<16 | extra
		base += 1 << extra
	}
	res[30], res[31] = invalid, invalid
	return res
}

func makePreSymbols() (res [numPre]uint32) {
	for i := range res {
		res[i] = uint32(i) << 16
	}
	return res
}

func makeStatic() *tables {
	var lens [288]uint8
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	t := new(tables)
	var b builder
	b.build(t.lit[:], litBits, lens[:], litSymbols[:])
	for i := range 32 {
		lens[i] = 5
	}
	b.build(t.dist[:], distBits, lens[:32], distSymbols[:])
	return t
}
