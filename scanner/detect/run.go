package detect

import (
	"bytes"
	"regexp/syntax"
)

// need is what every match of a pattern holds: n bytes of a set in a row. Looking for
// that costs a few bytes per window, where the regular expression engine would look at
// each; most windows around a common word hold nothing like a key.
type need struct {
	set byteSet
	n   int
	// plain says that no byte of the set is ever escaped in URLs or string literals,
	// so that escaped text holds the run as well.
	plain bool
}

// minNeed is the shortest run worth looking for.
const minNeed = 8

// needOf returns the longest run that every match must hold; n is 0 where there is
// none worth looking for.
func needOf(re *syntax.Regexp) need {
	n := longestRun(re)
	if n.n < minNeed {
		return need{}
	}
	n.plain = true
	for c, in := range n.set {
		if in && !unreserved(byte(c)) {
			n.plain = false
		}
	}
	return n
}

func unreserved(c byte) bool { return alnum(c) || c == '-' || c == '_' || c == '.' || c == '~' }

func longestRun(re *syntax.Regexp) need {
	if n, ok := pureRun(re); ok {
		return n
	}
	switch re.Op {
	case syntax.OpCapture:
		return longestRun(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return longestRun(re.Sub[0])
		}
	case syntax.OpConcat:
		return longestOfConcat(re.Sub)
	case syntax.OpAlternate:
		var all need
		for i, s := range re.Sub {
			n := longestRun(s)
			if n.n == 0 {
				return need{}
			}
			if i == 0 {
				all = n
			} else {
				all = need{set: all.set.union(n.set), n: min(all.n, n.n)}
			}
		}
		return all
	}
	return need{}
}

// longestOfConcat joins neighbours that are runs themselves.
func longestOfConcat(subs []*syntax.Regexp) (best need) {
	var joined need
	flush := func() {
		if joined.n > best.n {
			best = joined
		}
		joined = need{}
	}
	for _, s := range subs {
		if n, ok := pureRun(s); ok && s.Op != syntax.OpLiteral && n.token() {
			joined = need{set: joined.set.union(n.set), n: joined.n + n.n}
			continue
		}
		flush()
		if n := longestRun(s); n.n > best.n {
			best = n
		}
	}
	flush()
	return best
}

// token reports whether the set holds nothing that parts words: runs of it are rare.
func (n *need) token() bool {
	for _, c := range []byte(" \t\r\n\"'`,;:()[]{}<>") {
		if n.set[c] {
			return false
		}
	}
	return true
}

// pureRun returns the bytes of which all that a pattern matches is made, and its least
// length; ok is false where it holds characters of more than one byte, or choices.
func pureRun(re *syntax.Regexp) (n need, ok bool) {
	switch re.Op {
	case syntax.OpCharClass:
		if wide(re) {
			return need{}, false
		}
		return need{set: trailing(re), n: 1}, true
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if r > 0x7f {
				return need{}, false
			}
			n.set[r] = true
			if re.Flags&syntax.FoldCase != 0 {
				n.set[upper(byte(r))], n.set[asciiLower(string(r))[0]] = true, true
			}
		}
		n.n = len(re.Rune)
		return n, true
	case syntax.OpCapture:
		return pureRun(re.Sub[0])
	case syntax.OpRepeat:
		n, ok = pureRun(re.Sub[0])
		n.n *= re.Min
		return n, ok
	case syntax.OpConcat:
		for _, s := range re.Sub {
			one, ok := pureRun(s)
			if !ok {
				return need{}, false
			}
			n = need{set: n.set.union(one.set), n: n.n + one.n}
		}
		return n, true
	}
	return need{}, false
}

// wide reports whether a class holds characters of more than one byte.
func wide(class *syntax.Regexp) bool {
	return len(class.Rune) > 0 && class.Rune[len(class.Rune)-1] > 0x7f
}

// find returns the first run in data, as far as it goes; start is -1 where there is
// none.
func (n *need) find(data []byte) (start, end int) {
	// Every n-th byte is looked at first: a run of n covers one of them.
	for i := n.n - 1; i < len(data); {
		if !n.set[data[i]] {
			i += n.n
			continue
		}
		start, end = i, i+1
		for start > 0 && i-start < n.n && n.set[data[start-1]] {
			start--
		}
		for end < len(data) && n.set[data[end]] {
			end++
		}
		if end-start >= n.n {
			return start, end
		}
		i = end + n.n - 1
		if i < end {
			i = end
		}
	}
	return -1, -1
}

// in reports whether data holds a run; without a need it always may.
func (n *need) in(data []byte) bool {
	if n.n == 0 {
		return true
	}
	start, _ := n.find(data)
	return start >= 0
}

// holds reports whether data holds what every match of the pattern does.
func (l *lazy) holds(data []byte) bool {
	return (l.must == 0 || bytes.IndexByte(data, l.must) >= 0) &&
		(l.word == "" || indexFold(data, l.word) >= 0) && l.need.in(data)
}

// minWord is the length of the shortest word worth looking for.
const minWord = 3

// mustWord returns the longest text, in lower case, that every match of a pattern
// holds besides what it begins with.
func mustWord(re *syntax.Regexp) string {
	best, first := "", true
	var walk func(re *syntax.Regexp)
	walk = func(re *syntax.Regexp) {
		switch re.Op {
		case syntax.OpLiteral:
			text := string(re.Rune)
			ascii := !first && len(text) >= minWord && len(text) > len(best)
			for i := range len(text) {
				ascii = ascii && text[i] < 0x80
			}
			if ascii {
				best = asciiLower(text)
			}
			first = false
		case syntax.OpCapture:
			walk(re.Sub[0])
		case syntax.OpConcat:
			for _, s := range re.Sub {
				walk(s)
				first = false
			}
		case syntax.OpRepeat:
			if re.Min > 0 {
				walk(re.Sub[0])
			}
			first = false
		default:
			first = false
		}
	}
	walk(re)
	return best
}

// rareBytes are bytes that few windows of text hold, rarest first.
const rareBytes = "~^|@$%!?&"

// mustHold returns a rare byte that every match of a pattern holds, or 0.
func mustHold(re *syntax.Regexp) byte {
	var held [256]bool
	var walk func(re *syntax.Regexp)
	walk = func(re *syntax.Regexp) {
		switch re.Op {
		case syntax.OpLiteral:
			for _, r := range re.Rune {
				if r < 0x80 {
					held[r] = true
				}
			}
		case syntax.OpCapture, syntax.OpConcat:
			for _, s := range re.Sub {
				walk(s)
			}
		case syntax.OpRepeat:
			if re.Min > 0 {
				walk(re.Sub[0])
			}
		}
	}
	walk(re)
	for i := range len(rareBytes) {
		if held[rareBytes[i]] {
			return rareBytes[i]
		}
	}
	return 0
}

// neverEscaped reports whether all that a pattern matches stands unchanged in escaped
// text: then there is nothing to be gained by undoing escapes.
func neverEscaped(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if r > 0x7f || !unreserved(byte(r)) {
				return false
			}
		}
	case syntax.OpCharClass:
		if wide(re) {
			return false
		}
		set := trailing(re)
		for c, in := range set {
			if in && !unreserved(byte(c)) {
				return false
			}
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	}
	for _, s := range re.Sub {
		if !neverEscaped(s) {
			return false
		}
	}
	return true
}
