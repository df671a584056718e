package report

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// Merge returns one report of what several say, sorted. A key that more than one of
// them found is one finding with the occurrences of all. Of two verifications the
// newer counts, and any before none; a finding is suppressed only where every report
// that has it says so. The result is complete only if every report is.
// The reports are not changed.
func Merge(reports ...*Report) *Report {
	out := &Report{Schema: Schema, Coverage: Coverage{Complete: true}, texts: map[string]string{}}
	index := map[finding.Fingerprint]int{}
	for i, r := range reports {
		if i == 0 {
			out.Tool, out.Target = r.Tool, r.Target
		} else if out.Target != r.Target {
			out.Target = Target{Kind: "several", Location: fmt.Sprintf("%d reports", len(reports))}
		}
		if !r.Started.IsZero() && (out.Started.IsZero() || r.Started.Before(out.Started)) {
			out.Started = r.Started
		}
		if r.Finished.After(out.Finished) {
			out.Finished = r.Finished
		}
		out.Interrupted = out.Interrupted || r.Interrupted
		for _, n := range r.Notices {
			if !slices.Contains(out.Notices, n) {
				out.Notices = append(out.Notices, n)
			}
		}
		out.Coverage.add(&r.Coverage)
		maps.Copy(out.texts, r.texts)
		for j := range r.Findings {
			f := &r.Findings[j]
			at, ok := index[f.Fingerprint]
			if !ok {
				at = len(out.Findings)
				index[f.Fingerprint] = at
				out.Findings = append(out.Findings, *f)
				out.Findings[at].Occurrences = slices.Clone(f.Occurrences)
				continue
			}
			join(&out.Findings[at], f)
		}
	}
	for i := range out.Findings {
		out.Findings[i].Occurrences = distinct(out.Findings[i].Occurrences)
	}
	Sort(out)
	return out
}

func (c *Coverage) add(d *Coverage) {
	c.Objects += d.Objects
	c.Blobs += d.Blobs
	c.Commits += d.Commits
	c.Files += d.Files
	c.BytesLogical += d.BytesLogical
	c.BytesScanned += d.BytesScanned
	c.Skipped = append(c.Skipped, d.Skipped...)
	c.Complete = c.Complete && d.Complete
	c.RulesCount = max(c.RulesCount, d.RulesCount)
	c.Duration += d.Duration
}

// join adds to f what g, a finding of the same key, knows more.
func join(f, g *finding.Finding) {
	f.Severity, f.Confidence = max(f.Severity, g.Severity), max(f.Confidence, g.Confidence)
	if g.Checksum == finding.ChecksumValid {
		f.Checksum = g.Checksum
	}
	a, b := &f.Verification, &g.Verification
	if b.Status != finding.Unchecked && (a.Status == finding.Unchecked || b.CheckedAt.After(a.CheckedAt)) {
		*a = *b
	}
	if g.Suppressed == nil {
		f.Suppressed = nil
	}
	if f.Secret.IsZero() {
		f.Secret, f.Public, f.Parts = g.Secret, g.Public, g.Parts
	}
	f.Occurrences = append(f.Occurrences, g.Occurrences...)
	f.Dropped += g.Dropped
}

// distinct removes occurrences that are equal in every field.
func distinct(list []finding.Occurrence) []finding.Occurrence {
	slices.SortStableFunc(list, compareOccurrences)
	return slices.CompactFunc(list, func(a, b finding.Occurrence) bool {
		return compareOccurrences(a, b) == 0 && reflect.DeepEqual(a, b)
	})
}
