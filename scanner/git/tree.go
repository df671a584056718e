package git

import (
	"bytes"
	"fmt"
)

// TreeEntry is one name in a tree. Name and id share the tree's bytes.
type TreeEntry struct {
	Mode uint32
	Name []byte
	id   []byte
	f    Format
}

// Modes of tree entries, and the mask of their kind.
const (
	ModeKind    uint32 = 0o170000
	ModeDir     uint32 = 0o040000
	ModeFile    uint32 = 0o100000
	ModeLink    uint32 = 0o120000
	ModeGitlink uint32 = 0o160000
)

// Oid returns the id of what the name stands for.
func (e TreeEntry) Oid() Oid { return NewOid(e.f, e.id) }

// ID returns the bytes of the id, shared with the tree.
func (e TreeEntry) ID() []byte { return e.id }

// IsTree reports whether the entry is a subdirectory.
func (e TreeEntry) IsTree() bool { return e.Mode&ModeKind == ModeDir }

// IsGitlink reports whether the entry is a submodule: a commit of another
// repository.
func (e TreeEntry) IsGitlink() bool { return e.Mode&ModeKind == ModeGitlink }

// TreeIter walks a tree's entries without allocating. Names and modes are as they
// stand there, however odd; only bytes that cannot be split into entries are errors.
type TreeIter struct {
	data []byte
	at   int
	f    Format
}

// NewTreeIter walks the entries of a tree object.
func NewTreeIter(data []byte, f Format) TreeIter { return TreeIter{data: data, f: f} }

// Offset returns where the next entry begins.
func (t *TreeIter) Offset() int { return t.at }

// Next returns the next entry; ok is false after the last and after an error.
func (t *TreeIter) Next() (e TreeEntry, ok bool, err error) {
	b := t.data[t.at:]
	if len(b) == 0 {
		return e, false, nil
	}
	i := 0
	for ; i < len(b) && b[i] != ' '; i++ {
		if b[i] < '0' || b[i] > '7' || i >= 7 {
			return e, false, fmt.Errorf("tree: bad mode at %d", t.at)
		}
		e.Mode = e.Mode<<3 | uint32(b[i]-'0')
	}
	if i == 0 {
		return e, false, fmt.Errorf("tree: no mode at %d", t.at)
	}
	if i == len(b) {
		return e, false, fmt.Errorf("tree: entry at %d: %w", t.at, ErrTruncated)
	}
	i++
	n := bytes.IndexByte(b[i:], 0)
	if n < 0 || len(b) < i+n+1+t.f.Size() {
		return e, false, fmt.Errorf("tree: entry at %d: %w", t.at, ErrTruncated)
	}
	e.Name = b[i : i+n : i+n]
	i += n + 1
	e.id, e.f = b[i:i+t.f.Size():i+t.f.Size()], t.f
	t.at += i + t.f.Size()
	return e, true, nil
}
