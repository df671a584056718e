package git

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// maxRounds is how often what is not there is looked for again.
const maxRounds = 5

// again reads what failed or was not there, out of what the repository holds now:
// while it was read, git may have moved objects into a new pack or added some.
func (p *pass) again() error {
	for range maxRounds {
		unread := p.unread()
		if len(unread) == 0 {
			return nil
		}
		var quiet holes
		fresh := p.repo.loadCatalog(&quiet)
		p.reader.close()
		p.reader = newReader(p.repo, fresh)
		p.repo.replaceCatalog(fresh)
		read, err := p.readAgain(fresh, unread)
		if err != nil || read == 0 {
			return err
		}
	}
	return nil
}

// unread lists the objects that are promised and were not read.
func (p *pass) unread() []Oid {
	set := map[Oid]bool{}
	for _, f := range p.failed {
		if !f.oid.IsZero() && !p.has(f.oid) {
			set[f.oid] = true
		}
	}
	for _, i := range p.lost {
		x := p.cat.stores[i].index
		for pos := 0; pos < x.Len(); pos++ {
			if o := x.Oid(pos); !p.has(o) && p.filter.wants(o) {
				set[o] = true
			}
		}
	}
	if p.links != nil {
		for o := range p.links.missing {
			if !p.has(o) {
				set[o] = true
			}
		}
		for o := range p.links.named() {
			if !p.has(o) {
				set[o] = true
			}
		}
	}
	return slices.Collect(maps.Keys(set))
}

// readAgain reads objects out of a newer listing, in the order of its packs.
func (p *pass) readAgain(fresh *catalog, unread []Oid) (read int, err error) {
	var list []int32
	for _, o := range unread {
		if n, ok := fresh.find(o); ok {
			list = append(list, n)
		}
	}
	place := func(n int32) spot {
		c := fresh.first[n]
		if c.store < 0 {
			return spot{c.store, 0}
		}
		return spot{c.store, fresh.stores[c.store].index.Offset(int(c.pos))}
	}
	slices.SortFunc(list, func(a, b int32) int {
		x, y := place(a), place(b)
		return cmp.Or(cmp.Compare(x.store, y.store), cmp.Compare(x.off, y.off), cmp.Compare(a, b))
	})
	for _, n := range list {
		if err := p.ctx.Err(); err != nil {
			return read, err
		}
		v, err := p.reader.read(n)
		if err != nil {
			continue
		}
		read++
		if _, err := p.yield(fresh.oid(n), v.Type, v.Data, "objects", -1); err != nil {
			return read, err
		}
	}
	return read, nil
}

// settle turns what failed and was not read elsewhere into holes. What objects refer
// to is only compared after a whole pass.
func (p *pass) settle(whole bool) {
	told := map[Oid]bool{}
	for _, f := range p.failed {
		if f.oid.IsZero() {
			p.holes.add(f.hole)
			continue
		}
		if p.has(f.oid) || told[f.oid] {
			continue
		}
		told[f.oid] = true
		p.holes.add(f.hole)
	}
	for _, i := range p.lost {
		s := &p.cat.stores[i]
		gone := 0
		for pos := 0; pos < s.index.Len(); pos++ {
			if o := s.index.Oid(pos); !p.has(o) && !told[o] && p.filter.wants(o) {
				told[o] = true
				gone++
			}
		}
		if gone > 0 {
			p.holes.add(Hole{Kind: Unreadable, What: "pack", Path: s.file(".pack"), Offset: -1, Count: gone,
				Reason: fmt.Sprintf("its index promises objects that are nowhere else: %v", s.err)})
		}
	}
	if p.links != nil && whole {
		p.links.settle(p)
	}
}
