package literal

// spelling is the values that one byte of a window may have.
type spelling struct {
	bytes [2]byte
	n     int // of bytes; 0 means that all 256 values are possible
}

// spellings returns the spelling of each byte of the window of p that begins at
// byte at. Bytes beyond the end of a short pattern may have any value.
func spellings(p Pattern, at int) (w [windowLen]spelling) {
	for k, c := range p.Bytes[at:min(at+windowLen, len(p.Bytes))] {
		w[k] = spelling{bytes: [2]byte{c, c ^ 0x20}, n: 1}
		if p.Fold && isLetter(c) {
			w[k].n = 2
		}
	}
	return w
}

func (s *spelling) len() int {
	if s.n == 0 {
		return 256
	}
	return s.n
}

func (s *spelling) at(i int) uint32 {
	if s.n == 0 {
		return uint32(i)
	}
	return uint32(s.bytes[i])
}
