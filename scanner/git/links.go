package git

import (
	"errors"
	"fmt"
	"slices"
)

// links compares what objects and refs refer to with what is there.
type links struct {
	repo    *Repository
	cat     *catalog
	refs    []Ref    // nil: read when they are asked for
	recent  []uint64 // prefixes of ids known to be there, by their leading bits
	missing map[Oid]reference
	more    bool // more are missing than were noted
	// Git knows these without having them (object-file.c, git 2.39); nothing is lost.
	emptyTree, emptyBlob Oid
}

type reference struct {
	t    Type
	from Oid
}

const (
	recentBits = 20
	maxMissing = 1 << 20
)

func newLinks(r *Repository, c *catalog) *links {
	l := &links{repo: r, cat: c, recent: make([]uint64, 1<<recentBits), missing: map[Oid]reference{}}
	l.emptyTree, l.emptyBlob = HashObject(c.format, Tree, nil), HashObject(c.format, Blob, nil)
	return l
}

// add notes what an object refers to. The error says that the object is malformed.
func (l *links) add(o Oid, t Type, data []byte) error {
	switch t {
	case Commit:
		c, err := ParseCommit(data, l.cat.format)
		if !c.Tree.IsZero() {
			l.needs(c.Tree.b[:c.Tree.f.Size()], Tree, o)
		}
		if !l.repo.shallow[o] {
			for _, p := range c.Parents {
				l.needs(p.b[:p.f.Size()], Commit, o)
			}
		}
		return err
	case Tag:
		t, err := ParseTag(data, l.cat.format)
		if t.Type != 0 && !t.Object.IsZero() {
			l.needs(t.Object.b[:t.Object.f.Size()], t.Type, o)
		}
		return err
	case Tree:
		for it := NewTreeIter(data, l.cat.format); ; {
			e, ok, err := it.Next()
			if !ok {
				return err
			}
			switch {
			case e.IsTree():
				l.needs(e.ID(), Tree, o)
			case !e.IsGitlink():
				l.needs(e.ID(), Blob, o)
			}
		}
	}
	return nil
}

func (l *links) needs(id []byte, t Type, from Oid) {
	p := be64(id)
	slot := &l.recent[p>>(64-recentBits)]
	if *slot == p && p != 0 {
		return
	}
	if _, ok := l.cat.findID(id); ok {
		*slot = p
		return
	}
	if len(l.missing) >= maxMissing {
		l.more = true
		return
	}
	if o := NewOid(l.cat.format, id); o != l.emptyTree && o != l.emptyBlob {
		l.missing[o] = reference{t, from}
	}
}

// named returns the objects that refs and HEADs name and that are not listed.
func (l *links) named() map[Oid]string {
	late := l.refs == nil
	if late {
		l.refs, _ = l.repo.Refs()
	}
	named := map[Oid]string{}
	for _, ref := range l.refs {
		if ref.Kind == PseudoRef && !ref.IsHead() || ref.Oid.IsZero() || ref.Oid.f != l.cat.format {
			continue
		}
		if _, ok := l.cat.find(ref.Oid); !ok && named[ref.Oid] == "" {
			named[ref.Oid] = ref.Name
		}
	}
	if late && len(named) > 0 { // refs may have moved on to what came after the listing
		var quiet holes
		fresh := l.repo.loadCatalog(&quiet)
		for o := range named {
			if _, ok := fresh.find(o); ok {
				delete(named, o)
			}
		}
	}
	return named
}

// settle turns what is missing into holes: one for a partial clone, one for each
// object otherwise.
func (l *links) settle(p *pass) {
	named := l.named()
	var gone []Oid
	for o := range l.missing {
		if !p.has(o) {
			gone = append(gone, o)
			delete(named, o)
		}
	}
	for o, name := range named {
		if !p.has(o) {
			p.holes.add(Hole{Kind: Unreadable, What: "ref", Path: name, Oid: o, Offset: -1,
				Reason: "names an object that is not there"})
		}
	}
	if len(gone) == 0 {
		return
	}
	if l.repo.promisor {
		reason := "partial clone: these objects were not fetched; nothing is fetched here"
		if l.more {
			reason += " (there are more)"
		}
		p.holes.add(Hole{Kind: AbsentByChoice, What: "object", Offset: -1, Count: len(gone), Reason: reason})
		return
	}
	slices.SortFunc(gone, Oid.Compare)
	for _, o := range gone {
		ref := l.missing[o]
		p.holes.add(Hole{Kind: Unreadable, What: ref.t.String(), Oid: o, Offset: -1,
			Reason: fmt.Sprintf("%v, but %s needs it", errMissing, ref.from)})
	}
}

var errMissing = errors.New("missing")
