package git

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"slices"
)

// value is a whole object in memory. Data is shared: nobody may change it.
type value struct {
	Type Type
	Data []byte
	// depth is the length of the chain of deltas below it.
	depth int
}

type spot struct {
	store int32
	off   int64
}

// reader reads single objects out of packs and loose files, keeping bases of deltas
// within a byte budget and few files open. It is not safe for concurrent use.
type reader struct {
	repo   *Repository
	cat    *catalog
	limits Limits

	open  map[int32]*openedPack
	order []int32 // of opening, oldest first
	inf   inflater

	// known maps ids found by walking packs whose index is of no use.
	known map[Oid]spot
	// rescuing counts nested searches for other copies of damaged bases.
	rescuing int

	// bad remembers what could not be read, so that what is based on it fails at once:
	// a hostile chain would otherwise be walked from each of its links.
	bad map[spot]error

	types [][]Type // by store and position in its index; 0 is not known

	cached map[spot]*list.Element
	recent *list.List // of cacheEntry, most recent first
	bytes  int64
}

type openedPack struct {
	*Pack
	src     *source
	scratch [MaxEntryHeader]byte
}

type cacheEntry struct {
	at spot
	v  value
}

// maxOpenPacks keeps far below any limit on open files.
const maxOpenPacks = 8

func newReader(r *Repository, c *catalog) *reader {
	return &reader{repo: r, cat: c, limits: r.limits, open: map[int32]*openedPack{}, known: map[Oid]spot{},
		bad: map[spot]error{}, types: make([][]Type, len(c.stores)), cached: map[spot]*list.Element{}, recent: list.New()}
}

func (r *reader) close() error {
	var errs []error
	for _, p := range r.open {
		errs = append(errs, p.Close())
	}
	r.open, r.order = map[int32]*openedPack{}, nil
	return errors.Join(errs...)
}

// pack opens a pack, or returns it where it is open.
func (r *reader) pack(i int32) (*openedPack, error) {
	if p := r.open[i]; p != nil {
		return p, nil
	}
	if len(r.order) >= maxOpenPacks {
		r.open[r.order[0]].Close()
		delete(r.open, r.order[0])
		r.order = r.order[1:]
	}
	s := &r.cat.stores[i]
	p, err := s.dir.openPack(s.name, r.cat.format)
	if err != nil {
		return nil, fmt.Errorf("open pack: %w", err)
	}
	op := &openedPack{Pack: p, src: newSource(p, p.Size)}
	r.open[i] = op
	r.order = append(r.order, i)
	return op, nil
}

func (r *reader) header(p *openedPack, off int64) (EntryHeader, error) {
	if off < packHeader || off >= p.Size {
		return EntryHeader{}, fmt.Errorf("offset %d lies outside of the pack's %d bytes: %w", off, p.Size, ErrTruncated)
	}
	b, err := p.src.peek(off, MaxEntryHeader, p.scratch[:])
	if err != nil {
		return EntryHeader{}, err
	}
	return ParseEntryHeader(b, off, p.format)
}

// inflate reads the compressed bytes of an entry whose header is h.
func (r *reader) inflate(p *openedPack, off int64, h EntryHeader) ([]byte, error) {
	if h.Size > r.limits.Delta {
		return nil, fmt.Errorf("%d bytes in memory: %w of %d", h.Size, ErrLimit, r.limits.Delta)
	}
	p.src.seek(off + int64(h.Len))
	return r.inf.all(p.src, h.Size)
}

// link is a delta on the way from an object to its base.
type link struct {
	at spot
	h  EntryHeader
}

// entry reads the object at a place of a pack: follows deltas down to a whole object,
// then applies them upwards. The memory taken is that of one base, one delta and one
// result, besides the cache.
func (r *reader) entry(at spot) (value, error) {
	if err, ok := r.bad[at]; ok {
		return value{}, err
	}
	v, err := r.build(at)
	if err != nil && len(r.bad) < maxBad {
		r.bad[at] = err
	}
	return v, err
}

// maxBad bounds how many places are remembered as bad.
const maxBad = 1 << 20

func (r *reader) build(at spot) (value, error) {
	v, chain, err := r.descend(at)
	if err != nil {
		return value{}, err
	}
	for i := len(chain) - 1; i >= 0; i-- {
		l := chain[i]
		p, err := r.pack(l.at.store)
		if err != nil {
			return value{}, err
		}
		var data []byte
		delta, err := r.inflate(p, l.at.off, l.h)
		if err == nil {
			data, err = ApplyDelta(v.Data, delta, r.limits.Delta)
		}
		if err != nil {
			var ok bool
			if v, ok = r.otherCopy(l.at, at); ok {
				continue
			}
			return value{}, r.chainError(err, l.at, at)
		}
		v = value{Type: v.Type, Data: data, depth: v.depth + 1}
		r.keep(l.at, v)
	}
	return v, nil
}

// chainError says where in a chain of deltas the damage is, when it is not in the
// object itself.
func (r *reader) chainError(err error, where, object spot) error {
	if where == object {
		return err
	}
	return fmt.Errorf("its base at %d: %w", where.off, err)
}

