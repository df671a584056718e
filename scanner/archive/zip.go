package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/klauspost/compress/flate"
)

// The reader here is our own because archive/zip lists the whole directory before
// the first entry can be counted (a 500 MB file of headers becomes gigabytes), and
// reads nothing at all of a zip whose end is missing. Layout: APPNOTE 6.3.10.

const (
	localLen   = 30
	centralLen = 46
	endLen     = 22
)

var (
	sigLocal   = []byte("PK\x03\x04")
	sigCentral = []byte("PK\x01\x02")
	sigEnd     = []byte("PK\x05\x06")
)

// member is one entry of a zip, from either kind of header.
type member struct {
	name      string
	method    uint16
	flags     uint16
	packed    int64 // compressed size; -1: not known, the stream tells its end
	offset    int64 // of the local header
	directory bool
}

// zip walks the entries that the central directory lists, and then those that stand
// in the file without being listed: removed, replaced or hidden ones. Without a
// directory it walks what stands in the file.
func (w *walker) zip(p place, at section) error {
	start, size, err := directory(at)
	if err != nil {
		w.hole(p.name, fmt.Errorf("no directory of entries: %w; read one by one", err))
		return w.zipSequential(p, at)
	}
	r := bufio.NewReaderSize(io.NewSectionReader(at, start.at, size), 32<<10)
	var listed []span
	for n := 0; !w.over(); n++ {
		m, err := central(r)
		if errors.Is(err, io.EOF) {
			return w.zipGaps(p, at, listed, start.at)
		}
		if err != nil {
			if n == 0 {
				w.hole(p.name, fmt.Errorf("%w; read one by one", err))
				return w.zipSequential(p, at)
			}
			return err
		}
		m.offset += start.base
		q := p
		q.name = join(p.name, m.name)
		if n > w.limits.Entries { // directories and damaged entries count too
			w.spent = errEntries
		}
		if err := w.check(); err != nil {
			return err
		}
		if m.directory && m.packed == 0 {
			listed = append(listed, span{m.offset, m.offset + localLen + int64(len(m.name))})
			continue
		}
		body, err := content(at, m)
		if err == nil {
			listed = append(listed, span{m.offset, body + m.packed})
			_, err = w.member(q, m, io.NewSectionReader(at, body, m.packed))
		}
		w.hole(q.name, err)
	}
	return nil
}

// span is a range of bytes of the file, without the byte at end.
type span struct{ start, end int64 }

// origin is where the directory starts, and what is added to the offsets in it when
// the zip stands behind other bytes.
type origin struct{ at, base int64 }

// directory finds the central directory.
func directory(at section) (origin, int64, error) {
	tail := make([]byte, min(at.size, endLen+math.MaxUint16))
	from := at.size - int64(len(tail))
	if _, err := at.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return origin{}, 0, err
	}
	i := bytes.LastIndex(tail, sigEnd)
	if i < 0 || len(tail)-i < endLen {
		return origin{}, 0, errors.New("the end of the archive is missing")
	}
	end := from + int64(i)
	size := int64(binary.LittleEndian.Uint32(tail[i+12:]))
	offset := int64(binary.LittleEndian.Uint32(tail[i+16:]))
	if size == math.MaxUint32 || offset == math.MaxUint32 || binary.LittleEndian.Uint16(tail[i+10:]) == math.MaxUint16 {
		if e, s, o, ok := directory64(at, end); ok {
			end, size, offset = e, s, o
		}
	}
	if size < 0 || size > end || offset < 0 {
		return origin{}, 0, errors.New("the directory does not fit into the file")
	}
	base := end - size - offset
	if base < 0 {
		return origin{}, 0, errors.New("the directory starts behind its end")
	}
	return origin{offset + base, base}, size, nil
}

// directory64 reads the end record of zip64 that a locator before end points to.
func directory64(at section, end int64) (recordAt, size, offset int64, ok bool) {
	var locator [20]byte
	if end < int64(len(locator)) {
		return 0, 0, 0, false
	}
	if _, err := at.ReadAt(locator[:], end-20); err != nil || string(locator[:4]) != "PK\x06\x07" {
		return 0, 0, 0, false
	}
	recordAt = int64(binary.LittleEndian.Uint64(locator[8:]))
	var record [56]byte
	if recordAt < 0 || recordAt > at.size-int64(len(record)) {
		return 0, 0, 0, false
	}
	if _, err := at.ReadAt(record[:], recordAt); err != nil || string(record[:4]) != "PK\x06\x06" {
		return 0, 0, 0, false
	}
	return recordAt, int64(binary.LittleEndian.Uint64(record[40:])), int64(binary.LittleEndian.Uint64(record[48:])), true
}

