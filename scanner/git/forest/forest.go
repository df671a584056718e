// Package forest reads all objects of packs as a forest of deltas: every entry is
// inflated once and every delta applied once, on a base that is still in memory,
// and the visitor learns which ranges of an object were copied from its base, so
// that what it found there needs not be looked for again.
//
// The reference for what it reads is the plain reader of scanner/git. Everything
// in a pack or its index may be hostile: a damaged entry loses itself and what
// depends on it, nothing else.
package forest

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/rekeyhq/rekey/scanner/git"
)

// Pack is one pack with its index.
type Pack struct {
	Name  string // for holes, such as pack-….pack
	Data  []byte // the whole file, see Map
	Index *git.PackIndex
}

// Copy says that Object.Data[Dst:Dst+Len] equals the base's content at Src. The
// copies of an object are in order of Dst, do not overlap, and where two touch in
// both places they are one.
type Copy struct{ Dst, Src, Len int }

// Object is one object as a Visitor sees it. It belongs to the walk: nothing of it
// may be kept or changed after Visit.
type Object[S any] struct {
	Oid  git.Oid
	Type git.Type
	Data []byte

	// Delta means that Base is what Visit returned for the object on which this one
	// is based, BaseSize the length of that object, and Copies what came from it.
	// An object that is a delta in the pack but whose base was not visited, as it
	// was skipped, comes as a whole one.
	Delta    bool
	Base     S
	BaseSize int
	Copies   []Copy
}

// Visitor is one worker's receiver of objects. S is what it keeps of an object for
// those based on it. Another worker's visitor may be given it as a base, at the
// same time: after Visit has returned it must not be changed.
type Visitor[S any] interface {
	// Visit is called once for every wanted object, bases before what is based on them.
	Visit(o *Object[S]) S
	// Leave is called once for each result of Visit when nothing will be based on it
	// any more, perhaps on another worker's visitor. When the context ends first it may
	// not be called.
	Leave(kept S)
}

// Options say what is wanted. The zero value wants everything.
type Options struct {
	// Types are wanted; none means all. All of a family of deltas have one type, so
	// that families of other types are not even inflated.
	Types []git.Type
	// Skip, if set, tells which objects are not wanted, such as those of an earlier
	// scan. It is called once for each object of a wanted type, by one goroutine.
	// Skipped objects are inflated only where a wanted one is based on them.
	Skip func(git.Oid) bool
	// Workers is how many goroutines work; 0 means GOMAXPROCS.
	Workers int
	// Memory bounds the bytes of buffers: 128 MiB if 0. Bases that do not fit are
	// dropped and made again. What workers need at the moment comes on top: for each
	// an object, its base and its delta, of at most Large bytes each.
	Memory int64
	// Large is the size above which an object is left to the caller, with all that is
	// based on it: 32 MiB if 0.
	Large int64
	// Verify hashes every object and loses those whose id is wrong. Without it only
	// the checksum of each entry is checked, which does not protect from an attacker:
	// check the id of what is to be reported (git.HashObject), and know that an object
	// can be hidden behind a false copy in an earlier pack.
	Verify bool
	// Fallback, if set, reads objects that could not be read here: those of damaged
	// entries, of which another copy may exist, and deltas on bases outside of the
	// packs. It is called by one goroutine at the end.
	Fallback func(git.Oid) (git.Type, []byte, error)
}

// Stats count what a walk did.
type Stats struct {
	Objects   int64 // visited
	Deltas    int64 // of them visited with a base
	Packed    int64 // compressed bytes that were inflated
	Inflated  int64 // bytes they inflated to: whole objects and deltas
	Bytes     int64 // content of all objects made, visited or not
	Copied    int64 // of Bytes, those that came from bases
	Rebuilt   int64 // bases made once more because of Memory
	Handed    int64 // subtrees given to an idle worker
	PeakBytes int64 // most bytes of buffers at any time
}

// Result is the outcome of a walk.
type Result struct {
	Stats
	// Large are the objects left to the caller: larger than Options.Large, or based on
	// such a one.
	Large []git.Oid
	// Holes are wanted objects that could not be read, at most maxHoles one by one.
	Holes []git.Hole
}

// ErrTooMany means that packs have more objects than node numbers.
var ErrTooMany = errors.New("more than 2^31-2 objects in packs")

// Walk visits the objects of packs, each id once. newVisitor is called for each
// worker before any work starts. The order is any, but bases come before what is
// based on them.
//
// Besides the buffers that Options.Memory bounds, Walk takes about 45 bytes for each
// object of the packs, 35 more while it begins, and up to 24 MiB a worker for the
// copies of one object. A small pack can hold deltas that make any amount of content:
// the context is what bounds the time.
//
// Damage is in Result.Holes. The error is the context's, or ErrTooMany.
func Walk[S any](ctx context.Context, packs []Pack, opts Options, newVisitor func(worker int) Visitor[S]) (Result, error) {
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Memory <= 0 {
		opts.Memory = 128 << 20
	}
	if opts.Large <= 0 {
		opts.Large = 32 << 20
	}
	opts.Large = min(opts.Large, maxLarge)
	g, err := plant(ctx, packs, opts)
	if err != nil {
		return Result{}, fmt.Errorf("read %d packs: %w", len(packs), err)
	}
	run := newRun[S](ctx, g, opts)
	run.start(newVisitor)
	if err := ctx.Err(); err != nil {
		return run.result(), err
	}
	run.fallback()
	return run.result(), nil
}
