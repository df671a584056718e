package literal

import "math"

// windowLen is how many bytes of a pattern the filters know. Shorter patterns
// have a shorter window.
const windowLen = 4

// hashFactor multiplies windows to mix their bits (2^32 divided by the golden
// ratio, made odd).
const hashFactor = 0x9E3779B1

// maxWindow is the furthest a window may begin from its pattern's start. Every
// call looks that much beyond hi, so it is small.
const maxWindow = 12

// Patterns with the same window are compared one by one wherever it occurs. So
// that nobody can write a text in which that takes long, each pattern beyond the
// first crowd makes a window less attractive, in the unit of rarity.
const (
	crowd   = 16
	crowded = 4
)

// chooseWindows returns for each pattern where its window begins: where its four
// bytes are rarest in text, and not those of many other patterns.
func chooseWindows(patterns []Pattern) []int {
	windows := make([]int, len(patterns))
	var taken [1 << 12]uint16 // how many have a window with this hash
	for i, p := range patterns {
		best, bestHash := math.MinInt, uint32(0)
		window, score := uint32(0), 0 // of the bytes up to end
		for end, c := range p.Bytes[:min(len(p.Bytes), maxWindow+windowLen)] {
			window = window>>8 | uint32(c|0x20)<<24
			score += rarityOf(c, p.Fold)
			at := end + 1 - windowLen
			if at > 0 {
				score -= rarityOf(p.Bytes[at-1], p.Fold)
			}
			h := window * hashFactor >> 20
			if value := score - crowded*max(0, int(taken[h])-crowd); at >= 0 && value > best {
				best, bestHash, windows[i] = value, h, at
			}
		}
		if taken[bestHash] < math.MaxUint16 {
			taken[bestHash]++
		}
	}
	return windows
}

func rarityOf(c byte, fold bool) int {
	if fold && isLetter(c) {
		return int(min(rarity[c], rarity[c^0x20]))
	}
	return int(rarity[c])
}

// rarity is -8*log2 of each byte's share of Go, C, Python, JavaScript, JSON,
// prose, logs and executables, each weighted alike, executables a third.
// Measured 2026-11-21 over 98 MB of what a Debian machine has of them.
var rarity = [256]uint8{
	56, 85, 94, 99, 101, 95, 107, 107, 86, 52, 43, 110, 108, 79, 114, 83,
	87, 95, 112, 108, 110, 107, 111, 113, 95, 110, 113, 111, 112, 108, 115, 100,
	21, 85, 41, 70, 70, 86, 85, 69, 58, 58, 68, 77, 50, 51, 46, 57,
	50, 49, 50, 58, 55, 61, 56, 64, 64, 65, 45, 76, 77, 64, 74, 101,
	86, 60, 75, 67, 67, 63, 74, 68, 63, 63, 100, 87, 62, 68, 68, 66,
	66, 91, 64, 65, 61, 75, 74, 83, 77, 86, 96, 72, 73, 71, 106, 53,
	78, 39, 55, 46, 45, 34, 49, 51, 53, 41, 79, 64, 44, 50, 40, 41,
	48, 83, 40, 40, 37, 47, 59, 65, 58, 59, 77, 57, 82, 57, 97, 113,
	92, 103, 112, 91, 91, 98, 107, 115, 102, 74, 116, 75, 96, 87, 114, 117,
	93, 116, 116, 117, 95, 117, 117, 117, 107, 104, 115, 114, 99, 114, 119, 116,
	104, 117, 118, 116, 113, 117, 116, 117, 107, 111, 114, 116, 114, 116, 111, 115,
	107, 113, 115, 116, 105, 116, 105, 113, 104, 109, 110, 99, 104, 115, 114, 109,
	95, 100, 100, 95, 97, 113, 107, 103, 104, 104, 110, 111, 77, 118, 112, 113,
	103, 107, 106, 109, 115, 116, 112, 113, 106, 108, 111, 104, 117, 118, 114, 113,
	103, 111, 97, 114, 115, 105, 113, 113, 86, 102, 115, 98, 105, 115, 115, 113,
	104, 113, 112, 112, 116, 116, 109, 109, 105, 109, 108, 109, 114, 113, 105, 80,
}
