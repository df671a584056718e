package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"

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
		Line:    lineAround(l.data, m.Start, m.End),
		Decoded: m.Decoded, Versions: 1, Git: it.Provenance,
	}
}

const maxLine = 200

// lineAround returns the text of the line that holds data[start:end] with that range
// replaced by an ellipsis, cut to maxLine bytes around it. Other secrets on the same
// line are not known here: so only letters up to the nearest quote or assignment are
// kept on the left, and nothing on the right.
func lineAround(data []byte, start, end int) string {
	from := bytes.LastIndexByte(data[max(0, start-maxLine):start], '\n')
	from += max(0, start-maxLine) + 1
	left := data[from:start]
	out := make([]byte, 0, len(left)+3)
	word := 0
	for _, c := range left {
		if c < 0x20 || c > 0x7e {
			c = ' '
		}
		out = append(out, c)
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			word++
		} else {
			word = 0
		}
		if word >= 20 { // may be another secret
			out = append(out[:len(out)-word], "…"...)
			word = 0
		}
	}
	return string(bytes.TrimLeft(out, " ")) + "…"
}
