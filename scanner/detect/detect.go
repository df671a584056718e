// Package detect turns bytes into matches: literal hit, candidate, checks, match.
//
// All literals of all rules are searched in one pass (scanner/literal). At each hit
// the rules that own the literal are tried, each on a window bounded by its longest
// match; a rule of the form prefix and runs of classes is matched without a regular
// expression engine. A candidate becomes a match when boundaries, checksum, entropy,
// context, parts, placeholders and allow patterns agree (evaluate.go).
//
// Encoded text is found by the same pass: every literal is also searched as base64
// (in its three alignments), hex, UTF-16, percent- and backslash-escaped text, and a
// hit makes the run around it be decoded and searched like any other data, with
// positions mapped back (encoded.go). Text without such a hit costs nothing.
package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"sort"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/literal"
)

// Options narrow what a Detector looks for. The zero value looks for everything and
// honours no comments.
type Options struct {
	// Only and Skip are globs over rule ids; empty Only means all.
	Only, Skip []string
	// HookOnly keeps the rules that block in hooks.
	HookOnly bool
	// Comment reads a line and tells whether a comment on it allows the secret, and
	// CommentMarkers are texts, one of which every such line holds.
	Comment        func(line []byte) (reason, by string, ok bool)
	CommentMarkers []string
}

// Detector is all rules compiled. It is immutable and safe for concurrent use.
type Detector struct {
	rules   []*compiled
	lits    *literal.Set
	uses    [][]use // by literal id
	reaches []reach // by literal id
	off     int     // rules that are left out
	// patterns are what lits was made of.
	patterns []literal.Pattern
	comment  func(line []byte) (reason, by string, ok bool)
	digest   string
}

// use is one reason why a literal is searched.
type use struct {
	rule  int32 // index into Detector.rules; -1 for a comment marker
	role  role
	layer layer
	skip  uint8 // base64: characters of the quartet before the literal
	// literal is the index into the rule's literals; anchors only.
	literal uint16
}

type role uint8

const (
	roleAnchor  role = iota // a match of the rule begins here
	roleKeyword             // a match of the rule contains this
	roleContext             // the rule's bare shape may stand near
	roleComment
)

// New compiles services into a detector. The rules must have been checked by package
// rules; the slice must not change afterwards.
func New(services []rules.Service, opt Options) (*Detector, error) {
	d := &Detector{comment: opt.Comment}
	b := builder{ids: map[rules.Literal]uint32{}}
	for i := range services {
		svc := &services[i]
		for j := range svc.Rules {
			r := &svc.Rules[j]
			keep, err := opt.keeps(r)
			if err != nil {
				return nil, err
			}
			if keep {
				d.rules = append(d.rules, newCompiled(r, svc))
				b.addRule(int32(len(d.rules)-1), d.rules[len(d.rules)-1])
			}
		}
	}
	if opt.Comment != nil {
		for _, m := range opt.CommentMarkers {
			b.add(rules.Literal{Text: m, Fold: true}, use{rule: -1, role: roleComment})
		}
	}
	var err error
	if d.lits, err = literal.Compile(b.patterns); err != nil {
		return nil, fmt.Errorf("compile literals: %w", err)
	}
	d.uses, d.patterns = b.uses, b.patterns
	d.makeReaches(b.patterns)
	d.digest = digest(d.rules)
	return d, nil
}

// digestVersion changes when the engine finds other things with the same rules.
const digestVersion = "rekey/detect/1"

