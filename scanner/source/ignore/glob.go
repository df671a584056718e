package ignore

// token is one step of a compiled glob.
type token struct {
	op  op
	lit byte
	set *set
}

type op uint8

const (
	opByte op = iota
	opSet
	opStar // any run of bytes without a slash
	opAny  // any run of bytes
	opDirs // before the opAny and the slash of "**/": all three may be left out
)

// set is a set of bytes.
type set [4]uint64

func (s *set) add(c byte)      { s[c>>6] |= 1 << (c & 63) }
func (s *set) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

// compile turns a glob into tokens. path says that "*", "?" and classes stop at a
// slash and that "**" between slashes does not. It reports false for a glob that git
// can never match: an unfinished class, an unknown class name, a trailing backslash.
func compile(s string, path, fold bool) ([]token, bool) {
	var out []token
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '*':
			j := i
			for j < len(s) && s[j] == '*' {
				j++
			}
			run := stars(s, i, j, path)
			if run.op == opDirs {
				out = append(out, run, token{op: opAny})
			} else {
				out = append(out, run)
			}
			i = j
		case '?':
			var all set
			for b := range 256 {
				all.add(byte(b))
			}
			out = append(out, token{op: opSet, set: without(&all, path)})
			i++
		case '[':
			members, n := class(s[i:], fold)
			if n == 0 {
				return nil, false
			}
			out = append(out, token{op: opSet, set: without(members, path)})
			i += n
		default:
			if c == '\\' {
				if i++; i == len(s) {
					return nil, false
				}
				c = s[i]
				// An escaped capital never matches when letters are folded: git folds
				// the text and the pattern's own bytes, but not escaped ones.
				out = append(out, token{op: opByte, lit: c})
				i++
				continue
			}
			if fold {
				c = lower(c)
			}
			out = append(out, token{op: opByte, lit: c})
			i++
		}
	}
	return out, true
}

// stars gives the token for the run of stars s[i:j].
func stars(s string, i, j int, path bool) token {
	if !path {
		return token{op: opAny}
	}
	opened := i == 0 || s[i-1] == '/'
	rest := s[j:]
	switch {
	case j-i < 2 || !opened:
		return token{op: opStar}
	case rest == "":
		return token{op: opAny}
	case rest[0] == '/':
		return token{op: opDirs}
	case len(rest) > 1 && rest[0] == '\\' && rest[1] == '/':
		return token{op: opAny}
	}
	return token{op: opStar}
}

func without(s *set, path bool) *set {
	if path {
		s['/'>>6] &^= 1 << ('/' & 63)
	}
	return s
}

// matchTokens runs the tokens over s as a set of positions, so that its time is at
// most the product of both lengths whatever the pattern is.
func matchTokens(tokens []token, s string, fold bool) bool {
	var small [2][96]bool
	now, next := small[0][:], small[1][:]
	if len(tokens)+1 > len(now) {
		now, next = make([]bool, len(tokens)+1), make([]bool, len(tokens)+1)
	}
	now, next = now[:len(tokens)+1], next[:len(tokens)+1]
	now[0] = true
	for i := 0; ; i++ {
		for k, t := range tokens { // steps that take no byte; they only lead forward
			if now[k] && t.op >= opStar {
				now[k+1] = true
				if t.op == opDirs {
					now[k+3] = true
				}
			}
		}
		if i == len(s) {
			return now[len(tokens)]
		}
		c, alive := s[i], false
		if fold {
			c = lower(c)
		}
		for k, t := range tokens {
			if !now[k] {
				continue
			}
			switch t.op {
			case opByte:
				next[k+1] = next[k+1] || t.lit == c
			case opSet:
				next[k+1] = next[k+1] || t.set.has(c)
			case opStar:
				next[k] = next[k] || c != '/'
			case opAny:
				next[k] = true
			}
		}
		for k := range now {
			alive = alive || next[k]
			now[k] = false
		}
		if !alive {
			return false
		}
		now, next = next, now
	}
}
