package inflate

import "encoding/binary"

// block decodes the symbols of a block up to its end.
func (s *state) block(t *tables) error {
	done, err := s.fast(t)
	if !done && err == nil {
		err = s.careful(t)
	}
	if err == nil && s.o > s.size {
		err = ErrSize
	}
	return err
}

// fast decodes while there is room for the most that one round can read and
// write. It returns done at the end of the block, else when the room is used up
// or after more output than was announced.
//
// have holds garbage above its lowest 6 bits here: a whole entry is subtracted
// where its lowest bits are meant. Each round begins with at least 56 bits and the
// entry e of the next ones, looked up before the last match was copied so that
// both go on at once. It is one long function because calls, and values that leave
// their registers, cost more here than everything else.
func (s *state) fast(t *tables) (done bool, err error) {
	src, dst := s.src, s.dst
	if len(src) < InputSlack || len(dst) < Slack {
		return false, nil
	}
	inEnd, outEnd := uint(len(src)-InputSlack), min(uint(len(dst)-Slack), s.size)
	i, o, bits, have := s.i, s.o, s.bits, uint64(s.have)
	if i > inEnd || o > outEnd {
		return false, nil
	}
	bits, i, have = more(src, bits, i, have)
	e := t.lit[bits&litMask]
	for {
		// Three codes of the primary table and a length with its subtable take
		// at most 3*11 + 15+5 = 53 bits.
		if e >= flagLiteral {
			bits >>= e & 63
			have -= uint64(e)
			dst[o] = byte(e >> 8)
			o++
			e = t.lit[bits&litMask]
			if e >= flagLiteral {
				bits >>= e & 63
				have -= uint64(e)
				dst[o] = byte(e >> 8)
				o++
				e = t.lit[bits&litMask]
				if e >= flagLiteral {
					bits >>= e & 63
					have -= uint64(e)
					dst[o] = byte(e >> 8)
					o++
					if i > inEnd || o > outEnd {
						break
					}
					bits, i, have = more(src, bits, i, have)
					e = t.lit[bits&litMask]
					continue
				}
			}
		}
		if e&flagExceptional != 0 {
			if e&flagSubtable != 0 {
				bits >>= litBits
				have -= litBits
				e = t.lit[uint64(e>>16)+bits&(1<<(e>>8&15)-1)]
				if e >= flagLiteral {
					bits >>= e & 63
					have -= uint64(e)
					dst[o] = byte(e >> 8)
					o++
					if i > inEnd || o > outEnd {
						break
					}
					bits, i, have = more(src, bits, i, have)
					e = t.lit[bits&litMask]
					continue
				}
			}
			if e&flagExceptional != 0 {
				bits >>= e & 63
				have -= uint64(e)
				s.i, s.o, s.bits, s.have = i, o, bits, uint(have&63)
				if e&flagEnd == 0 {
					return false, ErrCorrupt
				}
				return true, nil
			}
		}
		n := uint(e>>16) + uint(bits&(1<<(e&63)-1)>>(e>>8&31))
		bits >>= e & 63
		have -= uint64(e)

		bits, i, have = more(src, bits, i, have)
		e = t.dist[bits&distMask]
		if e&flagExceptional != 0 {
			if e&flagSubtable != 0 {
				bits >>= distBits
				have -= distBits
				e = t.dist[uint64(e>>16)+bits&(1<<(e>>8&15)-1)]
			}
			if e&flagExceptional != 0 {
				return false, ErrCorrupt
			}
		}
		far := uint(e>>16) + uint(bits&(1<<(e&63)-1)>>(e>>8&31))
		bits >>= e & 63
		have -= uint64(e)
		if far > o {
			return false, ErrCorrupt
		}
		at := o
		o += n
		if i > inEnd || o > outEnd {
			copyMatch(dst, at, far, n)
			break
		}
		bits, i, have = more(src, bits, i, have)
		e = t.lit[bits&litMask]
		if far >= 16 && n <= 32 { // nearly all: without a call
			to, from := dst[at:at+32], dst[at-far:at-far+32]
			copy(to[:16], from[:16])
			copy(to[16:], from[16:])
		} else {
			copyMatch(dst, at, far, n)
		}
	}
	s.i, s.o, s.bits, s.have = i, o, bits, uint(have&63)
	return false, nil
}

