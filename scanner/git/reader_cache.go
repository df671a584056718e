package git

// typeAt returns the type of a packed object by following headers only, each once.
func (r *reader) typeAt(at spot) (Type, error) {
	var passed []*Type
	for depth := 0; depth <= r.limits.Depth; depth++ {
		known := r.typeOf(at)
		if known != nil && *known != 0 {
			return r.remember(passed, *known), nil
		}
		p, err := r.pack(at.store)
		if err != nil {
			return 0, err
		}
		h, err := r.header(p, at.off)
		if err != nil {
			return 0, err
		}
		if known != nil {
			passed = append(passed, known)
		}
		switch h.Type {
		case OfsDelta:
			at.off = h.Base
		case RefDelta:
			next, ok := r.locate(h.BaseOid, at.store)
			if !ok {
				v, err := r.looseValue(h.BaseOid)
				if err != nil {
					return 0, err
				}
				return r.remember(passed, v.Type), nil
			}
			at = next
		default:
			return r.remember(passed, h.Type), nil
		}
	}
	r.remember(passed, noType)
	return 0, r.tooDeep()
}

// noType is kept for objects in a circle or an endless chain, which have no type.
const noType Type = 255

// typeOf returns where the type of the object at a place is kept, or nil.
func (r *reader) typeOf(at spot) *Type {
	x := r.cat.stores[at.store].index
	if x == nil {
		return nil
	}
	pos, ok := x.FindOffset(at.off)
	if !ok {
		return nil
	}
	if r.types[at.store] == nil {
		r.types[at.store] = make([]Type, x.Len())
	}
	return &r.types[at.store][pos]
}

func (r *reader) remember(passed []*Type, t Type) Type {
	for _, p := range passed {
		*p = t
	}
	return t
}

func (r *reader) cachedAt(at spot) (value, bool) {
	e, ok := r.cached[at]
	if !ok {
		return value{}, false
	}
	r.recent.MoveToFront(e)
	return e.Value.(cacheEntry).v, true
}

// keep remembers a value that may be a base, within the budget.
func (r *reader) keep(at spot, v value) {
	const overhead = 200
	size := int64(len(v.Data)) + overhead
	if _, ok := r.cached[at]; ok || size > r.limits.Cache/2 {
		return
	}
	r.cached[at] = r.recent.PushFront(cacheEntry{at, v})
	r.bytes += size
	for r.bytes > r.limits.Cache {
		e := r.recent.Back()
		old := e.Value.(cacheEntry)
		r.recent.Remove(e)
		delete(r.cached, old.at)
		r.bytes -= int64(len(old.v.Data)) + overhead
	}
}
