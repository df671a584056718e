package detect

import "regexp/syntax"

// ahead says which bytes may follow a literal with which a match begins: those right
// after it, those after that, and so on. Where a pattern begins with a common word it
// tells most of the word's uses from those that can be a match without running the
// pattern.
type ahead struct {
	skip int // length of the literal
	sets []byteSet
}

// maxAhead is how many bytes after the literal are looked at.
const maxAhead = 6

// allows reports whether a match may begin at the start of data. escaped says that an
// escape stands among the bytes looked at, so that the unescaped text may say other
// things.
func (a *ahead) allows(data []byte) (ok, escaped bool) {
	for i := range a.sets {
		at := a.skip + i
		if at >= len(data) {
			return false, escaped
		}
		c := data[at]
		escaped = escaped || c == '\\' || c == '%'
		if !a.sets[i][c] {
			return false, escaped
		}
	}
	return true, escaped
}

// newAhead follows the pattern's automaton through the literal and then through
// whatever may come.
func newAhead(prog *syntax.Prog, literal string, fold bool) ahead {
	a := ahead{skip: len(literal)}
	s := closure(prog, []uint32{uint32(prog.Start)})
	for i := range len(literal) {
		c := rune(literal[i])
		next := advance(prog, s, c)
		if fold {
			next = append(next, advance(prog, s, rune(upper(literal[i])))...)
			next = append(next, advance(prog, s, rune(asciiLower(literal[i : i+1])[0]))...)
		}
		s = closure(prog, next)
	}
	for range maxAhead {
		set, next, end := any1(prog, s)
		if end || len(next) == 0 {
			break
		}
		a.sets = append(a.sets, set)
		s = closure(prog, next)
	}
	return a
}

// closure adds what is reached without a character.
func closure(prog *syntax.Prog, from []uint32) []uint32 {
	seen := make(map[uint32]bool, len(from)*2)
	var out []uint32
	var add func(pc uint32)
	add = func(pc uint32) {
		if seen[pc] {
			return
		}
		seen[pc] = true
		in := &prog.Inst[pc]
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			add(in.Out)
			add(in.Arg)
		case syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth:
			add(in.Out)
		case syntax.InstFail:
		default:
			out = append(out, pc)
		}
	}
	for _, pc := range from {
		add(pc)
	}
	return out
}

func advance(prog *syntax.Prog, s []uint32, r rune) (next []uint32) {
	for _, pc := range s {
		if in := &prog.Inst[pc]; in.Op != syntax.InstMatch && in.MatchRune(r) {
			next = append(next, in.Out)
		}
	}
	return next
}

// any1 returns the bytes that may come next, where they lead, and whether the match
// may also end here.
func any1(prog *syntax.Prog, s []uint32) (set byteSet, next []uint32, end bool) {
	for _, pc := range s {
		in := &prog.Inst[pc]
		if in.Op == syntax.InstMatch {
			return set, nil, true
		}
		for c := range 0x80 {
			set[c] = set[c] || in.MatchRune(rune(c))
		}
		if in.Op == syntax.InstRuneAny || in.Op == syntax.InstRuneAnyNotNL || len(in.Rune) > 0 && in.Rune[len(in.Rune)-1] >= 0x80 || in.Op == syntax.InstRune && syntax.Flags(in.Arg)&syntax.FoldCase != 0 {
			for c := 0x80; c < 0x100; c++ {
				set[c] = true
			}
		}
		next = append(next, in.Out)
	}
	return set, next, false
}
