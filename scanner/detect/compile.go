package detect

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/checksum"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/literal"
)

// compiled is a rule ready to run. What costs time is made at the first literal hit.
type compiled struct {
	rule *rules.Rule
	svc  *rules.Service
	max  int  // longest match, bytes
	off  bool // left out by the options
	once sync.Once
	lazy lazy
	// context words in lower case and their distance
	contextLines int
}

// lazy is the part of a compiled rule that is made when it is first needed.
type lazy struct {
	linear   *linear        // nil: use anchored
	anchored *regexp.Regexp // the pattern at the start of a window
	free     *regexp.Regexp // the pattern anywhere in a window
	names    []string       // group names by index
	ahead    []ahead        // by literal; only where linear is nil
	must     byte           // a rare byte that every match holds, or 0
	word     string         // a text that every match holds, or ""
	need     need           // what every match holds
	plain    bool           // no match is changed by escaping
	fixed    int            // length of every match; 0: they differ
	secret   int            // index of the group "secret", 0: whole match
	last     byteSet        // bytes that would continue the key on the right
	checksum *checksum.Scheme
	allow    []*regexp.Regexp
	examples map[[32]byte]bool
	parts    []part
	blockEnd *regexp.Regexp
	err      error
}

type part struct {
	*rules.Part
	group int // of the rule's pattern; 0: search re nearby
	re    *regexp.Regexp
	sub   int // group of re
	lines int
	max   int
	need  need
}

// maxContext bounds, in bytes, how far from a secret its context and parts may stand
// whatever the number of lines: minified files are one line.
const maxContext = 8 << 10

func newCompiled(r *rules.Rule, svc *rules.Service) *compiled {
	c := &compiled{rule: r, svc: svc, max: r.Shape.Max}
	if r.Context != nil {
		c.contextLines, _ = rules.Lines(r.Context.Within)
	}
	return c
}

// bare reports whether the rule is searched from the words of its context: it has no
// literal of its own, or only words that stand everywhere.
func (c *compiled) bare() bool {
	if c.rule.Context == nil || c.rule.Block != nil {
		return false
	}
	for _, l := range c.rule.Shape.Literals {
		if !l.Fold {
			return false
		}
	}
	for _, w := range c.rule.Context.Any {
		if len(w) < 5 {
			return len(c.rule.Shape.Literals)+len(c.rule.Keywords) == 0
		}
	}
	return true
}

func baseConfidence(r *rules.Rule) finding.Confidence {
	switch {
	case r.Confidence != nil:
		return *r.Confidence
	case r.Weak:
		return finding.ConfidenceLow
	case len(r.Shape.Literals) == 0 || r.Context != nil:
		return finding.ConfidenceMedium
	}
	for _, l := range r.Shape.Literals {
		if l.Fold {
			return finding.ConfidenceMedium
		}
	}
	return finding.ConfidenceHigh
}

// get compiles the rule at the first call. Rules were checked when they were loaded,
// so an error is a defect of the checks: the rule then finds nothing and says why in
// Detector.Err.
func (c *compiled) get() *lazy {
	c.once.Do(func() { c.lazy.err = c.compile() })
	return &c.lazy
}

