package ignore

import "strings"

// pattern is one line of an ignore file.
type pattern struct {
	negated  bool
	dirOnly  bool
	anchored bool // has a slash: matches the path below the file's directory, not the name alone
	fold     bool
	prefix   string // literal bytes before the first special one
	suffix   bool   // "*literal" against a name: tail holds the literal
	tail     string
	rest     []token // what follows the prefix; empty for a literal pattern
}

// parsePattern reads one line, comment and trailing spaces removed. It reports false
// for a line that can match nothing and so need not be kept.
func parsePattern(s string, fold bool) (pattern, bool) {
	p := pattern{fold: fold}
	if strings.HasPrefix(s, "!") {
		p.negated = true
		s = s[1:]
	}
	if strings.HasSuffix(s, "/") {
		p.dirOnly = true
		s = s[:len(s)-1]
	}
	p.anchored = strings.Contains(s, "/")
	s = strings.TrimPrefix(s, "/")
	if s == "" {
		return p, false
	}
	simple := simpleLength(s)
	if !p.anchored && s[0] == '*' && simpleLength(s[1:]) == len(s)-1 {
		p.suffix, p.tail = true, s[1:]
		return p, true
	}
	// Git compares the literal prefix first and hands the rest to its matcher, so a
	// "**" right after the prefix counts as standing at the start: "a**/b" matches
	// "ab". For a name the whole pattern is handed over, and "**" is the same as "*".
	p.prefix = s[:simple]
	rest, ok := compile(s[simple:], p.anchored, fold)
	p.rest = rest
	return p, ok
}

func (p *pattern) match(s string) bool {
	if p.suffix {
		return len(s) >= len(p.tail) && equal(s[len(s)-len(p.tail):], p.tail, p.fold)
	}
	if len(s) < len(p.prefix) || !equal(s[:len(p.prefix)], p.prefix, p.fold) {
		return false
	}
	s = s[len(p.prefix):]
	if len(p.rest) == 0 {
		return s == ""
	}
	return matchTokens(p.rest, s, p.fold)
}

func equal(a, b string, fold bool) bool {
	if !fold {
		return a == b
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// simpleLength is the number of bytes before the first glob character.
func simpleLength(s string) int {
	if i := strings.IndexAny(s, `*?[\`); i >= 0 {
		return i
	}
	return len(s)
}
