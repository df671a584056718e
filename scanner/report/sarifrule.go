package report

import (
	"fmt"
	"strings"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// sarifRules collects the rules of a run. Rule ids come from findings, so that only
// rules which found something are listed: a catalogue of a thousand says nothing.
type sarifRules struct {
	list  []sarifRule
	index map[string]int
	worst []finding.Severity
}

func newSarifRules() *sarifRules {
	return &sarifRules{list: []sarifRule{}, index: map[string]int{}}
}

// add returns the index of the finding's rule. A rule is as severe as its worst
// finding: GitHub has one severity per rule.
func (r *sarifRules) add(s *shown) int {
	i, ok := r.index[s.Rule]
	if !ok {
		i = len(r.list)
		r.index[s.Rule] = i
		r.list = append(r.list, newSarifRule(s))
		r.worst = append(r.worst, s.Severity)
	} else if s.Severity > r.worst[i] {
		r.worst[i] = s.Severity
	}
	r.list[i].DefaultConfiguration.Level = sarifSeverityLevel(r.worst[i])
	r.list[i].Properties.SecuritySeverity = securitySeverity(r.worst[i])
	return i
}

func newSarifRule(s *shown) sarifRule {
	title := cut(clean(s.Title), 900) // GitHub takes 1,024 characters of a description
	service := clean(s.Service)
	full := fmt.Sprintf("%s in source code or history. Whoever can read the repository can use it.", title)
	steps := []string{
		"Rotate the key at " + service + " first: make a new one, move what uses it, revoke the old one. Deleting the line does not help, because the history keeps it.",
		"Remove it from the tree and read it from a secret store instead.",
		"Only then rewrite the history, if you must: clones, forks and caches keep the old one, so rotation, not rewriting, closes the leak.",
	}
	text, mark := full+"\n", mdEscape(full)+"\n"
	for i, step := range steps {
		text += fmt.Sprintf("\n%d. %s", i+1, step)
		mark += fmt.Sprintf("\n%d. %s", i+1, mdEscape(step))
	}
	rule := sarifRule{
		ID:               s.Rule,
		ShortDescription: sarifMessage{title},
		FullDescription:  sarifMessage{full},
		Properties: sarifRuleExtra{
			Tags:      []string{"security", "secret", "external/cwe/cwe-798"},
			Precision: precision(s.Confidence),
		},
	}
	if webURL(s.Docs) {
		rule.HelpURI = s.Docs
		text += "\n\nThe service's own pages: " + s.Docs
		mark += "\n\nThe service's own pages: <" + s.Docs + ">"
	}
	rule.Help = sarifHelp{text, mark}
	return rule
}

// securitySeverity is a CVSS-like number in GitHub's bands: above 9.0 critical, from
// 7.0 high, from 4.0 medium, below low (docs.github.com, read 2026-11-21).
func securitySeverity(s finding.Severity) string {
	switch s {
	case finding.Critical:
		return "9.5"
	case finding.High:
		return "8.0"
	case finding.Medium:
		return "5.5"
	}
	return "2.0"
}

func precision(c finding.Confidence) string {
	switch c {
	case finding.ConfidenceCertain:
		return "very-high"
	case finding.ConfidenceHigh:
		return "high"
	case finding.ConfidenceMedium:
		return "medium"
	}
	return "low"
}

// webURL reports whether s is an http or https address that may stand between angle
// brackets or in an attribute. Rules may be foreign: javascript: is not an address.
func webURL(s string) bool {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'<>\\`", r) })
}

// sarifPlace returns the region of an occurrence: columns in UTF-16 units, the end
// exclusive. Where those are not known the columns count bytes, which is the same for
// ASCII. What is not in the lines of a file has no region.
func sarifPlace(o *finding.Occurrence) *sarifRegion {
	if o.StartLine < 1 || o.Kind == finding.KindPath {
		return nil
	}
	r := &sarifRegion{StartLine: o.StartLine, EndLine: max(o.EndLine, o.StartLine)}
	start, end := o.StartUTF16, o.EndUTF16
	if start < 1 || end < 1 {
		start, end = o.StartColumn, o.EndColumn+1
	}
	if start < 1 || end < 2 || r.EndLine == r.StartLine && end <= start {
		return r // no columns rather than wrong ones
	}
	r.StartColumn, r.EndColumn = start, end
	return r
}
