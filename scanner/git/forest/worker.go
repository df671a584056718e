package forest

import (
	"errors"
	"fmt"
	"hash/crc32"
	"runtime/debug"
	"sync/atomic"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/inflate"
)

// worker visits families of deltas, depth first.
type worker[S any] struct {
	run     *run[S]
	g       *graph
	visitor Visitor[S]
	bufs    buffers
	inf     inflate.Decoder
	delta   []byte // instructions of the delta at hand
	copies  []Copy
	stack   []frame[S]
	object  Object[S]
	path    []int32 // of rebuild
	stats   Stats
}

// frame is an object on which others are still to be based.
type frame[S any] struct {
	node   int32
	next   int32  // next of its children
	only   bool   // no others after next: another worker has them
	seen   bool   // visited: kept counts
	buf    []byte // nil: dropped, to be made again
	size   int
	kept   S
	shared *atomic.Int32 // set where several workers have this frame: how many
}

// work takes roots until there are none, then subtrees of other workers.
func (w *worker[S]) work() {
	debug.SetPanicOnFault(true)
	r := w.run
	for r.ctx.Err() == nil {
		from := r.next.Add(batch) - batch
		if from >= int64(len(r.roots)) {
			break
		}
		for _, root := range r.roots[from:min(from+batch, int64(len(r.roots)))] {
			w.root(root)
		}
	}
	for {
		f, ok := r.pool.take()
		if !ok {
			break
		}
		w.stack = append(w.stack[:0], f)
		w.descend()
	}
	w.bufs.flush()
}

// root visits a family.
func (w *worker[S]) root(i int32) {
	buf, err := w.whole(i)
	if err != nil {
		w.g.lose(i, err)
		return
	}
	w.stack = w.stack[:0]
	if w.arrive(i, buf, nil, nil) {
		w.descend()
	}
}

// whole inflates an entry that is no delta.
func (w *worker[S]) whole(i int32) ([]byte, error) {
	if w.g.done[i]&tooLarge != 0 {
		return nil, errLarge
	}
	if err := w.plausible(i); err != nil {
		return nil, err
	}
	buf := w.get(int(w.g.size[i]))
	if err := w.inflate(buf, i); err != nil {
		w.bufs.put(buf)
		return nil, err
	}
	w.stats.Bytes += int64(len(buf))
	return buf, nil
}

// errLarge marks what is left to the caller.
var errLarge = errors.New("larger than what is read here")

// expansion is more than DEFLATE can expand: 258 bytes from 2 bits.
const expansion = 1032

// plausible refuses sizes that the pack cannot hold before room is made for them.
func (w *worker[S]) plausible(i int32) error {
	p := w.g.packs[w.g.packOf(i)]
	if left := int64(len(p.Data)) - w.g.off[i]; int64(w.g.size[i]) > (left+1)*expansion {
		return fmt.Errorf("entry promises %d bytes: %w", w.g.size[i], git.ErrTruncated)
	}
	return nil
}

// inflate fills buf with the entry's content.
func (w *worker[S]) inflate(buf []byte, i int32) (err error) {
	defer onFault(&err)
	pack := w.g.packOf(i)
	data, end := w.g.packs[pack].Data, w.g.end[pack]
	start := w.g.off[i] + int64(w.g.header[i])
	if start > end {
		return git.ErrTruncated
	}
	// The trailer is left in sight: the fast loop needs some bytes behind the stream.
	// The CRC of the compressed bytes, where the index has it, costs a fifth of the
	// stream's own checksum and finds the same damage; where the two disagree the
	// stream's counts, as it does for git.
	w.inf.SkipChecksum = true
	n, err := w.inf.Inflate(buf, data[start:])
	if err != nil {
		return err
	}
	if start+int64(n) > end {
		return inflate.ErrTruncated
	}
	crc, ok := w.g.packs[pack].Index.CRC(int(w.g.pos[i]))
	if !ok || crc != crc32.ChecksumIEEE(data[w.g.off[i]:start+int64(n)]) {
		w.inf.SkipChecksum = false
		if _, err := w.inf.Inflate(buf, data[start:]); err != nil {
			return err
		}
	}
	w.stats.Packed += int64(n)
	w.stats.Inflated += int64(len(buf))
	return nil
}

// apply makes the object of a delta from its base. What was copied is in w.copies.
func (w *worker[S]) apply(i int32, base []byte) ([]byte, error) {
	if w.g.done[i]&tooLarge != 0 {
		return nil, errLarge
	}
	if err := w.plausible(i); err != nil {
		return nil, err
	}
	n := int(w.g.size[i])
	if cap(w.delta) < n+inflate.Slack {
		if w.delta != nil {
			w.bufs.put(w.delta)
		}
		w.delta = w.get(n)
	}
	delta := w.delta[:n]
	if err := w.inflate(delta, i); err != nil {
		return nil, err
	}
	baseSize, size, head, err := deltaSizes(delta)
	if err != nil {
		return nil, err
	}
	if baseSize != int64(len(base)) {
		return nil, errDeltaOnBase
	}
	if size > w.run.opts.Large {
		w.g.done[i] |= tooLarge
		return nil, errLarge
	}
	out := w.get(int(size))
	if w.copies, err = applyDelta(out, base, delta[head:], w.copies[:0]); err != nil {
		w.bufs.put(out)
		return nil, err
	}
	w.stats.Bytes += size
	return out, nil
}

