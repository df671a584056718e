package detect

import (
	"regexp/syntax"
	"unicode/utf8"
)

// byteSet is a set of bytes.
type byteSet [256]bool

// linear is a pattern that can be matched from left to right without ever going
// back: literals and runs of byte classes, where each run of varying length is
// followed by a byte outside its class. It finds what the regexp package finds.
type linear struct {
	ops    []linearOp
	groups int
}

type linearOp struct {
	kind     opKind
	text     string   // opText, opFold
	alts     []string // opAlts: none is a prefix of another
	set      *byteSet // opRun
	min, max int      // opRun
	group    int      // opOpen, opClose
}

type opKind uint8

const (
	opText opKind = iota
	opFold
	opAlts
	opRun
	opOpen
	opClose
)

// newLinear compiles a syntax tree, or returns nil where the pattern is not of the
// linear form.
func newLinear(re *syntax.Regexp) *linear {
	l := &linear{groups: re.MaxCap() + 1}
	if !l.add(re) {
		return nil
	}
	// A run of varying length must not be able to take what the next operation needs.
	for i, op := range l.ops {
		if op.kind != opRun || op.min == op.max {
			continue
		}
		for _, next := range l.ops[i+1:] {
			if next.kind == opOpen || next.kind == opClose {
				continue
			}
			if next.kind == opRun && next.min == 0 || next.overlaps(op.set) {
				return nil
			}
			break
		}
	}
	return l
}

func (op *linearOp) overlaps(set *byteSet) bool {
	switch op.kind {
	case opText:
		return set[op.text[0]]
	case opFold:
		return set[op.text[0]] || set[upper(op.text[0])]
	case opAlts:
		for _, a := range op.alts {
			if set[a[0]] {
				return true
			}
		}
		return false
	}
	for c := range op.set {
		if op.set[c] && set[c] {
			return true
		}
	}
	return false
}

func (l *linear) add(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return true
	case syntax.OpLiteral:
		text := string(re.Rune)
		if re.Flags&syntax.FoldCase != 0 {
			for i, c := range []byte(text) {
				if c >= 0x80 || c == 'k' || c == 'K' || c == 's' || c == 'S' {
					return false // the engine also folds to non-ASCII letters here
				}
				_ = i
			}
			l.ops = append(l.ops, linearOp{kind: opFold, text: asciiLower(text)})
			return true
		}
		l.ops = append(l.ops, linearOp{kind: opText, text: text})
		return true
	case syntax.OpCharClass:
		return l.run(re, 1, 1)
	case syntax.OpRepeat:
		return re.Flags&syntax.NonGreedy == 0 && re.Sub[0].Op == syntax.OpCharClass && l.run(re.Sub[0], re.Min, re.Max)
	case syntax.OpCapture:
		l.ops = append(l.ops, linearOp{kind: opOpen, group: re.Cap})
		if !l.add(re.Sub[0]) {
			return false
		}
		l.ops = append(l.ops, linearOp{kind: opClose, group: re.Cap})
		return true
	case syntax.OpConcat:
		for _, s := range re.Sub {
			if !l.add(s) {
				return false
			}
		}
		return true
	case syntax.OpAlternate:
		return l.alternatives(re)
	}
	return false
}

func (l *linear) run(class *syntax.Regexp, lo, hi int) bool {
	set := new(byteSet)
	for i := 0; i+1 < len(class.Rune); i += 2 {
		if class.Rune[i+1] >= utf8.RuneSelf {
			return false
		}
		for r := class.Rune[i]; r <= class.Rune[i+1]; r++ {
			set[r] = true
		}
	}
	l.ops = append(l.ops, linearOp{kind: opRun, set: set, min: lo, max: hi})
	return true
}

func (l *linear) alternatives(re *syntax.Regexp) bool {
	op := linearOp{kind: opAlts}
	for _, s := range re.Sub {
		if s.Op != syntax.OpLiteral || s.Flags&syntax.FoldCase != 0 {
			return false
		}
		op.alts = append(op.alts, string(s.Rune))
	}
	for i, a := range op.alts {
		for j, b := range op.alts {
			if i != j && len(a) <= len(b) && b[:len(a)] == a {
				return false
			}
		}
	}
	l.ops = append(l.ops, op)
	return true
}

// match matches at the start of data and fills loc, as regexp's
// FindSubmatchIndex does; loc must have room for all groups.
func (l *linear) match(loc []int, data []byte) bool {
	for i := range loc {
		loc[i] = -1
	}
	at := 0
	for i := range l.ops {
		op := &l.ops[i]
		switch op.kind {
		case opOpen:
			loc[2*op.group] = at
		case opClose:
			loc[2*op.group+1] = at
		case opText:
			if len(data)-at < len(op.text) || string(data[at:at+len(op.text)]) != op.text {
				return false
			}
			at += len(op.text)
		case opFold:
			if len(data)-at < len(op.text) || !equalFold(data[at:at+len(op.text)], op.text) {
				return false
			}
			at += len(op.text)
		case opAlts:
			n := op.alternative(data[at:])
			if n == 0 {
				return false
			}
			at += n
		case opRun:
			n, limit := 0, min(op.max, len(data)-at)
			for n < limit && op.set[data[at+n]] {
				n++
			}
			if n < op.min {
				return false
			}
			at += n
		}
	}
	loc[0], loc[1] = 0, at
	return true
}

func (op *linearOp) alternative(data []byte) int {
	for _, a := range op.alts {
		if len(data) >= len(a) && string(data[:len(a)]) == a {
			return len(a)
		}
	}
	return 0
}

// equalFold reports whether b equals the lower-case ASCII text s in either case.
func equalFold(b []byte, s string) bool {
	for i, c := range b {
		if c != s[i] && (c|0x20 != s[i] || c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 0x20
	}
	return c
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// trailing returns the bytes with which a match can end by a class: a byte of these
// after a match means that the key goes on.
func trailing(re *syntax.Regexp) (set byteSet) {
	switch re.Op {
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1] && r < utf8.RuneSelf; r++ {
				set[r] = true
			}
		}
	case syntax.OpCapture, syntax.OpRepeat, syntax.OpQuest:
		set = trailing(re.Sub[0])
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			set = set.union(trailing(s))
		}
	case syntax.OpConcat:
		for i := len(re.Sub) - 1; i >= 0; i-- {
			set = set.union(trailing(re.Sub[i]))
			if !canBeEmpty(re.Sub[i]) {
				break
			}
		}
	}
	return set
}

func (s byteSet) union(t byteSet) byteSet {
	for i := range s {
		s[i] = s[i] || t[i]
	}
	return s
}

func canBeEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpQuest, syntax.OpStar:
		return true
	case syntax.OpRepeat:
		return re.Min == 0 || canBeEmpty(re.Sub[0])
	case syntax.OpCapture:
		return canBeEmpty(re.Sub[0])
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			if canBeEmpty(s) {
				return true
			}
		}
	case syntax.OpConcat:
		for _, s := range re.Sub {
			if !canBeEmpty(s) {
				return false
			}
		}
		return true
	}
	return false
}
