package history

import (
	"bytes"
	"errors"
	"slices"
	"sync"

	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/forest"
)

// readFast reads the packs as a forest of deltas: each entry is inflated once, and a
// delta is searched only where it brings something new. What no pack has, and what
// cannot be read that way, goes through the plain reader, which also judges damage.
func (s *scan) readFast() error {
	packs, release, err := s.openPacks()
	defer release()
	if err != nil {
		return s.readPlain()
	}
	f := &fast{scan: s}
	opts := forest.Options{Workers: s.run.Workers}
	if s.only != nil {
		opts.Skip = func(o git.Oid) bool { return !s.only.Has(o) }
	}
	if s.whole { // trees come last: together with the search for what was found
		opts.Types = []git.Type{git.Blob, git.Commit, git.Tag}
		s.treesLeft = true
		s.links = s.repo.NewLinks()
	}
	res, err := forest.Walk(s.ctx, packs, opts, f.visitor)
	for _, v := range f.visitors {
		s.found = append(s.found, v.found...)
	}
	if err != nil {
		return err
	}
	rest := map[git.Oid]bool{}
	for _, o := range res.Large {
		rest[o] = true
	}
	for _, h := range res.Holes {
		if h.Oid.IsZero() {
			s.hole(h, true)
		} else {
			rest[h.Oid] = true
		}
	}
	for _, o := range s.repo.Unpacked() {
		if s.wants(o) {
			rest[o] = true
		}
	}
	if err := f.finish(rest); err != nil {
		return err
	}
	if s.treesLeft && len(s.found) == 0 {
		return s.readTrees(s.ctx, nil)
	}
	return nil
}

var errNoIndex = errors.New("a pack has no index")

// openPacks maps all packs. release gives them up.
func (s *scan) openPacks() (packs []forest.Pack, release func(), err error) {
	var undo []func() error
	release = func() {
		for _, u := range undo {
			_ = u() // read-only mappings and files: nothing can be lost
		}
	}
	for _, p := range s.repo.Packs() {
		if p.Index == nil {
			return nil, release, errNoIndex
		}
		pack, err := p.Open()
		if err != nil {
			return nil, release, err
		}
		data, unmap, err := forest.Map(pack.File(), pack.Size)
		if err != nil {
			undo = append(undo, pack.Close)
			return nil, release, err
		}
		undo = append(undo, unmap, pack.Close)
		packs = append(packs, forest.Pack{Name: p.Name, Data: data, Index: p.Index})
	}
	return packs, release, nil
}

// fast is what the visitors of one pass share.
type fast struct {
	*scan
	mu       sync.Mutex
	visitors []*visitor
}

// finish reads what the forest did not.
func (f *fast) finish(rest map[git.Oid]bool) error {
	s := f.scan
	for _, v := range f.visitors {
		if v.links != nil {
			s.links.Join(v.links)
		}
	}
	holes := s.repo.Holes()
	if len(rest) > 0 {
		// The plain reader's word on these counts, also where the forest got at them.
		s.found = slices.DeleteFunc(s.found, func(h objectHits) bool { return rest[h.oid] })
		var err error
		if holes, err = s.selectPlain(git.Filter{Want: func(o git.Oid) bool { return rest[o] }}, s.links); err != nil {
			return err
		}
	}
	for _, h := range holes {
		s.hole(h, true)
	}
	return nil
}

// settle tells what objects refer to but what is not there, when all were read.
func (s *scan) settle() {
	if s.links == nil || s.treesLeft {
		return
	}
	for _, h := range s.links.Holes() {
		s.hole(h, true)
	}
}

// visitor scans the objects that one worker of the forest makes.
type visitor struct {
	*worker
	fast  *fast
	links *git.Links // nil: not compared
	free  []*detect.State
}

func (f *fast) visitor(int) forest.Visitor[*detect.State] {
	v := &visitor{worker: f.worker(), fast: f}
	if f.whole {
		v.links = f.repo.NewLinks()
	}
	f.mu.Lock()
	f.visitors = append(f.visitors, v)
	f.mu.Unlock()
	return v
}

// nothing is the state of what holds no literal.
var nothing = &detect.State{}

