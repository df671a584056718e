package git

import "sort"

// TreeWorker takes in trees for Provenance, for one goroutine.
type TreeWorker struct {
	m *treeMap
	treeLinks
	edges []int32
	trees []workerTree
	free  []*TreeState
}

type workerTree struct {
	tree  int32
	start int64 // in edges
	count int32
}

// TreeState is what a worker knows of one tree, for trees that are made from it by
// copying ranges.
type TreeState struct {
	worker *TreeWorker
	bounds []int32 // where entries begin, and the end of the last
	at     []int32 // which entries have edges
	start  int64   // of the edges in worker.edges
}

// TreeCopy says that Len bytes of a tree at Dst equal those of its base at Src.
type TreeCopy = struct{ Dst, Src, Len int }

// AddTree takes in a tree. Where it was made from the tree of base, copies say which
// of its ranges equal ranges of that one: in order of Dst and not overlapping. base may
// be nil, or another worker's, and is not changed. The state is the caller's until it
// is given to Release.
func AddTree[C ~struct{ Dst, Src, Len int }](w *TreeWorker, o Oid, data []byte, base *TreeState, copies []C) *TreeState {
	st := w.state()
	st.start = int64(len(w.edges))
	if base == nil || base.worker != w {
		copies = nil // its edges are numbered otherwise
	}
	it := NewTreeIter(data, w.m.cat.format)
	for it.at < len(data) {
		for len(copies) > 0 && TreeCopy(copies[0]).Dst+TreeCopy(copies[0]).Len <= it.at {
			copies = copies[1:]
		}
		if len(copies) > 0 && TreeCopy(copies[0]).Dst <= it.at && w.inherit(st, base, &it, TreeCopy(copies[0])) {
			continue
		}
		from := it.at
		e, ok, _ := it.Next() // damage is a hole of the pass
		if !ok {
			break
		}
		st.bounds = append(st.bounds, int32(from))
		w.entry(st, e)
	}
	st.bounds = append(st.bounds, int32(it.at))
	if t, ok := w.m.cat.find(o); ok {
		w.trees = append(w.trees, workerTree{t, st.start, int32(int64(len(w.edges)) - st.start)})
	}
	return st
}

// inherit takes over the entries that lie whole in a copied range and begin where the
// tree has been read to, and reports whether there were any: the same bytes from the
// beginning of an entry on are the same entries.
func (w *TreeWorker) inherit(st, base *TreeState, it *TreeIter, c TreeCopy) bool {
	shift := int32(c.Dst - c.Src)
	src := int32(it.at) - shift
	first := sort.Search(len(base.bounds), func(i int) bool { return base.bounds[i] >= src })
	if first == len(base.bounds) || base.bounds[first] != src {
		return false
	}
	end := int32(c.Src + c.Len)
	last := first + sort.Search(len(base.bounds)-first, func(i int) bool { return base.bounds[first+i] > end }) - 1
	if last <= first {
		return false
	}
	moved := int32(len(st.bounds) - first)
	for _, b := range base.bounds[first:last] {
		st.bounds = append(st.bounds, b+shift)
	}
	for i := sort.Search(len(base.at), func(i int) bool { return int(base.at[i]) >= first }); i < len(base.at) && int(base.at[i]) < last; i++ {
		st.at = append(st.at, base.at[i]+moved)
		w.edges = append(w.edges, w.edges[base.start+int64(i)])
	}
	it.at = int(base.bounds[last] + shift)
	return true
}

// entry adds the edges of the entry that was read last.
func (w *TreeWorker) entry(st *TreeState, e TreeEntry) {
	m := w.m
	add := func(object int32) {
		w.edges = append(w.edges, w.link(object, e.Name))
		st.at = append(st.at, int32(len(st.bounds)-1))
	}
	if len(m.names) > 0 {
		if n, ok := m.names[string(e.Name)]; ok {
			add(n)
		}
	}
	if !e.IsTree() {
		if e.IsGitlink() {
			return
		}
		p := be64(e.ID()) >> (64 - treeFilterBits)
		if m.filter[p/64]&(1<<(p%64)) == 0 {
			return
		}
	}
	if n, ok := m.cat.findID(e.ID()); ok && (e.IsTree() || m.wanted[n]) {
		add(n)
	}
}

func (w *TreeWorker) state() *TreeState {
	if n := len(w.free); n > 0 {
		st := w.free[n-1]
		w.free = w.free[:n-1]
		st.worker = w
		return st
	}
	return &TreeState{worker: w}
}

// Release gives a state up that no further tree is made from; it may be another
// worker's.
func (w *TreeWorker) Release(st *TreeState) {
	if st != nil && len(w.free) < 64 {
		st.bounds, st.at = st.bounds[:0], st.at[:0]
		w.free = append(w.free, st)
	}
}
