package git

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// tier orders what keeps objects alive: refs and HEADs, then FETCH_HEAD and its like,
// then reflogs.
type tier uint8

const (
	strongTip tier = iota
	weakTip
	reflogTip
)

// tip is a name for an object, annotated tags followed.
type tip struct {
	name   string
	object int32
	tags   []int32 // annotated tags on the way
	tier   tier
	head   bool // the HEAD of this work tree
}

type tips struct{ list []tip }

// tips lists all refs, pseudo refs and reflog entries whose objects are there.
func (r *Repository) tips(g *Graph) tips {
	var t tips
	add := func(name string, o Oid, level tier, head bool) {
		if n, ok := g.cat.find(o); ok {
			end, tags := g.peel(n)
			t.list = append(t.list, tip{name: name, object: end, tags: tags, tier: level, head: head})
		}
	}
	refs, _ := r.Refs() // damage is a hole of the pass
	head, _ := r.Head()
	for _, ref := range refs {
		level := strongTip
		if ref.Kind == PseudoRef && !ref.IsHead() {
			level = weakTip
		}
		add(ref.Name, ref.Oid, level, ref.Name == head.Name)
	}
	logs, _ := r.Reflogs()
	for _, e := range logs {
		name := fmt.Sprintf("%s@{%d}", e.Ref, e.Index)
		add(name, e.New, reflogTip, false)
		add(name, e.Old, reflogTip, false)
	}
	slices.SortStableFunc(t.list, func(a, b tip) int {
		if a.tier != b.tier {
			return int(a.tier) - int(b.tier)
		}
		return rank(a.name) - rank(b.name)
	})
	return t
}

// rank puts first the refs that people know.
func rank(name string) int {
	for i, prefix := range []string{"refs/heads/", "refs/tags/", "HEAD", "refs/remotes/", "refs/"} {
		if strings.HasPrefix(name, prefix) {
			return i
		}
	}
	return 9
}

// maxTipBlocks bounds the work for repositories with very many refs: 65,536 different
// commits that refs name. Refs beyond it are not named in places.
const maxTipBlocks = 1024

// reaching fills need with the names of the tips that reach each node: 64 tips in one
// walk over all commits, children first.
func (t tips) reaching(g *Graph, need map[int32][]string) {
	if len(need) == 0 {
		return
	}
	order := g.topological()
	var wanted []int32 // slices: this is walked once for each block
	for n := range need {
		wanted = append(wanted, n)
	}
	found := make([][]string, len(wanted))
	done := make([]bool, len(wanted)) // by a stronger tier
	mask := make([]uint64, len(g.nodes))
	for level := strongTip; level <= reflogTip; level++ {
		nodes, names := t.byNode(g, level)
		for from := 0; from < len(nodes) && from < 64*maxTipBlocks; from += 64 {
			block := nodes[from:min(from+64, len(nodes))]
			clear(mask)
			for i, n := range block {
				mask[n] |= 1 << i
			}
			for i := len(order) - 1; i >= 0; i-- {
				if m := mask[order[i]]; m != 0 {
					g.parentsOf(order[i], func(p int32) { mask[p] |= m })
				}
			}
			for w, n := range wanted {
				for m := mask[n]; m != 0 && !done[w] && len(found[w]) < maxPlaceRefs; m &= m - 1 {
					for _, name := range names[from+bits.TrailingZeros64(m)] {
						found[w] = addRef(found[w], name)
					}
				}
			}
		}
		for w := range wanted {
			done[w] = found[w] != nil
		}
	}
	for w, n := range wanted {
		need[n] = found[w]
	}
}

// byNode lists the different commits that tips of a tier name, with the tips' names.
func (t tips) byNode(g *Graph, level tier) (nodes []int32, names [][]string) {
	at := map[int32]int{}
	for _, tp := range t.list {
		n, ok := g.nodeOf[tp.object]
		if !ok || tp.tier != level {
			continue
		}
		i, ok := at[n]
		if !ok {
			i = len(nodes)
			at[n] = i
			nodes, names = append(nodes, n), append(names, nil)
		}
		names[i] = addRef(names[i], tp.name)
	}
	return nodes, names
}
