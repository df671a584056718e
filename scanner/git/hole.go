package git

import (
	"errors"
	"fmt"
)

// HoleKind says why something of a repository was not read (design.md section 10).
type HoleKind uint8

// Kinds of holes.
const (
	// Unreadable is damage: corrupt, cut, missing, refused by the system.
	Unreadable HoleKind = iota
	// AbsentByChoice was never fetched: shallow and partial clones.
	AbsentByChoice
	// OutOfPolicy could be read, but limits or trust forbid it.
	OutOfPolicy
)

func (k HoleKind) String() string {
	switch k {
	case Unreadable:
		return "unreadable"
	case AbsentByChoice:
		return "absent by choice"
	case OutOfPolicy:
		return "out of policy"
	}
	return fmt.Sprintf("hole-%d", uint8(k))
}

// Hole is something that was promised and not read.
type Hole struct {
	Kind HoleKind
	// What is the thing in one word: commit, tree, blob, tag, object, pack, index,
	// ref, reflog, alternates, shallow, config.
	What string
	// Path is the file, relative to the repository's directory, where one is known.
	Path string
	// Oid is the object, or zero.
	Oid Oid
	// Offset is a place in Path, or -1.
	Offset int64
	// Count is how many things this hole stands for, at least 1.
	Count  int
	Reason string
}

// String describes the hole in a line. Names out of the repository are quoted.
func (h Hole) String() string {
	s := h.What
	if !h.Oid.IsZero() {
		s += " " + h.Oid.String()
	}
	if h.Path != "" {
		s += fmt.Sprintf(" in %q", h.Path)
	}
	if h.Offset > 0 {
		s += fmt.Sprintf(" at %d", h.Offset)
	}
	if h.Count > 1 {
		s += fmt.Sprintf(" (%d)", h.Count)
	}
	return s + ": " + h.Reason
}

// Errors that callers decide by.
var (
	// ErrNotRepository means that no repository was found at a path.
	ErrNotRepository = errors.New("not a git repository")
	// ErrDamaged means that there is a repository, but without a part that makes it one.
	ErrDamaged = errors.New("damaged git repository")
	// ErrRefused means that a repository points to a place outside of what may be
	// read; the message says which and how to allow it.
	ErrRefused = errors.New("refused")
	// ErrTruncated means that bytes end before what they promise.
	ErrTruncated = errors.New("truncated")
	// ErrNotFound means that no object or revision has this name.
	ErrNotFound = errors.New("not found")
	// ErrLimit means that reading would exceed a limit of Options.
	ErrLimit = errors.New("over the limit")
)

// maxHoles bounds how many holes are listed one by one; a hostile repository can
// have millions.
const maxHoles = 10_000

// holes collects holes up to maxHoles and counts the rest.
type holes struct {
	list    []Hole
	dropped int
}

func (h *holes) add(x Hole) {
	if x.Count == 0 {
		x.Count = 1
	}
	if len(h.list) >= maxHoles {
		h.dropped += x.Count
		return
	}
	h.list = append(h.list, x)
}

// all returns the list, with one more hole for those that were only counted.
func (h *holes) all() []Hole {
	if h.dropped == 0 {
		return h.list
	}
	return append(h.list[:len(h.list):len(h.list)], Hole{Kind: Unreadable, What: "object", Offset: -1,
		Count: h.dropped, Reason: "further holes that are not listed one by one"})
}

// holeFor turns an error of reading one thing into a hole.
func holeFor(err error, what, path string, oid Oid, off int64) Hole {
	kind := Unreadable
	if errors.Is(err, ErrLimit) {
		kind = OutOfPolicy
	}
	return Hole{Kind: kind, What: what, Path: path, Oid: oid, Offset: off, Count: 1, Reason: err.Error()}
}
