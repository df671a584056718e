package history

import (
	"context"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/forest"
)

// trees gives all trees to the workers of a look-up, out of the packs as a forest of
// deltas: what a tree has from its base is not read again.
func (s *scan) trees(ctx context.Context, newWorker func() *git.TreeWorker) error {
	packs, release, err := s.openPacks()
	defer release()
	own := newWorker()
	plain := func(filter git.Filter) error {
		_, err := s.repo.Select(ctx, filter, func(o git.Object) error {
			own.Release(git.AddTree[git.TreeCopy](own, o.Oid, o.Data, nil, nil))
			return nil
		})
		return err
	}
	if err != nil {
		return plain(git.Only(git.Tree))
	}
	res, err := forest.Walk(ctx, packs, forest.Options{Workers: s.run.Workers, Types: []git.Type{git.Tree}},
		func(int) forest.Visitor[*git.TreeState] { return treeVisitor{newWorker()} })
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
	for _, o := range s.repo.Unpacked() {
		rest[o] = true
	}
	if len(rest) == 0 {
		return nil
	}
	filter := git.Only(git.Tree)
	filter.Want = func(o git.Oid) bool { return rest[o] }
	return plain(filter)
}

type treeVisitor struct{ *git.TreeWorker }

// Visit implements forest.Visitor.
func (v treeVisitor) Visit(o *forest.Object[*git.TreeState]) *git.TreeState {
	if !o.Delta {
		return git.AddTree[forest.Copy](v.TreeWorker, o.Oid, o.Data, nil, nil)
	}
	return git.AddTree(v.TreeWorker, o.Oid, o.Data, o.Base, o.Copies)
}

// Leave implements forest.Visitor.
func (v treeVisitor) Leave(st *git.TreeState) { v.Release(st) }
