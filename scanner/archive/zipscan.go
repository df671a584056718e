package archive

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
)

// zipSequential reads a zip without its directory: every local header in turn, each
// searched for behind the content of the one before.
func (w *walker) zipSequential(p place, at section) error {
	return w.zipRange(p, at, span{0, at.size})
}

// zipGaps reads the entries in front of the directory at end that it does not list.
func (w *walker) zipGaps(p place, at section, listed []span, end int64) error {
	slices.SortFunc(listed, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	from := int64(0)
	for _, l := range append(listed, span{end, end}) {
		if l.start-from > localLen {
			if err := w.zipRange(p, at, span{from, l.start}); err != nil {
				return err
			}
		}
		from = max(from, l.end)
	}
	return nil
}

// zipRange reads the entries whose local headers stand in a range of the file.
func (w *walker) zipRange(p place, at section, in span) error {
	for pos := in.start; !w.over(); {
		if err := w.check(); err != nil {
			return err
		}
		next, err := find(section{at, in.end}, pos, sigLocal, w.check)
		if err != nil || next < 0 {
			return err
		}
		m, start, ok := local(at, next)
		if !ok || start > in.end {
			pos = next + int64(len(sigLocal))
			continue
		}
		pos = start
		if m.directory && m.packed <= 0 {
			continue
		}
		size := in.end - start
		if m.packed >= 0 {
			size = min(size, m.packed)
		}
		q := p
		q.name = join(p.name, m.name)
		used, err := w.member(q, m, io.NewSectionReader(at, start, size))
		w.hole(q.name, err)
		if m.packed >= 0 {
			used = size
		}
		pos += used
	}
	return nil
}

// local reads the local header at pos; start is where its content begins.
func local(at section, pos int64) (m member, start int64, ok bool) {
	var h [localLen]byte
	if _, err := at.ReadAt(h[:], pos); err != nil {
		return m, 0, false
	}
	le := binary.LittleEndian
	names := make([]byte, int(le.Uint16(h[26:]))+int(le.Uint16(h[28:])))
	if _, err := at.ReadAt(names, pos+localLen); err != nil && !errors.Is(err, io.EOF) {
		return m, 0, false
	}
	name, extra := names[:le.Uint16(h[26:])], names[le.Uint16(h[26:]):]
	m = member{
		name: string(name), flags: le.Uint16(h[6:]), method: le.Uint16(h[8:]),
		packed: int64(le.Uint32(h[18:])), offset: pos, directory: strings.HasSuffix(string(name), "/"),
	}
	full := int64(le.Uint32(h[22:]))
	zip64(extra, &full, &m.packed)
	if m.flags&8 != 0 && m.packed == 0 && m.method != 0 || m.packed < 0 || m.packed == math.MaxUint32 {
		m.packed = -1 // sizes follow the content
	}
	start = pos + localLen + int64(len(names))
	return m, start, start <= at.size
}

// find returns the first position of sig at or after pos and before at.size, or -1.
func find(at section, pos int64, sig []byte, check func() error) (int64, error) {
	buf := make([]byte, min(64<<10, max(0, at.size-pos)))
	for pos < at.size {
		if err := check(); err != nil {
			return -1, err
		}
		n, err := at.ReadAt(buf[:min(int64(len(buf)), at.size-pos)], pos)
		if i := bytes.Index(buf[:n], sig); i >= 0 {
			return pos + int64(i), nil
		}
		if err != nil || n < len(buf) {
			return -1, nil //nolint:nilerr // the end of what can be read
		}
		pos += int64(n - len(sig) + 1)
	}
	return -1, nil
}
