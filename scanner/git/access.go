package git

import "fmt"

// Read returns one object of at most Limits.Delta bytes, its id checked against its
// content. The data is shared with a cache: do not change it. The error wraps
// ErrNotFound where no index or file promises the object.
func (r *Repository) Read(o Oid) (Type, []byte, error) {
	n, ok := r.catalog().find(o)
	if !ok {
		return 0, nil, fmt.Errorf("object %s: %w", o, ErrNotFound)
	}
	v, err := r.objectReader().read(n)
	if err != nil {
		return 0, nil, fmt.Errorf("read object %s: %w", o, err)
	}
	return v.Type, v.Data, nil
}

// Has reports whether an index or a loose file promises the object.
func (r *Repository) Has(o Oid) bool {
	_, ok := r.catalog().find(o)
	return ok
}

// Len returns how many objects the indexes and loose files promise.
func (r *Repository) Len() int { return r.catalog().len() }

// Holes returns what was met so far that is no object's own damage: shallow border,
// alternates that were not followed, configuration.
func (r *Repository) Holes() []Hole { return r.found.all() }

func (r *Repository) objectReader() *reader {
	if r.reader == nil {
		r.reader = newReader(r, r.catalog())
	}
	return r.reader
}

// PackFile is a pack of the repository's, for readers of whole packs.
type PackFile struct {
	Name string // relative to the repository: objects/pack/pack-….pack
	// Index is nil where it is missing or damaged; Err says why. Such a pack can only
	// be read by Select.
	Index *PackIndex
	Err   error

	dir    *objectDir
	base   string
	format Format
}

// Open opens the pack. The caller closes it.
func (p PackFile) Open() (*Pack, error) { return p.dir.openPack(p.base, p.format) }

// Packs returns the packs of all object directories.
func (r *Repository) Packs() []PackFile {
	c := r.catalog()
	packs := make([]PackFile, len(c.stores))
	for i := range c.stores {
		s := &c.stores[i]
		packs[i] = PackFile{Name: s.file(".pack"), Index: s.index, Err: s.err, dir: s.dir, base: s.name, format: c.format}
	}
	return packs
}

// Quarantined returns the ids of the objects in the directories that
// Options.ObjectDirs names: those that a push brings.
func (r *Repository) Quarantined() *Set {
	c := r.catalog()
	s := newSet(c)
	for n := int32(0); n < int32(c.len()); n++ {
		for _, at := range append([]copyOf{c.first[n]}, c.more[n]...) {
			if at.store >= 0 && c.stores[at.store].dir.extra || at.store < 0 && r.objects[-1-at.store].extra {
				s.add(n)
			}
		}
	}
	return s
}

// Set is a set of objects of one repository. Its methods that do not change it are
// safe for concurrent use.
type Set struct {
	cat  *catalog
	bits []uint64
	n    int
}

func newSet(c *catalog) *Set { return &Set{cat: c, bits: make([]uint64, c.len()/64+1)} }

// add adds an object by its number and reports whether it is new in the set.
func (s *Set) add(n int32) bool {
	if s.has(n) {
		return false
	}
	s.bits[n/64] |= 1 << (n % 64)
	s.n++
	return true
}

func (s *Set) has(n int32) bool { return s.bits[n/64]&(1<<(n%64)) != 0 }

// Has reports whether the set holds an object.
func (s *Set) Has(o Oid) bool {
	n, ok := s.cat.find(o)
	return ok && s.has(n)
}

// Len returns how many objects the set holds.
func (s *Set) Len() int { return s.n }

// Each calls fn for each object, in increasing order of id.
func (s *Set) Each(fn func(Oid)) {
	for n := int32(0); n < int32(s.cat.len()); n++ {
		if s.has(n) {
			fn(s.cat.oid(n))
		}
	}
}

// minus returns the objects of s that are not in t.
func (s *Set) minus(t *Set) *Set {
	out := newSet(s.cat)
	for n := int32(0); n < int32(s.cat.len()); n++ {
		if s.has(n) && !t.has(n) {
			out.add(n)
		}
	}
	return out
}
