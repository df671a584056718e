package git

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
)

// Object is one object of a repository.
type Object struct {
	Oid  Oid
	Type Type
	Size int64
	// Data is the content. Nobody may change it; it stays valid after the call.
	Data []byte
	// Large is set instead of Data for objects above Limits.Large. It can be read once,
	// during the call; its id is only checked when all of it has been read.
	Large io.Reader
}

// Filter narrows a pass over the objects. The zero value lets all through.
type Filter struct {
	Types [8]bool        // by Type; none set means all
	Want  func(Oid) bool // nil means all
}

// Only returns a filter for objects of these types.
func Only(types ...Type) Filter {
	var f Filter
	for _, t := range types {
		f.Types[t] = true
	}
	return f
}

func (f Filter) all() bool { return f.Want == nil && !f.typed() }

func (f Filter) typed() bool { return f.Types != [8]bool{} }

func (f Filter) wantsType(t Type) bool { return !f.typed() || t < 8 && f.Types[t] }

func (f Filter) wants(o Oid) bool { return f.Want == nil || f.Want(o) }

// Stats tell what a pass over a repository read and what it did not.
type Stats struct {
	Commits, Trees, Blobs, Tags int
	Bytes                       int64 // inflated
	Packs                       int
	Packed, Loose               int // copies read, further copies included
	Duplicates                  int // further copies of objects
	Holes                       []Hole
}

// Objects returns the number of objects.
func (s Stats) Objects() int { return s.Commits + s.Trees + s.Blobs + s.Tags }

// Objects calls fn once for every object in the object database, whatever refers to
// it: packed, loose, borrowed, cruft, unreachable. Every id is checked against the
// content; every promise of an index, a commit, a tree, a tag and a ref is compared
// with what is there. What could not be read is in Stats.Holes, which hold the
// repository's own as well.
//
// An object whose content does not hash to the id it is kept under is a hole, and is
// still passed on, under the id that it does hash to. Two contents with one id, which
// only an attack can make, are both passed on.
//
// An error of fn or ctx ends the pass and is returned; Stats say what was read till
// then. Damage in the repository is never an error.
func (r *Repository) Objects(ctx context.Context, fn func(Object) error) (Stats, error) {
	return r.Select(ctx, Filter{}, fn)
}

// Select is Objects for those that filter lets through. The promises of commits,
// trees, tags and refs are only compared when it lets all through.
func (r *Repository) Select(ctx context.Context, filter Filter, fn func(Object) error) (Stats, error) {
	p := &pass{ctx: ctx, repo: r, filter: filter, fn: fn, seed: maphash.MakeSeed(), extra: map[Oid]bool{}}
	if filter.all() {
		p.refs, _ = r.Refs()
	}
	p.begin(r.catalog())
	p.holes.list = append(p.holes.list, r.found.all()...)
	err := p.run()
	if err == nil {
		err = p.again()
	}
	p.settle(err == nil)
	p.stats.Holes = p.holes.all()
	return p.stats, errors.Join(err, p.reader.close())
}

// pass is one walk over all objects.
type pass struct {
	ctx    context.Context
	repo   *Repository
	filter Filter
	fn     func(Object) error

	cat    *catalog
	reader *reader
	seen   []uint64     // a bit for each object of the catalog
	extra  map[Oid]bool // objects that no index knows
	sums   []uint64     // of contents, where objects have several copies
	seed   maphash.Seed
	links  *links
	refs   []Ref

	failed []failure // objects that were not read
	lost   []int32   // stores whose pack was not there
	holes  holes
	stats  Stats
}

type failure struct {
	oid  Oid
	hole Hole
}

func (p *pass) begin(c *catalog) {
	p.cat = c
	p.reader = newReader(p.repo, c)
	p.seen = make([]uint64, c.len()/64+1)
	if c.duplicated() {
		p.sums = make([]uint64, c.len())
	}
	if p.filter.all() { // refs were read before: what they name should be listed
		p.links = newLinks(p.repo, c)
		p.links.refs = p.refs
	}
}

