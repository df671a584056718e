package detect

import "bytes"

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// bounded reports whether the key ends where the match does on both sides: a longer
// run of key characters is another thing. A key may follow another of the same rule
// directly.
func (c *compiled) bounded(v view, loc []int, start, end int) bool {
	if !leftBounded(v.data, start) && !c.glued(v.data, loc) {
		return false
	}
	if end == len(v.data) {
		return true
	}
	next := v.data[end]
	l := c.get()
	secretEndsMatch := end == loc[1]
	if next == '_' && !l.last['_'] { // part of a longer identifier, or emphasis around the key
		return end+1 == len(v.data) || !alnum(v.data[end+1])
	}
	if !alnum(next) && (!secretEndsMatch || !l.last[next]) {
		return true
	}
	for _, lit := range c.rule.Shape.Literals { // the next key begins here
		if !lit.Fold && bytes.HasPrefix(v.data[end:], []byte(lit.Text)) {
			return true
		}
	}
	// One byte of padding or punctuation of the class may end a sentence: "key." or
	// "key-" before white space is still the key.
	if !alnum(next) && !isKeyGlue(next) && (end+1 == len(v.data) || !alnum(v.data[end+1]) && !l.last[v.data[end+1]]) {
		return true
	}
	return false
}

// isKeyGlue reports whether c joins parts of a token rather than ending a sentence.
func isKeyGlue(c byte) bool { return c == '_' || c == '=' || c == '/' || c == '+' }

// leftBounded reports whether a token may begin at pos: what stands before it is no
// letter, digit or identifier, or belongs to an escape that stands for another character, such
// as %3D, \n, \x3d, \u003d or a terminal colour.
func leftBounded(data []byte, pos int) bool {
	if pos == 0 {
		return true
	}
	c := data[pos-1]
	if c == '_' { // part of a longer identifier, or emphasis around the key
		return pos == 1 || !alnum(data[pos-2]) || pos > 2 && data[pos-3] == '\\'
	}
	if !alnum(c) {
		return true
	}
	before := data[max(0, pos-10):pos]
	n := len(before)
	if n >= 2 && before[n-2] == '\\' && bytes.IndexByte([]byte("ntrbfv0ae"), c) >= 0 {
		return true
	}
	if hexDigit(c) && n >= 3 && hexDigit(before[n-2]) {
		if before[n-3] == '%' || n >= 4 && before[n-3] == 'x' && before[n-4] == '\\' {
			return true
		}
		if n >= 6 && before[n-6] == '\\' && (before[n-5] == 'u' || before[n-5] == 'U') && hexDigit(before[n-3]) && hexDigit(before[n-4]) {
			return true
		}
	}
	if c == 'm' { // ESC [ 1 ; 31 m
		i := n - 2
		for i >= 0 && (before[i] >= '0' && before[i] <= '9' || before[i] == ';') {
			i--
		}
		return i >= 0 && before[i] == '['
	}
	return false
}

// glued reports whether another key of the rule, itself bounded, ends where the match
// begins. Only rules whose matches all have one length are looked at.
func (c *compiled) glued(data []byte, loc []int) bool {
	l := c.get()
	n := loc[1] - loc[0]
	if l.fixed != n || loc[0] < n || len(c.rule.Shape.Literals) == 0 {
		return false
	}
	var room [2 * maxGroups]int
	before := loc[0] - n
	got := l.matchAt(room[:0], data[before:loc[1]])
	return got != nil && got[1] == n && leftBounded(data, before+got[2*l.secret])
}