// get returns a buffer, after making room for it in the budget where that is possible.
func (w *worker[S]) get(n int) []byte {
	if w.run.use.now.Load()+int64(n) > w.run.opts.Memory {
		w.bufs.flush()
		for k := 0; k < len(w.stack)-1 && w.run.use.now.Load()+int64(n) > w.run.opts.Memory; k++ {
			if f := &w.stack[k]; f.buf != nil && f.shared == nil {
				w.bufs.put(f.buf)
				f.buf = nil
				w.bufs.flush()
			}
		}
	}
	return w.bufs.get(n)
}

// arrive visits an object and puts it on the stack if others are based on it. It
// reports whether it did; else the object is done with. parent is its base, nil for
// a whole one.
func (w *worker[S]) arrive(i int32, buf []byte, parent *frame[S], copies []Copy) bool {
	f := frame[S]{node: i, buf: buf, size: len(buf), next: w.wantedChild(w.g.child[i])}
	if w.g.state[i]&wanted != 0 {
		o := &w.object // escapes: one for all
		*o = Object[S]{Oid: w.g.oid(i), Type: git.Type(w.g.state[i] & typeMask), Data: buf[:len(buf):len(buf)]}
		if w.run.opts.Verify && git.HashObject(o.Oid.Format(), o.Type, buf) != o.Oid {
			w.g.lose(i, errHash)
		} else {
			if parent != nil && parent.seen {
				o.Delta, o.Base, o.BaseSize, o.Copies = true, parent.kept, parent.size, copies
				w.stats.Deltas++
				for _, c := range copies {
					w.stats.Copied += int64(c.Len)
				}
			}
			f.kept, f.seen = w.visitor.Visit(o), true
			w.g.done[i] |= visited
			w.stats.Objects++
		}
	}
	if f.next < 0 {
		w.release(&f)
		return false
	}
	w.stack = append(w.stack, f)
	return true
}

var errHash = errors.New("content does not have this id")

// wantedChild returns the first node from i on, a sibling of it, that is needed.
func (w *worker[S]) wantedChild(i int32) int32 {
	for i >= 0 && w.g.state[i]&needed == 0 {
		i = w.g.sibling[i]
	}
	return i
}

// release gives up what a frame holds, unless another worker still needs it.
func (w *worker[S]) release(f *frame[S]) {
	if f.shared != nil && f.shared.Add(-1) > 0 {
		return
	}
	if f.buf != nil {
		w.bufs.put(f.buf)
	}
	if f.seen {
		w.visitor.Leave(f.kept)
	}
}

// descend visits everything that is based on the frames of the stack.
func (w *worker[S]) descend() {
	for len(w.stack) > 0 {
		if w.run.ctx.Err() != nil {
			for k := range w.stack {
				w.release(&w.stack[k])
			}
			w.stack = w.stack[:0]
			return
		}
		if w.run.pool.hungry.Load() > 0 {
			w.handOver()
		}
		top := len(w.stack) - 1
		f := &w.stack[top]
		child := f.next
		if child >= 0 {
			f.advance(w)
		}
		if child < 0 {
			w.release(f)
			w.stack = w.stack[:top]
			continue
		}
		w.grow(child, top)
	}
}

// advance goes to the frame's next child.
func (f *frame[S]) advance(w *worker[S]) {
	if f.only {
		f.next = -1
		return
	}
	f.next = w.wantedChild(w.g.sibling[f.next])
}

// grow makes and visits a child of the frame on top of the stack. After the last
// child the frame goes first, so that a chain holds two buffers however long it is.
func (w *worker[S]) grow(child int32, top int) {
	f := w.stack[top]
	var err error
	if f.buf == nil {
		if f.buf, err = w.rebuild(f.node, top); err != nil {
			w.g.lose(child, err)
			return
		}
		w.stack[top].buf = f.buf
	}
	buf, err := w.apply(child, f.buf)
	if err != nil {
		if err != errLarge {
			w.g.lose(child, err)
		} else {
			w.g.done[child] |= tooLarge
		}
		return
	}
	last := f.next < 0
	if last {
		w.stack = w.stack[:top]
	}
	w.arrive(child, buf, &f, w.copies)
	if last {
		w.release(&f)
	}
}

// rebuild makes the content of a node again whose buffer was dropped, from the
// nearest base below the stack's top that still has one.
func (w *worker[S]) rebuild(node int32, top int) ([]byte, error) {
	w.path = w.path[:0]
	var buf []byte
	owned := false
	k := top - 1 // frames are in the order of the bases, with gaps
	for n := node; n >= 0; n = w.g.base[n] {
		if k >= 0 && w.stack[k].node == n {
			if buf = w.stack[k].buf; buf != nil {
				break
			}
			k--
		}
		w.path = append(w.path, n)
	}
	for j := len(w.path) - 1; j >= 0; j-- {
		n := w.path[j]
		var next []byte
		var err error
		if buf == nil {
			next, err = w.whole(n)
		} else {
			next, err = w.apply(n, buf)
		}
		if owned {
			w.bufs.put(buf)
		}
		if err != nil {
			return nil, err
		}
		buf, owned = next, true
		w.stats.Rebuilt++
	}
	return buf, nil
}

// handOver gives a child of the oldest frame that has one to an idle worker: the
// older the frame, the more is based on it.
func (w *worker[S]) handOver() {
	for k := range w.stack {
		f := &w.stack[k]
		if f.next < 0 || f.buf == nil || k == len(w.stack)-1 && (f.only || w.wantedChild(w.g.sibling[f.next]) < 0) {
			continue
		}
		if f.shared == nil {
			f.shared = new(atomic.Int32)
			f.shared.Store(1)
		}
		f.shared.Add(1)
		given := *f
		given.only = true
		f.advance(w)
		w.stats.Handed++
		w.run.pool.give(given)
		return
	}
}