// central reads one header of the directory; io.EOF at its end.
func central(r *bufio.Reader) (member, error) {
	var h [centralLen]byte
	if n, err := io.ReadFull(r, h[:]); err != nil {
		if n == 0 {
			return member{}, io.EOF
		}
		return member{}, errors.New("the directory of entries is cut off")
	}
	if !bytes.Equal(h[:4], sigCentral) {
		return member{}, errors.New("bad header in the directory of entries")
	}
	le := binary.LittleEndian
	names := make([]byte, int(le.Uint16(h[28:]))+int(le.Uint16(h[30:])))
	if _, err := io.ReadFull(r, names); err != nil {
		return member{}, errors.New("the directory of entries is cut off")
	}
	if _, err := r.Discard(int(le.Uint16(h[32:]))); err != nil {
		return member{}, errors.New("the directory of entries is cut off")
	}
	name, extra := names[:le.Uint16(h[28:])], names[le.Uint16(h[28:]):]
	m := member{
		name: string(name), flags: le.Uint16(h[8:]), method: le.Uint16(h[10:]),
		packed: int64(le.Uint32(h[20:])), offset: int64(le.Uint32(h[42:])),
		directory: strings.HasSuffix(string(name), "/"),
	}
	full := int64(le.Uint32(h[24:]))
	zip64(extra, &full, &m.packed, &m.offset)
	return m, nil
}

// zip64 replaces the fields that are all ones by those of the extra field 1.
func zip64(extra []byte, fields ...*int64) {
	for len(extra) >= 4 {
		id, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; size > len(extra) {
			return
		}
		if body := extra[:size]; id == 1 {
			for _, f := range fields {
				if *f == math.MaxUint32 && len(body) >= 8 {
					*f = int64(binary.LittleEndian.Uint64(body))
					body = body[8:]
				}
			}
			return
		}
		extra = extra[size:]
	}
}

// content finds where the bytes of a member begin.
func content(at section, m member) (int64, error) {
	var h [localLen]byte
	if m.offset < 0 || m.offset > at.size-localLen {
		return 0, errors.New("the entry lies outside of the file")
	}
	if _, err := at.ReadAt(h[:], m.offset); err != nil || !bytes.Equal(h[:4], sigLocal) {
		return 0, errors.New("the entry is not where the directory says")
	}
	start := m.offset + localLen + int64(binary.LittleEndian.Uint16(h[26:])) + int64(binary.LittleEndian.Uint16(h[28:]))
	if m.packed < 0 || start > at.size || m.packed > at.size-start {
		return start, errors.New("the entry is longer than the file")
	}
	return start, nil
}

// member unpacks one entry from body. For a stream of unknown length it returns how
// many bytes of body were used.
func (w *walker) member(p place, m member, body io.Reader) (used int64, err error) {
	if m.flags&1 != 0 {
		return 0, errEncrypted
	}
	var out io.Reader
	in := &counter{r: bufio.NewReader(body)}
	switch m.method {
	case 0:
		out = body
	case 8:
		f := w.inflater(in)
		defer func() { w.inflate = append(w.inflate, f) }()
		out = f
	case 12, 93, 95:
		kind := map[uint16]Kind{12: Bzip2, 93: Zstd, 95: Xz}[m.method]
		var closer func()
		if err := try(func() (err error) { out, closer, err = decoder(kind, in); return err }); err != nil {
			return 0, err
		}
		if closer != nil {
			defer closer()
		}
	default:
		return 0, unknownError(fmt.Sprintf("compression method %d is not known", m.method))
	}
	r := &unpacker{w: w, r: out}
	w.entry(p, r)
	if m.packed < 0 { // find the end
		if _, err := io.Copy(io.Discard, r); err != nil {
			return in.n, err
		}
	}
	return in.n, nil
}

// inflater returns an inflater that reads from r and no byte more than it needs.
func (w *walker) inflater(r io.Reader) io.ReadCloser {
	if n := len(w.inflate); n > 0 {
		f := w.inflate[n-1]
		w.inflate = w.inflate[:n-1]
		if reset, ok := f.(flate.Resetter); ok && reset.Reset(r, nil) == nil {
			return f
		}
	}
	return flate.NewReader(r)
}

// counter counts the bytes that a decoder took.
type counter struct {
	r *bufio.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}
