package git

import "maps"

// Links compares what objects refer to with what a repository has, for readers other
// than Select. It is not safe for concurrent use: give each worker its own and Join
// them.
type Links struct{ l *links }

// NewLinks returns links that have seen nothing.
func (r *Repository) NewLinks() *Links { return &Links{newLinks(r, r.catalog())} }

// Add notes what an object refers to. The error says that the object is malformed.
func (k *Links) Add(o Oid, t Type, data []byte) error { return k.l.add(o, t, data) }

// Entry notes what one entry of a tree refers to.
func (k *Links) Entry(tree Oid, e TreeEntry) {
	switch {
	case e.IsTree():
		k.l.needs(e.ID(), Tree, tree)
	case !e.IsGitlink():
		k.l.needs(e.ID(), Blob, tree)
	}
}

// Join adds what other has seen.
func (k *Links) Join(other *Links) {
	maps.Copy(k.l.missing, other.l.missing)
	k.l.more = k.l.more || other.l.more
}

// Holes are the objects that are referred to but not there: of a partial clone by
// choice, otherwise one by one; and refs that name nothing.
func (k *Links) Holes() []Hole {
	p := &pass{repo: k.l.repo, cat: k.l.cat}
	k.l.settle(p)
	return p.holes.all()
}

// Unpacked returns the objects of which no pack that can be read by its index has a
// copy.
func (r *Repository) Unpacked() []Oid {
	c := r.catalog()
	var out []Oid
	for n := range int32(c.len()) {
		packed := false
		for _, at := range append([]copyOf{c.first[n]}, c.more[n]...) {
			packed = packed || at.store >= 0 && c.stores[at.store].index != nil
		}
		if !packed {
			out = append(out, c.oid(n))
		}
	}
	return out
}
