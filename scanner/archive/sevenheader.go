package archive

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"unicode/utf16"
)

// Property ids of a 7z header.
const (
	idEnd           = 0x00
	idHeader        = 0x01
	idArchiveProps  = 0x02
	idMainStreams   = 0x04
	idFilesInfo     = 0x05
	idPackInfo      = 0x06
	idUnpackInfo    = 0x07
	idSubStreams    = 0x08
	idSize          = 0x09
	idCRC           = 0x0a
	idFolder        = 0x0b
	idUnpackSize    = 0x0c
	idPartCounts    = 0x0d
	idEmptyStream   = 0x0e
	idNames         = 0x11
	idEncodedHeader = 0x17
)

var errSevenHeader = errors.New("bad header")

// sevenHeader reads a 7z header. Every count is held against the bytes that are left
// before anything is allocated. The first mistake stays in err and ends all reading.
type sevenHeader struct {
	b       []byte
	err     error
	packs   []span // in the file
	folders []sevenFolder
	files   []string // those that have content, in order
}

func (h *sevenHeader) fail() {
	h.err = errSevenHeader
	h.b = nil
}

func (h *sevenHeader) byte() byte {
	if len(h.b) == 0 {
		h.fail()
		return 0
	}
	c := h.b[0]
	h.b = h.b[1:]
	return c
}

func (h *sevenHeader) take(n uint64) []byte {
	if n > uint64(len(h.b)) {
		h.fail()
		return nil
	}
	out := h.b[:n]
	h.b = h.b[n:]
	return out
}

// number reads 7z's varint: the leading ones of the first byte say how many follow.
func (h *sevenHeader) number() uint64 {
	first := h.byte()
	extra := bits.LeadingZeros8(^first)
	var low [8]byte
	copy(low[:], h.take(uint64(extra)))
	v := binary.LittleEndian.Uint64(low[:])
	if extra < 7 {
		v |= uint64(first&(0x7f>>extra)) << (8 * extra)
	}
	return v
}

// count reads a number of things that take at least one byte each.
func (h *sevenHeader) count() int {
	n := h.number()
	if n > uint64(len(h.b)) {
		h.fail()
		return 0
	}
	return int(n)
}

// header reads a header that is not packed.
func (h *sevenHeader) header() {
	if h.byte() != idHeader {
		h.fail()
	}
	for h.err == nil {
		switch h.byte() {
		case idEnd:
			return
		case idMainStreams:
			h.streams()
		case idFilesInfo:
			h.filesInfo()
		case idArchiveProps:
			for h.err == nil && h.byte() != idEnd {
				h.take(h.number())
			}
		default: // additional streams are not written by any packer we know of
			h.fail()
		}
	}
}

// streams reads where packed streams lie and what they hold.
func (h *sevenHeader) streams() {
	for h.err == nil {
		switch h.byte() {
		case idEnd:
			for i := range h.folders {
				if f := &h.folders[i]; f.parts == nil {
					f.parts = []uint64{f.size}
				}
			}
			return
		case idPackInfo:
			h.packInfo()
		case idUnpackInfo:
			h.unpackInfo()
		case idSubStreams:
			h.subStreams()
		default:
			h.fail()
		}
	}
}

func (h *sevenHeader) packInfo() {
	at := h.number()
	n := h.count()
	for h.err == nil {
		switch h.byte() {
		case idEnd:
			return
		case idSize:
			for range n {
				size := h.number()
				if at > math.MaxInt64/4 || size > math.MaxInt64/4 {
					h.fail()
					return
				}
				h.packs = append(h.packs, span{32 + int64(at), 32 + int64(at+size)})
				at += size
			}
		case idCRC:
			h.digests(n, nil)
		default:
			h.fail()
		}
	}
}

// digests passes over the checksums of n things: bytes are scanned whether they match
// or not. It calls fn for each thing that has one.
func (h *sevenHeader) digests(n int, fn func(i int)) {
	all := h.byte() != 0
	var defined []byte
	if !all {
		defined = h.take(uint64(n+7) / 8)
	}
	for i := 0; i < n && h.err == nil; i++ {
		if all || defined[i/8]&(0x80>>(i%8)) != 0 {
			h.take(4)
			if fn != nil {
				fn(i)
			}
		}
	}
}

