// Package archive opens archives and packed documents that lie in trees and blobs,
// within strict bounds, and yields what is in them as streams of bytes. Nothing is
// ever written to disk, and names inside an archive are text, never paths to open.
// An archive is taken as written by an attacker: every decoder runs under a budget
// of bytes, entries, ratio, depth and time, and a panic inside one becomes a Hole.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Limits bound one Walk. Zero fields take the defaults named.
type Limits struct {
	Depth      int           // archives within archives, the outermost counted: 3
	Entries    int           // entries of all levels together: 100,000
	EntryBytes int64         // bytes of one entry: 256 MiB
	TotalBytes int64         // bytes unpacked at all levels together: 1 GiB
	Ratio      int64         // bytes unpacked per byte of the outermost archive, once 32 MiB were unpacked: 250
	Held       int64         // bytes of inner archives held in memory at once: 32 MiB
	Time       time.Duration // from start to end, what fn does included: 1 minute
}

// freeOfRatio is what may be unpacked before the ratio counts: a small archive of
// blank lines is no bomb.
const freeOfRatio = 32 << 20

// maxDictionary bounds the window that a decoder may ask for, in bytes: 64 MiB is
// what xz -9 and common RAR settings need.
const maxDictionary = 64 << 20

func (l Limits) orDefaults() Limits {
	orDefault(&l.Depth, 3)
	orDefault(&l.Entries, 100_000)
	orDefault(&l.EntryBytes, 256<<20)
	orDefault(&l.TotalBytes, 1<<30)
	orDefault(&l.Ratio, 250)
	orDefault(&l.Held, 32<<20)
	orDefault(&l.Time, time.Minute)
	return l
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Entry is one file in an archive.
type Entry struct {
	// Name is archive!path, with one "!" more for each archive on the way. Its bytes
	// are the archive's: they may be no UTF-8 and hold control bytes.
	Name string
	// Reader yields the content and is valid until fn returns. A read error is noted
	// as a hole by Walk itself; fn may stop reading at any time.
	Reader io.Reader
}

// Hole is something in an archive that was not read, or not to its end.
type Hole struct {
	Name   string // as Entry.Name, or the archive's
	Reason string
	// Damaged tells a broken archive from one that is encrypted, of an unknown kind or
	// over a budget.
	Damaged bool
}

// Errors inside a Walk that become holes.
var (
	errEntryBytes = errors.New("larger than the limit for one entry")
	errTotalBytes = errors.New("the archive unpacks to more than the limit for one archive")
	errRatio      = errors.New("the archive unpacks to suspiciously much for its size")
	errTime       = errors.New("opening the archive took longer than the limit")
	errEntries    = errors.New("the archive has more entries than the limit")
	errEncrypted  = errors.New("encrypted")
	errPanic      = errors.New("its decoder broke down")
)

// Walk calls fn for every file in the archive data, in order, and for those in
// archives inside of it. name is the path that entries' names begin with. data that
// Sniff does not know yields nothing.
//
// The error is that of ctx or of fn; what could not be read is in the holes, and
// what stands before the damage has been passed to fn. fn is never called
// concurrently.
func Walk(ctx context.Context, name string, data io.ReaderAt, size int64, limits Limits, fn func(Entry) error) ([]Hole, error) {
	head := make([]byte, min(size, SniffLen))
	n, _ := data.ReadAt(head, 0)
	kind, ok := Sniff(name, head[:n])
	if !ok {
		return nil, nil
	}
	limits = limits.orDefaults()
	w := &walker{ctx: ctx, limits: limits, fn: fn, deadline: time.Now().Add(limits.Time), size: size}
	w.open(kind, place{name: name, depth: 1}, io.NewSectionReader(data, 0, size), section{data, size})
	return w.holes, w.stop
}

// walker is the state of one Walk: budgets spent and holes found.
type walker struct {
	ctx      context.Context
	limits   Limits
	fn       func(Entry) error
	deadline time.Time
	size     int64 // of the outermost archive

	entries  int
	unpacked int64
	held     int64
	spent    error // the budget of the whole walk that ran out
	told     bool  // spent is among the holes
	stop     error // error of ctx or fn: ends the walk
	holes    []Hole
	inflate  []io.ReadCloser // free inflaters
}

// place is where in the nest a stream stands.
type place struct {
	name   string
	depth  int // of archives
	layers int // of compression
}

// section is an archive that can be read at any offset.
type section struct {
	io.ReaderAt
	size int64
}

// over reports whether the walk must not go on.
func (w *walker) over() bool { return w.spent != nil || w.stop != nil }

// maxHoles bounds the holes of one archive: one of a million damaged entries is told
// once more at the end, not a million times.
const maxHoles = 1000

func (w *walker) hole(name string, err error) {
	if err == nil || w.stop != nil {
		return
	}
	if w.spent != nil && errors.Is(err, w.spent) { // told once, where it ran out
		if w.told {
			return
		}
		w.told = true
	}
	damaged := true
	for _, budget := range []error{errEntryBytes, errTotalBytes, errRatio, errTime, errEntries, errEncrypted} {
		if errors.Is(err, budget) {
			damaged = false
		}
	}
	var unknown unknownError
	if errors.As(err, &unknown) {
		damaged = false
	}
	reason := err.Error()
	switch {
	case len(w.holes) > maxHoles:
		return
	case len(w.holes) == maxHoles:
		reason = "further entries that could not be read are not listed"
	case damaged:
		reason = "damaged: " + reason
	}
	w.holes = append(w.holes, Hole{Name: name, Reason: reason, Damaged: damaged})
}

// unknownError is a format or method that is not opened.
type unknownError string

func (e unknownError) Error() string { return string(e) }

// entry hands one file of an archive to fn, or opens it if it is an archive.
func (w *walker) entry(p place, r io.Reader) {
	if w.entries++; w.entries > w.limits.Entries {
		w.spent = errEntries
		return
	}
	if len(p.name) > maxName {
		p.name = p.name[:maxName]
	}
	in := newPeeker(r)
	kind, ok := Sniff(p.name, in.head())
	if !ok {
		w.leaf(p, in)
		return
	}
	p.depth++
	if p.depth > w.limits.Depth {
		w.hole(p.name, unknownError(fmt.Sprintf("archives more than %d deep are not opened", w.limits.Depth)))
		w.leaf(p, in)
		return
	}
	if !kind.random() {
		w.open(kind, p, in, section{})
		return
	}
	w.nested(kind, p, in)
}

// nested opens an archive that must be read at random: it is held in memory.
func (w *walker) nested(kind Kind, p place, in *peeker) {
	room := w.limits.Held - w.held
	data, err := io.ReadAll(io.LimitReader(in, room+1))
	if err != nil {
		w.hole(p.name, err)
	}
	if int64(len(data)) > room {
		w.hole(p.name, unknownError(fmt.Sprintf("the inner archive is larger than the %d bytes that may be held in memory", w.limits.Held)))
		in.unread(data)
		w.leaf(p, in)
		return
	}
	w.held += int64(len(data))
	defer func() { w.held -= int64(len(data)) }()
	at := section{newBytesAt(data), int64(len(data))}
	w.leaf(p, io.NewSectionReader(at, 0, at.size)) // what lies between the entries
	w.open(kind, p, nil, at)
}

// maxName bounds the length of a name, in bytes.
const maxName = 8 << 10

// leaf hands a stream to fn.
func (w *walker) leaf(p place, r io.Reader) {
	if w.over() {
		return
	}
	g := &guard{w: w, r: r, left: w.limits.EntryBytes}
	err := w.fn(Entry{Name: p.name, Reader: g})
	switch {
	case g.err != nil:
		w.hole(p.name, g.err)
	case err != nil && w.stop == nil:
		w.stop = err
	}
}
