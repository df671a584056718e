package scanner

import (
	"sort"
	"sync"

	"github.com/sourcegraph/conc/pool"

	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source"
)

// collector gathers hits and holes from all goroutines of a scan.
type collector struct {
	mu    sync.Mutex
	byKey map[finding.Fingerprint]*gathered
	holes map[holeKey]*source.Hole
}

type gathered struct {
	match   detect.Match // the one of highest confidence
	occs    []finding.Occurrence
	allowed int // occurrences that a comment allows
	first   *finding.Suppression
}

type holeKey struct {
	class        source.Class
	what, reason string
}

func newCollector() *collector {
	return &collector{byKey: map[finding.Fingerprint]*gathered{}, holes: map[holeKey]*source.Hole{}}
}

func (c *collector) hit(h source.Hit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.byKey[h.Match.Key]
	if g == nil {
		g = &gathered{match: h.Match}
		c.byKey[h.Match.Key] = g
	} else if better(&h.Match, &g.match) {
		g.match = h.Match
	}
	if h.Match.Allowed != nil {
		g.allowed++
		if g.first == nil || h.Match.Allowed.Reason < g.first.Reason {
			g.first = h.Match.Allowed
		}
	}
	g.occs = append(g.occs, h.Occurrence)
}

// better orders the rules under which one secret was found, independent of timing.
func better(a, b *detect.Match) bool {
	if a.Confidence != b.Confidence {
		return a.Confidence > b.Confidence
	}
	if a.Rule.ID != b.Rule.ID {
		return a.Rule.ID < b.Rule.ID
	}
	return len(a.Parts) > len(b.Parts)
}

func (c *collector) hole(h source.Hole) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := holeKey{h.Class, h.What, h.Reason}
	have := c.holes[k]
	if have == nil {
		c.holes[k] = &h
		return
	}
	have.Count += h.Count
	if h.Name != "" && h.Name < have.Name {
		have.Name = h.Name
	}
}

func (c *collector) holesByKind() []source.Hole {
	out := make([]source.Hole, 0, len(c.holes))
	for _, h := range c.holes {
		out = append(out, *h)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.Class != b.Class {
			return a.Class > b.Class // unreadable first
		}
		if a.What != b.What {
			return a.What < b.What
		}
		return a.Reason < b.Reason
	})
	return out
}

// findings turns what was gathered into findings, sorted by severity and fingerprint.
func (c *collector) findings(opt Options) []finding.Finding {
	specific := map[finding.Fingerprint]bool{} // secrets that a rule of their own names
	for _, g := range c.byKey {
		if !g.match.Rule.Weak {
			specific[g.match.Secret.Fingerprint("", "")] = true
		}
	}
	out := make([]finding.Finding, 0, len(c.byKey))
	for _, g := range c.byKey {
		if g.match.Rule.Weak && specific[g.match.Secret.Fingerprint("", "")] {
			continue
		}
		out = append(out, g.finding(opt.MaxOccurrences))
	}
	p := pool.New().WithMaxGoroutines(opt.Workers)
	for i := range out {
		if f := &out[i]; f.LowEntropy {
			p.Go(func() { f.Fingerprint = f.Secret.GuessableFingerprint(f.Service, f.Kind, opt.Salt) })
		}
	}
	p.Wait()
	sort.Slice(out, func(i, j int) bool {
		if out[i].Severity != out[j].Severity {
			return out[i].Severity > out[j].Severity
		}
		return out[i].Fingerprint < out[j].Fingerprint
	})
	return out
}

func (g *gathered) finding(limit int) finding.Finding {
	m := g.match
	f := finding.Finding{
		Fingerprint: m.Key, Rule: m.Rule.ID, Service: m.Rule.Service, Kind: m.Rule.Kind, Title: m.Rule.Title,
		Severity: m.Rule.Severity, Confidence: m.Confidence, Secret: m.Secret, Public: m.Public,
		LowEntropy: m.Rule.LowEntropy, Checksum: m.Checksum, Parts: m.Parts, Environment: m.Environment,
	}
	if m.Example {
		f.Verification = finding.Verification{Status: finding.Example, Reason: "published in the service's documentation"}
	}
	f.Occurrences = tidy(g.occs)
	if g.allowed == len(g.occs) {
		f.Suppressed = g.first
	}
	if len(f.Occurrences) > limit {
		f.Dropped = len(f.Occurrences) - limit
		f.Occurrences = f.Occurrences[:limit:limit]
	}
	return f
}

// tidy sorts occurrences by path, place and commit date and drops repeated ones: the
// same place twice, and a file of the work tree that repeats its blob in HEAD.
func tidy(occs []finding.Occurrence) []finding.Occurrence {
	sort.SliceStable(occs, func(i, j int) bool { return less(&occs[i], &occs[j]) })
	type place struct {
		path      string
		line, col int
	}
	inHead := map[place]bool{}
	for _, o := range occs {
		if o.Kind == finding.KindBlob && o.Git.InHead {
			inHead[place{o.Path, o.StartLine, o.StartColumn}] = true
		}
	}
	out := occs[:0]
	for i, o := range occs {
		if i > 0 && !less(&occs[i-1], &o) && len(out) > 0 {
			continue
		}
		if o.Kind == finding.KindWorktree && inHead[place{o.Path, o.StartLine, o.StartColumn}] {
			continue
		}
		out = append(out, o)
	}
	return out
}

func less(a, b *finding.Occurrence) bool {
	switch {
	case a.Path != b.Path:
		return a.Path < b.Path
	case a.StartLine != b.StartLine:
		return a.StartLine < b.StartLine
	case !a.Git.Date.Equal(b.Git.Date):
		return a.Git.Date.Before(b.Git.Date)
	case a.StartColumn != b.StartColumn:
		return a.StartColumn < b.StartColumn
	case a.Kind != b.Kind:
		return a.Kind < b.Kind
	case a.Git.Commit != b.Git.Commit:
		return a.Git.Commit < b.Git.Commit
	}
	return a.Git.Blob < b.Git.Blob
}