func (h *sevenHeader) unpackInfo() {
	if h.byte() != idFolder {
		h.fail()
	}
	n := h.count()
	if h.byte() != 0 { // "external": not written by any packer we know of
		h.fail()
	}
	outs := make([]int, 0, n)
	packed := 0
	for i := 0; i < n && h.err == nil; i++ {
		f, out, in := h.folder()
		f.packed = packed
		packed += in
		h.folders = append(h.folders, f)
		outs = append(outs, out)
	}
	if h.byte() != idUnpackSize {
		h.fail()
	}
	for i := range h.folders {
		for range outs[i] {
			h.folders[i].size = h.number()
		}
	}
	for h.err == nil {
		switch h.byte() {
		case idEnd:
			return
		case idCRC:
			h.digests(len(h.folders), func(i int) { h.folders[i].digested = true })
		default:
			h.fail()
		}
	}
}

// folder reads one folder, the number of its unpacked and of its packed streams.
func (h *sevenHeader) folder() (f sevenFolder, outs, packs int) {
	f.coders = h.count()
	ins := 0
	for range f.coders {
		flags := h.byte()
		f.method = string(h.take(uint64(flags & 0xf)))
		f.encrypted = f.encrypted || f.method == sevenAES
		in, out := 1, 1
		if flags&0x10 != 0 {
			in, out = h.count(), h.count()
		}
		if flags&0x20 != 0 {
			f.props = h.take(h.number())
		}
		ins, outs = ins+in, outs+out
		if h.err != nil || ins > 64 || outs > 64 {
			h.fail()
			return f, 0, 0
		}
	}
	for range outs - 1 {
		h.number()
		h.number()
	}
	packs = ins - (outs - 1)
	if packs > 1 {
		for range packs {
			h.number()
		}
	}
	return f, outs, max(packs, 0)
}

// subStreams reads how folders divide into files.
func (h *sevenHeader) subStreams() {
	id := h.byte()
	total := 0
	for i := range h.folders {
		n := 1
		if id == idPartCounts {
			n = int(min(h.number(), math.MaxInt32))
		}
		// All sizes but the last of each folder follow, one byte at least.
		if total += n; total > len(h.b)+len(h.folders)+1 {
			h.fail()
			return
		}
		h.folders[i].parts = make([]uint64, n)
	}
	if id == idPartCounts {
		id = h.byte()
	}
	for i := range h.folders {
		f := &h.folders[i]
		left := f.size
		for k := range f.parts {
			size := left
			if k < len(f.parts)-1 {
				if id != idSize {
					h.fail()
					return
				}
				size = h.number()
			}
			if size > left {
				h.fail()
				return
			}
			f.parts[k] = size
			left -= size
		}
	}
	if id == idSize {
		id = h.byte()
	}
	for ; h.err == nil && id != idEnd; id = h.byte() {
		if id != idCRC {
			h.fail()
			return
		}
		for _, f := range h.folders { // of a folder of one file it is not repeated
			if len(f.parts) == 1 && f.digested {
				total--
			}
		}
		h.digests(total, nil)
	}
}

// filesInfo reads the names of the files that have content.
func (h *sevenHeader) filesInfo() {
	n := h.count()
	var empty, names []byte
	for h.err == nil {
		id := h.byte()
		if id == idEnd {
			break
		}
		body := h.take(h.number())
		switch {
		case id == idEmptyStream:
			empty = body
		case id == idNames && len(body) > 0 && body[0] == 0:
			names = body[1:]
		}
	}
	for i := 0; i < n && len(names) >= 2; i++ {
		var units []uint16
		for len(names) >= 2 {
			u := binary.LittleEndian.Uint16(names)
			if names = names[2:]; u == 0 {
				break
			}
			units = append(units, u)
		}
		if i/8 < len(empty) && empty[i/8]&(0x80>>(i%8)) != 0 {
			continue
		}
		h.files = append(h.files, string(utf16.Decode(units)))
	}
}
