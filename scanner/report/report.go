// Package report writes what a scan found: for people (text, html, markdown) and
// for programs (json, jsonl, sarif, gitleaks, csv, junit, gitlab), and reads our own
// JSON back. No format shows a secret unless Options.ShowSecrets says so.
package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// Schema is the name and version of our JSON report. A report with another schema
// is refused by Read. Version 1 may gain fields; readers ignore unknown ones.
const Schema = "rekey.report/v1"

// Report is one run: what was looked at, what was found, what was not read.
//
// Every string may be foreign: Write escapes them for its format and replaces known
// secrets in them. They must be whole: half a secret at the end of a shortened
// subject cannot be recognised, so shorten nothing before it comes here.
type Report struct {
	Schema      string // Schema; empty means Schema
	Tool        Tool
	Target      Target
	Started     time.Time
	Finished    time.Time
	Coverage    Coverage
	Findings    []finding.Finding
	Notices     []string // what the reader should know: ignored configuration, suppressions of the repository
	Interrupted bool     // stopped by a signal: the results are partial

	// texts holds how the secrets looked in a redacted report that Read read, by
	// fingerprint, and by fingerprint, zero byte and name for parts.
	texts map[string]string
}

// Tool says which rekey wrote the report.
type Tool struct {
	Name        string
	Version     string
	RulesDigest string
}

// Target says what was scanned. Head is the commit that HEAD named, if any.
type Target struct {
	Kind     string
	Location string
	Head     string
}

// Coverage says how much was scanned and what was not.
type Coverage struct {
	Objects      int64
	Blobs        int64
	Commits      int64
	Files        int64
	BytesLogical int64 // size of all content, as if every object had been inflated
	BytesScanned int64 // bytes that the detector looked at
	Skipped      []Skip
	Complete     bool
	RulesCount   int
	Duration     time.Duration
}

// Classes of holes (design.md section 10).
const (
	SkipUnreadable = "unreadable" // corrupt, missing, no permission
	SkipAbsent     = "absent"     // absent by choice: shallow, partial, LFS, submodule
	SkipPolicy     = "policy"     // too large, encrypted, over a budget
)

// Skip is one kind of thing that was not read, and why.
type Skip struct {
	What   string
	Reason string
	Count  int64
	Class  string
}

// Sort puts the report into the order that every format keeps: findings by severity,
// then fingerprint; occurrences by path, line and commit date. Two runs on the same
// input then give the same bytes, times aside. It changes r in place.
func Sort(r *Report) {
	for i := range r.Findings {
		f := &r.Findings[i]
		slices.SortStableFunc(f.Occurrences, compareOccurrences)
		for j := range f.Occurrences {
			slices.Sort(f.Occurrences[j].Git.Refs)
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b finding.Finding) int {
		return cmp.Or(
			cmp.Compare(b.Severity, a.Severity),
			strings.Compare(string(a.Fingerprint), string(b.Fingerprint)),
			strings.Compare(a.Rule, b.Rule),
		)
	})
	slices.SortStableFunc(r.Coverage.Skipped, func(a, b Skip) int {
		return cmp.Or(
			strings.Compare(a.Class, b.Class),
			strings.Compare(a.What, b.What),
			strings.Compare(a.Reason, b.Reason),
		)
	})
}

func compareOccurrences(a, b finding.Occurrence) int {
	return cmp.Or(
		strings.Compare(a.Path, b.Path),
		cmp.Compare(a.StartLine, b.StartLine),
		a.Git.Date.Compare(b.Git.Date),
		cmp.Compare(a.StartColumn, b.StartColumn),
		strings.Compare(a.Kind, b.Kind),
		strings.Compare(a.Git.Commit, b.Git.Commit),
		strings.Compare(a.Git.Blob, b.Git.Blob),
		cmp.Compare(a.EndLine, b.EndLine),
		cmp.Compare(a.EndColumn, b.EndColumn),
	)
}

// Counts is the summary of a report. Suppressed findings are counted once, in
// Suppressed, and nowhere else.
type Counts struct {
	Findings   int // not suppressed
	BySeverity [finding.Critical + 1]int
	ByStatus   [finding.Canary + 1]int
	Suppressed int
	Live       int // active, restricted or in grace
}

// Summary counts the findings of r.
func Summary(r *Report) Counts {
	var c Counts
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Suppressed != nil {
			c.Suppressed++
			continue
		}
		c.Findings++
		if f.Severity >= finding.Low && f.Severity <= finding.Critical {
			c.BySeverity[f.Severity]++
		}
		if s := f.Verification.Status; s >= finding.Unchecked && s <= finding.Canary {
			c.ByStatus[s]++
		}
		if f.Verification.Status.Live() {
			c.Live++
		}
	}
	return c
}

// inTree reports whether an occurrence stands in what is checked out or about to be
// committed, rather than only in history.
func inTree(o *finding.Occurrence) bool {
	switch o.Kind {
	case finding.KindWorktree, finding.KindStaged, finding.KindStdin:
		return true
	case finding.KindBlob, finding.KindPath, "":
		return o.Git.InHead || o.Git.Commit == "" && o.Git.Blob == ""
	}
	return false
}

// anyInTree reports whether any occurrence of f stands in the scanned tree.
func anyInTree(f *finding.Finding) bool {
	for i := range f.Occurrences {
		if inTree(&f.Occurrences[i]) {
			return true
		}
	}
	return false
}

// placeRank orders places for people: in the tree, in files of history, elsewhere.
func placeRank(o *finding.Occurrence) int {
	switch {
	case inTree(o):
		return 0
	case o.Path != "":
		return 1
	}
	return 2
}

// byRank returns the places of a finding in that order, else as they are sorted.
func byRank(f *finding.Finding) []*finding.Occurrence {
	out := make([]*finding.Occurrence, 0, len(f.Occurrences))
	for rank := range 3 {
		for i := range f.Occurrences {
			if o := &f.Occurrences[i]; placeRank(o) == rank {
				out = append(out, o)
			}
		}
	}
	return out
}

// worthShowing returns the places of a finding for formats that point at places: those
// in the scanned tree, or, where there are none, the oldest one in a file of history,
// or else the oldest.
func worthShowing(s *shown) []*finding.Occurrence {
	list := byRank(&s.Finding)
	n := 0
	for n < len(list) && inTree(list[n]) {
		n++
	}
	if n > 0 || len(list) == 0 {
		return list[:n]
	}
	oldest := list[0]
	for _, o := range list[1:] {
		if placeRank(o) == placeRank(oldest) && !o.Git.Date.IsZero() &&
			(oldest.Git.Date.IsZero() || o.Git.Date.Before(oldest.Git.Date)) {
			oldest = o
		}
	}
	return []*finding.Occurrence{oldest}
}

// firstSeen returns the occurrence with the earliest commit, nil when none has one.
func firstSeen(f *finding.Finding) *finding.Occurrence {
	var first *finding.Occurrence
	for i := range f.Occurrences {
		o := &f.Occurrences[i]
		if o.Git.Commit == "" || o.Git.Date.IsZero() {
			continue
		}
		if first == nil || o.Git.Date.Before(first.Git.Date) ||
			o.Git.Date.Equal(first.Git.Date) && o.Git.Commit < first.Git.Commit {
			first = o
		}
	}
	return first
}