// Visit implements forest.Visitor.
func (v *visitor) Visit(o *forest.Object[*detect.State]) *detect.State {
	counts := &v.scan.run.Counts
	switch o.Type {
	case git.Blob:
		counts.Blobs.Add(1)
		if limit := v.scan.run.MaxFile; limit > 0 && int64(len(o.Data)) > limit {
			v.scan.tooLarge(o.Oid)
			v.done(0)
			return nil
		}
		return v.blob(o)
	case git.Tree:
		copies := o.Copies
		if !o.Delta {
			copies = nil
		}
		v.newNames(v.links, o.Oid, o.Data, copies)
		v.done(0)
		return nil
	case git.Commit:
		counts.Commits.Add(1)
		v.worker.commit(o.Oid, o.Data)
	case git.Tag:
		v.worker.tag(o.Oid, o.Data)
	}
	v.refers(o)
	counts.BytesScanned.Add(int64(len(o.Data)))
	v.done(len(o.Data))
	return nil
}

// Leave implements forest.Visitor.
func (v *visitor) Leave(st *detect.State) {
	if st != nil && st != nothing && len(v.free) < 64 {
		st.Reset()
		v.free = append(v.free, st)
	}
}

func (v *visitor) state() *detect.State {
	if n := len(v.free); n > 0 {
		st := v.free[n-1]
		v.free = v.free[:n-1]
		return st
	}
	return &detect.State{}
}

// blob searches a blob: all of it, or where it differs from its base.
func (v *visitor) blob(o *forest.Object[*detect.State]) *detect.State {
	d := v.scan.run.Detector
	st := v.state()
	var matches []detect.Match
	searched := len(o.Data)
	if o.Delta && o.Base != nil {
		matches, searched = detect.Derive(d, v.Scratch(), o.Data, st, o.Base, o.Copies)
	} else {
		matches = d.Whole(v.Scratch(), o.Data, st)
	}
	v.scan.run.Counts.BytesScanned.Add(int64(searched))
	v.done(len(o.Data))
	if len(matches) > 0 {
		v.identify(o)
		v.keep(o.Oid, finding.KindBlob, o.Data, matches)
	}
	if st.Empty() {
		v.Leave(st)
		return nothing
	}
	return st
}

// identify checks the id of an object in which something was found: the forest checks
// only that it inflates to what its checksum says.
func (v *visitor) identify(o *forest.Object[*detect.State]) {
	if got := git.HashObject(o.Oid.Format(), o.Type, o.Data); got != o.Oid {
		v.scan.hole(git.Hole{Kind: git.Unreadable, What: o.Type.String(), Oid: o.Oid, Offset: -1,
			Reason: "its content is that of " + got.String() + ", under which it is reported"}, true)
		o.Oid = got
	}
}

// newNames scans the names that a tree brings: those of entries that were not copied
// whole from a tree that was scanned before. links, if any, is told their entries.
func (w *worker) newNames(links *git.Links, o git.Oid, data []byte, copies []forest.Copy) {
	format := o.Format()
	for at := 0; at < len(data); {
		for len(copies) > 0 && copies[0].Dst+copies[0].Len <= at {
			copies = copies[1:]
		}
		if len(copies) > 0 && copies[0].Dst <= at {
			if next := skipEntries(data, at, copies[0].Dst+copies[0].Len, format.Size()); next > at {
				at = next
				continue
			}
		}
		it := git.NewTreeIter(data[at:], format)
		e, ok, err := it.Next()
		if err != nil {
			w.scan.hole(git.Hole{Kind: git.Unreadable, What: "tree", Oid: o, Offset: -1, Reason: err.Error()}, true)
		}
		if !ok {
			return
		}
		if links != nil {
			links.Entry(o, e)
		}
		w.name(e.Name)
		at += it.Offset()
	}
}

// skipEntries returns where the last entry of a tree that ends at or before end ends,
// beginning with the one at at. It looks at nothing but where entries end, and stops
// where one has not the usual form.
func skipEntries(data []byte, at, end, hash int) int {
	for {
		name := at + 7 // "100644 "
		if name >= end {
			return at
		}
		if data[at] == '4' { // "40000 "
			name--
		}
		if data[name-1] != ' ' {
			return at
		}
		i := bytes.IndexByte(data[name:end], 0)
		next := name + i + 1 + hash
		if i < 0 || next > end {
			return at
		}
		at = next
	}
}

// refers notes what a commit or tag refers to.
func (v *visitor) refers(o *forest.Object[*detect.State]) {
	if v.links != nil {
		if err := v.links.Add(o.Oid, o.Type, o.Data); err != nil {
			v.scan.hole(git.Hole{Kind: git.Unreadable, What: o.Type.String(), Oid: o.Oid, Offset: -1, Reason: err.Error()}, true)
		}
	}
	if v.scan.graph != nil {
		v.fast.mu.Lock()
		v.scan.graph.Add(o.Oid, o.Type, o.Data)
		v.fast.mu.Unlock()
	}
}
