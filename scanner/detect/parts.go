package detect

import (
	"sort"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// parts finds the further values of the credential; ok is false where one that is
// needed is missing.
func (c *compiled) parts(s *Scratch, l *lazy, v view, loc []int, start, end int) (out []finding.Part, ok bool) {
	for i := range l.parts {
		p := &l.parts[i]
		value := []byte(nil)
		if p.re == nil {
			if p.group > 0 && loc[2*p.group] >= 0 {
				value = v.data[loc[2*p.group]:loc[2*p.group+1]]
			}
		} else {
			value = p.nearest(s, v, start, end)
		}
		if value == nil {
			if p.Optional {
				continue
			}
			return nil, false
		}
		out = append(out, finding.Part{Name: p.Name, Value: finding.NewSecret(value), Public: !p.Secret})
	}
	return out, true
}

// partBlock is the size in bytes of the blocks in which parts are searched, each once
// for all candidates: where they begin depends on the data alone, so what is found
// does too.
const partBlock = 4 << 10

type blockKey struct {
	part  *part
	block int
}

// nearest returns the match of the part closest to the secret, the earlier of two
// that are equally close.
func (p *part) nearest(s *Scratch, v view, start, end int) []byte {
	w := window(v.data, start, end, p.lines)
	var best []byte
	bestDistance := -1
	for b := w.start / partBlock; b*partBlock < w.end; b++ {
		for _, m := range p.block(s, v, b) {
			from, to := m.start, m.end
			if from < w.start || to > w.end || from < end && to > start {
				continue
			}
			distance := start - to
			if from >= end {
				distance = from - end
			}
			if bestDistance < 0 || distance < bestDistance {
				best, bestDistance = v.data[from:to], distance
			}
		}
	}
	return best
}

// block returns the bounded matches of the part that begin in a block.
func (p *part) block(s *Scratch, v view, b int) []span {
	key := blockKey{p, b}
	if v.at == nil {
		if found, ok := s.parts[key]; ok {
			return found
		}
	}
	from, to := b*partBlock, min(len(v.data), (b+1)*partBlock)
	var found []span
	if end := min(len(v.data), to+p.max); p.need.in(v.data[from:end]) {
		for _, m := range p.re.FindAllSubmatchIndex(v.data[from:end], -1) {
			if m[0]+from >= to || m[2*p.sub] < 0 {
				continue
			}
			if f, t := m[2*p.sub]+from, m[2*p.sub+1]+from; partBounded(v.data, f, t) {
				found = append(found, span{f, t})
			}
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].start < found[j].start })
	if v.at == nil {
		if s.parts == nil {
			s.parts = map[blockKey][]span{}
		}
		s.parts[key] = found
	}
	return found
}

func partBounded(data []byte, from, to int) bool {
	return leftBounded(data, from) && (to == len(data) || !alnum(data[to]))
}
