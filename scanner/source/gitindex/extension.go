package gitindex

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"sort"
	"strconv"

	"github.com/rekeyhq/rekey/scanner/git"
)

// extensions reads what follows the entries: TREE (cached trees) and link (split
// index). Others whose name starts with a capital letter may be passed over.
func (r *reader) extensions(x *Index) error {
	for len(r.data)-r.at >= 8 {
		name := string(r.data[r.at : r.at+4])
		size := int64(binary.BigEndian.Uint32(r.data[r.at+4:]))
		r.at += 8
		if size > int64(len(r.data)-r.at) {
			return fmt.Errorf("%w: extension %q does not fit", ErrCorrupt, name)
		}
		body := r.data[r.at : r.at+int(size)]
		r.at += int(size)
		var err error
		switch {
		case name == "TREE":
			x.Trees, err = parseTrees(body, r.format)
		case name == "link":
			x.link, err = parseLink(body, r.format)
		case name == "sdir": // sparse index: directories may stand as entries
		case name[0] < 'A' || name[0] > 'Z':
			err = fmt.Errorf("index extension %q is not known: its repository needs a newer rekey", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseTrees reads the cached trees: each directory with the number of its entries
// and subdirectories, in depth-first order.
func parseTrees(b []byte, f git.Format) (map[string]Cached, error) {
	trees := make(map[string]Cached)
	type open struct {
		path string
		left int
	}
	var stack []open
	for first := true; len(b) > 0 && (first || len(stack) > 0); first = false {
		name, rest, ok := bytes.Cut(b, []byte{0})
		count, rest, ok2 := bytes.Cut(rest, []byte{' '})
		subs, rest, ok3 := bytes.Cut(rest, []byte{'\n'})
		entries, err := strconv.Atoi(string(count))
		below, err2 := strconv.Atoi(string(subs))
		if !ok || !ok2 || !ok3 || err != nil || err2 != nil || below < 0 || entries < -1 {
			return nil, fmt.Errorf("%w: bad cached tree", ErrCorrupt)
		}
		path := string(name)
		if n := len(stack); n > 0 {
			if stack[n-1].path != "" {
				path = stack[n-1].path + "/" + path
			}
			stack[n-1].left--
		}
		if len(path) > maxName {
			return nil, fmt.Errorf("%w: cached trees too deep", ErrCorrupt)
		}
		if entries >= 0 {
			if len(rest) < f.Size() {
				return nil, fmt.Errorf("%w: cut off in a cached tree", ErrCorrupt)
			}
			trees[path] = Cached{Entries: entries, Tree: git.NewOid(f, rest)}
			rest = rest[f.Size():]
		}
		b = rest
		stack = append(stack, open{path, below})
		for len(stack) > 0 && stack[len(stack)-1].left == 0 {
			stack = stack[:len(stack)-1]
		}
	}
	return trees, nil
}

// link is the extension of a split index: the shared index and what of it is gone or
// changed.
type link struct {
	base            git.Oid
	deleted, change []uint64 // bitmaps over the shared index's entries
}

func parseLink(b []byte, f git.Format) (*link, error) {
	if len(b) < f.Size() {
		return nil, fmt.Errorf("%w: cut off in the link to a shared index", ErrCorrupt)
	}
	l := &link{base: git.NewOid(f, b)}
	b = b[f.Size():]
	if len(b) == 0 {
		return l, nil
	}
	var err error
	if l.deleted, b, err = ewah(b); err == nil {
		l.change, _, err = ewah(b)
	}
	return l, err
}

// maxEntries bounds bitmaps of a split index: 16 million files.
const maxEntries = 1 << 24

// ewah reads one EWAH-compressed bitmap (gitformat-index, "split index").
func ewah(b []byte) (bitmap []uint64, rest []byte, err error) {
	bad := fmt.Errorf("%w: bad bitmap in the link to a shared index", ErrCorrupt)
	if len(b) < 8 {
		return nil, nil, bad
	}
	size, words := binary.BigEndian.Uint32(b), int64(binary.BigEndian.Uint32(b[4:]))
	b = b[8:]
	if size > maxEntries || int64(len(b)) < words*8+4 {
		return nil, nil, bad
	}
	limit := int(size+63) / 64
	for i := int64(0); i < words; {
		marker := binary.BigEndian.Uint64(b[i*8:])
		i++
		run, literals := int64(marker>>1&0xffffffff), int64(marker>>33)
		if run+literals > int64(limit-len(bitmap)) || literals > words-i {
			return nil, nil, bad
		}
		for range run {
			bitmap = append(bitmap, -(marker & 1))
		}
		for range literals {
			bitmap = append(bitmap, binary.BigEndian.Uint64(b[i*8:]))
			i++
		}
	}
	return bitmap, b[words*8+4:], nil
}

// Join completes a split index with the shared index it names. Entries of the shared
// index are dropped or replaced as the bitmaps say; replacements stand first in x,
// in order, without a name.
func (x *Index) Join(shared *Index) error {
	if x.link == nil {
		return nil
	}
	merged := append([]Entry(nil), shared.Entries...)
	next := 0
	if err := each(x.link.change, len(merged), func(i int) error {
		if next == len(x.Entries) || x.Entries[next].Name != "" {
			return fmt.Errorf("%w: it replaces more shared entries than it holds", ErrCorrupt)
		}
		name := merged[i].Name
		merged[i] = x.Entries[next]
		merged[i].Name = name
		next++
		return nil
	}); err != nil {
		return err
	}
	gone := make(map[int]bool)
	if err := each(x.link.deleted, len(merged), func(i int) error { gone[i] = true; return nil }); err != nil {
		return err
	}
	out := merged[:0]
	for i, e := range merged {
		if !gone[i] {
			out = append(out, e)
		}
	}
	out = append(out, x.Entries[next:]...)
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Name != out[j].Name {
			return out[i].Name < out[j].Name
		}
		return out[i].Stage < out[j].Stage
	})
	x.Entries, x.link = out, nil
	return nil
}

func each(bitmap []uint64, limit int, fn func(int) error) error {
	for w, word := range bitmap {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			if i >= limit {
				return fmt.Errorf("%w: it names shared entry %d of %d", ErrCorrupt, i, limit)
			}
			if err := fn(i); err != nil {
				return err
			}
		}
	}
	return nil
}
