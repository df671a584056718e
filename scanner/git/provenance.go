package git

import (
	"context"
	"slices"
	"strings"
)

// Request asks where in a repository's history things stand.
type Request struct {
	// Objects are blobs, commits and annotated tags.
	Objects []Oid
	// Names are names of files or directories, each without slashes.
	Names []string
	// Graph saves a pass over the commits where the caller has one; it must have been
	// filled from this repository.
	Graph *Graph
	// Trees gives every tree of the repository to a worker (AddTree). newWorker must be
	// called before any worker works. nil reads them with Select. Trees is not called
	// where no tree can matter.
	Trees func(ctx context.Context, newWorker func() *TreeWorker) error
	// Every, if set, is called for each commit and path that holds a thing: commits in
	// topological order, the unreachable ones last. i counts Objects, then Names.
	Every func(i int, commit Oid, path string) error
}

// Place is where something stood first.
type Place struct {
	// Path is from the top of the work tree; for a name it ends with the name. Empty
	// for what a ref or tag names directly.
	Path string
	// Commit is the first in topological order (parents first, ties by date) that has
	// the thing at Path; zero where a ref names a blob or tree without a commit.
	Commit Oid
	// Rank orders places by their commits: the smaller the earlier, reachable commits
	// before others, places without a commit last.
	Rank int32
	// Refs are the refs that reach Commit, at most maxPlaceRefs: branches, tags and
	// HEADs; where none does, FETCH_HEAD and the like; else entries of reflogs.
	Refs []string
	// Reachable reports whether a branch, tag, other ref or HEAD reaches Commit.
	Reachable bool
	// InHead reports whether HEAD has the very same thing at Path; for commits whether
	// HEAD reaches it.
	InHead bool
}

// Trace is the answer for one thing. No places means that nothing leads to it: it is
// dangling.
type Trace struct {
	// Places are one for each path, reachable ones first, then by the order of their
	// commits.
	Places []Place
	// More is set where there are more places than are listed.
	More bool
}

// Bounds on what one answer lists; a tree of trees can hold a blob under more paths
// than there are atoms.
const (
	maxPlaces    = 10_000 // for each thing
	maxTreePaths = 250    // under which the same tree is looked into
	maxPathDepth = 4_096
	maxPlaceRefs = 32
)

const lastRank = 1<<31 - 1

// Provenance answers a request: one Trace for each object, then for each name. Every
// tree is read at most once, and none when there is nothing to look for in trees.
// What is damaged was a hole of the pass over all objects; here it leads nowhere.
func (r *Repository) Provenance(ctx context.Context, req Request) ([]Trace, error) {
	c := r.catalog()
	g := req.Graph
	if g == nil || g.cat != c {
		var err error
		if g, err = r.Graph(ctx); err != nil {
			return nil, err
		}
		c = g.cat
	}
	s := &search{ctx: ctx, repo: r, g: g, cat: c, req: req, traces: make([]Trace, len(req.Objects)+len(req.Names)), target: map[int32]int32{}}
	if err := s.run(); err != nil {
		return nil, err
	}
	return s.traces, nil
}

// search is one answer being worked out.
type search struct {
	ctx  context.Context
	repo *Repository
	g    *Graph
	cat  *catalog
	req  Request

	tips   tips
	trees  *treeMap
	target map[int32]int32 // wanted number to index of traces
	traces []Trace
	order  []int32 // reachable commits first
	marked []bool  // reachable, by node
	inHead []bool  // reachable from HEAD, by node
	spots  []spotOf
	paths  pathTable
}

// spotOf remembers, for each place of each trace, its commit's node (or -1).
type spotOf struct {
	trace, place int32
	node         int32
}

func (s *search) run() error {
	var blobs []int32
	var commits, tags []int32 // indexes of req.Objects
	for i, o := range s.req.Objects {
		n, ok := s.cat.find(o)
		if !ok {
			continue
		}
		if _, ok := s.g.nodeOf[n]; ok {
			commits = append(commits, int32(i))
		} else if _, ok := s.g.tags[n]; ok {
			tags = append(tags, int32(i))
		} else {
			blobs = append(blobs, n)
			s.target[n] = int32(i)
		}
	}
	for i := range s.req.Names {
		s.target[int32(s.cat.len()+i)] = int32(len(s.req.Objects) + i)
	}
	s.tips = s.repo.tips(s.g)
	s.sortCommits()
	s.ofCommits(commits)
	s.ofTags(tags)
	if len(blobs)+len(s.req.Names) > 0 {
		if err := s.readTrees(blobs); err != nil {
			return err
		}
		if err := s.inTrees(); err != nil {
			return err
		}
	}
	s.nameRefs()
	for i := range s.traces {
		slices.SortStableFunc(s.traces[i].Places, func(a, b Place) int {
			switch {
			case a.Reachable == b.Reachable:
				return 0
			case a.Reachable:
				return -1
			}
			return 1
		})
	}
	return nil
}

func (s *search) readTrees(blobs []int32) error {
	s.trees = newTreeMap(s.cat, blobs, s.req.Names)
	source := s.req.Trees
	if source == nil {
		source = s.plainTrees
	}
	err := source(s.ctx, s.trees.worker)
	s.trees.merge()
	return err
}

