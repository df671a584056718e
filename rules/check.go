package rules

import (
	"fmt"
	"path"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/scanner/checksum"
)

// checker collects the problems of one file.
type checker struct {
	file     string
	loc      *locator
	problems Problems
}

func (c *checker) addAt(line int, rule, field, text string) {
	c.problems = append(c.problems, Problem{File: c.file, Line: line, Rule: rule, Field: field, Text: text})
}

var (
	idPattern   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	hostPattern = regexp.MustCompile(`^\.?[a-z0-9-]+(\.[a-z0-9-]+)*$`)
)

func (c *checker) service(s *Service) {
	line := c.loc.table("service", 0)
	bad := func(field, format string, args ...any) {
		c.addAt(c.loc.key(line, field), "", "service."+field, fmt.Sprintf(format, args...))
	}
	if !idPattern.MatchString(s.ID) {
		bad("id", "%q: want lower-case words joined by '-'", s.ID)
	}
	if s.Name == "" {
		bad("name", "is missing")
	}
	switch s.Trust {
	case TrustBuiltin, TrustAsk, TrustNever:
	case "":
		s.Trust = TrustAsk
	default:
		bad("trust", "%q: want builtin, ask or never", s.Trust)
	}
	if s.BaseURL != "" && !strings.HasPrefix(s.BaseURL, "https://") && !strings.Contains(s.BaseURL, "{{") && !loopbackURL(s.BaseURL) {
		bad("base_url", "%q: want https://", s.BaseURL)
	}
	for _, h := range s.Hosts {
		if !hostPattern.MatchString(h) {
			bad("hosts", "%q: want a lower-case host or a suffix that begins with a dot", h)
		}
	}
	seen := map[string]bool{}
	for i := range s.Rules {
		r := &s.Rules[i]
		r.Service, r.File, r.Line = s.ID, c.file, c.loc.table("rules", i)
		if seen[r.ID] {
			c.addAt(r.Line, "rule "+r.ID, "id", "is used twice in this file")
		}
		seen[r.ID] = true
		c.rule(r)
	}
	c.operations(s)
}

func loopbackURL(u string) bool {
	return strings.HasPrefix(u, "http://127.0.0.1") || strings.HasPrefix(u, "http://localhost") || strings.HasPrefix(u, "http://[::1]")
}

func (c *checker) rule(r *Rule) {
	bad := func(field, format string, args ...any) {
		c.addAt(c.loc.key(r.Line, strings.SplitN(field, ".", 2)[0]), "rule "+r.ID, field, fmt.Sprintf(format, args...))
	}
	if !idPattern.MatchString(r.ID) {
		bad("id", "%q: want lower-case words joined by '-'", r.ID)
	}
	if r.Title == "" {
		bad("title", "is missing")
	}
	if r.Kind == "" {
		r.Kind = "api-key"
	}
	switch r.Boundary {
	case "", "token", "none":
	default:
		bad("boundary", "%q: want token or none", r.Boundary)
	}
	groups := map[string]bool{}
	switch {
	case r.Block != nil && r.Pattern != "":
		bad("block", "a rule has either a pattern or a block")
	case r.Block != nil:
		c.block(r, bad)
	case r.Pattern == "":
		bad("pattern", "is missing")
	default:
		if p := c.pattern(r, bad); p != nil {
			groups = p.Groups
			r.Shape = shape(r, p)
		}
	}
	c.checks(r, groups, bad)
	if len(r.Match) == 0 {
		bad("match", "needs at least one example that the rule must find")
	}
}

func (c *checker) pattern(r *Rule, bad func(string, string, ...any)) *Pattern {
	p, err := ParsePattern(r.Pattern)
	if err != nil {
		bad("pattern", "%v", err)
		return nil
	}
	hasContext := r.Context != nil && len(r.Context.Any) > 0
	if len(p.Literals) == 0 && len(r.Keywords) == 0 && len(r.Prefixes) == 0 && !hasContext {
		bad("pattern", "begins with no literal of %d bytes or more: name keywords that stand inside it, or a context", minLiteral)
	}
	for _, k := range r.Keywords {
		if len(k) < minLiteral {
			bad("keywords", "%q is shorter than %d bytes", k, minLiteral)
		}
	}
	for _, k := range r.Prefixes {
		if len(k) < minLiteral {
			bad("prefixes", "%q is shorter than %d bytes", k, minLiteral)
		}
		if !c.prefixFits(k, p) {
			bad("prefixes", "%q: the pattern cannot begin with it", k)
		}
	}
	if p.Min < 8 {
		bad("pattern", "can match %d bytes: a key is longer", p.Min)
	}
	return p
}

