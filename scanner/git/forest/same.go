package forest

import (
	"slices"

	"github.com/rekeyhq/rekey/scanner/git"
)

// cursor goes through an index in order of id.
type cursor struct {
	oid  git.Oid
	pack int
	pos  int
}

func (c *cursor) before(d *cursor) bool {
	if a, b := c.oid.Prefix(), d.oid.Prefix(); a != b {
		return a < b
	}
	if k := c.oid.Compare(d.oid); k != 0 {
		return k < 0
	}
	return c.pack < d.pack
}

// same returns for each node the one with the same id in the earliest pack, or -1 if
// it is that; nil where no id is in two packs. The indexes are sorted by id, so they
// are merged, with a heap of one cursor for each pack.
func (g *graph) same() []int32 {
	if len(g.packs) < 2 {
		return nil
	}
	var heap []cursor
	down := func(i int) {
		for {
			c := 2*i + 1
			if c >= len(heap) {
				return
			}
			if c+1 < len(heap) && heap[c+1].before(&heap[c]) {
				c++
			}
			if !heap[c].before(&heap[i]) {
				return
			}
			heap[i], heap[c] = heap[c], heap[i]
			i = c
		}
	}
	for k, p := range g.packs {
		if p.Index.Len() > 0 {
			heap = append(heap, cursor{p.Index.Oid(0), k, 0})
		}
	}
	for i := len(heap) - 1; i >= 0; i-- {
		down(i)
	}
	var same []int32
	var last cursor
	started := false
	first := int32(-1) // node of last, once it was looked for
	for len(heap) > 0 {
		c := &heap[0]
		if !started || c.oid != last.oid {
			started, last, first = true, *c, -1
		} else {
			if same == nil {
				same = slices.Repeat([]int32{-1}, len(g.base))
			}
			if first < 0 {
				first = g.node(last.pack, last.pos)
			}
			if n := g.node(c.pack, c.pos); n != first {
				same[n] = first
			}
		}
		if c.pos++; c.pos < g.packs[c.pack].Index.Len() {
			c.oid = g.packs[c.pack].Index.Oid(c.pos)
		} else {
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		}
		down(0)
	}
	return same
}

// node returns the node of a position of an index.
func (g *graph) node(pack, pos int) int32 {
	lo, hi := g.first[pack], g.first[pack+1]
	j, _ := slices.BinarySearch(g.off[lo:hi], g.packs[pack].Index.Offset(pos))
	for ; int(g.pos[lo+int32(j)]) != pos; j++ { // several ids may claim one offset
	}
	return lo + int32(j)
}
