package git

import (
	"fmt"
	"io"
)

// walk reads a pack without trusting its index: entry after entry from its start.
// Objects that were read already are only stepped over.
func (p *pass) walk(i int32) error {
	pack, err := p.reader.pack(i)
	if err != nil {
		return nil // already a hole
	}
	s := &p.cat.stores[i]
	var waiting []spot // deltas on bases that are further on, and what is based on those
	pending := map[int64]bool{}
	off, found := int64(packHeader), uint32(0)
	damage := error(ErrTruncated)
	for ; found < pack.Count && off < pack.Size; found++ {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		next, h, err := p.step(pack, s, off)
		if err != nil {
			damage = err
			break
		}
		at := spot{i, off}
		off = next
		if p.readAt(s, at) {
			continue
		}
		if !p.ready(at, h, pending) {
			waiting = append(waiting, at)
			pending[at.off] = true
			continue
		}
		if err := p.packed(at, Oid{}); err != nil {
			return err
		}
	}
	if err := p.walkWaiting(waiting, pending); err != nil {
		return err
	}
	if left := int(pack.Count - found); left > 0 && (s.index == nil || s.index.Len() < int(pack.Count)) {
		reason := fmt.Sprintf("damaged from here on (%v), and its index cannot help", damage)
		if s.err != nil {
			reason += ": " + s.err.Error()
		}
		p.holes.add(Hole{Kind: Unreadable, What: "pack", Path: s.file(".pack"), Offset: off, Count: left, Reason: reason})
	}
	return nil
}

// ready reports whether a delta's base can be read now.
func (p *pass) ready(at spot, h EntryHeader, pending map[int64]bool) bool {
	switch h.Type {
	case OfsDelta:
		return !pending[h.Base]
	case RefDelta:
		base, packed := p.reader.locate(h.BaseOid, at.store)
		if packed {
			return base.store != at.store || !pending[base.off]
		}
		_, loose := p.cat.find(h.BaseOid)
		return loose
	}
	return true
}

// maxWalkRounds bounds how often the waiting deltas are gone through; git writes bases
// before what is based on them, or in chains of at most 50.
const maxWalkRounds = 100

// walkWaiting reads deltas whose bases had no known place, as far as they have now.
func (p *pass) walkWaiting(waiting []spot, pending map[int64]bool) error {
	for round := 0; len(waiting) > 0; round++ {
		last := round == maxWalkRounds
		var still []spot
		for _, at := range waiting {
			pack, err := p.reader.pack(at.store)
			if err != nil {
				return nil // a hole already
			}
			h, err := p.reader.header(pack, at.off)
			if err == nil && !last && !p.ready(at, h, pending) {
				still = append(still, at)
				continue
			}
			delete(pending, at.off)
			if err := p.packed(at, Oid{}); err != nil {
				return err
			}
		}
		if len(still) == len(waiting) {
			round = maxWalkRounds - 1 // nothing moved: what is left becomes holes
		}
		waiting = still
	}
	return nil
}

// step finds where the entry at off ends by inflating it.
func (p *pass) step(pack *openedPack, s *store, off int64) (next int64, h EntryHeader, err error) {
	h, err = p.reader.header(pack, off)
	if err == nil {
		pack.src.seek(off + int64(h.Len))
		var z io.Reader
		if z, err = p.reader.inf.open(pack.src); err == nil {
			var n int64
			n, err = io.Copy(io.Discard, io.LimitReader(z, h.Size))
			if err == nil && n != h.Size {
				err = fmt.Errorf("%d bytes of %d: %w", n, h.Size, ErrTruncated)
			}
			if err == nil {
				err = atEnd(z)
			}
		}
	}
	if err == nil {
		return pack.src.offset(), h, nil
	}
	return 0, h, err
}

// readAt reports whether the object at a place was read by way of the index.
func (p *pass) readAt(s *store, at spot) bool {
	if s.index == nil {
		return false
	}
	pos, ok := s.index.FindOffset(at.off)
	return ok && p.has(s.index.Oid(pos))
}
