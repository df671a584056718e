package git

// treeMap is what one pass over all trees keeps: how trees contain each other, and
// where in them the wanted things stand. Objects are numbers of the catalog; wanted
// names are numbers after those.
type treeMap struct {
	cat    *catalog
	wanted []bool   // by object
	filter []uint64 // bits over the leading bits of wanted ids
	names  map[string]int32

	workers []*TreeWorker
	treeLinks
	edges []int32 // links, tree after tree
	start []int64 // by object: where a tree's edges begin, or -1
	count []int32
	leads []leading
}

// treeLinks numbers what trees hold: objects under names. Most objects have one name
// all their life.
type treeLinks struct {
	words  []string // names of files and directories
	wordOf map[string]int32
	links  []treeLink
	heads  []int32            // by object: its first link, or -1
	long   map[treeLink]int32 // of objects of more names than shortChain
}

type treeLink struct {
	word   int32
	object int32
	next   int32
}

func newTreeLinks(objects int) treeLinks {
	t := treeLinks{wordOf: map[string]int32{}, long: map[treeLink]int32{}, heads: make([]int32, objects)}
	for i := range t.heads {
		t.heads[i] = -1
	}
	return t
}

// shortChain is how many names of an object are looked through before a map is used.
const shortChain = 8

// link numbers an object under a name.
func (t *treeLinks) link(object int32, name []byte) int32 {
	last, n := int32(-1), 0
	for l := t.heads[object]; l >= 0; l = t.links[l].next {
		if t.words[t.links[l].word] == string(name) {
			return l
		}
		last = l
		n++
	}
	key := treeLink{t.word(name), object, -1}
	if l, ok := t.long[key]; n == shortChain && ok {
		return l
	}
	l := int32(len(t.links))
	t.links = append(t.links, key)
	switch {
	case n == shortChain:
		t.long[key] = l
	case last < 0:
		t.heads[object] = l
	default:
		t.links[last].next = l
	}
	return l
}

// word numbers a name.
func (t *treeLinks) word(name []byte) int32 {
	w, ok := t.wordOf[string(name)]
	if !ok {
		w = int32(len(t.words))
		t.words = append(t.words, string(name))
		t.wordOf[t.words[w]] = w
	}
	return w
}

type leading uint8

const (
	unasked leading = iota
	asking
	leadsNowhere
	leadsToWanted
)

const treeFilterBits = 22

func newTreeMap(c *catalog, objects []int32, names []string) *treeMap {
	total := c.len() + len(names)
	m := &treeMap{cat: c, wanted: make([]bool, total), filter: make([]uint64, 1<<treeFilterBits/64),
		names: make(map[string]int32, len(names)), treeLinks: newTreeLinks(total),
		start: make([]int64, c.len()), count: make([]int32, c.len()), leads: make([]leading, c.len())}
	for i := range m.start {
		m.start[i] = -1
	}
	for _, n := range objects {
		m.wanted[n] = true
		p := be64(c.name(n)) >> (64 - treeFilterBits)
		m.filter[p/64] |= 1 << (p % 64)
	}
	for i, name := range names {
		n := int32(c.len() + i)
		m.names[name] = n
		m.wanted[n] = true
	}
	return m
}

// worker returns a new worker. It is called before any of them works.
func (m *treeMap) worker() *TreeWorker {
	w := &TreeWorker{m: m, treeLinks: newTreeLinks(len(m.wanted))}
	m.workers = append(m.workers, w)
	return w
}

// merge takes in what the workers found. The first one's links are kept as they are.
func (m *treeMap) merge() {
	for i, w := range m.workers {
		to := make([]int32, len(w.links))
		if i == 0 {
			m.treeLinks = w.treeLinks
		}
		for l, link := range w.links {
			to[l] = int32(l)
			if i > 0 {
				to[l] = m.link(link.object, []byte(w.words[link.word]))
			}
		}
		base := int64(len(m.edges))
		for _, e := range w.edges {
			m.edges = append(m.edges, to[e])
		}
		for _, t := range w.trees {
			if m.start[t.tree] < 0 {
				m.start[t.tree], m.count[t.tree] = base+t.start, t.count
			}
		}
		*w = TreeWorker{}
	}
}

func (m *treeMap) edgesOf(t int32) []int32 {
	if int(t) >= len(m.start) || m.start[t] < 0 {
		return nil
	}
	return m.edges[m.start[t] : m.start[t]+int64(m.count[t])]
}

// toWanted reports whether a tree holds something wanted, at any depth. Each tree is
// looked at once.
func (m *treeMap) toWanted(t int32) bool {
	if t < 0 || int(t) >= len(m.leads) {
		return false
	}
	type frame struct{ tree, edge int32 }
	if m.leads[t] == unasked {
		m.leads[t] = asking
		stack := []frame{{t, 0}}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			edges := m.edgesOf(f.tree)
			if int(f.edge) == len(edges) {
				if m.leads[f.tree] == asking {
					m.leads[f.tree] = leadsNowhere
				}
				yes := m.leads[f.tree] == leadsToWanted
				stack = stack[:len(stack)-1]
				if yes && len(stack) > 0 {
					m.leads[stack[len(stack)-1].tree] = leadsToWanted
				}
				continue
			}
			to := m.links[edges[f.edge]].object
			f.edge++
			switch {
			case m.wanted[to]:
				m.leads[f.tree] = leadsToWanted
			case m.leads[to] == leadsToWanted:
				m.leads[f.tree] = leadsToWanted
			case m.leads[to] == unasked:
				m.leads[to] = asking
				stack = append(stack, frame{to, 0})
			}
		}
	}
	return m.leads[t] == leadsToWanted
}
