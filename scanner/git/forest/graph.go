package forest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sort"
	"sync"

	"github.com/rekeyhq/rekey/scanner/git"
)

// maxLarge keeps sizes in 32 bits, signed ones included.
const maxLarge = 1 << 30

// graph.state of a node: its git.Type, in the end that of its family, and flags.
const (
	typeMask = 7
	wanted   = 1 << 3 // to be visited
	needed   = 1 << 4 // wanted, or the base of a needed one
)

// graph.done of a node. While the graph is walked only the worker that has the node
// touches it.
const (
	visited  = 1 << 0
	tooLarge = 1 << 1 // left to the caller
	unread   = 1 << 2 // neither, and the bases under it are not too large
)

// nodes are flat arrays, 35 bytes a node: one for each entry of each pack, in order
// of packs and of offsets.
type nodes struct {
	off     []int64  // where the entry begins
	pos     []int32  // its position in the index
	base    []int32  // or -1
	child   []int32  // first of those based on it, or -1
	sibling []int32  // next with the same base, or -1
	size    []uint32 // of the inflated entry
	header  []uint8  // bytes before the compressed ones; 0: not read
	state   []uint8
	done    []uint8
}

func newNodes(n int) nodes {
	return nodes{
		off: make([]int64, 0, n), pos: make([]int32, 0, n),
		base:  slices.Repeat([]int32{-1}, n),
		child: slices.Repeat([]int32{-1}, n), sibling: slices.Repeat([]int32{-1}, n),
		size: make([]uint32, n), header: make([]uint8, n), state: make([]uint8, n), done: make([]uint8, n),
	}
}

// graph is the forest.
type graph struct {
	nodes
	packs []Pack
	first []int32 // first node of each pack; one more for the end
	end   []int64 // of each pack: where its trailer begins
	types [8]bool // wanted

	mu   sync.Mutex
	lost map[int32]error // why nodes were not read, where it is not for their base
}

// plant builds the forest of packs.
func plant(ctx context.Context, packs []Pack, opts Options) (*graph, error) {
	g := &graph{packs: packs, first: make([]int32, len(packs)+1), end: make([]int64, len(packs)), lost: map[int32]error{}}
	total := 0
	for k, p := range packs {
		if total += p.Index.Len(); total > math.MaxInt32-1 {
			return nil, ErrTooMany
		}
		g.first[k+1] = int32(total)
		g.end[k] = int64(len(p.Data) - p.Index.PackChecksum().Format().Size())
	}
	for _, t := range opts.Types {
		g.types[t&typeMask] = true
	}
	if len(opts.Types) == 0 {
		g.types = [8]bool{1: true, 2: true, 3: true, 4: true}
	}
	g.nodes = newNodes(total)
	if len(packs) == 1 {
		g.pos, g.off = byOffset(packs[0].Index)
	} else {
		for _, p := range packs {
			pos, off := byOffset(p.Index)
			g.pos, g.off = append(g.pos, pos...), append(g.off, off...)
		}
	}
	for k := range packs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g.readHeaders(k, opts)
	}
	same := g.same()
	if same != nil {
		for i, b := range g.base {
			if b >= 0 && same[b] >= 0 {
				g.base[i] = same[b] // the copy that is visited; of a pack that is not behind b's
			}
		}
	}
	g.link()
	g.settle()
	g.want(opts, same)
	return g, nil
}

// readHeaders reads the headers of a pack's entries and finds their bases.
func (g *graph) readHeaders(pack int, opts Options) {
	lo, hi := g.first[pack], g.first[pack+1]
	at := newPlaces(g.off[lo:hi])
	n := int64(hi-lo)/int64(opts.Workers) + 1
	var wg sync.WaitGroup
	for from := int64(lo); from < int64(hi); from += n {
		wg.Go(func() {
			debug.SetPanicOnFault(true)
			for i := from; i < min(from+n, int64(hi)); i++ {
				if err := g.readHeader(pack, int32(i), at, opts.Large); err != nil {
					g.lose(int32(i), err)
				}
			}
		})
	}
	wg.Wait()
}

func (g *graph) readHeader(pack int, i int32, at places, large int64) (err error) {
	defer onFault(&err)
	p := g.packs[pack]
	off, end := g.off[i], g.end[pack]
	if off < 12 || off >= end {
		return fmt.Errorf("pack of %d bytes has no entry at %d", len(p.Data), off)
	}
	h, err := git.ParseEntryHeader(p.Data[off:min(end, off+git.MaxEntryHeader)], off, p.Index.PackChecksum().Format())
	if err != nil {
		return err
	}
	switch h.Type {
	case git.OfsDelta:
		b, ok := at.find(h.Base)
		if !ok {
			return fmt.Errorf("delta's base: no object at %d", h.Base)
		}
		g.base[i] = g.first[pack] + b
	case git.RefDelta:
		b, ok := g.find(pack, h.BaseOid)
		if !ok {
			return fmt.Errorf("delta's base %s is not in the packs", h.BaseOid)
		}
		g.base[i] = b
	}
	g.state[i] = uint8(h.Type)
	g.header[i] = uint8(h.Len)
	if h.Size > large {
		g.done[i] = tooLarge
		return nil
	}
	g.size[i] = uint32(h.Size)
	return nil
}

