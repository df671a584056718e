package git

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxEntryHeader is the most bytes that an entry's header can take.
const MaxEntryHeader = 10 + 32

// packHeader is the length of a pack's own header.
const packHeader = 12

// EntryHeader is what stands before the compressed bytes of a pack entry.
type EntryHeader struct {
	Type Type
	// Size is the inflated size: of the object, or of the delta's instructions.
	Size int64
	// Base is where an OfsDelta's base begins; always smaller than the entry's own
	// offset, and after the pack's header.
	Base int64
	// BaseOid is a RefDelta's base.
	BaseOid Oid
	// Len is the number of bytes of the header: the compressed bytes follow.
	Len int
}

// Delta reports whether the entry is a delta.
func (h EntryHeader) Delta() bool { return h.Type == OfsDelta || h.Type == RefDelta }

// ParseEntryHeader reads the header of the entry at offset off from b, which should
// hold MaxEntryHeader bytes where the pack has as many.
//
// Source: gitformat-pack(5), git 2.39.
func ParseEntryHeader(b []byte, off int64, f Format) (EntryHeader, error) {
	if len(b) == 0 {
		return EntryHeader{}, ErrTruncated
	}
	h := EntryHeader{Type: Type(b[0] >> 4 & 7), Size: int64(b[0] & 15), Len: 1}
	shift := uint(4)
	for c := b[0]; c&0x80 != 0; {
		if h.Len == len(b) {
			return EntryHeader{}, ErrTruncated
		}
		c = b[h.Len]
		h.Len++
		if shift > 60 || shift == 60 && c&0x7f > 7 {
			return EntryHeader{}, errors.New("size of more than 63 bits")
		}
		h.Size |= int64(c&0x7f) << shift
		shift += 7
	}
	switch h.Type {
	case Commit, Tree, Blob, Tag:
		return h, nil
	case OfsDelta:
		dist, n, err := parseDistance(b[h.Len:])
		if err != nil {
			return EntryHeader{}, err
		}
		h.Len += n
		h.Base = off - dist
		if dist <= 0 || h.Base < packHeader {
			return EntryHeader{}, fmt.Errorf("delta's base lies %d bytes back from %d: outside of the pack", dist, off)
		}
		return h, nil
	case RefDelta:
		if len(b) < h.Len+f.Size() {
			return EntryHeader{}, ErrTruncated
		}
		h.BaseOid = NewOid(f, b[h.Len:])
		h.Len += f.Size()
		return h, nil
	}
	return EntryHeader{}, fmt.Errorf("unknown entry type %d", h.Type)
}

// parseDistance reads how far back an OfsDelta's base lies.
func parseDistance(b []byte) (dist int64, n int, err error) {
	for n < len(b) {
		c := b[n]
		dist |= int64(c & 0x7f)
		n++
		if c&0x80 == 0 {
			return dist, n, nil
		}
		if dist >= 1<<55 {
			return 0, 0, errors.New("distance to the delta's base of more than 62 bits")
		}
		dist = (dist + 1) << 7
	}
	return 0, 0, ErrTruncated
}

// ParsePackHeader reads the first 12 bytes of a pack: how many objects it promises.
func ParsePackHeader(b []byte) (version, count uint32, err error) {
	if len(b) < packHeader {
		return 0, 0, fmt.Errorf("pack of %d bytes: %w", len(b), ErrTruncated)
	}
	if string(b[:4]) != "PACK" {
		return 0, 0, errors.New("pack does not begin with PACK")
	}
	version, count = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if version != 2 && version != 3 {
		return 0, 0, fmt.Errorf("pack of version %d: want 2 or 3", version)
	}
	return version, count, nil
}
