package forest

import (
	"encoding/binary"
	"errors"

	"github.com/rekeyhq/rekey/scanner/git"
)

// What is wrong with a delta.
var (
	errDeltaCut    = errors.New("delta is cut off")
	errDeltaCopy   = errors.New("delta copies from outside of its base")
	errDeltaLong   = errors.New("delta makes more than it promises")
	errDeltaShort  = errors.New("delta makes less than it promises")
	errDeltaZero   = errors.New("delta has an instruction 0")
	errDeltaOnBase = errors.New("delta is for a base of another size")
)

// deltaSizes reads a delta's header: the sizes of base and result, and how many
// bytes it takes.
func deltaSizes(delta []byte) (base, result int64, n int, err error) {
	d, err := git.ParseDelta(delta)
	if err != nil {
		return 0, 0, 0, err
	}
	for range 2 {
		for delta[n]&0x80 != 0 {
			n++
		}
		n++
	}
	return d.BaseSize, d.ResultSize, n, nil
}

// maxCopies bounds the memory for the copies of one object: 24 MiB. What is copied
// after so many counts as inserted.
const maxCopies = 1 << 20

// applyDelta fills out, the whole result, from base and the instructions of a delta,
// and appends to copies what came from base.
func applyDelta(out, base, ops []byte, copies []Copy) ([]Copy, error) {
	o, i := 0, 0
	last := Copy{Dst: -1}
	for i < len(ops) {
		op := ops[i]
		i++
		if op&0x80 == 0 {
			n := int(op)
			switch {
			case n == 0:
				return copies, errDeltaZero
			case n > len(ops)-i:
				return copies, errDeltaCut
			case n > len(out)-o:
				return copies, errDeltaLong
			}
			if n <= 32 && o+32 <= len(out) && i+32 <= len(ops) {
				copy32(out[o:o+32], ops[i:i+32])
			} else {
				copy(out[o:o+n], ops[i:i+n])
			}
			o += n
			i += n
			continue
		}
		var args uint64
		if i+8 <= len(ops) {
			args = binary.LittleEndian.Uint64(ops[i : i+8])
			i += int(argBytes[op&0x7f])
		} else {
			var b [8]byte
			copy(b[:], ops[i:])
			args = binary.LittleEndian.Uint64(b[:])
			if i += int(argBytes[op&0x7f]); i > len(ops) {
				return copies, errDeltaCut
			}
		}
		from, count := copyArgs(op, args)
		if count > uint64(len(out)-o) {
			return copies, errDeltaLong
		}
		if from > uint64(len(base)) || count > uint64(len(base))-from {
			return copies, errDeltaCopy
		}
		src, n := int(from), int(count)
		if n <= 32 && o+32 <= len(out) && src+32 <= len(base) {
			copy32(out[o:o+32], base[src:src+32])
		} else {
			copy(out[o:o+n], base[src:src+n])
		}
		if last.Dst+last.Len == o && last.Src+last.Len == src && last.Dst >= 0 {
			last.Len += n
			copies[len(copies)-1] = last
		} else if len(copies) < maxCopies {
			last = Copy{Dst: o, Src: src, Len: n}
			copies = append(copies, last)
		}
		o += n
	}
	if o != len(out) {
		return copies, errDeltaShort
	}
	return copies, nil
}

// copy32 copies 32 bytes in less time than a call takes. Most instructions are for
// fewer; what is too much is overwritten by the next one.
func copy32(to, from []byte) {
	to, from = to[:32], from[:32]
	copy(to[:16], from[:16])
	copy(to[16:], from[16:])
}

// copyArgs unpacks a copy instruction: bits 0-3 of op say which bytes of the offset
// follow, bits 4-6 which of the length. No branches: they would be wrong half of
// the time.
func copyArgs(op byte, args uint64) (src, n uint64) {
	var v uint64
	for k := range uint(7) {
		bit := uint64(op >> k & 1)
		v |= args & (0xff & -bit) << (8 * k)
		args >>= 8 * bit
	}
	src, n = v&0xffffffff, v>>32
	if n == 0 {
		n = 0x10000
	}
	return src, n
}

// argBytes is the number of argument bytes by the low bits of a copy instruction.
var argBytes = func() (t [128]uint8) {
	for i := range t {
		for k := range 7 {
			t[i] += uint8(i >> k & 1)
		}
	}
	return t
}()
