package git

import (
	"container/heap"
	"context"
)

// Graph is the commits and annotated tags of a repository as numbers, for questions
// about history. Fill it from a pass over the objects with Add, or with
// Repository.Graph. It is not safe for concurrent use while it is filled.
//
// Replacements and grafts are not applied: commits have the parents and trees that
// they were made with.
type Graph struct {
	cat     *catalog
	nodes   []node
	parents []int32         // numbers of objects
	nodeOf  map[int32]int32 // commit's object number to its node
	tags    map[int32]int32 // annotated tag's object number to its target's
	order   []int32         // nodes, parents first; made at first use
	linked  []int32         // parents as nodes, -1 where absent; made at first use
}

// node is one commit.
type node struct {
	object int32
	tree   int32 // object number, or -1
	date   int64 // of the committer
	first  int32 // its parents are parents[first:next node's first]
}

// NewGraph returns an empty graph.
func (r *Repository) NewGraph() *Graph {
	return &Graph{cat: r.catalog(), nodeOf: map[int32]int32{}, tags: map[int32]int32{}}
}

// Graph reads all commits and annotated tags.
func (r *Repository) Graph(ctx context.Context) (*Graph, error) {
	g := r.NewGraph()
	_, err := r.Select(ctx, Only(Commit, Tag), func(o Object) error {
		g.Add(o.Oid, o.Type, o.Data)
		return nil
	})
	return g, err
}

// Add adds a commit or tag; other objects are ignored.
func (g *Graph) Add(o Oid, t Type, data []byte) {
	n, ok := g.cat.find(o)
	if !ok {
		return
	}
	switch t {
	case Commit:
		if _, twice := g.nodeOf[n]; twice {
			return
		}
		c, _ := ParseCommit(data, g.cat.format) // damage is a hole of the pass
		nd := node{object: n, tree: -1, date: ParseIdent(c.Committer.Of(data)).Unix, first: int32(len(g.parents))}
		if t, ok := g.cat.find(c.Tree); ok {
			nd.tree = t
		}
		for _, p := range c.Parents {
			if pn, ok := g.cat.find(p); ok {
				g.parents = append(g.parents, pn)
			}
		}
		g.nodeOf[n] = int32(len(g.nodes))
		g.nodes = append(g.nodes, nd)
		g.order, g.linked = nil, nil
	case Tag:
		tag, _ := ParseTag(data, g.cat.format)
		if to, ok := g.cat.find(tag.Object); ok {
			g.tags[n] = to
		}
	}
}

// Commits returns how many commits the graph has.
func (g *Graph) Commits() int { return len(g.nodes) }

// parentsOf calls fn for the nodes of a node's parents that are there.
func (g *Graph) parentsOf(i int32, fn func(int32)) {
	end := int32(len(g.parents))
	if int(i)+1 < len(g.nodes) {
		end = g.nodes[i+1].first
	}
	if g.linked == nil {
		g.link()
	}
	for _, p := range g.linked[g.nodes[i].first:end] {
		if p >= 0 {
			fn(p)
		}
	}
}

func (g *Graph) link() {
	g.linked = make([]int32, len(g.parents))
	for i, p := range g.parents {
		n, ok := g.nodeOf[p]
		if !ok {
			n = -1
		}
		g.linked[i] = n
	}
}

// peel follows annotated tags to what they name in the end, and lists the tags.
func (g *Graph) peel(object int32) (end int32, tags []int32) {
	for len(tags) < 100 { // a circle cannot be hashed, but costs nothing to exclude
		to, ok := g.tags[object]
		if !ok {
			break
		}
		tags = append(tags, object)
		object = to
	}
	return object, tags
}

// topological returns all nodes, parents before children, ties by date.
func (g *Graph) topological() []int32 {
	if g.order != nil {
		return g.order
	}
	waits := make([]int32, len(g.nodes))
	starts := make([]int32, len(g.nodes)+1)
	for i := range g.nodes {
		g.parentsOf(int32(i), func(p int32) {
			waits[i]++
			starts[p+1]++
		})
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	children := make([]int32, starts[len(g.nodes)])
	fill := append([]int32(nil), starts...)
	for i := range g.nodes {
		g.parentsOf(int32(i), func(p int32) {
			children[fill[p]] = int32(i)
			fill[p]++
		})
	}
	ready := &byDate{g: g}
	for i := range g.nodes {
		if waits[i] == 0 {
			ready.nodes = append(ready.nodes, int32(i))
		}
	}
	heap.Init(ready)
	g.order = make([]int32, 0, len(g.nodes))
	for len(ready.nodes) > 0 {
		i := heap.Pop(ready).(int32)
		g.order = append(g.order, i)
		for _, c := range children[starts[i]:starts[i+1]] {
			if waits[c]--; waits[c] == 0 {
				heap.Push(ready, c)
			}
		}
	}
	return g.order
}

// byDate is a heap of nodes, oldest first; equal dates by id, so that every run gives
// the same order.
type byDate struct {
	g     *Graph
	nodes []int32
}

func (h *byDate) Len() int { return len(h.nodes) }
func (h *byDate) Less(i, j int) bool {
	a, b := &h.g.nodes[h.nodes[i]], &h.g.nodes[h.nodes[j]]
	if a.date != b.date {
		return a.date < b.date
	}
	return a.object < b.object
}
func (h *byDate) Swap(i, j int) { h.nodes[i], h.nodes[j] = h.nodes[j], h.nodes[i] }
func (h *byDate) Push(x any)    { h.nodes = append(h.nodes, x.(int32)) }
func (h *byDate) Pop() any {
	x := h.nodes[len(h.nodes)-1]
	h.nodes = h.nodes[:len(h.nodes)-1]
	return x
}

// reach marks all nodes that from reaches, itself included.
func (g *Graph) reach(from []int32, marked []bool) {
	stack := append([]int32(nil), from...)
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if marked[i] {
			continue
		}
		marked[i] = true
		g.parentsOf(i, func(p int32) {
			if !marked[p] {
				stack = append(stack, p)
			}
		})
	}
}
