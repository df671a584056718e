package history

import (
	"context"
	"sync"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/forest"
)

// readTrees gives all trees, out of the packs as a forest of deltas, to the workers of
// a look-up (newWorker, which may be nil) and, where that was not done yet, scans the
// names in them: each tree is made once for both.
func (s *scan) readTrees(ctx context.Context, newWorker func() *git.TreeWorker) error {
	packs, release, err := s.openPacks()
	defer release()
	if err != nil {
		return s.plainTrees(ctx, git.Only(git.Tree), newWorker)
	}
	names := s.treesLeft
	var mu sync.Mutex
	var visitors []*treeVisitor
	res, err := forest.Walk(ctx, packs, forest.Options{Workers: s.run.Workers, Types: []git.Type{git.Tree}}, func(int) forest.Visitor[*git.TreeState] {
		v := &treeVisitor{}
		if newWorker != nil {
			v.lookup = newWorker()
		}
		if names {
			v.names, v.links = s.worker(), s.repo.NewLinks()
		}
		mu.Lock()
		defer mu.Unlock()
		visitors = append(visitors, v)
		return v
	})
	for _, v := range visitors {
		if names {
			s.found = append(s.found, v.names.found...)
			s.links.Join(v.links)
		}
	}
	if err != nil {
		return err
	}
	rest := map[git.Oid]bool{}
	for _, o := range res.Large {
		rest[o] = true
	}
	for _, h := range res.Holes {
		rest[h.Oid] = true
	}
	if names && len(rest) > 0 {
		lost := git.Only(git.Tree) // others were read, or told of, before
		lost.Want = func(o git.Oid) bool { return rest[o] }
		holes, err := s.selectPlain(lost, s.links)
		if err != nil {
			return err
		}
		for _, h := range holes {
			s.hole(h, true)
		}
	}
	s.treesLeft = false
	for _, o := range s.repo.Unpacked() { // their names were scanned with the other objects
		rest[o] = true
	}
	if len(rest) == 0 || newWorker == nil {
		return nil
	}
	filter := git.Only(git.Tree)
	filter.Want = func(o git.Oid) bool { return rest[o] }
	return s.plainTrees(ctx, filter, newWorker)
}

// plainTrees gives trees to a look-up by the plain reader.
func (s *scan) plainTrees(ctx context.Context, filter git.Filter, newWorker func() *git.TreeWorker) error {
	if newWorker == nil {
		return nil
	}
	own := newWorker()
	_, err := s.repo.Select(ctx, filter, func(o git.Object) error {
		own.Release(git.AddTree[git.TreeCopy](own, o.Oid, o.Data, nil, nil))
		return nil
	})
	return err
}

// treeVisitor takes in the trees that one worker of the forest makes.
type treeVisitor struct {
	lookup *git.TreeWorker // nil: nothing is looked up
	names  *worker         // nil: names were scanned before
	links  *git.Links
}

// Visit implements forest.Visitor.
func (v *treeVisitor) Visit(o *forest.Object[*git.TreeState]) *git.TreeState {
	copies := o.Copies
	if !o.Delta {
		copies = nil
	}
	if v.names != nil {
		v.names.newNames(v.links, o.Oid, o.Data, copies)
		v.names.done(0)
	}
	switch {
	case v.lookup == nil:
		return nil
	case !o.Delta:
		return git.AddTree[forest.Copy](v.lookup, o.Oid, o.Data, nil, nil)
	}
	return git.AddTree(v.lookup, o.Oid, o.Data, o.Base, o.Copies)
}

// Leave implements forest.Visitor.
func (v *treeVisitor) Leave(st *git.TreeState) {
	if v.lookup != nil && st != nil {
		v.lookup.Release(st)
	}
}
