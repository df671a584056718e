package staged

import "bytes"

// LineRange is a run of lines, counted from 1, both ends included.
type LineRange struct{ First, Last int }

// AddedLines returns the lines of new that are not in old, as a smallest set of
// changes has it (Myers, "An O(ND) Difference Algorithm", 1986). A line is the same
// with and without a line break at the end of the file. Where files differ so much
// that the smallest set would take long, more lines than necessary count as added,
// never fewer than differ.
func AddedLines(old, new []byte) []LineRange {
	a, b := intern(old, new)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	added := make([]bool, len(b))
	for i := head; i < len(b)-tail; i++ {
		added[i] = true
	}
	a, b = a[head:len(a)-tail], b[head:len(b)-tail]
	// Lines that only one side has are no part of what is common: leave them out.
	a, _ = only(a, b)
	rest, where := only(b, a)
	common(a, rest, func(i int) { added[head+where[i]] = false })
	return ranges(added)
}

// intern numbers the lines of both files: equal lines have equal numbers.
func intern(old, new []byte) (a, b []int32) {
	numbers := make(map[string]int32)
	read := func(text []byte) (lines []int32) {
		for len(text) > 0 {
			var line []byte
			line, text, _ = bytes.Cut(text, []byte{'\n'})
			n, ok := numbers[string(line)]
			if !ok {
				n = int32(len(numbers))
				numbers[string(line)] = n
			}
			lines = append(lines, n)
		}
		return lines
	}
	return read(old), read(new)
}

// only returns the lines of a that b has too, and where they stand in a.
func only(a, b []int32) (kept []int32, where []int) {
	in := make(map[int32]bool, len(b))
	for _, n := range b {
		in[n] = true
	}
	for i, n := range a {
		if in[n] {
			kept, where = append(kept, n), append(where, i)
		}
	}
	return kept, where
}

// maxEdits bounds the edits that are searched for: memory grows with their square
// (16 MB), time with them and the number of lines.
const maxEdits = 2000

// common calls fn with the position in b of every line of a longest common
// subsequence of a and b; of none when they are more than maxEdits apart.
func common(a, b []int32, fn func(int)) {
	var trace [][]int32 // for each number of edits d: the furthest x on diagonals -d..d
	limit := min(len(a)+len(b), maxEdits)
	for d := 0; d <= limit; d++ {
		row := make([]int32, 2*d+1)
		for k := -d; k <= d; k += 2 {
			x := furthest(trace, d, k)
			for y := x - k; x < len(a) && y < len(b) && a[x] == b[y]; y++ {
				x++
			}
			row[k+d] = int32(x)
			if x >= len(a) && x-k >= len(b) {
				backtrack(append(trace, row), d, k, x, fn)
				return
			}
		}
		trace = append(trace, row)
	}
}

// furthest returns where diagonal k starts after d edits, before lines in common.
func furthest(trace [][]int32, d, k int) int {
	if d == 0 {
		return 0
	}
	before := trace[d-1] // diagonals -(d-1)..d-1
	at := func(k int) int { return int(before[k+d-1]) }
	if k == -d || k != d && at(k-1) < at(k+1) {
		return at(k + 1)
	}
	return at(k-1) + 1
}

// backtrack walks from the end of both files to their start along the path found.
func backtrack(trace [][]int32, d, k, x int, fn func(int)) {
	for ; d >= 0; d-- {
		start := furthest(trace, d, k)
		for ; x > start; x-- {
			fn(x - 1 - k)
		}
		if d == 0 {
			return
		}
		before := trace[d-1]
		at := func(k int) int { return int(before[k+d-1]) }
		if k == -d || k != d && at(k-1) < at(k+1) {
			k++
		} else {
			k--
		}
		x = at(k)
	}
}

func ranges(added []bool) (out []LineRange) {
	for i, is := range added {
		switch {
		case !is:
		case i > 0 && added[i-1]:
			out[len(out)-1].Last = i + 1
		default:
			out = append(out, LineRange{i + 1, i + 1})
		}
	}
	return out
}