func (p *pass) run() error {
	for i := range p.cat.stores {
		if err := p.pack(int32(i)); err != nil {
			return err
		}
	}
	for n := int32(0); n < int32(p.cat.len()); n++ {
		for _, c := range p.reader.copies(n) {
			if c.store < 0 {
				if err := p.loose(p.repo.objects[-1-c.store], p.cat.oid(n)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// pack reads a pack in the order of its bytes, by its index where that can be used.
func (p *pass) pack(i int32) error {
	s := &p.cat.stores[i]
	pack, err := p.reader.pack(i)
	if err != nil {
		if s.index == nil && absent(err) {
			p.holes.add(holeFor(s.err, "index", s.file(".idx"), Oid{}, -1))
		} else if s.index == nil {
			p.holes.add(holeFor(err, "pack", s.file(".pack"), Oid{}, -1))
		} else {
			s.err = err
			p.lost = append(p.lost, i)
		}
		return nil
	}
	p.stats.Packs++
	if s.index == nil {
		return p.walk(i)
	}
	whole := p.checkTrailer(s, pack.Pack)
	before := len(p.failed)
	for _, pos := range s.index.ByOffset() {
		if err := p.packed(spot{i, s.index.Offset(int(pos))}, s.index.Oid(int(pos))); err != nil {
			return err
		}
	}
	if !whole || len(p.failed) > before || int64(pack.Count) != int64(s.index.Len()) || !s.index.ChecksumOK() {
		return p.walk(i)
	}
	return nil
}

// promises reports whether the index has an object that begins at off.
func (s *store) promises(off int64) bool {
	if s.index == nil {
		return false
	}
	_, ok := s.index.FindOffset(off)
	return ok
}

func (s *store) file(ext string) string { return "objects/pack/" + s.name + ext }

// checkTrailer compares a pack's end with what its index remembers of it.
func (p *pass) checkTrailer(s *store, pack *Pack) bool {
	got, err := pack.Trailer()
	if err == nil && got == s.index.PackChecksum() {
		return true
	}
	reason := "its end is not what its index remembers: the pack was cut or changed"
	if err != nil {
		reason = err.Error()
	}
	p.holes.add(Hole{Kind: Unreadable, What: "pack", Path: s.file(".pack"), Offset: -1, Reason: reason})
	return false
}

// packed reads one entry of a pack that is promised to be the object oid; a zero oid
// promises nothing.
func (p *pass) packed(at spot, oid Oid) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if !oid.IsZero() && !p.filter.wants(oid) {
		return nil
	}
	path := p.cat.stores[at.store].file(".pack")
	fail := func(err error, what string) error {
		if !oid.IsZero() || !p.cat.stores[at.store].promises(at.off) { // else it failed by its id already
			p.failed = append(p.failed, failure{oid, holeFor(err, what, path, oid, at.off)})
		}
		return nil
	}
	if p.filter.typed() {
		if t, err := p.reader.typeAt(at); err == nil && !p.filter.wantsType(t) {
			return nil
		}
	}
	pack, err := p.reader.pack(at.store)
	if err != nil {
		return fail(err, "object")
	}
	h, err := p.reader.header(pack, at.off)
	if err != nil {
		return fail(err, "object")
	}
	if !h.Delta() && h.Size > p.repo.limits.Large {
		src := newSource(pack, pack.Size)
		src.seek(at.off + int64(h.Len))
		var inf inflater
		z, err := inf.open(src)
		if err != nil {
			return fail(err, h.Type.String())
		}
		p.stats.Packed++
		return p.stream(oid, h.Type, h.Size, z, path, at)
	}
	v, err := p.reader.entry(at)
	if err != nil {
		what := "object"
		if !h.Delta() {
			what = h.Type.String()
		}
		return fail(err, what)
	}
	p.stats.Packed++
	got, err := p.yield(oid, v.Type, v.Data, path, at.off)
	if err == nil && (oid.IsZero() || got != oid) {
		p.reader.known[got] = at
	}
	return err
}

// loose reads one loose object.
func (p *pass) loose(d *objectDir, oid Oid) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if !p.filter.wants(oid) {
		return nil
	}
	path := "objects/" + loosePath(oid)
	fail := func(err error, what string) error {
		p.failed = append(p.failed, failure{oid, holeFor(err, what, path, oid, -1)})
		return nil
	}
	l, err := d.openLoose(oid)
	if err != nil {
		return fail(err, "object")
	}
	defer l.Close()
	if !p.filter.wantsType(l.Type) {
		return nil
	}
	p.stats.Loose++
	if l.Size > p.repo.limits.Large {
		return p.stream(oid, l.Type, l.Size, l.body, path, spot{off: -1})
	}
	data, err := readExactly(l.body, l.Size)
	if err != nil {
		return fail(err, l.Type.String())
	}
	_, err = p.yield(oid, l.Type, data, path, -1)
	return err
}

// yield passes an object on, once, and returns the id that its content has.
func (p *pass) yield(oid Oid, t Type, data []byte, path string, off int64) (Oid, error) {
	got := HashObject(p.cat.format, t, data)
	if !oid.IsZero() && got != oid {
		p.failed = append(p.failed, failure{oid, holeFor(errWrongID, t.String(), path, oid, off)})
	}
	if n, ok := p.cat.find(got); ok {
		seen := p.mark(n)
		if p.sums != nil {
			sum := maphash.Bytes(p.seed, data) ^ uint64(t)
			if seen && sum != p.sums[n] {
				p.holes.add(Hole{Kind: Unreadable, What: t.String(), Path: path, Oid: got, Offset: off,
					Reason: "two contents have this id: an attack on the hash; both were read"})
				seen = false
			} else {
				p.sums[n] = sum
			}
		}
		if seen {
			p.stats.Duplicates++
			return got, nil
		}
	} else if p.extra[got] {
		return got, nil
	} else {
		p.extra[got] = true
	}
	if !p.filter.wantsType(t) || !p.filter.wants(got) {
		return got, nil
	}
	p.count(t, int64(len(data)))
	if p.links != nil {
		if err := p.links.add(got, t, data); err != nil {
			p.holes.add(holeFor(err, t.String(), path, got, off))
		}
	}
	return got, p.fn(Object{Oid: got, Type: t, Size: int64(len(data)), Data: data})
}

// mark sets an object's bit and returns whether it was set.
func (p *pass) mark(n int32) bool {
	bit := uint64(1) << (n % 64)
	seen := p.seen[n/64]&bit != 0
	p.seen[n/64] |= bit
	return seen
}

func (p *pass) has(o Oid) bool {
	if n, ok := p.cat.find(o); ok {
		return p.seen[n/64]&(1<<(n%64)) != 0
	}
	return p.extra[o]
}

func (p *pass) count(t Type, size int64) {
	p.stats.Bytes += size
	switch t {
	case Commit:
		p.stats.Commits++
	case Tree:
		p.stats.Trees++
	case Blob:
		p.stats.Blobs++
	case Tag:
		p.stats.Tags++
	}
}