func (s *search) plainTrees(ctx context.Context, newWorker func() *TreeWorker) error {
	w := newWorker()
	_, err := s.repo.Select(ctx, Only(Tree), func(o Object) error {
		w.Release(AddTree[TreeCopy](w, o.Oid, o.Data, nil, nil))
		return nil
	})
	return err
}

// sortCommits orders the commits and marks those that refs reach.
func (s *search) sortCommits() {
	s.marked = make([]bool, len(s.g.nodes))
	s.inHead = make([]bool, len(s.g.nodes))
	var from, head []int32
	for _, t := range s.tips.list {
		if n, ok := s.g.nodeOf[t.object]; ok {
			if t.tier == strongTip {
				from = append(from, n)
			}
			if t.head {
				head = append(head, n)
			}
		}
	}
	s.g.reach(from, s.marked)
	s.g.reach(head, s.inHead)
	all := s.g.topological()
	s.order = make([]int32, 0, len(all))
	for _, want := range []bool{true, false} {
		for _, n := range all {
			if s.marked[n] == want {
				s.order = append(s.order, n)
			}
		}
	}
}

func (s *search) ofCommits(indexes []int32) {
	for _, i := range indexes {
		n, _ := s.cat.find(s.req.Objects[i])
		node := s.g.nodeOf[n]
		s.place(i, Place{Rank: lastRank, Commit: s.req.Objects[i], Reachable: s.marked[node], InHead: s.inHead[node]}, node)
	}
}

// ofTags places annotated tags: by the refs that name them.
func (s *search) ofTags(indexes []int32) {
	want := map[int32]int32{}
	for _, i := range indexes {
		n, _ := s.cat.find(s.req.Objects[i])
		want[n] = i
	}
	for _, t := range s.tips.list {
		for _, tag := range t.tags {
			i, ok := want[tag]
			if !ok {
				continue
			}
			s.direct(i, "", t)
		}
	}
	for _, i := range indexes {
		if len(s.traces[i].Places) == 0 { // nothing names it: say what it is on
			n, _ := s.cat.find(s.req.Objects[i])
			end, _ := s.g.peel(n)
			if node, ok := s.g.nodeOf[end]; ok {
				s.traces[i].Places = []Place{{Rank: lastRank, Commit: s.cat.oid(s.g.nodes[node].object)}}
			}
		}
	}
}

// direct places what a ref names without a commit in between.
func (s *search) direct(i int32, path string, t tip) {
	tr := &s.traces[i]
	for j := range tr.Places {
		p := &tr.Places[j]
		if p.Path == path {
			p.Reachable = p.Reachable || t.tier == strongTip
			if p.Commit.IsZero() || len(t.tags) > 0 {
				p.Refs = addRef(p.Refs, t.name)
			}
			return
		}
	}
	p := Place{Path: path, Rank: lastRank, Reachable: t.tier == strongTip, Refs: []string{t.name}, InHead: t.head}
	if node, ok := s.g.nodeOf[t.object]; ok {
		p.Commit = s.cat.oid(s.g.nodes[node].object)
	}
	s.traces[i].Places = append(s.traces[i].Places, p)
}

func addRef(refs []string, name string) []string {
	if len(refs) >= maxPlaceRefs || slices.Contains(refs, name) {
		return refs
	}
	return append(refs, name)
}

// place adds a place whose refs are still to be found.
func (s *search) place(i int32, p Place, node int32) (added int32) {
	tr := &s.traces[i]
	if len(tr.Places) >= maxPlaces {
		tr.More = true
		return -1
	}
	s.spots = append(s.spots, spotOf{trace: i, place: int32(len(tr.Places)), node: node})
	tr.Places = append(tr.Places, p)
	return int32(len(tr.Places) - 1)
}

// nameRefs finds the refs that reach the commits of all places.
func (s *search) nameRefs() {
	need := map[int32][]string{}
	for _, sp := range s.spots {
		if sp.node >= 0 {
			need[sp.node] = nil
		}
	}
	s.tips.reaching(s.g, need)
	for _, sp := range s.spots {
		if sp.node >= 0 {
			s.traces[sp.trace].Places[sp.place].Refs = need[sp.node]
		}
	}
}

// pathTable numbers paths: each is a parent and a name. Path 0 is the top.
type pathTable struct {
	parent []int32
	word   []int32 // of treeMap.words
	depth  []int32
	ids    map[uint64]int32
}

func (t *pathTable) init() {
	t.parent, t.word, t.depth = []int32{-1}, []int32{-1}, []int32{0}
	t.ids = map[uint64]int32{}
}

// sub returns the number of the path parent/word.
func (t *pathTable) sub(parent, word int32) int32 {
	key := uint64(uint32(parent))<<32 | uint64(uint32(word))
	id, ok := t.ids[key]
	if !ok {
		id = int32(len(t.parent))
		t.parent, t.word, t.depth = append(t.parent, parent), append(t.word, word), append(t.depth, t.depth[parent]+1)
		t.ids[key] = id
	}
	return id
}

// join writes the path id, then the last word.
func (t *pathTable) join(m *treeMap, id, last int32) string {
	parts := []string{m.words[last]}
	for ; id > 0; id = t.parent[id] {
		parts = append(parts, m.words[t.word[id]])
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}
