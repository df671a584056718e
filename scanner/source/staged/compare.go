package staged

import (
	"context"
	"strings"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/gitindex"
)

// comparison walks an index and a tree side by side. Directories whose tree the index
// remembers unchanged are passed over, so that the cost is that of what changed.
type comparison struct {
	ctx     context.Context
	source  *Source
	index   *gitindex.Index
	changes []Change
	gone    map[git.Oid]bool // blobs at paths that the index no longer has
	trees   []git.Oid        // whole directories of them
	holes   []source.Hole
}

func (d *comparison) hole(what, name string, err error) {
	d.holes = append(d.holes, source.Hole{Class: source.Unreadable, What: what, Name: name, Reason: err.Error()})
}

// directory compares the entries below prefix ("" or ending with a slash) with tree;
// had says that there is one.
func (d *comparison) directory(prefix string, tree git.Oid, had bool, entries []gitindex.Entry) {
	if d.ctx.Err() != nil {
		return
	}
	cached, ok := d.index.Trees[strings.TrimSuffix(prefix, "/")]
	if ok && had && cached.Tree == tree && cached.Entries == len(entries) {
		return
	}
	old := d.read(prefix, tree, had)
	for i := 0; i < len(entries); {
		e := entries[i]
		rest := e.Name[len(prefix):]
		slash := strings.IndexByte(rest, '/')
		switch {
		case slash < 0:
			d.file(e, old[rest], rest, old)
			i++
		case slash == len(rest)-1: // sparse index: a directory as an entry
			d.sparse(e, old[rest[:slash]])
			delete(old, rest[:slash])
			i++
		default:
			sub := prefix + rest[:slash+1]
			end := i + 1
			for end < len(entries) && strings.HasPrefix(entries[end].Name, sub) {
				end++
			}
			was := old[rest[:slash]]
			isTree := was != nil && was.IsTree()
			var below git.Oid
			if isTree {
				below = was.Oid()
				delete(old, rest[:slash])
			}
			d.directory(sub, below, isTree, entries[i:end])
			i = end
		}
	}
	for _, e := range entries { // of a path in conflict all stages needed the old blob
		if e.Stage != 0 && len(old) > 0 {
			delete(old, e.Name[len(prefix):])
		}
	}
	for _, e := range old {
		switch {
		case e.IsTree():
			d.trees = append(d.trees, e.Oid())
		default:
			d.remove(e.Oid())
		}
	}
}

// read returns the entries of a tree by name.
func (d *comparison) read(prefix string, tree git.Oid, had bool) map[string]*git.TreeEntry {
	if !had {
		return nil
	}
	t, data, err := d.source.opt.Read(tree)
	if err != nil || t != git.Tree {
		if err != nil {
			d.hole("directory", "HEAD:"+prefix, err)
		}
		return nil
	}
	out := make(map[string]*git.TreeEntry)
	for it := git.NewTreeIter(data, d.source.repo.Format()); ; {
		e, ok, err := it.Next()
		if err != nil {
			d.hole("directory", "HEAD:"+prefix, err)
		}
		if !ok {
			return out
		}
		out[string(e.Name)] = &e
	}
}

// file compares one entry with what stood at its path.
func (d *comparison) file(e gitindex.Entry, was *git.TreeEntry, name string, old map[string]*git.TreeEntry) {
	if e.Flags&gitindex.IntentToAdd != 0 || e.Mode&git.ModeKind == git.ModeGitlink {
		return
	}
	c := Change{Path: e.Name, Blob: e.Oid, Stage: e.Stage}
	if was != nil && !was.IsTree() {
		c.Old = was.Oid()
		if was.IsGitlink() {
			c.Old = git.Oid{}
		}
		if e.Stage == 0 {
			delete(old, name)
		}
	}
	if c.Old.IsZero() || c.Old != c.Blob {
		d.changes = append(d.changes, c)
	}
}

// sparse compares a directory that stands in the index as one entry, by expanding it
// where it differs.
func (d *comparison) sparse(e gitindex.Entry, was *git.TreeEntry) {
	if was != nil && was.IsTree() && was.Oid() == e.Oid {
		return
	}
	entries := d.expand(nil, e.Name, e.Oid, 0)
	var tree git.Oid
	had := was != nil && was.IsTree()
	if had {
		tree = was.Oid()
	}
	d.directory(e.Name, tree, had, entries)
}

// maxDepth bounds how deep directories are followed.
const maxDepth = 4096

// expand lists the files below a tree as index entries.
func (d *comparison) expand(out []gitindex.Entry, prefix string, tree git.Oid, depth int) []gitindex.Entry {
	t, data, err := d.source.opt.Read(tree)
	if err != nil || t != git.Tree || depth > maxDepth || d.ctx.Err() != nil {
		if err != nil {
			d.hole("directory", prefix, err)
		}
		return out
	}
	for it := git.NewTreeIter(data, d.source.repo.Format()); ; {
		e, ok, err := it.Next()
		if err != nil {
			d.hole("directory", prefix, err)
		}
		if !ok {
			return out
		}
		if e.IsTree() {
			out = d.expand(out, prefix+string(e.Name)+"/", e.Oid(), depth+1)
			continue
		}
		out = append(out, gitindex.Entry{Name: prefix + string(e.Name), Oid: e.Oid(), Mode: e.Mode})
	}
}

func (d *comparison) remove(o git.Oid) {
	if d.gone == nil {
		d.gone = make(map[git.Oid]bool)
	}
	d.gone[o] = true
}

// withoutMoves drops the new files whose blob stood at a path that is gone: moving a
// file adds no line.
func (d *comparison) withoutMoves() []Change {
	fresh := false
	for _, c := range d.changes {
		fresh = fresh || c.Old.IsZero()
	}
	if !fresh {
		return d.changes
	}
	for _, t := range d.trees {
		for _, e := range d.expand(nil, "", t, 0) {
			d.remove(e.Oid)
		}
	}
	kept := d.changes[:0]
	for _, c := range d.changes {
		if !c.Old.IsZero() || !d.gone[c.Blob] {
			kept = append(kept, c)
		}
	}
	return kept
}
