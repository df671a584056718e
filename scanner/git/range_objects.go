package git

import "fmt"

// objects collects the objects of the range's commits.
func (w *rangeWalk) objects(commits []Oid, exact bool) error {
	for _, o := range commits {
		for _, p := range w.info[o].parents {
			if c, ok := w.info[p]; ok && w.flags[p]&excluded != 0 {
				w.tree(c.tree, w.not, nil, p)
			}
		}
	}
	if exact {
		if err := w.allExcluded(); err != nil {
			return err
		}
	}
	for i, o := range commits {
		if i%64 == 0 && w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		if n, ok := w.cat.find(o); ok {
			w.out.add(n)
		}
		w.tree(w.info[o].tree, w.out, w.not, o)
	}
	return nil
}

// allExcluded marks the objects of every excluded commit.
func (w *rangeWalk) allExcluded() error {
	var stack []Oid
	for o, f := range w.flags {
		if f&excluded != 0 {
			stack = append(stack, o)
		}
	}
	done := map[Oid]bool{}
	for len(stack) > 0 {
		if w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		o := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if done[o] {
			continue
		}
		done[o] = true
		c, err := w.repo.commit(o)
		if err != nil {
			continue
		}
		if n, ok := w.cat.find(o); ok {
			w.not.add(n)
		}
		w.tree(c.Tree, w.not, nil, o)
		stack = append(stack, c.Parents...)
	}
	return nil
}

// tree adds a tree and all below it to a set, but for what another set has. What is
// missing is a hole unless it is excluded anyway.
func (w *rangeWalk) tree(root Oid, into, except *Set, from Oid) {
	stack := []Oid{root}
	for len(stack) > 0 {
		o := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n, ok := w.cat.find(o)
		if ok && (except != nil && except.has(n) || !into.add(n)) {
			continue
		}
		t, data, err := w.repo.Read(o)
		if err == nil && t != Tree {
			err = fmt.Errorf("is a %s, want a tree", t)
		}
		if err != nil {
			if into == w.out && o != HashObject(w.cat.format, Tree, nil) {
				w.missing(o, Tree, err)
			}
			continue
		}
		for it := NewTreeIter(data, w.cat.format); ; {
			e, ok, err := it.Next()
			if err != nil && into == w.out {
				w.holes.add(holeFor(err, "tree", "", o, -1))
			}
			if !ok {
				break
			}
			if e.IsTree() {
				stack = append(stack, e.Oid())
			} else if !e.IsGitlink() {
				if n, ok := w.cat.findID(e.ID()); !ok {
					if b := e.Oid(); into == w.out && b != HashObject(w.cat.format, Blob, nil) {
						w.missing(b, Blob, fmt.Errorf("%w, but %s needs it", errMissing, o))
					}
				} else if except == nil || !except.has(n) {
					into.add(n)
				}
			}
		}
	}
}

func (w *rangeWalk) missing(o Oid, t Type, err error) {
	h := holeFor(err, t.String(), "", o, -1)
	if w.repo.promisor && !w.repo.Has(o) {
		h.Kind, h.Reason = AbsentByChoice, "partial clone: not fetched; nothing is fetched here"
	}
	w.holes.add(h)
}
