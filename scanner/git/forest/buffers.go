package forest

import (
	"math/bits"
	"sync/atomic"

	"github.com/rekeyhq/rekey/scanner/git/inflate"
)

// buffers hands out the buffers of one worker and takes them back. Sizes are rounded
// up by at most a quarter so that buffers fit again.
type buffers struct {
	free   [4 * 40][][]byte
	idle   int64 // bytes in free
	shared *usage
}

// usage is the bytes of all workers' buffers, in use or free.
type usage struct{ now, peak atomic.Int64 }

func (u *usage) add(n int64) {
	now := u.now.Add(n)
	for {
		p := u.peak.Load()
		if now <= p || u.peak.CompareAndSwap(p, now) {
			return
		}
	}
}

const (
	smallest = 4 << 10
	maxIdle  = 8 << 20 // bytes of free buffers that a worker keeps
)

// class returns the class of buffers for n bytes, and their size.
func class(n int) (c, size int) {
	n = max(n, smallest)
	e := bits.Len(uint(n-1)) - 3 // quarters of a power of two
	q := (n-1)>>e + 1            // 5 to 8
	return 4*e + q - 5, q << e
}

// get returns n bytes of anything, with capacity behind them for inflate.
func (b *buffers) get(n int) []byte {
	c, size := class(n + inflate.Slack)
	if l := b.free[c]; len(l) > 0 {
		buf := l[len(l)-1]
		b.free[c] = l[:len(l)-1]
		b.idle -= int64(size)
		return buf[:n]
	}
	b.shared.add(int64(size))
	return make([]byte, n, size)
}

// put takes back a buffer that came from get, of any worker.
func (b *buffers) put(buf []byte) {
	size := int64(cap(buf))
	if b.idle+size > maxIdle {
		b.flush() // sizes that are not asked for any more would stay for ever
		if size > maxIdle {
			b.shared.add(-size)
			return
		}
	}
	c, _ := class(cap(buf))
	b.free[c] = append(b.free[c], buf[:0])
	b.idle += size
}

// flush gives up the free buffers.
func (b *buffers) flush() {
	b.shared.add(-b.idle)
	b.idle = 0
	clear(b.free[:])
}