// more takes as many whole bytes from src[i:i+8] as fit above the bits that there
// are, which makes at least 56.
func more(src []byte, bits uint64, i uint, have uint64) (uint64, uint, uint64) {
	bits |= binary.LittleEndian.Uint64(src[i:i+8]) << (have & 63)
	return bits, i + uint(^have>>3&7), have | 56
}

// copyMatch writes n bytes at o that repeat what stands far bytes before, and up
// to 31 bytes of anything behind them.
func copyMatch(dst []byte, o, far, n uint) {
	to := dst[o : o+n+32]
	switch {
	case far >= 16:
		from := dst[o-far : o-far+n+32]
		copy(to[:16], from[:16])
		if n <= 16 {
			return
		}
		copy(to[16:32], from[16:32])
		for k := uint(32); k < n; k += 32 {
			copy(to[k:k+16], from[k:k+16])
			copy(to[k+16:k+32], from[k+16:k+32])
		}
	case far == 1:
		v := uint64(dst[o-1]) * 0x0101010101010101
		for k := uint(0); k < n; k += 8 {
			binary.LittleEndian.PutUint64(to[k:k+8], v)
		}
	default:
		// Words of 8 bytes of which `far` are right, until the distance is 8 or more.
		from := dst[o-far : o+n+32]
		k := uint(0)
		step := min(far, 8)
		for ; k < n; k += step {
			binary.LittleEndian.PutUint64(to[k:k+8], binary.LittleEndian.Uint64(from[k:k+8]))
		}
	}
}

// careful decodes without looking or writing past either end, up to the end
// of the block.
func (s *state) careful(t *tables) error {
	out := s.dst[:s.size]
	for {
		s.refill()
		if s.over > 8 {
			return ErrTruncated
		}
		e := t.lit[s.bits&litMask]
		if e < flagLiteral && e&(flagExceptional|flagSubtable) == flagExceptional|flagSubtable {
			s.take(litBits)
			e = t.lit[uint64(e>>16)+s.bits&(1<<(e>>8&15)-1)]
		}
		if e >= flagLiteral {
			s.take(uint(e & 63))
			if s.o >= s.size {
				return s.tooLong()
			}
			out[s.o] = byte(e >> 8)
			s.o++
			continue
		}
		if e&flagExceptional != 0 {
			s.take(uint(e & 63))
			if e&flagEnd == 0 {
				return s.corrupt()
			}
			return nil
		}
		n := uint(e>>16) + uint(s.bits&(1<<(e&63)-1)>>(e>>8&31))
		s.take(uint(e & 63))
		s.refill()
		e = t.dist[s.bits&distMask]
		if e&(flagExceptional|flagSubtable) == flagExceptional|flagSubtable {
			s.take(distBits)
			e = t.dist[uint64(e>>16)+s.bits&(1<<(e>>8&15)-1)]
		}
		if e&flagExceptional != 0 {
			return s.corrupt()
		}
		far := uint(e>>16) + uint(s.bits&(1<<(e&63)-1)>>(e>>8&31))
		s.take(uint(e & 63))
		if far > s.o {
			return s.corrupt()
		}
		if s.o > s.size || s.size-s.o < n {
			return s.tooLong()
		}
		if far >= n {
			copy(out[s.o:s.o+n], out[s.o-far:])
		} else {
			for k := range n {
				out[s.o+k] = out[s.o+k-far]
			}
		}
		s.o += n
	}
}

// tooLong is ErrSize, or ErrTruncated where the end of the input explains it.
func (s *state) tooLong() error {
	if s.over > s.have>>3 {
		return ErrTruncated
	}
	return ErrSize
}
