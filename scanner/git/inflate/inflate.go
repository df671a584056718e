// Package inflate decodes the zlib streams of git objects: whole buffers of a
// known size, in one call, without windows or readers.
//
// It is several times as fast as compress/zlib because it never stops in the
// middle: 64 bits of input are taken at once, a table lookup gives a whole
// length with its extra bits, and matches are copied in words. The ideas are
// those of libdeflate (Eric Biggers, MIT licence, https://github.com/ebiggers/libdeflate,
// read 2026-11-21); the code is our own. There is no unsafe and no assembly:
// every access is checked by the compiler's bounds checks or proven by it.
package inflate

import (
	"encoding/binary"
	"errors"
)

// What is wrong with a stream. Each Inflate returns one of these unwrapped: the
// caller knows the file and the place.
var (
	ErrHeader    = errors.New("inflate: not a zlib stream, or one with a dictionary")
	ErrTruncated = errors.New("inflate: stream is cut off")
	ErrCorrupt   = errors.New("inflate: stream is corrupt")
	ErrSize      = errors.New("inflate: stream does not have the size that was announced")
	ErrChecksum  = errors.New("inflate: checksum does not match")
)

// Slack is the capacity behind len(dst), and the length of src behind the
// stream, that let Inflate use its fast loop up to the end.
const (
	Slack      = 336
	InputSlack = 24
)

// Decoder decodes one stream after another. The zero value is ready for use.
// It must not be used by two goroutines at once; it keeps nothing of a stream.
type Decoder struct {
	// SkipChecksum leaves the Adler-32 at the end of the stream unread, for
	// callers that check the object's own hash.
	SkipChecksum bool

	dyn   tables
	pre   [1 << preBits]uint32
	lens  [numLit + 2 + 32 + 138 + 8]uint8 // room for a last repetition that is too long, written in words
	build builder
}

// Inflate decodes the zlib stream at the start of src, which must decode to
// exactly len(dst) bytes, into dst. It returns how many bytes the stream took,
// its checksum included; src may be longer.
//
// dst[len(dst):cap(dst)] is room that may be overwritten: give a slice of full
// capacity where something else lives there. With Slack bytes of it, and
// InputSlack bytes of src behind the stream, Inflate is fastest; with none it is
// as correct. After an error dst holds anything.
//
// Errors are the sentinels of this package. Inflate does not allocate.
func (d *Decoder) Inflate(dst, src []byte) (int, error) {
	if len(src) < 2 {
		return 0, ErrTruncated
	}
	if h := uint(src[0])<<8 | uint(src[1]); src[0]&0x0f != 8 || src[0]>>4 > 7 || h%31 != 0 || src[1]&0x20 != 0 {
		return 0, ErrHeader
	}
	s := state{src: src, dst: dst[:cap(dst)], size: uint(len(dst)), i: 2}
	for final := false; !final; {
		s.refill()
		final = s.take(1) == 1
		var err error
		switch s.take(2) {
		case 0:
			err = s.stored()
		case 1:
			err = s.block(static)
		case 2:
			if err = d.codes(&s); err == nil {
				err = s.block(&d.dyn)
			}
		default:
			err = ErrCorrupt
			if s.over > s.have>>3 {
				err = ErrTruncated
			}
		}
		if err != nil {
			return 0, err
		}
	}
	if err := s.unread(); err != nil {
		return 0, err
	}
	if s.o != s.size {
		return 0, ErrSize
	}
	if uint(len(src))-s.i < 4 {
		return 0, ErrTruncated
	}
	if !d.SkipChecksum && binary.BigEndian.Uint32(src[s.i:s.i+4]) != adler(dst) {
		return 0, ErrChecksum
	}
	return int(s.i + 4), nil
}

// state is the place in a stream and in its output.
type state struct {
	src, dst []byte
	size     uint   // of the output; dst may be longer
	i, o     uint   // next byte of src, of dst
	bits     uint64 // input that was taken from src, next bit lowest
	have     uint   // how many bits of it count, 0..63
	over     uint   // bytes of zeros that were taken behind the end of src
}

