package literal

// maxWindow is the furthest a window may begin from its pattern's start. Every
// call looks that much beyond hi, so it is small.
const maxWindow = 12

// chooseWindows returns for each pattern where its window begins: at the four
// bytes that are rarest in text.
func chooseWindows(patterns []Pattern) []int {
	windows := make([]int, len(patterns))
	for i, p := range patterns {
		best := -1
		for at := 0; at+4 <= len(p.Bytes) && at <= maxWindow; at++ {
			rare := 0
			for _, c := range p.Bytes[at : at+4] {
				rare += rarity(c)
			}
			if rare > best {
				best, windows[i] = rare, at
			}
		}
	}
	return windows
}

func rarity(c byte) int {
	switch {
	case c == ' ' || c == 'e' || c == 't' || c == 0:
		return 0
	case 'a' <= c && c <= 'z':
		return 2
	case c < 0x80:
		return 5
	}
	return 6
}