func (c *compiled) compile() error {
	r, l := c.rule, &c.lazy
	var err error
	if r.Block != nil {
		if l.anchored, err = regexp.Compile(`^(?:` + r.Block.Begin + `)`); err != nil {
			return err
		}
		if l.blockEnd, err = regexp.Compile(r.Block.End); err != nil {
			return err
		}
	} else {
		p, err := rules.ParsePattern(r.Pattern)
		if err != nil {
			return err
		}
		if l.free, err = regexp.Compile(r.Pattern); err != nil {
			return err
		}
		l.names = l.free.SubexpNames()
		l.secret = max(0, l.free.SubexpIndex("secret"))
		l.last = trailing(p.Tree)
		l.must, l.word = mustHold(p.Tree), mustWord(p.Tree)
		l.need, l.plain = needOf(p.Tree), neverEscaped(p.Tree)
		if p.Min == p.Max {
			l.fixed = p.Min
		}
		if l.linear = newLinear(p.Tree); l.linear == nil {
			if l.anchored, err = regexp.Compile(`^(?:` + r.Pattern + `)`); err != nil {
				return err
			}
			prog, err := syntax.Compile(p.Tree.Simplify())
			if err != nil {
				return err
			}
			for _, lit := range r.Shape.Literals {
				l.ahead = append(l.ahead, newAhead(prog, lit.Text[:min(len(lit.Text), maxLiteral)], lit.Fold))
			}
		}
	}
	if k := r.Checksum; k != nil {
		if l.checksum, err = checksum.New(k.Kind, k.Alphabet, k.Digits, k.Seeds); err != nil {
			return err
		}
	}
	for _, a := range r.Allow {
		re, err := regexp.Compile(a)
		if err != nil {
			return err
		}
		l.allow = append(l.allow, re)
	}
	l.examples = make(map[[32]byte]bool, len(r.Examples))
	for _, e := range r.Examples {
		var sum [32]byte
		if n, err := hex.Decode(sum[:], []byte(e)); err != nil || n != 32 {
			return fmt.Errorf("example %q is not a SHA-256", e)
		}
		l.examples[sum] = true
	}
	return c.compileParts()
}

func (c *compiled) compileParts() error {
	for i := range c.rule.Parts {
		p := part{Part: &c.rule.Parts[i]}
		if p.Pattern == "" {
			p.group = c.lazy.free.SubexpIndex(p.Name)
		} else {
			var err error
			if p.re, err = regexp.Compile(p.Pattern); err != nil {
				return err
			}
			shape, err := rules.ParsePattern(p.Pattern)
			if err != nil {
				return err
			}
			p.max, p.need = shape.Max, needOf(shape.Tree)
			p.sub = max(0, p.re.SubexpIndex(p.Name))
			p.lines, _ = rules.Lines(p.Within)
		}
		c.lazy.parts = append(c.lazy.parts, p)
	}
	return nil
}

// builder collects literals, each once, with all the uses it has.
type builder struct {
	ids      map[rules.Literal]uint32
	patterns []literal.Pattern
	uses     [][]use
}

// maxLiteral is the longest text that is searched, in bytes: the beginning of longer
// ones is enough to look closer, and the less a hit spans the more of it a delta
// inherits.
const maxLiteral = 32

func (b *builder) add(l rules.Literal, u use) {
	l.Text = l.Text[:min(len(l.Text), maxLiteral)]
	if l.Fold {
		l.Text = strings.ToLower(l.Text)
	}
	id, ok := b.ids[l]
	if !ok {
		id = uint32(len(b.patterns))
		b.ids[l] = id
		b.patterns = append(b.patterns, literal.Pattern{Bytes: []byte(l.Text), Fold: l.Fold})
		b.uses = append(b.uses, nil)
	}
	for _, have := range b.uses[id] {
		if have == u {
			return
		}
	}
	b.uses[id] = append(b.uses[id], u)
}

func (b *builder) addRule(i int32, c *compiled) {
	r := c.rule
	if c.bare() {
		for _, w := range r.Context.Any {
			l := rules.Literal{Text: w, Fold: true}
			b.add(l, use{rule: i, role: roleContext})
			b.addEncoded(i, l)
		}
		return
	}
	for j, l := range r.Shape.Literals {
		b.add(l, use{rule: i, role: roleAnchor, literal: uint16(j)})
		b.addEncoded(i, l)
	}
	if len(r.Shape.Literals) == 0 {
		for _, k := range r.Keywords {
			l := rules.Literal{Text: k, Fold: true}
			b.add(l, use{rule: i, role: roleKeyword})
			b.addEncoded(i, l)
		}
	}
}
