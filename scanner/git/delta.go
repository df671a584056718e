package git

import (
	"errors"
	"fmt"
)

// DeltaOp is one instruction of a delta: copy Len bytes from Offset of the base, or
// insert the bytes of Insert.
type DeltaOp struct {
	Insert []byte // nil for a copy
	Offset int64
	Len    int64
}

// Delta reads the instructions of a delta one by one, without allocating.
//
// Source: gitformat-pack(5) "Deltified representation", git 2.39.
type Delta struct {
	BaseSize   int64
	ResultSize int64
	rest       []byte
	left       int64 // of the result
}

// ParseDelta reads a delta's header. The instructions are read by Next.
func ParseDelta(b []byte) (Delta, error) {
	var d Delta
	var n int
	var err error
	if d.BaseSize, n, err = deltaSize(b); err != nil {
		return Delta{}, err
	}
	b = b[n:]
	if d.ResultSize, n, err = deltaSize(b); err != nil {
		return Delta{}, err
	}
	d.rest, d.left = b[n:], d.ResultSize
	return d, nil
}

func deltaSize(b []byte) (size int64, n int, err error) {
	for shift := uint(0); n < len(b); shift += 7 {
		c := b[n]
		n++
		if shift > 56 {
			return 0, 0, errors.New("delta: size of more than 63 bits")
		}
		size |= int64(c&0x7f) << shift
		if c&0x80 == 0 {
			return size, n, nil
		}
	}
	return 0, 0, fmt.Errorf("delta's header: %w", ErrTruncated)
}

var (
	errDeltaCopy   = errors.New("delta copies from outside of its base")
	errDeltaZero   = errors.New("delta: reserved instruction 0")
	errDeltaLong   = errors.New("delta writes more than it promises")
	errDeltaShort  = fmt.Errorf("delta writes less than it promises: %w", ErrTruncated)
	errDeltaInstr  = fmt.Errorf("delta's instructions: %w", ErrTruncated)
	errDeltaOnBase = errors.New("delta was made for a base of another size")
)

// Next returns the next instruction; ok is false after the last. Every instruction
// it returns lies inside base and result.
func (d *Delta) Next() (op DeltaOp, ok bool, err error) {
	if len(d.rest) == 0 {
		if d.left != 0 {
			return op, false, errDeltaShort
		}
		return op, false, nil
	}
	c := d.rest[0]
	b := d.rest[1:]
	switch {
	case c == 0:
		return op, false, errDeltaZero
	case c&0x80 == 0:
		if len(b) < int(c) {
			return op, false, errDeltaInstr
		}
		op.Insert, b = b[:c:c], b[c:]
		op.Len = int64(c)
	default:
		for i := 0; i < 7; i++ {
			if c&(1<<i) == 0 {
				continue
			}
			if len(b) == 0 {
				return op, false, errDeltaInstr
			}
			if i < 4 {
				op.Offset |= int64(b[0]) << (8 * i)
			} else {
				op.Len |= int64(b[0]) << (8 * (i - 4))
			}
			b = b[1:]
		}
		if op.Len == 0 {
			op.Len = 0x10000
		}
		if op.Offset > d.BaseSize || op.Len > d.BaseSize-op.Offset {
			return op, false, errDeltaCopy
		}
	}
	if op.Len > d.left {
		return op, false, errDeltaLong
	}
	d.left -= op.Len
	d.rest = b
	return op, true, nil
}

// CheckDelta reads all instructions of a delta without applying them and returns the
// sizes that it promises and keeps. Nothing is allocated: call it before making room
// for the result.
func CheckDelta(delta []byte) (base, result int64, err error) {
	d, err := ParseDelta(delta)
	if err != nil {
		return 0, 0, err
	}
	base, result = d.BaseSize, d.ResultSize
	for {
		_, ok, err := d.Next()
		if err != nil {
			return 0, 0, err
		}
		if !ok {
			return base, result, nil
		}
	}
}

// ApplyDelta applies a delta to its base. The result is allocated only when the
// whole delta has been checked and its size is at most limit.
func ApplyDelta(base, delta []byte, limit int64) ([]byte, error) {
	want, size, err := CheckDelta(delta)
	if err != nil {
		return nil, err
	}
	if want != int64(len(base)) {
		return nil, errDeltaOnBase
	}
	if size > limit {
		return nil, fmt.Errorf("delta's result of %d bytes: %w of %d", size, ErrLimit, limit)
	}
	d, err := ParseDelta(delta)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, size)
	for {
		op, ok, err := d.Next()
		if err != nil || !ok {
			return out, err
		}
		if op.Insert != nil {
			out = append(out, op.Insert...)
		} else {
			out = append(out, base[op.Offset:op.Offset+op.Len]...)
		}
	}
}