// refill makes have at least 56. Behind the end of src come zeros, counted in over.
func (s *state) refill() {
	if s.i+8 <= uint(len(s.src)) {
		s.bits |= binary.LittleEndian.Uint64(s.src[s.i:s.i+8]) << (s.have & 63)
		s.i += (63 - s.have) >> 3
		s.have |= 56
		return
	}
	// The fast way leaves bits above have in place; here they must not be met twice.
	s.bits &= 1<<(s.have&63) - 1
	for ; s.have < 56; s.have += 8 {
		if s.i < uint(len(s.src)) {
			s.bits |= uint64(s.src[s.i]) << (s.have & 63)
			s.i++
		} else {
			s.over++
		}
	}
}

// take removes n of the bits that refill promised.
func (s *state) take(n uint) uint {
	v := s.bits & (1<<(n&63) - 1)
	s.bits >>= n & 63
	s.have -= n
	return uint(v)
}

// unread gives back the whole bytes that were taken but not used, and drops the
// rest of the current byte.
func (s *state) unread() error {
	whole := s.have >> 3
	if s.over > whole {
		return ErrTruncated
	}
	s.i -= whole - s.over
	s.bits, s.have, s.over = 0, 0, 0
	return nil
}

// stored copies a block that is not compressed.
func (s *state) stored() error {
	if err := s.unread(); err != nil {
		return err
	}
	if uint(len(s.src))-s.i < 4 {
		return ErrTruncated
	}
	h := s.src[s.i : s.i+4]
	n := uint(h[0]) | uint(h[1])<<8
	if uint(h[2])|uint(h[3])<<8 != n^0xffff {
		return ErrCorrupt
	}
	s.i += 4
	if uint(len(s.src))-s.i < n {
		return ErrTruncated
	}
	if s.size-s.o < n {
		return ErrSize
	}
	copy(s.dst[s.o:s.o+n], s.src[s.i:s.i+n])
	s.i += n
	s.o += n
	return nil
}

// codes reads the two codes of a dynamic block into d.dyn.
func (d *Decoder) codes(s *state) error {
	nlit := s.take(5) + 257
	ndist := s.take(5) + 1
	npre := s.take(4) + 4
	var pre [numPre]uint8
	for k := range npre {
		if k%16 == 0 {
			s.refill()
		}
		pre[preOrder[k]] = uint8(s.take(3))
	}
	if nlit > numLit || ndist > numDist {
		return s.corrupt()
	}
	if !d.build.build(d.pre[:], preBits, pre[:], preSymbols[:]) {
		return s.corrupt()
	}
	lens := &d.lens
	total := nlit + ndist
	for n := uint(0); n < total; {
		s.refill()
		if s.over > 8 {
			return ErrTruncated
		}
		bits, have := s.bits, s.have
		for q := 0; q < 4 && n < total; q++ { // 4 * (7+7) bits
			e := d.pre[bits&preMask]
			if e&flagExceptional != 0 {
				return s.corrupt()
			}
			bits >>= e & 63
			have -= uint(e & 63)
			sym := e >> 16
			if sym < 16 {
				lens[n] = uint8(sym)
				n++
				continue
			}
			var v uint64
			var times uint
			switch sym {
			case 16:
				if n == 0 {
					return s.corrupt()
				}
				v, times = uint64(lens[n-1])*0x0101010101010101, 3+uint(bits&3)
				bits >>= 2
				have -= 2
			case 17:
				times = 3 + uint(bits&7)
				bits >>= 3
				have -= 3
			default:
				times = 11 + uint(bits&127)
				bits >>= 7
				have -= 7
			}
			for k := n; k < n+times; k += 8 {
				binary.LittleEndian.PutUint64(lens[k:k+8], v)
			}
			n += times
		}
		s.bits, s.have = bits, have
		if n > total {
			return s.corrupt()
		}
	}
	if s.over > s.have>>3 {
		return ErrTruncated
	}
	if !d.build.build(d.dyn.dist[:], distBits, lens[nlit:total], distSymbols[:]) ||
		!d.build.build(d.dyn.lit[:], litBits, lens[:nlit], litSymbols[:]) {
		return ErrCorrupt
	}
	return nil
}

// corrupt is ErrCorrupt, or ErrTruncated where the end of the input explains it.
func (s *state) corrupt() error {
	if s.over > s.have>>3 {
		return ErrTruncated
	}
	return ErrCorrupt
}
