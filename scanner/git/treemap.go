package git

// treeMap is what one pass over all trees keeps: how trees contain each other, and
// where in them the wanted things stand. Objects are numbers of the catalog; wanted
// names are numbers after those.
type treeMap struct {
	cat    *catalog
	wanted []bool           // by object
	filter []uint64         // bits over the leading 18 bits of wanted ids
	names  map[string]int32 // wanted ones, to their numbers

	words  []string // names of files and directories
	wordOf map[string]int32
	links  []treeLink
	heads  []int32 // by object: its first link, or -1
	long   map[treeLink]int32

	edges []int32 // links, tree after tree
	start []int64 // by object: where a tree's edges begin, or -1
	count []int32
	leads []leading
}

// treeLink is an object under a name. Most objects have one name all their life.
type treeLink struct {
	word   int32
	object int32
	next   int32
}

type leading uint8

const (
	unasked leading = iota
	asking
	leadsNowhere
	leadsToWanted
)

const treeFilterBits = 18

func newTreeMap(c *catalog, objects []int32, names []string) *treeMap {
	total := c.len() + len(names)
	m := &treeMap{cat: c, wanted: make([]bool, total), filter: make([]uint64, 1<<treeFilterBits/64),
		names: make(map[string]int32, len(names)), heads: make([]int32, total), long: map[treeLink]int32{}, wordOf: map[string]int32{},
		start: make([]int64, c.len()), count: make([]int32, c.len()), leads: make([]leading, c.len())}
	for i := range m.heads {
		m.heads[i] = -1
	}
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

// add takes in one tree.
func (m *treeMap) add(o Oid, data []byte) {
	t, ok := m.cat.find(o)
	if !ok || m.start[t] >= 0 {
		return
	}
	m.start[t] = int64(len(m.edges))
	for it := NewTreeIter(data, m.cat.format); ; {
		e, ok, _ := it.Next() // damage is a hole of the pass
		if !ok {
			break
		}
		if len(m.names) > 0 {
			if n, ok := m.names[string(e.Name)]; ok {
				m.edge(n, e.Name)
			}
		}
		if !e.IsTree() {
			if e.IsGitlink() {
				continue
			}
			p := be64(e.ID()) >> (64 - treeFilterBits)
			if m.filter[p/64]&(1<<(p%64)) == 0 {
				continue
			}
		}
		if n, ok := m.cat.findID(e.ID()); ok && (e.IsTree() || m.wanted[n]) {
			m.edge(n, e.Name)
		}
	}
	m.count[t] = int32(int64(len(m.edges)) - m.start[t])
}

// shortChain is how many names of an object are looked through before a map is used.
const shortChain = 8

// edge adds an edge from the tree that is being added.
func (m *treeMap) edge(object int32, name []byte) {
	last, n := int32(-1), 0
	for l := m.heads[object]; l >= 0; l = m.links[l].next {
		if m.words[m.links[l].word] == string(name) {
			m.edges = append(m.edges, l)
			return
		}
		last = l
		n++
	}
	key := treeLink{m.word(name), object, -1}
	if l, ok := m.long[key]; n == shortChain && ok {
		m.edges = append(m.edges, l)
		return
	}
	l := int32(len(m.links))
	m.links = append(m.links, key)
	switch {
	case n == shortChain:
		m.long[key] = l
	case last < 0:
		m.heads[object] = l
	default:
		m.links[last].next = l
	}
	m.edges = append(m.edges, l)
}

// word numbers a name.
func (m *treeMap) word(name []byte) int32 {
	w, ok := m.wordOf[string(name)]
	if !ok {
		w = int32(len(m.words))
		m.words = append(m.words, string(name))
		m.wordOf[m.words[w]] = w
	}
	return w
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