// shape joins what the author wrote and what the pattern shows: written prefixes win.
func shape(r *Rule, p *Pattern) Shape {
	s := Shape{Literals: p.Literals, Max: p.Max}
	if len(r.Prefixes) > 0 {
		s.Literals = nil
		for _, text := range r.Prefixes {
			fold := false
			for _, l := range p.Literals {
				fold = fold || l.Fold
			}
			s.Literals = append(s.Literals, Literal{text, fold})
		}
	}
	s.Literals = shortest(s.Literals)
	return s
}

// shortest returns as few and as short literals as find the same: words whose case
// does not matter end where the word does, and a literal that begins with another one
// is not needed beside it. What follows is the pattern's business.
func shortest(ls []Literal) []Literal {
	out := make([]Literal, 0, len(ls))
	for _, l := range ls {
		if l.Fold {
			n := strings.IndexFunc(l.Text, func(r rune) bool {
				return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
			})
			if n > minWord {
				l.Text = l.Text[:n]
			}
		}
		out = append(out, l)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Fold != out[j].Fold {
			return out[i].Fold
		}
		return out[i].Text < out[j].Text
	})
	kept := out[:0]
	for _, l := range out {
		if n := len(kept); n == 0 || kept[n-1].Fold != l.Fold || !strings.HasPrefix(l.Text, kept[n-1].Text) {
			kept = append(kept, l)
		}
	}
	return kept
}

// minWord is the length above which a word without what follows it is rare enough.
const minWord = 4

func (c *checker) prefixFits(prefix string, p *Pattern) bool {
	if len(p.Literals) == 0 {
		return true
	}
	for _, l := range p.Literals {
		n := min(len(l.Text), len(prefix))
		if l.Text[:n] == prefix[:n] || l.Fold && strings.EqualFold(l.Text[:n], prefix[:n]) {
			return true
		}
	}
	return false
}

func (c *checker) block(r *Rule, bad func(string, string, ...any)) {
	p, err := ParsePattern(r.Block.Begin)
	if err != nil {
		bad("block.begin", "%v", err)
	} else if len(p.Literals) == 0 && len(r.Keywords) == 0 {
		bad("block.begin", "begins with no literal of %d bytes or more", minLiteral)
	}
	if _, err := ParsePattern(r.Block.End); err != nil {
		bad("block.end", "%v", err)
	}
	if r.Block.Max == 0 {
		r.Block.Max = 64 << 10
	}
	if r.Block.Max < 0 || r.Block.Max > 64<<10 {
		bad("block.max", "%d: want 1 to 65536 bytes", r.Block.Max)
	}
	if p != nil {
		r.Shape = shape(r, p)
		r.Shape.Max = r.Block.Max
	}
	switch r.Block.Decode {
	case "", "pem", "ppk":
	default:
		bad("block.decode", "%q: want pem or ppk, or leave it out", r.Block.Decode)
	}
}

func (c *checker) checks(r *Rule, groups map[string]bool, bad func(string, string, ...any)) {
	group := func(field, name string, extra ...string) {
		for _, e := range append(extra, "secret") {
			if name == e {
				return
			}
		}
		if !groups[name] {
			bad(field, "no group %q in pattern", name)
		}
	}
	if k := r.Checksum; k != nil {
		if k.Over != "" {
			group("checksum.over", k.Over, "before")
		}
		switch k.OnMismatch {
		case "drop", "keep":
		default:
			bad("checksum.on_mismatch", "%q: want drop or keep", k.OnMismatch)
		}
		if _, err := checksum.New(k.Kind, k.Alphabet, k.Digits, k.Seeds); err != nil {
			bad("checksum", "%v", err)
		}
	}
	if e := r.Entropy; e != nil {
		group("entropy.over", e.Over, "")
		if e.Min <= 0 || e.Min > 8 {
			bad("entropy.min", "%g: want bits a character, above 0 and at most 8", e.Min)
		}
	}
	if x := r.Context; x != nil {
		if len(x.Any) == 0 {
			bad("context.any", "is empty")
		}
		for _, w := range x.Any {
			if len(w) < minLiteral {
				bad("context.any", "%q is shorter than %d bytes", w, minLiteral)
			}
		}
		if _, err := Lines(x.Within); err != nil {
			bad("context.within", "%v", err)
		}
	}
	for _, p := range r.Parts {
		if p.Name == "" {
			bad("parts.name", "is missing")
		}
		if p.Pattern == "" && !groups[p.Name] {
			bad("parts.pattern", "is missing, and the rule's pattern has no group %q", p.Name)
		} else if p.Pattern != "" {
			if _, err := ParsePattern(p.Pattern); err != nil {
				bad("parts.pattern", "%v", err)
			}
		}
		if _, err := Lines(p.Within); err != nil {
			bad("parts.within", "%v", err)
		}
	}
	for _, a := range r.Allow {
		if _, err := regexp.Compile(a); err != nil {
			bad("allow", "%v", err)
		}
	}
	for _, e := range r.Examples {
		if len(e) != 64 || strings.Trim(e, "0123456789abcdef") != "" {
			bad("examples_sha256", "%q: want 64 lower-case hex digits", e)
		}
	}
}

