package rules

import (
	"fmt"
	"regexp/syntax"
	"strings"
)

// Pattern is what can be said of a rule's pattern without running it.
type Pattern struct {
	Tree *syntax.Regexp
	// Min and Max are the lengths in bytes of the shortest and longest match.
	Min, Max int
	// Literals are bytes, one of which begins every match; nil where some match
	// begins with none.
	Literals []Literal
	Groups   map[string]bool
}

// Literal is fixed text. Fold says that letters match in either case.
type Literal struct {
	Text string
	Fold bool
}

// MaxSpan is the longest match in bytes that a pattern may have.
const MaxSpan = 4096

// minLiteral is the shortest literal worth searching for.
const minLiteral = 3

// ParsePattern analyses a pattern. It refuses what a rule must not have: unbounded
// repetition and anchors, whose meaning would depend on where a window was cut.
func ParsePattern(pattern string) (*Pattern, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	p := &Pattern{Tree: tree, Groups: map[string]bool{}}
	if p.Min, p.Max, err = lengths(tree, p.Groups); err != nil {
		return nil, err
	}
	if p.Max > MaxSpan {
		return nil, fmt.Errorf("a match can be %d bytes long; the limit is %d", p.Max, MaxSpan)
	}
	for _, l := range leading(tree) {
		if len(l.text) < minLiteral {
			p.Literals = nil
			return p, nil
		}
		p.Literals = append(p.Literals, Literal{l.text, l.fold})
	}
	return p, nil
}

func lengths(re *syntax.Regexp, groups map[string]bool) (lo, hi int, err error) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return 0, 0, nil
	case syntax.OpLiteral:
		return len(re.Rune), len(string(re.Rune)), nil
	case syntax.OpCharClass:
		return 1, classWidth(re), nil
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, 4, nil
	case syntax.OpCapture:
		if re.Name != "" {
			groups[re.Name] = true
		}
		return lengths(re.Sub[0], groups)
	case syntax.OpStar, syntax.OpPlus:
		return 0, 0, fmt.Errorf("%q has no upper bound: write {m,n}", re)
	case syntax.OpQuest:
		_, hi, err = lengths(re.Sub[0], groups)
		return 0, hi, err
	case syntax.OpRepeat:
		if re.Max < 0 {
			return 0, 0, fmt.Errorf("%q has no upper bound: write {m,n}", re)
		}
		lo, hi, err = lengths(re.Sub[0], groups)
		return lo * re.Min, hi * re.Max, err
	case syntax.OpConcat:
		for _, s := range re.Sub {
			l, h, err := lengths(s, groups)
			if err != nil {
				return 0, 0, err
			}
			lo, hi = lo+l, hi+h
		}
		return lo, hi, nil
	case syntax.OpAlternate:
		for i, s := range re.Sub {
			l, h, err := lengths(s, groups)
			if err != nil {
				return 0, 0, err
			}
			if i == 0 || l < lo {
				lo = l
			}
			hi = max(hi, h)
		}
		return lo, hi, nil
	}
	return 0, 0, fmt.Errorf("%q is not allowed: boundaries are checked in code, and ^ $ \\b would depend on where the window was cut", re)
}

func classWidth(re *syntax.Regexp) int {
	if n := len(re.Rune); n > 0 && re.Rune[n-1] > 0x7f {
		return 4
	}
	return 1
}

// lead is text with which a match begins. Open text may be continued by what
// follows in a concatenation; text that is not has met something that varies.
type lead struct {
	text string
	fold bool
	open bool
}

// Bounds on the set of leading literals: how many, and how long.
const (
	maxLeads   = 64
	maxLeadLen = 32
)

func leading(re *syntax.Regexp) []lead {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []lead{{open: true}}
	case syntax.OpLiteral:
		fold := re.Flags&syntax.FoldCase != 0
		text := string(re.Rune)
		if fold {
			text = strings.ToLower(text)
		}
		return []lead{{text: text, fold: fold && strings.ToUpper(text) != text, open: true}}
	case syntax.OpCapture:
		return leading(re.Sub[0])
	case syntax.OpCharClass:
		return leadingClass(re)
	case syntax.OpQuest:
		return limit(append([]lead{{open: true}}, leading(re.Sub[0])...))
	case syntax.OpRepeat:
		return leadingRepeat(re)
	case syntax.OpConcat:
		out := []lead{{open: true}}
		for _, s := range re.Sub {
			out = join(out, leading(s))
			if !anyOpen(out) {
				break
			}
		}
		return out
	case syntax.OpAlternate:
		var out []lead
		for _, s := range re.Sub {
			out = append(out, leading(s)...)
		}
		return limit(out)
	}
	return []lead{{}}
}

func leadingClass(re *syntax.Regexp) []lead {
	var out []lead
	for i := 0; i+1 < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			if len(out) == 10 || r > 0x7f {
				return []lead{{}}
			}
			out = append(out, lead{text: string(r), open: true})
		}
	}
	if len(out) == 2 && strings.EqualFold(out[0].text, out[1].text) { // (?i:x)
		return []lead{{text: strings.ToLower(out[0].text), fold: true, open: true}}
	}
	return out
}

func leadingRepeat(re *syntax.Regexp) []lead {
	sub := leading(re.Sub[0])
	if re.Min == 0 {
		closed := []lead{{open: true}}
		for _, l := range sub {
			l.open = l.open && re.Max == 1
			closed = append(closed, l)
		}
		return limit(closed)
	}
	out := []lead{{open: true}}
	for i := 0; i < re.Min && anyOpen(out); i++ {
		next := join(out, sub)
		if len(next) > maxLeads/2 || tooLong(next) {
			for j := range out {
				out[j].open = false
			}
			break
		}
		out = next
	}
	if re.Max > re.Min {
		for j := range out {
			out[j].open = false
		}
	}
	return out
}

func join(a, b []lead) []lead {
	n := 0
	for _, l := range a {
		if l.open {
			n += len(b)
		} else {
			n++
		}
	}
	if n > maxLeads {
		out := append([]lead(nil), a...)
		for i := range out {
			out[i].open = false
		}
		return out
	}
	var out []lead
	for _, l := range a {
		if !l.open || len(l.text) >= maxLeadLen {
			l.open = false
			out = append(out, l)
			continue
		}
		for _, m := range b {
			out = append(out, lead{text: l.text + m.text, fold: l.fold || m.fold, open: m.open})
		}
	}
	return dedupe(out)
}

func dedupe(ls []lead) []lead {
	seen := make(map[lead]bool, len(ls))
	out := ls[:0]
	for _, l := range ls {
		if l.fold {
			l.text = strings.ToLower(l.text)
		}
		if !seen[l] {
			seen[l] = true
			out = append(out, l)
		}
	}
	return out
}

func limit(ls []lead) []lead {
	if ls = dedupe(ls); len(ls) > maxLeads {
		return []lead{{}}
	}
	return ls
}

func anyOpen(ls []lead) bool {
	for _, l := range ls {
		if l.open {
			return true
		}
	}
	return false
}

func tooLong(ls []lead) bool {
	for _, l := range ls {
		if len(l.text) > maxLeadLen {
			return true
		}
	}
	return false
}
