package git

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// store is one pack of an object directory as found at one time.
type store struct {
	dir   *objectDir
	name  string     // pack-…, without extension
	index *PackIndex // nil where it could not be read
	err   error      // why
}

// copyOf is one place where an object lies: at pos of a pack's index, or loose.
type copyOf struct {
	store int32 // index into catalog.stores; -1-i for loose in Repository.objects[i]
	pos   int32 // position in the pack's index
}

// catalog lists every object that indexes and loose files promise. Objects are
// numbered in increasing order of id, so that what belongs to objects can be kept in
// plain slices.
type catalog struct {
	format Format
	stores []store
	names  []byte // ids, sorted
	first  []copyOf
	more   map[int32][]copyOf // further copies
	fanout []int32            // by the id's first bits
	shift  uint
	// promisor: some pack was fetched into a partial clone.
	promisor bool
}

// loadCatalog reads all indexes and lists all loose objects. Damage becomes holes.
func (r *Repository) loadCatalog(h *holes) *catalog {
	c := &catalog{format: r.format, more: map[int32][]copyOf{}}
	for _, d := range r.objects {
		c.listPacks(d, h)
	}
	type entry struct {
		oid  Oid
		copy copyOf
	}
	var all []entry
	for i := range c.stores {
		if x := c.stores[i].index; x != nil {
			for pos := 0; pos < x.Len(); pos++ {
				all = append(all, entry{x.Oid(pos), copyOf{int32(i), int32(pos)}})
			}
		}
	}
	for i, d := range r.objects {
		d.listLoose(r.format, h, func(o Oid) { all = append(all, entry{o, copyOf{store: int32(-1 - i)}}) })
	}
	slices.SortFunc(all, func(a, b entry) int { // packs before loose files
		if c := a.oid.Compare(b.oid); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(uint32(a.copy.store), uint32(b.copy.store)), cmp.Compare(a.copy.pos, b.copy.pos))
	})
	r.promisor = r.promisor || c.promisor
	size := r.format.Size()
	c.names = make([]byte, 0, len(all)*size)
	c.first = make([]copyOf, 0, len(all))
	for i, e := range all {
		if i > 0 && e.oid == all[i-1].oid {
			n := int32(len(c.first) - 1)
			c.more[n] = append(c.more[n], e.copy)
			continue
		}
		c.names = e.oid.Append(c.names)
		c.first = append(c.first, e.copy)
	}
	c.names, c.first = slices.Clip(c.names), slices.Clip(c.first)
	c.fan()
	return c
}

// catalog returns the listing of all objects, made at its first use. Damage that is
// met then belongs to the repository's holes.
func (r *Repository) catalog() *catalog {
	if r.cat == nil {
		r.cat = r.loadCatalog(&r.found)
	}
	return r.cat
}

// replaceCatalog makes later reads use a newer listing.
func (r *Repository) replaceCatalog(c *catalog) {
	if r.reader != nil {
		r.reader.close()
		r.reader = nil
	}
	r.cat = c
}

// listPacks finds the packs of an object directory: those with an index, and those
// without one, which a crash or an attacker may have left.
func (c *catalog) listPacks(d *objectDir, h *holes) {
	entries, err := d.list("pack")
	if absent(err) {
		return
	}
	if err != nil {
		h.add(holeFor(fmt.Errorf("list packs: %w", err), "pack", "objects/pack", Oid{}, -1))
		return
	}
	names := map[string]bool{}
	for _, e := range entries {
		for _, ext := range []string{".pack", ".idx"} {
			if name, ok := strings.CutSuffix(e.Name(), ext); ok {
				names[name] = true
			}
		}
		if strings.HasSuffix(e.Name(), ".promisor") {
			c.promisor = true
		}
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	for _, n := range sorted {
		s := store{dir: d, name: n}
		b, err := d.read("pack/"+n+".idx", maxIndexFile)
		if absent(err) {
			err = errNoIndex
		}
		if err == nil {
			s.index, err = ParsePackIndex(b, c.format)
		}
		s.err = err
		c.stores = append(c.stores, s)
	}
}

// maxIndexFile bounds an index in memory: about 150 million SHA-1 objects.
const maxIndexFile = 4 << 30

// fan makes a table over the leading bits of ids, about one entry for each object, so
// that a look-up touches one or two ids.
func (c *catalog) fan() {
	bits := uint(8)
	for bits < 24 && 1<<bits < len(c.first) {
		bits++
	}
	c.shift = 64 - bits
	c.fanout = make([]int32, 1<<bits+1)
	for i := range c.first {
		c.fanout[c.oid(int32(i)).Prefix()>>c.shift+1]++
	}
	for i := 1; i < len(c.fanout); i++ {
		c.fanout[i] += c.fanout[i-1]
	}
}

func (c *catalog) len() int { return len(c.first) }

func (c *catalog) name(i int32) []byte {
	size := c.format.Size()
	return c.names[int(i)*size : (int(i)+1)*size]
}

func (c *catalog) oid(i int32) Oid { return NewOid(c.format, c.name(i)) }

// find returns an object's number.
func (c *catalog) find(o Oid) (int32, bool) {
	if o.f != c.format {
		return 0, false
	}
	return c.findID(o.b[:c.format.Size()])
}

// findID is find for the bytes of an id.
func (c *catalog) findID(id []byte) (int32, bool) {
	p := be64(id) >> c.shift
	lo, hi := c.fanout[p], c.fanout[p+1]
	i := lo + int32(sort.Search(int(hi-lo), func(i int) bool { return string(c.name(lo+int32(i))) >= string(id) }))
	return i, i < hi && string(c.name(i)) == string(id)
}

// duplicated reports whether any object has more than one copy.
func (c *catalog) duplicated() bool { return len(c.more) > 0 }

func be64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0])<<56 | uint64(b[1])<<48 | uint64(b[2])<<40 | uint64(b[3])<<32 |
		uint64(b[4])<<24 | uint64(b[5])<<16 | uint64(b[6])<<8 | uint64(b[7])
}
