package git

import "fmt"

// again reads what failed once more, out of what the repository holds now: while it
// was read, git may have moved objects into a new pack.
func (p *pass) again() error {
	old := p.reader
	defer old.close()
	var quiet holes
	fresh := p.repo.loadCatalog(&quiet)
	p.reader = newReader(p.repo, fresh)
	p.repo.replaceCatalog(fresh)
	retry := map[Oid]bool{}
	for _, f := range p.failed {
		if !f.oid.IsZero() && !p.has(f.oid) {
			retry[f.oid] = true
		}
	}
	for _, i := range p.lost {
		x := p.cat.stores[i].index
		for pos := 0; pos < x.Len(); pos++ {
			if o := x.Oid(pos); !p.has(o) && p.filter.wants(o) {
				retry[o] = true
			}
		}
	}
	for o := range retry {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		n, ok := fresh.find(o)
		if !ok {
			continue
		}
		v, err := p.reader.read(n)
		if err != nil {
			continue
		}
		if _, err := p.yield(o, v.Type, v.Data, "objects", -1); err != nil {
			return err
		}
	}
	return nil
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
