package detect

import (
	"slices"
	"sort"

	"github.com/rekeyhq/rekey/scanner/literal"
)

// State is what was found out about one piece of data: every literal hit, and what
// became of it. Data that was made from it by copying ranges needs to be searched
// only where something new begins or ends. A State is immutable once it is returned,
// and may be read by several goroutines; Reset it to use its memory again.
//
// Exactness: a verdict depends on its literal hit and on bytes within a distance that
// is known for each literal (reaches). A hit whose literal lies within one copied
// range is there in the new data too; its verdict is inherited if all that it depends
// on lies within the range as well, and made anew if not. All other hits begin where
// the new data is searched. What looks at more, such as encoded runs, blocks and
// comments, or context and parts of a pattern that matched, is never inherited but
// made anew from the hits.
type State struct {
	hits  []literal.Hit
	found []inherited // candidates of hits whose verdict can be inherited, by hit
	again []int32     // hits, ascending, whose pattern matched and that hang on more than it
	size  int
}

type inherited struct {
	hit  int32 // index into hits
	cand candidate
}

// Reset empties the state and keeps its memory.
func (st *State) Reset() { *st = State{hits: st.hits[:0], found: st.found[:0], again: st.again[:0]} }

// Empty reports whether the data holds no literal at all.
func (st *State) Empty() bool { return len(st.hits) == 0 }

// reach says how far from the beginning of a literal the verdict on its hit looks.
type reach struct {
	left, right int
	never       bool // verdicts are not inherited
	length      int  // of the literal
}

func (d *Detector) makeReaches(patterns []literal.Pattern) {
	d.reaches = make([]reach, len(patterns))
	for id := range patterns {
		r := reach{length: len(patterns[id].Bytes)}
		for _, u := range d.uses[id] {
			if u.rule < 0 || u.layer != layerPlain || u.role == roleContext {
				r.never = true
				continue
			}
			c := d.rules[u.rule]
			if c.rule.Block != nil {
				r.never = true
				continue
			}
			// 10 bytes before a secret tell where it begins; a glued key is as long as
			// a match; escapes make a match up to three times as long (unescaped).
			r.left = max(r.left, 2*c.max+16)
			r.right = max(r.right, 3*c.max+32)
		}
		d.reaches[id] = r
	}
}

// shortCopy is the length in bytes below which a copied range is searched rather than
// inherited: it would mostly be searched anyhow.
const shortCopy = 2 * maxLiteral

// Whole fills st with what data holds and returns the matches in it, as Detect does.
func (d *Detector) Whole(s *Scratch, data []byte, st *State) []Match {
	st.size = len(data)
	st.hits = d.lits.Find(st.hits, data, 0, len(data))
	if len(st.hits) == 0 {
		return nil
	}
	return d.settle(s, data, st, nil)
}

// Derive fills st with what data holds, where copies says which ranges of it equal
// ranges of the data of base, and returns the matches in it: the same as Detect would
// return. copies are sorted by Dst and do not overlap in Dst. It returns also how many
// bytes were searched.
func Derive[C ~struct{ Dst, Src, Len int }](d *Detector, s *Scratch, data []byte, st, base *State, copies []C) ([]Match, int) {
	st.size = len(data)
	s.carried = s.carried[:0]
	searched, at := 0, 0 // data before at is searched or inherited
	for _, c := range copies {
		c := struct{ Dst, Src, Len int }(c)
		if c.Len < shortCopy {
			continue
		}
		searched += d.search(s, data, st, at, c.Dst)
		d.inherit(s, st, base, c.Dst, c.Src, c.Len)
		// A literal that begins in the last bytes of the range may end outside it.
		at = c.Dst + c.Len - (maxLiteral - 1)
		s.owned = c.Dst + c.Len
	}
	searched += d.search(s, data, st, at, len(data))
	s.owned = 0
	if len(st.hits) == 0 {
		return nil, searched
	}
	return d.settle(s, data, st, base), searched
}

// search appends the hits that begin in data[from:to], without those that lie within
// the range inherited last, which ends at s.owned.
func (d *Detector) search(s *Scratch, data []byte, st *State, from, to int) int {
	if from >= to {
		return 0
	}
	s.hits = d.lits.Find(s.hits[:0], data, from, to)
	for _, h := range s.hits {
		if int(h.Pos)+d.reaches[h.ID].length > s.owned || s.owned == 0 {
			st.hits = append(st.hits, h)
			s.carried = append(s.carried, -1)
		}
	}
	return to - from
}

// inherit appends the base's hits that lie within a copied range, and notes for each
// whose verdict can be inherited which hit of the base it was.
func (d *Detector) inherit(s *Scratch, st, base *State, dst, src, n int) {
	hits := base.hits
	i := sort.Search(len(hits), func(i int) bool { return int(hits[i].Pos) >= src })
	for ; i < len(hits) && int(hits[i].Pos) < src+n; i++ {
		p, r := int(hits[i].Pos), &d.reaches[hits[i].ID]
		if p+r.length > src+n {
			continue
		}
		from := int32(-1)
		if !r.never && p-r.left >= src && p+r.right <= src+n && !base.mustAgain(int32(i)) {
			from = int32(i)
		}
		st.hits = append(st.hits, literal.Hit{Pos: uint32(p - src + dst), ID: hits[i].ID})
		s.carried = append(s.carried, from)
	}
}

// mustAgain reports whether the verdict on a hit hangs on context or parts: its
// pattern matched. Where it did not, they do not matter.
func (st *State) mustAgain(hit int32) bool {
	_, ok := slices.BinarySearch(st.again, hit)
	return ok
}

// settle makes the verdicts on st.hits: those that s.carried says are inherited from
// base, all others anew; base nil means all anew.
func (d *Detector) settle(s *Scratch, data []byte, st, base *State) []Match {
	if base != nil {
		sortHits(st.hits, s.carried)
	}
	s.begin()
	for i, h := range st.hits {
		if base != nil && s.carried[i] >= 0 {
			shift := int(h.Pos) - int(base.hits[s.carried[i]].Pos)
			k := sort.Search(len(base.found), func(k int) bool { return base.found[k].hit >= s.carried[i] })
			for ; k < len(base.found) && base.found[k].hit == s.carried[i]; k++ {
				c := base.found[k].cand
				c.Match = c.Match.At(shift)
				s.raw = append(s.raw, c)
				st.found = append(st.found, inherited{int32(i), c})
			}
			continue
		}
		before := len(s.raw)
		s.deep = false
		for _, u := range d.uses[h.ID] {
			d.hit(s, data, int(h.Pos), u)
		}
		if s.deep {
			st.again = append(st.again, int32(i))
		} else if !d.reaches[h.ID].never {
			for _, c := range s.raw[before:] {
				st.found = append(st.found, inherited{int32(i), c})
			}
		}
	}
	return d.conclude(s, data)
}

// sortHits sorts hits by position, then id, and carried with them. They are nearly
// sorted: only around the end of a copied range do two sequences meet.
func sortHits(hits []literal.Hit, carried []int32) {
	for i := 1; i < len(hits); i++ {
		h, c := hits[i], carried[i]
		j := i
		for j > 0 && (hits[j-1].Pos > h.Pos || hits[j-1].Pos == h.Pos && hits[j-1].ID > h.ID) {
			hits[j], carried[j] = hits[j-1], carried[j-1]
			j--
		}
		hits[j], carried[j] = h, c
	}
}
