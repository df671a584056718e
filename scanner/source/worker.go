package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"

	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// Item is a piece of bytes and where it stands. Data may be reused by the caller
// when Scan returns.
type Item struct {
	Kind string // finding.KindWorktree, ...
	Path string
	Data []byte
	// Provenance is copied into every occurrence.
	Provenance finding.Provenance
}

// Worker detects and reports for one goroutine. It is not safe for concurrent use.
type Worker struct {
	run     *Run
	scratch *detect.Scratch
	window  []byte
}

// Detect returns the matches in data, by start. The slice is valid until the next
// call on this worker; the matches themselves may be kept.
func (w *Worker) Detect(data []byte) []detect.Match {
	return w.run.Detector.Detect(w.scratch, data)
}

// Scratch is the detector's scratch of this worker, for sources that call the
// detector themselves.
func (w *Worker) Scratch() *detect.Scratch { return w.scratch }

// Scan detects in it.Data and reports every match with its line and column.
func (w *Worker) Scan(it Item) {
	w.run.Counts.BytesLogical.Add(int64(len(it.Data)))
	w.run.Counts.BytesScanned.Add(int64(len(it.Data)))
	matches := w.Detect(it.Data)
	if len(matches) == 0 {
		return
	}
	loc := NewLocator(it.Data)
	for _, m := range matches {
		w.run.Accept(&m, it.Path, it.Data)
		w.run.Report(m, loc.Occurrence(it, m))
	}
}

// Window and overlap of ScanReader, in bytes. The overlap exceeds what any rule
// looks at on either side of a secret, so a secret at a seam is judged whole in one
// window or the other.
const (
	readWindow  = 32 << 20
	readOverlap = 256 << 10
)

// ScanReader scans what r yields in bounded memory, as Scan does: lines and columns
// count from the reader's start. it.Data is ignored. It returns the bytes read; an
// error other than the end of input is returned after what was read was scanned.
func (w *Worker) ScanReader(it Item, r io.Reader) (int64, error) {
	if w.window == nil {
		w.window = make([]byte, readWindow+2*readOverlap)
	}
	buf := w.window
	var (
		total    int64 // bytes of the input before buf[0]
		have     int   // bytes in buf
		reported int   // offset in buf up to which matches have been reported
		pos      = position{line: 1, column: 1}
	)
	for {
		n, err := io.ReadFull(r, buf[have:])
		have += n
		w.run.Counts.BytesLogical.Add(int64(n))
		w.run.Counts.BytesScanned.Add(int64(n))
		last := err != nil
		limit := have
		if !last {
			limit = have - readOverlap
		}
		loc := Locator{data: buf[:have], base: pos}
		for _, m := range w.Detect(buf[:have]) {
			if m.Start >= reported && m.Start < limit {
				w.run.Accept(&m, it.Path, buf[:have])
				w.run.Report(m, loc.Occurrence(it, m))
			}
		}
		if last {
			total += int64(have)
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return total, nil
			}
			return total, fmt.Errorf("read %s: %w", it.Path, err)
		}
		drop := have - 2*readOverlap
		pos = pos.after(buf[:drop])
		copy(buf, buf[drop:have])
		total += int64(drop)
		have -= drop
		reported = limit - drop
	}
}

// position is a place in text: line and column count from 1, columns in bytes.
type position struct{ line, column int }

func (p position) after(b []byte) position {
	if n := bytes.Count(b, []byte{'\n'}); n > 0 {
		return position{p.line + n, len(b) - bytes.LastIndexByte(b, '\n')}
	}
	return position{p.line, p.column + len(b)}
}

// Locator turns offsets into lines and columns, remembering the last place so that
// ascending offsets cost one pass in all.
type Locator struct {
	data   []byte
	base   position
	offset int
	at     position
}

// NewLocator returns a Locator for data, whose first byte is line 1, column 1.
func NewLocator(data []byte) *Locator {
	return &Locator{data: data, base: position{1, 1}}
}

func (l *Locator) locate(offset int) position {
	if l.at.line == 0 || offset < l.offset {
		l.at, l.offset = l.base, 0
	}
	l.at = l.at.after(l.data[l.offset:offset])
	l.offset = offset
	return l.at
}

// Occurrence returns the place of m, a match in the locator's data.
func (l *Locator) Occurrence(it Item, m detect.Match) finding.Occurrence {
	start := l.locate(m.Start)
	end := start.after(l.data[m.Start:max(m.Start, m.End-1)])
	return finding.Occurrence{
		Kind: it.Kind, Path: it.Path,
		StartLine: start.line, StartColumn: start.column,
		EndLine: end.line, EndColumn: end.column,
		StartUTF16: utf16Column(l.data, m.Start, start.column),
		EndUTF16:   utf16Column(l.data, max(m.Start, m.End-1), end.column) + 1,
		Decoded:    m.Decoded, Versions: 1, Git: it.Provenance,
	}
}

// utf16Column returns the column of offset in UTF-16 code units, counted from 1 at
// the start of its line; lines longer than a megabyte count bytes.
func utf16Column(data []byte, offset, byteColumn int) int {
	start := offset - (byteColumn - 1)
	if start < 0 || byteColumn > 1<<20 {
		return byteColumn
	}
	units := 1
	for _, r := range string(data[start:offset]) {
		units += max(1, utf16.RuneLen(r))
	}
	return units
}
