// Package gitindex reads git's index, the list of tracked and staged files
// (gitformat-index(5) of git 2.39, read 2026-11-21): versions 2, 3 and 4, sparse and
// split indexes, SHA-1 and SHA-256. Every byte is taken as written by an attacker.
package gitindex

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/rekeyhq/rekey/scanner/git"
)

// ErrCorrupt is wrapped by errors about an index that cannot be read as it stands.
var ErrCorrupt = errors.New("the index is corrupt")

// Flags of an entry that matter to a scan.
const (
	IntentToAdd  = 1 << 0 // "git add -N": a name without content
	SkipWorktree = 1 << 1 // not checked out (sparse checkout)
)

// Entry is one name in the index. A name in conflict has up to three entries, of
// stages 1 to 3. In a sparse index a whole directory can be one entry: its mode is
// git.ModeDir, its id a tree, and its name ends with a slash.
type Entry struct {
	Name  string
	Oid   git.Oid
	Mode  uint32
	Stage uint8
	Flags uint8
}

// Cached is what the index remembers of a directory: the tree that its entries make.
type Cached struct {
	Entries int // number of index entries below the directory
	Tree    git.Oid
}

// Index is a parsed index. Entries are in git's order: by name as bytes, then stage.
type Index struct {
	Version uint32
	Entries []Entry
	// Trees are the directories whose entries have not changed since a tree was read
	// or written; the root is "". Those that have changed are absent.
	Trees map[string]Cached

	link *link // split index: where the rest is
}

// Shared returns the name of the file that holds the other part of a split index
// ("sharedindex.HEX" in the git directory), or "". Pass its bytes to Join.
func (x *Index) Shared() string {
	if x.link == nil || x.link.base.IsZero() {
		return ""
	}
	return "sharedindex." + x.link.base.String()
}

const (
	fixed        = 4 * 10 // times, device, inode, mode, owner, group, size
	flagExtended = 0x4000
	nameMask     = 0xfff
)

// Parse reads an index of a repository of this object format. It verifies the
// checksum at its end, unless git was told not to write one (then it is zero).
func Parse(data []byte, f git.Format) (*Index, error) {
	hashSize := f.Size()
	if len(data) < 12+hashSize || string(data[:4]) != "DIRC" {
		return nil, fmt.Errorf("%w: no index header", ErrCorrupt)
	}
	body, sum := data[:len(data)-hashSize], data[len(data)-hashSize:]
	if h := f.New(); len(bytes.Trim(sum, "\x00")) > 0 {
		h.Write(body)
		if !bytes.Equal(h.Sum(nil), sum) {
			return nil, fmt.Errorf("%w: its checksum does not match", ErrCorrupt)
		}
	}
	x := &Index{Version: binary.BigEndian.Uint32(data[4:])}
	if x.Version < 2 || x.Version > 4 {
		return nil, fmt.Errorf("index version %d: versions 2 to 4 are known", x.Version)
	}
	count := binary.BigEndian.Uint32(data[8:])
	r := &reader{data: body, at: 12, format: f, version: x.Version}
	least := fixed + hashSize + 2 + 1
	if int64(count)*int64(least) > int64(len(body)) {
		return nil, fmt.Errorf("%w: %d entries do not fit", ErrCorrupt, count)
	}
	x.Entries = make([]Entry, 0, count)
	for range count {
		e, err := r.entry()
		if err != nil {
			return nil, err
		}
		x.Entries = append(x.Entries, e)
	}
	return x, r.extensions(x)
}

type reader struct {
	data    []byte
	at      int
	format  git.Format
	version uint32
	last    string
}

func (r *reader) entry() (Entry, error) {
	start := r.at
	head := fixed + r.format.Size() + 2
	if len(r.data)-start < head {
		return Entry{}, fmt.Errorf("%w: cut off in an entry", ErrCorrupt)
	}
	b := r.data[start:]
	e := Entry{Mode: binary.BigEndian.Uint32(b[24:]), Oid: git.NewOid(r.format, b[fixed:])}
	flags := binary.BigEndian.Uint16(b[head-2:])
	e.Stage = uint8(flags>>12) & 3
	if flags&flagExtended != 0 {
		if r.version < 3 || len(b) < head+2 {
			return e, fmt.Errorf("%w: extended flags in a version 2 index or at its end", ErrCorrupt)
		}
		extended := binary.BigEndian.Uint16(b[head:])
		e.Flags = uint8(extended>>13&1)*IntentToAdd | uint8(extended>>14&1)*SkipWorktree
		head += 2
	}
	r.at = start + head
	name, err := r.name()
	if err != nil {
		return e, err
	}
	e.Name, r.last = name, name
	if r.version < 4 { // padded with 1 to 8 zero bytes; one was the name's end
		r.at = start + (r.at-1-start+8)&^7
		if r.at > len(r.data) {
			return e, fmt.Errorf("%w: cut off after %.80q", ErrCorrupt, name)
		}
	}
	return e, nil
}

// name reads a name and the zero byte that ends it.
func (r *reader) name() (string, error) {
	strip := 0
	if r.version == 4 {
		n, size := offset(r.data[r.at:])
		if size == 0 || n > uint64(len(r.last)) {
			return "", fmt.Errorf("%w: bad name prefix after %.80q", ErrCorrupt, r.last)
		}
		strip, r.at = int(n), r.at+size
	}
	n := bytes.IndexByte(r.data[r.at:], 0)
	if n < 0 {
		return "", fmt.Errorf("%w: cut off in a name", ErrCorrupt)
	}
	tail := r.data[r.at : r.at+n]
	r.at += n + 1
	if r.version < 4 {
		return string(tail), nil
	}
	if len(r.last)-strip+n > maxName {
		return "", fmt.Errorf("%w: a name of more than %d bytes", ErrCorrupt, maxName)
	}
	return r.last[:len(r.last)-strip] + string(tail), nil
}

// maxName bounds what shared prefixes of version 4 may grow a name to.
const maxName = 1 << 16

// offset reads git's offset varint: seven bits a byte, high first, each further byte
// adding one before the shift. The size is 0 when b ends early or overflows.
func offset(b []byte) (v uint64, size int) {
	for i, c := range b {
		if i == 9 {
			return 0, 0
		}
		v |= uint64(c & 0x7f)
		if c < 0x80 {
			return v, i + 1
		}
		v = (v + 1) << 7
	}
	return 0, 0
}