func digest(cs []*compiled) string {
	h := sha256.New()
	fmt.Fprintln(h, digestVersion)
	for _, c := range cs {
		r := *c.rule
		r.Match, r.NoMatch, r.File, r.Line, r.Description, r.Title, r.Tags, r.Shape = nil, nil, "", 0, "", "", nil, rules.Shape{}
		fmt.Fprintf(h, "%s %s %v %+v", r.ID, r.Pattern, r.Confidence != nil, r.Severity)
		fmt.Fprintf(h, "%+v%+v%+v%+v%+v%+v\n", deref(r.Block), deref(r.Checksum), deref(r.Entropy), deref(r.Context), r.Parts, []any{r.Kind, r.Prefixes, r.Keywords, r.Boundary, r.Allow, r.Examples, r.LowEntropy, r.Weak})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func (opt Options) keeps(r *rules.Rule) (bool, error) {
	match := func(globs []string) (bool, error) {
		for _, g := range globs {
			ok, err := path.Match(g, r.ID)
			if err != nil {
				return false, fmt.Errorf("rule pattern %q: %w", g, err)
			}
			if ok {
				return true, nil
			}
		}
		return false, nil
	}
	if len(opt.Only) > 0 {
		if ok, err := match(opt.Only); !ok || err != nil {
			return false, err
		}
	}
	if ok, err := match(opt.Skip); ok || err != nil {
		return false, err
	}
	if opt.HookOnly {
		if r.Hook != nil {
			return *r.Hook, nil
		}
		return baseConfidence(r) >= finding.ConfidenceHigh || r.Checksum != nil, nil
	}
	return true, nil
}

// Rules returns the number of rules in the detector.
func (d *Detector) Rules() int { return len(d.rules) - d.off }

// Digest names the rules and the engine's version: equal digests find the same.
func (d *Detector) Digest() string { return d.digest }

// Scratch is what one goroutine needs to detect without allocating. It must not be
// used by two goroutines at once.
type Scratch struct {
	hits    []literal.Hit
	raw     []candidate
	out     []Match
	context []contextHit
	runs    []span // encoded runs already decoded in this data
	comment bool
	depth   int
	child   *Scratch
	buf     []byte
	pos     []int32
	base64  [2]base64Run // standard and URL alphabet
	trace   func(Step)
	tried   map[int32]int       // by rule: beginnings before this were tried
	parts   map[blockKey][]span // where parts stand

	// of Derive
	carried []int32 // per hit: the base's hit whose verdict it takes, or -1
	owned   int     // end of the range inherited last
	deep    bool    // a pattern matched whose verdict hangs on context or parts
}

// Step is one thing that happened while a rule was tried: for `rekey rules explain`.
type Step struct {
	Rule string
	Pos  int // offset in the text; in decoded text, of that
	Text string
}

// Explain detects in text and tells what became of every rule whose literals it
// holds. It is slow.
func (d *Detector) Explain(text []byte) ([]Step, []Match) {
	var steps []Step
	s := d.NewScratch()
	s.trace = func(step Step) { steps = append(steps, step) }
	s.child = &Scratch{depth: 1, trace: s.trace}
	matches := d.explain(s, text, &steps)
	return steps, matches
}

func (d *Detector) explain(s *Scratch, text []byte, steps *[]Step) []Match {
	matches := append([]Match(nil), d.Detect(s, text)...)
	for _, c := range s.raw {
		lost := true
		for _, m := range matches {
			lost = lost && (m.Rule != c.Match.Rule || m.Start != c.Start)
		}
		if lost {
			*steps = append(*steps, Step{c.Match.Rule.ID, c.Start, "found, but another rule claims the same bytes with more right"})
		}
	}
	return matches
}

func (s *Scratch) say(c *compiled, pos int, text string) {
	if s.trace != nil {
		s.trace(Step{c.rule.ID, pos, text})
	}
}

func (s *Scratch) refuse(c *compiled, pos int, why string) bool {
	s.say(c, pos, why)
	return false
}

// candidate is a match before overlaps are resolved.
type candidate struct {
	Match
	rule int32
	// rank orders candidates for the same bytes: higher wins.
	rank int
}

type span struct{ start, end int }

type contextHit struct {
	rule int32
	pos  int
}

// NewScratch returns a scratch for one goroutine.
func (d *Detector) NewScratch() *Scratch { return &Scratch{} }

// Detect returns the secrets in data, by position. The slice is reused by the next
// call with the same scratch; the matches may be kept. data must be shorter than
// 4 GiB. Bytes without a literal cost one pass and no allocation.
func (d *Detector) Detect(s *Scratch, data []byte) []Match {
	s.hits = d.lits.Find(s.hits[:0], data, 0, len(data))
	if len(s.hits) == 0 {
		return nil
	}
	return d.judge(s, data)
}

func (d *Detector) judge(s *Scratch, data []byte) []Match {
	s.begin()
	for _, h := range s.hits {
		for _, u := range d.uses[h.ID] {
			d.hit(s, data, int(h.Pos), u)
		}
	}
	return d.conclude(s, data)
}

func (s *Scratch) begin() {
	s.raw, s.context, s.runs, s.comment = s.raw[:0], s.context[:0], s.runs[:0], false
	s.base64[0].pos, s.base64[1].pos = s.base64[0].pos[:0], s.base64[1].pos[:0]
	clear(s.tried)
	clear(s.parts)
}

// conclude makes matches of the candidates in s.raw.
func (d *Detector) conclude(s *Scratch, data []byte) []Match {
	d.contexts(s, data)
	if len(s.raw) == 0 {
		return nil
	}
	s.out = resolve(s.out[:0], s.raw)
	if s.comment {
		d.allow(s.out, data)
	}
	return s.out
}

func (d *Detector) hit(s *Scratch, data []byte, pos int, u use) {
	if u.rule >= 0 && d.rules[u.rule].off {
		return
	}
	switch {
	case u.role == roleComment:
		s.comment = true
	case u.layer != layerPlain:
		d.encoded(s, data, pos, u)
	case u.role == roleContext:
		s.context = append(s.context, contextHit{u.rule, pos})
	case u.role == roleKeyword:
		d.keyword(s, data, pos, u.rule)
	case d.rules[u.rule].rule.Block != nil:
		d.block(s, data, pos, u.rule)
	default:
		d.anchored(s, data, pos, u)
	}
}

// resolve sorts candidates and keeps one for overlapping bytes: the one of highest
// rank, then the longer, then the rule whose id sorts first.
func resolve(out []Match, raw []candidate) []Match {
	sort.SliceStable(raw, func(i, j int) bool {
		a, b := &raw[i], &raw[j]
		if a.rank != b.rank {
			return a.rank > b.rank
		}
		if la, lb := a.End-a.Start, b.End-b.Start; la != lb {
			return la > lb
		}
		if a.Match.Rule.ID != b.Match.Rule.ID {
			return a.Match.Rule.ID < b.Match.Rule.ID
		}
		return a.Start < b.Start
	})
	var kept intervals
	for i := range raw {
		if kept.add(raw[i].Start, raw[i].End) {
			out = append(out, raw[i].Match)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Start < out[j].Start })
	return out
}

// intervals is a set of disjoint intervals.
type intervals struct{ list []span }

// add adds [start, end) unless it overlaps one that is there.
func (s *intervals) add(start, end int) bool {
	i := sort.Search(len(s.list), func(i int) bool { return s.list[i].end > start })
	if i < len(s.list) && s.list[i].start < end {
		return false
	}
	s.list = append(s.list, span{})
	copy(s.list[i+1:], s.list[i:])
	s.list[i] = span{start, end}
	return true
}