// Lines reads a distance such as "15 lines" (or "0 lines": the same line). Empty
// means 10.
func Lines(s string) (int, error) {
	if s == "" {
		return 10, nil
	}
	f := strings.Fields(s)
	if len(f) == 2 && (f[1] == "lines" || f[1] == "line") {
		if n, err := strconv.Atoi(f[0]); err == nil && n >= 0 && n <= 100 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q: want a distance such as \"10 lines\", at most 100", s)
}

func (c *checker) operations(s *Service) {
	for _, set := range []struct {
		name string
		ops  []Operation
	}{
		{"verify", s.Ops.Verify}, {"whoami", s.Ops.Whoami}, {"list", s.Ops.List}, {"regenerate", s.Ops.Regenerate},
		{"revoke", s.Ops.Revoke}, {"disable", s.Ops.Disable}, {"enable", s.Ops.Enable},
	} {
		for i := range set.ops {
			set.ops[i].Line = c.loc.table(set.name, i)
			c.operation(s, set.name, &set.ops[i])
		}
	}
}

func (c *checker) operation(s *Service, name string, op *Operation) {
	bad := func(field, format string, args ...any) {
		c.addAt(c.loc.key(op.Line, strings.SplitN(field, ".", 2)[0]), name, field, fmt.Sprintf(format, args...))
	}
	for _, g := range op.Rules {
		found := false
		for _, r := range s.Rules {
			if ok, err := path.Match(g, r.ID); err != nil {
				bad("rules", "%q: %v", g, err)
			} else if ok {
				found = true
			}
		}
		if !found {
			bad("rules", "%q matches no rule of this file", g)
		}
	}
	if len(op.Rules) == 0 {
		bad("rules", "is empty: name the rules it is for, or \"*\"")
	}
	switch op.Evidence {
	case Documented, Public, Inferred, Recalled, Assumed:
	default:
		bad("evidence", "%q: want documented, public, inferred, recalled or assumed", op.Evidence)
	}
	oneOf := func(field, v string, want ...string) {
		for _, w := range want {
			if v == w {
				return
			}
		}
		bad(field, "%q: want %s", v, strings.Join(want[1:], ", "))
	}
	oneOf("auth", op.Auth, "", "none", "self", "operator")
	oneOf("request.auth", op.Request.Auth, "", "bearer", "basic", "header", "none")
	oneOf("strategy", op.Strategy, "", "grace", "dual-slot", "create-then-revoke", "immediate", "manual")
	oneOf("retry", op.Retry, "", "never", "token", "safe")
	oneOf("control", op.Control, "", "none", "made-up")
	if op.Control == "none" && op.Why == "" {
		bad("why", "control = \"none\" needs a reason")
	}
	manual := op.Strategy == "manual" || len(op.Manual) > 0
	if !manual && op.Driver == "" && op.Request.Path == "" && op.Request.URL == "" {
		bad("request", "has neither path nor url, and there is no driver")
	}
	if op.Request.Auth == "header" && op.Request.Header == "" {
		bad("request.header", "is missing")
	}
	if name == "verify" && op.Driver == "" && !manual {
		if op.Active == "" && op.Inactive == "" {
			bad("active", "a verification needs at least one of active and inactive")
		}
	}
	if op.Pace != nil {
		if d, err := time.ParseDuration(op.Pace.Per); err != nil || d <= 0 || op.Pace.Requests <= 0 {
			bad("pace", "want requests above 0 and per as a duration such as \"5s\"")
		}
	}
	if op.Grace != "" {
		if _, err := time.ParseDuration(op.Grace); err != nil {
			bad("grace", "%q: want a duration such as \"24h\"", op.Grace)
		}
	}
}
