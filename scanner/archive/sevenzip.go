package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/ulikunitz/xz/lzma"
)

// The reader here is our own because bodgit/sevenzip 1.6.1 allocates by the counts
// that a header claims: thirty bytes can ask it for gigabytes. It opens folders of
// one coder, which is what 7-Zip makes of everything but executables; the others are
// holes. Layout: 7zFormat.txt of the LZMA SDK 23.01.

// maxSevenHeader bounds the unpacked header: some fifty thousand entries.
const maxSevenHeader = 4 << 20

// sevenZip walks a 7z archive.
func (w *walker) sevenZip(p place, at section) error {
	var start [32]byte
	if _, err := at.ReadAt(start[:], 0); err != nil {
		return errors.New("the start header is cut off")
	}
	offset, size := binary.LittleEndian.Uint64(start[12:]), binary.LittleEndian.Uint64(start[20:])
	if size == 0 {
		return nil // an empty archive
	}
	if size > maxSevenHeader || offset > uint64(at.size) || offset+size > uint64(at.size-32) {
		return errors.New("the header lies outside of the file, or is too large")
	}
	header := make([]byte, size)
	if _, err := at.ReadAt(header, 32+int64(offset)); err != nil {
		return fmt.Errorf("read header: %w", err)
	}
	if crc32.ChecksumIEEE(header) != binary.LittleEndian.Uint32(start[28:]) {
		return errors.New("the checksum of the header does not match")
	}
	for range 4 { // a packed header may hold a packed header; 7-Zip makes one layer
		if header[0] != idEncodedHeader {
			break
		}
		packed := sevenHeader{b: header[1:]}
		packed.streams()
		if packed.err != nil || len(packed.folders) != 1 {
			return errors.New("bad packed header")
		}
		var err error
		if header, err = w.sevenUnpackHeader(at, &packed); err != nil {
			return err
		}
	}
	h := sevenHeader{b: header}
	if h.header(); h.err != nil {
		return h.err
	}
	return w.sevenEntries(p, at, &h)
}

func (w *walker) sevenUnpackHeader(at section, h *sevenHeader) ([]byte, error) {
	f := h.folders[0]
	if f.size == 0 || f.size > maxSevenHeader {
		return nil, errors.New("the packed header is empty or too large")
	}
	r, err := h.open(at, 0)
	if err != nil {
		return nil, err
	}
	out := make([]byte, f.size)
	if _, err := io.ReadFull(&unpacker{w: w, r: r}, out); err != nil {
		return nil, fmt.Errorf("unpack header: %w", err)
	}
	return out, nil
}

// sevenEntries walks the folders, each one stream with its files one after another.
func (w *walker) sevenEntries(p place, at section, h *sevenHeader) error {
	next := 0
	name := func() place {
		q := p
		q.name = join(p.name, fmt.Sprintf("entry-%d", next))
		if next < len(h.files) {
			q.name = join(p.name, h.files[next])
		}
		next++
		return q
	}
	for i, f := range h.folders {
		if err := w.check(); err != nil {
			return err
		}
		r, err := h.open(at, i)
		if err != nil {
			if len(f.parts) > 0 {
				w.hole(name().name, err)
				next += len(f.parts) - 1
			}
			continue
		}
		stream := &unpacker{w: w, r: r}
		for _, size := range f.parts {
			if w.over() {
				return nil
			}
			part := io.LimitReader(stream, int64(size))
			q := name()
			w.entry(q, part)
			if _, err := io.Copy(io.Discard, part); err != nil {
				w.hole(q.name, err)
				break
			}
		}
	}
	return nil
}

// sevenFolder is one packed stream.
type sevenFolder struct {
	method    string // its coder's id; of several coders the last
	coders    int
	encrypted bool
	props     []byte
	digested  bool     // has a checksum as a whole
	packed    int      // index of its first packed stream
	size      uint64   // unpacked
	parts     []uint64 // sizes of the files in it
}

// methods of 7z, by id.
const (
	sevenCopy    = "\x00"
	sevenLZMA2   = "\x21"
	sevenLZMA    = "\x03\x01\x01"
	sevenDeflate = "\x04\x01\x08"
	sevenBzip2   = "\x04\x02\x02"
	sevenZstd    = "\x04\xf7\x11\x01" // of 7-Zip ZS
	sevenAES     = "\x06\xf1\x07\x01"
)

// open returns the unpacked stream of a folder.
func (h *sevenHeader) open(at section, i int) (io.Reader, error) {
	f := h.folders[i]
	switch {
	case f.encrypted:
		return nil, errEncrypted
	case f.coders != 1:
		return nil, unknownError(fmt.Sprintf("packed by %d coders, which is not opened", f.coders))
	case f.packed >= len(h.packs):
		return nil, errors.New("a folder without a packed stream")
	}
	s := h.packs[f.packed]
	if s.start < 0 || s.end > at.size || s.start > s.end {
		return nil, errors.New("a packed stream lies outside of the file")
	}
	body := io.NewSectionReader(at, s.start, s.end-s.start)
	var out io.Reader
	err := try(func() (err error) {
		switch f.method {
		case sevenCopy:
			out = body
		case sevenLZMA:
			out, err = lzmaReader(body, f)
		case sevenLZMA2:
			out, err = lzma2Reader(body, f)
		case sevenDeflate:
			out = flate.NewReader(body)
		case sevenBzip2:
			out, _, err = decoder(Bzip2, body)
		case sevenZstd: // not closed: with one thread there is nothing but memory to free
			out, _, err = decoder(Zstd, body)
		default:
			err = unknownError(fmt.Sprintf("compression method %x is not known", f.method))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return io.LimitReader(out, int64(min(f.size, 1<<62))), nil
}

func errDictionary(size uint64) error {
	return unknownError(fmt.Sprintf("needs a dictionary of %d bytes, more than %d", size, maxDictionary))
}

func lzmaReader(body io.Reader, f sevenFolder) (io.Reader, error) {
	if len(f.props) != 5 {
		return nil, errors.New("bad LZMA properties")
	}
	if dict := binary.LittleEndian.Uint32(f.props[1:]); dict > maxDictionary {
		return nil, errDictionary(uint64(dict))
	}
	head := binary.LittleEndian.AppendUint64(bytes.Clone(f.props), f.size)
	return lzma.NewReader(io.MultiReader(bytes.NewReader(head), body))
}

func lzma2Reader(body io.Reader, f sevenFolder) (io.Reader, error) {
	if len(f.props) != 1 || f.props[0] > 40 {
		return nil, errors.New("bad LZMA2 properties")
	}
	dict := uint64(2|f.props[0]&1) << (f.props[0]/2 + 11)
	if dict > maxDictionary {
		return nil, errDictionary(dict)
	}
	return lzma.Reader2Config{DictCap: int(dict)}.NewReader2(body)
}