// descend follows deltas to the first whole object, in memory or in the pack.
func (r *reader) descend(at spot) (value, []link, error) {
	start := at
	var chain []link
	for {
		if err, ok := r.bad[at]; ok {
			if v, ok := r.otherCopy(at, start); ok {
				return v, chain, nil
			}
			if errors.Is(err, errDepth) {
				return value{}, nil, r.tooDeep()
			}
			return value{}, nil, fmt.Errorf("its base at %d cannot be read", at.off)
		}
		if v, ok := r.cachedAt(at); ok {
			if v.depth+len(chain) > r.limits.Depth {
				return value{}, nil, r.tooDeep()
			}
			return v, chain, nil
		}
		p, err := r.pack(at.store)
		if err != nil {
			return value{}, nil, err
		}
		h, err := r.header(p, at.off)
		var data []byte
		if err == nil && !h.Delta() {
			data, err = r.inflate(p, at.off, h)
		}
		if err != nil {
			if v, ok := r.otherCopy(at, start); ok {
				return v, chain, nil
			}
			return value{}, nil, r.chainError(err, at, start)
		}
		if !h.Delta() {
			v := value{Type: h.Type, Data: data}
			r.keep(at, v)
			return v, chain, nil
		}
		if len(chain) >= r.limits.Depth {
			return value{}, nil, r.tooDeep()
		}
		chain = append(chain, link{at, h})
		if h.Type == OfsDelta {
			at.off = h.Base
			continue
		}
		next, packed := r.locate(h.BaseOid, at.store)
		if packed {
			at = next
			continue
		}
		v, err := r.looseValue(h.BaseOid)
		if err != nil {
			return value{}, nil, fmt.Errorf("its base %s: %w", h.BaseOid, err)
		}
		return v, chain, nil
	}
}

// otherCopy reads a damaged base from elsewhere: another pack, or a loose file.
func (r *reader) otherCopy(base, object spot) (value, bool) {
	x := r.cat.stores[base.store].index
	if base == object || x == nil || r.rescuing > 2 {
		return value{}, false
	}
	pos, ok := x.FindOffset(base.off)
	if !ok {
		return value{}, false
	}
	n, ok := r.cat.find(x.Oid(pos))
	if !ok || len(r.copies(n)) < 2 {
		return value{}, false
	}
	r.rescuing++
	defer func() { r.rescuing-- }()
	v, err := r.read(n, base)
	return v, err == nil
}

// errDepth marks chains that are too long.
var errDepth = fmt.Errorf("chain of deltas is too long, or a circle: %w", ErrLimit)

func (r *reader) tooDeep() error { return fmt.Errorf("%w of %d", errDepth, r.limits.Depth) }

// locate finds where a packed object lies, first in the pack that asks for it.
func (r *reader) locate(o Oid, asker int32) (spot, bool) {
	if x := r.cat.stores[asker].index; x != nil {
		if pos, ok := x.Find(o); ok {
			return spot{asker, x.Offset(pos)}, true
		}
	}
	if n, ok := r.cat.find(o); ok {
		for _, c := range r.copies(n) {
			if c.store >= 0 {
				return spot{c.store, r.cat.stores[c.store].index.Offset(int(c.pos))}, true
			}
		}
	}
	at, ok := r.known[o]
	return at, ok
}

func (r *reader) copies(n int32) []copyOf {
	return append([]copyOf{r.cat.first[n]}, r.cat.more[n]...)
}

// looseValue reads a loose object into memory and checks its id.
func (r *reader) looseValue(o Oid) (value, error) {
	n, ok := r.cat.find(o)
	if !ok {
		return value{}, ErrNotFound
	}
	err := ErrNotFound
	for _, c := range r.copies(n) {
		if c.store < 0 {
			var v value
			if v, err = r.looseIn(r.repo.objects[-1-c.store], o); err == nil {
				return v, nil
			}
		}
	}
	return value{}, err
}

func (r *reader) looseIn(d *objectDir, o Oid) (value, error) {
	l, err := d.openLoose(o)
	if err != nil {
		return value{}, err
	}
	defer l.Close()
	if l.Size > r.limits.Delta {
		return value{}, fmt.Errorf("%d bytes in memory: %w of %d", l.Size, ErrLimit, r.limits.Delta)
	}
	data, err := readExactly(l.body, l.Size)
	if err != nil {
		return value{}, err
	}
	if HashObject(o.f, l.Type, data) != o {
		return value{}, errWrongID
	}
	return value{Type: l.Type, Data: data}, nil
}

var errWrongID = errors.New("content does not hash to its id")

// read returns an object of at most Limits.Delta bytes, from the first copy that is
// whole and not at one of the places named.
func (r *reader) read(n int32, except ...spot) (value, error) {
	o := r.cat.oid(n)
	first := ErrNotFound
	for i, c := range r.copies(n) {
		v, err := value{}, error(nil)
		if c.store < 0 {
			v, err = r.looseIn(r.repo.objects[-1-c.store], o)
		} else {
			at := spot{c.store, r.cat.stores[c.store].index.Offset(int(c.pos))}
			if slices.Contains(except, at) {
				continue
			}
			v, err = r.entry(at)
			if err == nil && HashObject(o.f, v.Type, v.Data) != o {
				err = errWrongID
			}
		}
		if err == nil {
			return v, nil
		}
		if i == 0 || errors.Is(first, ErrNotFound) {
			first = err
		}
	}
	return value{}, first
}

var _ io.ReaderAt = (*Pack)(nil)