// find looks for an object in its own pack, then in the others.
func (g *graph) find(pack int, o git.Oid) (int32, bool) {
	for k := range len(g.packs) + 1 {
		q := k - 1
		if k == 0 {
			q = pack
		}
		x := g.packs[q].Index
		if pos, ok := x.Find(o); ok {
			return g.node(q, pos), true
		}
	}
	return 0, false
}

// want marks what is to be visited, each id once, and what that needs. same is as
// from the method.
func (g *graph) want(opts Options, same []int32) {
	for i := range g.base {
		if same != nil && same[i] >= 0 {
			continue
		}
		if t := g.state[i] & typeMask; t != 0 && !g.types[t] {
			continue
		}
		if opts.Skip != nil && opts.Skip(g.oid(int32(i))) {
			continue
		}
		g.state[i] |= wanted
		for n := int32(i); n >= 0 && g.state[n]&needed == 0; n = g.base[n] {
			g.state[n] |= needed
		}
	}
}

// link makes the lists of children: in order of offset, but the one on which most is
// based comes last. A frame of the walk's stack is dropped before its last child, so
// that at most log2(nodes) bases wait at any time, however the deltas are arranged.
func (g *graph) link() {
	weight := g.weights()
	heavy := slices.Repeat([]int32{-1}, len(g.base))
	for i, b := range g.base {
		if b >= 0 && (heavy[b] < 0 || weight[i] >= weight[heavy[b]]) {
			heavy[b] = int32(i)
		}
	}
	copy(g.child, heavy)
	for i := int32(len(g.base)) - 1; i >= 0; i-- {
		if b := g.base[i]; b >= 0 && heavy[b] != i {
			g.sibling[i], g.child[b] = g.child[b], i
		}
	}
}

// weights returns how many nodes each node's subtree has. In circles they mean nothing.
func (g *graph) weights() []int32 {
	weight := slices.Repeat([]int32{1}, len(g.base))
	forward := false
	for i, b := range g.base {
		forward = forward || b >= int32(i)
	}
	if !forward { // as in nearly all packs: bases come first
		for i := len(g.base) - 1; i >= 0; i-- {
			if b := g.base[i]; b >= 0 {
				weight[b] += weight[i]
			}
		}
		return weight
	}
	open := make([]int32, len(g.base)) // children that are not counted yet
	for _, b := range g.base {
		if b >= 0 {
			open[b]++
		}
	}
	var ready []int32
	for i, n := range open {
		if n == 0 {
			ready = append(ready, int32(i))
		}
	}
	for len(ready) > 0 {
		i := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		if b := g.base[i]; b >= 0 {
			weight[b] += weight[i]
			if open[b]--; open[b] == 0 {
				ready = append(ready, b)
			}
		}
	}
	return weight
}

// unsettled is the type of nodes whose family is being looked for, 0 that of
// families without a readable root: bases that go in a circle or are damaged.
const unsettled = 5

// settle gives each delta the type of its family's root, in linear time.
func (g *graph) settle() {
	for i := range g.base {
		n := int32(i)
		for ; g.base[n] >= 0 && g.state[n]&typeMask > unsettled; n = g.base[n] {
			g.state[n] = g.state[n]&^typeMask | unsettled
		}
		t := g.state[n] & typeMask
		if t == unsettled {
			t = 0
		}
		for n = int32(i); g.base[n] >= 0 && g.state[n]&typeMask == unsettled; n = g.base[n] {
			g.state[n] = g.state[n]&^typeMask | t
		}
	}
}

// oid returns a node's id.
func (g *graph) oid(i int32) git.Oid {
	return g.packs[g.packOf(i)].Index.Oid(int(g.pos[i]))
}

func (g *graph) packOf(i int32) int {
	if len(g.packs) == 1 {
		return 0
	}
	return sort.Search(len(g.packs), func(k int) bool { return g.first[k+1] > i })
}

// lose remembers why a node was not read.
func (g *graph) lose(i int32, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost[i] = err
}

// errFault is a page of a mapped file that could not be read: the file was cut.
var errFault = errors.New("pack cannot be read: the file was cut or the disk fails")

// onFault turns a fault of mapped memory into an error; the goroutine must have set
// debug.SetPanicOnFault.
func onFault(err *error) {
	switch r := recover().(type) {
	case nil:
	case interface{ Addr() uintptr }:
		*err = errFault
	default:
		panic(r)
	}
}
