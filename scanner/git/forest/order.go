package forest

import "github.com/rekeyhq/rekey/scanner/git"

// byOffset returns the positions of an index in increasing order of offset, and the
// offsets in that order. It is a radix sort: three times faster than comparing, and
// without the trust that a .rev file would need.
func byOffset(x *git.PackIndex) (pos []int32, off []int64) {
	n := x.Len()
	type item struct {
		off int64
		pos int32
	}
	a, b := make([]item, n), make([]item, n)
	var all int64
	for i := range a {
		a[i] = item{x.Offset(i), int32(i)}
		all |= a[i].off
	}
	const digit = 11
	for shift := 0; shift < 63 && all>>shift != 0; shift += digit {
		var start [1 << digit]int32
		for i := range a {
			start[a[i].off>>shift&(1<<digit-1)]++
		}
		at := int32(0)
		for d, c := range start {
			start[d] = at
			at += c
		}
		for _, it := range a {
			d := it.off >> shift & (1<<digit - 1)
			b[start[d]] = it
			start[d]++
		}
		a, b = b, a
	}
	pos, off = make([]int32, n), make([]int64, n)
	for i, it := range a {
		pos[i], off[i] = it.pos, it.off
	}
	return pos, off
}

// places finds offsets in a sorted list in one or two steps.
type places struct {
	off   []int64
	shift uint
	first []int32 // first[k] is the first place whose offset>>shift is at least k
}

func newPlaces(off []int64) places {
	p := places{off: off}
	if len(off) == 0 {
		return p
	}
	last := off[len(off)-1]
	for last>>p.shift > int64(len(off)) {
		p.shift++
	}
	p.first = make([]int32, last>>p.shift+2)
	i := 0
	for k := range p.first {
		for i < len(off) && off[i]>>p.shift < int64(k) {
			i++
		}
		p.first[k] = int32(i)
	}
	return p
}

// find returns the place of an offset.
func (p places) find(off int64) (int32, bool) {
	k := off >> p.shift
	if off < 0 || k >= int64(len(p.first))-1 {
		return 0, false
	}
	lo, hi := p.first[k], p.first[k+1]
	for lo < hi {
		m := (lo + hi) / 2
		if p.off[m] < off {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo, int(lo) < len(p.off) && p.off[lo] == off
}
