package forest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/rekeyhq/rekey/scanner/git"
)

// run is one walk.
type run[S any] struct {
	ctx   context.Context
	g     *graph
	opts  Options
	use   usage
	roots []int32
	next  atomic.Int64 // of roots
	pool  pool[S]

	workers []*worker[S]
	rest    Result // what fallback did
}

func newRun[S any](ctx context.Context, g *graph, opts Options) *run[S] {
	r := &run[S]{ctx: ctx, g: g, opts: opts}
	for i, s := range g.state {
		if g.base[i] < 0 && s&needed != 0 && g.header[i] > 0 {
			r.roots = append(r.roots, int32(i))
		}
	}
	r.pool.init(opts.Workers)
	return r
}

// batch is how many roots a worker takes at once.
const batch = 8

func (r *run[S]) start(newVisitor func(int) Visitor[S]) {
	for k := range r.opts.Workers {
		w := &worker[S]{run: r, g: r.g, visitor: newVisitor(k)}
		w.bufs.shared = &r.use
		r.workers = append(r.workers, w)
	}
	var wg sync.WaitGroup
	for _, w := range r.workers {
		wg.Go(w.work)
	}
	wg.Wait()
}

// fallback asks the caller for what was not read.
func (r *run[S]) fallback() {
	w := r.workers[0]
	for i, s := range r.g.state {
		if s&wanted == 0 || r.g.done[i]&visited != 0 || r.ctx.Err() != nil {
			continue
		}
		o := r.g.oid(int32(i))
		if r.leftToCaller(int32(i)) {
			r.rest.Large = append(r.rest.Large, o)
			continue
		}
		if r.opts.Fallback != nil {
			t, data, err := r.opts.Fallback(o)
			if err == nil {
				if r.g.types[t&typeMask] {
					w.visitor.Leave(w.visitor.Visit(&Object[S]{Oid: o, Type: t, Data: data}))
					r.rest.Objects++
				}
				continue
			}
			if r.g.lost[int32(i)] == nil {
				r.g.lose(int32(i), err)
			}
		}
		r.hole(int32(i), o)
	}
}

// leftToCaller reports whether an unvisited node, or a base under it, was too large.
// It marks the nodes that it comes through, so that all calls together are linear.
func (r *run[S]) leftToCaller(i int32) bool {
	done := r.g.done
	n := i
	for ; n >= 0 && done[n] == 0; n = r.g.base[n] {
		done[n] = unread // for now; it also ends circles
	}
	if n < 0 || done[n]&tooLarge == 0 {
		return false
	}
	for n = i; done[n] == unread; n = r.g.base[n] {
		done[n] = tooLarge
	}
	return true
}

// maxHoles bounds how many holes are listed one by one.
const maxHoles = 10_000

// hole records that a node was not read. The last one of the list stands for all
// that have no room.
func (r *run[S]) hole(i int32, o git.Oid) {
	if len(r.rest.Holes) == maxHoles {
		r.rest.Holes = append(r.rest.Holes, git.Hole{Kind: git.Unreadable, What: "object", Offset: -1,
			Reason: "further objects that are not listed one by one"})
	}
	if len(r.rest.Holes) > maxHoles {
		r.rest.Holes[maxHoles].Count++
		return
	}
	reason := "it is a delta whose base was not read"
	if err := r.g.lost[i]; err != nil {
		reason = err.Error()
	} else if b := r.g.base[i]; b >= 0 {
		reason = fmt.Sprintf("it is a delta whose base %s was not read", r.g.oid(b))
	}
	what := "object"
	if t := git.Type(r.g.state[i] & typeMask); t >= git.Commit && t <= git.Tag {
		what = t.String()
	}
	r.rest.Holes = append(r.rest.Holes, git.Hole{Kind: git.Unreadable, What: what, Path: r.g.packs[r.g.packOf(i)].Name,
		Oid: o, Offset: r.g.off[i], Count: 1, Reason: reason})
}

func (r *run[S]) result() Result {
	res := r.rest
	for _, w := range r.workers {
		s := &res.Stats
		s.Objects += w.stats.Objects
		s.Deltas += w.stats.Deltas
		s.Packed += w.stats.Packed
		s.Inflated += w.stats.Inflated
		s.Bytes += w.stats.Bytes
		s.Copied += w.stats.Copied
		s.Rebuilt += w.stats.Rebuilt
		s.Handed += w.stats.Handed
	}
	res.PeakBytes = r.use.peak.Load()
	return res
}

// pool is where workers wait for a subtree that a busy one hands over.
type pool[S any] struct {
	mu      sync.Mutex
	cond    *sync.Cond
	tasks   []frame[S]
	idle    int
	workers int
	hungry  atomic.Int32 // idle workers for which there is no task yet
}

func (p *pool[S]) init(workers int) {
	p.workers = workers
	p.cond = sync.NewCond(&p.mu)
}

// give hands a task to an idle worker.
func (p *pool[S]) give(f frame[S]) {
	p.mu.Lock()
	p.tasks = append(p.tasks, f)
	p.hungry.Store(int32(p.idle - len(p.tasks)))
	p.mu.Unlock()
	p.cond.Signal()
}

// take waits for a task. It is false when all workers wait: nobody is left who
// could give one.
func (p *pool[S]) take() (frame[S], bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle++
	p.hungry.Store(int32(p.idle - len(p.tasks)))
	if p.idle == p.workers && len(p.tasks) == 0 {
		p.cond.Broadcast()
		return frame[S]{}, false
	}
	for len(p.tasks) == 0 {
		if p.idle == p.workers {
			return frame[S]{}, false
		}
		p.cond.Wait()
	}
	last := len(p.tasks) - 1
	f := p.tasks[last]
	p.tasks[last] = frame[S]{}
	p.tasks = p.tasks[:last]
	p.idle--
	p.hungry.Store(int32(p.idle - len(p.tasks)))
	return f, true
}
