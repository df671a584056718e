package git

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
)

// PackIndex is a parsed pack index (.idx), version 1 or 2: which objects a pack
// promises and where. Positions 0 to Len()-1 are in increasing order of id. It is
// immutable and safe for concurrent use.
//
// Source: gitformat-pack(5), git 2.39.
type PackIndex struct {
	format  Format
	fanout  [256]uint32
	names   []byte // names[i*stride+skip:] is the id at position i
	stride  int
	skip    int
	crcs    []byte // nil in version 1
	offsets []int64
	pack    Oid // the pack's trailer, as the index remembers it
	sumOK   bool

	once  sync.Once
	order []int32 // positions by increasing offset
}

var idxMagic = []byte{0xff, 't', 'O', 'c'}

// ParsePackIndex reads an index out of the bytes of an .idx file, which it keeps and
// which must not change. Every offset is checked to be positive; whether it lies in
// the pack is for the reader of the pack to say. A wrong checksum at the end is no
// error here: see ChecksumOK.
func ParsePackIndex(data []byte, f Format) (*PackIndex, error) {
	x := &PackIndex{format: f}
	hs := f.Size()
	if len(data) < 4*256+2*hs {
		return nil, fmt.Errorf("index of %d bytes: %w", len(data), ErrTruncated)
	}
	v2 := bytes.Equal(data[:4], idxMagic)
	body := data[:len(data)-2*hs]
	if v2 {
		if v := binary.BigEndian.Uint32(data[4:]); v != 2 {
			return nil, fmt.Errorf("index of version %d: want 1 or 2", v)
		}
		body = body[8:]
		if len(body) < 4*256 {
			return nil, fmt.Errorf("index of %d bytes: %w", len(data), ErrTruncated)
		}
	}
	for i := range x.fanout {
		x.fanout[i] = binary.BigEndian.Uint32(body[4*i:])
		if i > 0 && x.fanout[i] < x.fanout[i-1] {
			return nil, fmt.Errorf("index: fan-out table falls at %#x", i)
		}
	}
	n := int64(x.fanout[255])
	body = body[4*256:]
	if n > 1<<31-1 {
		return nil, fmt.Errorf("index promises %d objects: %w", n, ErrLimit)
	}
	var err error
	if v2 {
		err = x.tablesV2(body, int(n))
	} else {
		err = x.tablesV1(body, int(n))
	}
	if err != nil {
		return nil, err
	}
	if err := x.checkOrder(); err != nil {
		return nil, err
	}
	x.pack = NewOid(f, data[len(data)-2*hs:])
	h := f.New()
	h.Write(data[:len(data)-hs])
	x.sumOK = bytes.Equal(h.Sum(nil), data[len(data)-hs:])
	return x, nil
}

func (x *PackIndex) tablesV1(body []byte, n int) error {
	x.stride, x.skip = 4+x.format.Size(), 4
	if int64(len(body)) != int64(n)*int64(x.stride) {
		return fmt.Errorf("index of %d objects has tables of %d bytes: %w", n, len(body), ErrTruncated)
	}
	x.names = body
	x.offsets = make([]int64, n)
	for i := range x.offsets {
		x.offsets[i] = int64(binary.BigEndian.Uint32(body[i*x.stride:]))
	}
	return nil
}

func (x *PackIndex) tablesV2(body []byte, n int) error {
	x.stride = x.format.Size()
	small := int64(n) * int64(x.stride+8)
	if int64(len(body)) < small || (int64(len(body))-small)%8 != 0 {
		return fmt.Errorf("index of %d objects has tables of %d bytes: %w", n, len(body), ErrTruncated)
	}
	x.names, body = body[:n*x.stride], body[n*x.stride:]
	x.crcs, body = body[:4*n], body[4*n:]
	offs, large := body[:4*n], body[4*n:]
	x.offsets = make([]int64, n)
	for i := range x.offsets {
		o := binary.BigEndian.Uint32(offs[4*i:])
		if o&(1<<31) == 0 {
			x.offsets[i] = int64(o)
			continue
		}
		at := int64(o&^(1<<31)) * 8
		if at+8 > int64(len(large)) {
			return fmt.Errorf("index: table of 64-bit offsets has no entry %d", at/8)
		}
		o64 := binary.BigEndian.Uint64(large[at:])
		if o64 > 1<<62 {
			return fmt.Errorf("index: offset %d of object %d", o64, i)
		}
		x.offsets[i] = int64(o64)
	}
	return nil
}

func (x *PackIndex) checkOrder() error {
	var prev []byte
	for i := 0; i < x.Len(); i++ {
		name := x.name(i)
		if prev != nil && bytes.Compare(prev, name) > 0 {
			return fmt.Errorf("index: object %d out of order", i)
		}
		lo, hi := x.bucket(name[0])
		if i < lo || i >= hi {
			return fmt.Errorf("index: object %d outside of its fan-out", i)
		}
		prev = name
	}
	return nil
}

func (x *PackIndex) name(i int) []byte {
	at := i*x.stride + x.skip
	return x.names[at : at+x.format.Size()]
}

func (x *PackIndex) bucket(b byte) (lo, hi int) {
	if b > 0 {
		lo = int(x.fanout[b-1])
	}
	return lo, int(x.fanout[b])
}

// Len returns how many objects the index promises.
func (x *PackIndex) Len() int { return len(x.offsets) }

// Oid returns the id at position i.
func (x *PackIndex) Oid(i int) Oid { return NewOid(x.format, x.name(i)) }

// Offset returns where in the pack the object at position i begins.
func (x *PackIndex) Offset(i int) int64 { return x.offsets[i] }

// CRC returns the CRC-32 of the packed entry at position i; version 1 has none.
func (x *PackIndex) CRC(i int) (uint32, bool) {
	if x.crcs == nil {
		return 0, false
	}
	return binary.BigEndian.Uint32(x.crcs[4*i:]), true
}

// PackChecksum returns the trailer that the pack had when it was indexed.
func (x *PackIndex) PackChecksum() Oid { return x.pack }

// ChecksumOK reports whether the index's own checksum holds. Where it does not, what
// the index says is to be believed only as far as objects hash to their ids.
func (x *PackIndex) ChecksumOK() bool { return x.sumOK }

// Find returns the position of an object.
func (x *PackIndex) Find(o Oid) (int, bool) {
	if o.f != x.format {
		return 0, false
	}
	lo, hi := x.bucket(o.b[0])
	want := o.b[:x.format.Size()]
	i := lo + sort.Search(hi-lo, func(i int) bool { return bytes.Compare(x.name(lo+i), want) >= 0 })
	return i, i < hi && bytes.Equal(x.name(i), want)
}

// ByOffset returns all positions in increasing order of offset. The slice is shared:
// do not change it.
func (x *PackIndex) ByOffset() []int32 {
	x.once.Do(func() {
		x.order = make([]int32, x.Len())
		for i := range x.order {
			x.order[i] = int32(i)
		}
		slices.SortFunc(x.order, func(a, b int32) int {
			if x.offsets[a] != x.offsets[b] {
				if x.offsets[a] < x.offsets[b] {
					return -1
				}
				return 1
			}
			return int(a) - int(b)
		})
	})
	return x.order
}

// FindOffset returns the position of the object that begins at off.
func (x *PackIndex) FindOffset(off int64) (int, bool) {
	order := x.ByOffset()
	i := sort.Search(len(order), func(i int) bool { return x.offsets[order[i]] >= off })
	if i < len(order) && x.offsets[order[i]] == off {
		return int(order[i]), true
	}
	return 0, false
}

var errNoIndex = errors.New("no index")
