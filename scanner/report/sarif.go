package report

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// GitHub takes at most 25,000 results in one run and shows the worst 5,000
// (docs.github.com, "SARIF support for code scanning", read 2026-11-21). Findings are
// sorted by severity, so what is cut is the least; the run says that it was cut.
const sarifLimit = 25_000

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// writeSARIF writes SARIF 2.1.0 as GitHub code scanning reads it: one result per
// place in the scanned tree, and one without region for a finding that is only in
// history. Published examples and dead keys are notes, so that they stop no merge.
func writeSARIF(w *bufio.Writer, v *view) error {
	log := sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{v.sarifRun(sarifLimit)}}
	b, err := marshal(log, "", "  ")
	if err != nil {
		return err
	}
	_, _ = w.Write(b)
	return w.WriteByte('\n')
}

// sarifRun makes the run, with at most limit results.
func (v *view) sarifRun(limit int) sarifRun {
	run := sarifRun{ColumnKind: "utf16CodeUnits", Results: []sarifResult{}}
	rules := newSarifRules()
	left := 0
	for i := range v.n {
		s := v.finding(i)
		index := rules.add(s)
		if len(run.Results) >= limit { // the rest only counts
			left += len(worthShowing(s))
			continue
		}
		run.Results = append(run.Results, sarifResults(s, index)...)
		if over := len(run.Results) - limit; over > 0 {
			left += over
			run.Results = run.Results[:limit]
		}
	}
	run.Tool.Driver = sarifDriver{
		Name: "rekey", Version: v.report.Tool.Version, SemanticVersion: semantic(v.report.Tool.Version),
		InformationURI: "https://github.com/rekeyhq/rekey", Rules: rules.list,
	}
	run.Invocations = []sarifInvocation{v.sarifInvocation(left)}
	return run
}

func (v *view) sarifInvocation(left int) sarifInvocation {
	r := v.report
	inv := sarifInvocation{ExecutionSuccessful: r.Coverage.Complete && !r.Interrupted}
	note := func(level, format string, args ...any) {
		inv.ToolExecutionNotifications = append(inv.ToolExecutionNotifications,
			sarifNotification{level, sarifMessage{sarifEscape(fmt.Sprintf(format, args...))}})
	}
	if !r.Started.IsZero() {
		inv.StartTimeUTC = r.Started.UTC().Format(time.RFC3339)
	}
	if !r.Finished.IsZero() {
		inv.EndTimeUTC = r.Finished.UTC().Format(time.RFC3339)
	}
	if left > 0 {
		note("error", "%s left out: GitHub takes at most %s of one run; the json report has all", count(int64(left), "result"), thousands(sarifLimit))
	}
	if r.Interrupted {
		note("error", "the run was interrupted: the results are partial")
	}
	for _, s := range r.Coverage.Skipped {
		level := "warning"
		if s.Class == SkipUnreadable {
			level = "error"
		}
		note(level, "not read: %s", s.describe())
	}
	for _, n := range r.Notices {
		note("note", "%s", n)
	}
	return inv
}

// describe says what was not read and why in one line. It is not escaped.
func (s Skip) describe() string {
	if s.Count == 1 {
		return s.What + ": " + s.Reason
	}
	return fmt.Sprintf("%s (%s): %s", s.What, thousands(s.Count), s.Reason)
}

func sarifResults(s *shown, rule int) []sarifResult {
	var out []sarifResult
	seen := map[string]int{} // results so far by place
	add := func(o *finding.Occurrence, region *sarifRegion) {
		uri, logical := sarifURI(o)
		seen[uri]++
		loc := sarifLocation{PhysicalLocation: sarifPhysical{sarifArtifact{uri}, region}}
		if logical != "" {
			loc.LogicalLocations = []sarifLogical{{logical, o.Kind}}
		}
		out = append(out, sarifResult{
			RuleID: s.Rule, RuleIndex: rule, Level: sarifResultLevel(s), Message: sarifMessage{sarifText(s, o)},
			Locations: []sarifLocation{loc},
			PartialFingerprints: map[string]string{
				"rekey/key/v1":            string(s.Fingerprint),
				"primaryLocationLineHash": lineHash(s, uri, seen[uri]),
			},
			Suppressions: sarifSuppressions(s.Suppressed),
			Properties:   sarifExtra(s, o),
		})
	}
	for _, o := range worthShowing(s) {
		var region *sarifRegion
		if inTree(o) {
			region = sarifPlace(o)
		}
		add(o, region)
	}
	return out
}

// lineHash stands in for GitHub's hash of the line: it is what GitHub tells alerts
// of one rule apart by. It names the key and the path, so that a moved line keeps its
// alert and the same key in two files makes two. n counts places in one file.
func lineHash(s *shown, uri string, n int) string {
	sum := sha256.Sum256([]byte("rekey/place/v1\x00" + string(s.Fingerprint) + "\x00" + uri))
	return fmt.Sprintf("%s:%d", hex.EncodeToString(sum[:8]), n)
}

// sarifURI returns the address of an occurrence relative to the root of the
// repository. What is not in a file gets an address under .git, which no file of a
// repository can have, because GitHub refuses a result without one.
func sarifURI(o *finding.Occurrence) (uri, logical string) {
	if o.Path != "" && o.Kind != finding.KindRefName {
		return escapeURI(o.Path), ""
	}
	name := o.Kind
	if o.Git.Commit != "" {
		name += "/" + o.Git.Commit
	}
	return ".git/" + escapeURI(name), clean(name)
}

// escapeURI percent-encodes all but unreserved characters and slashes. A first
// segment with a colon cannot be read as a scheme, since the colon is encoded.
func escapeURI(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		case c == '/' && i > 0: // a leading slash would make it absolute
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func sarifResultLevel(s *shown) string {
	switch s.Verification.Status {
	case finding.Inactive, finding.Example:
		return "note"
	}
	return sarifSeverityLevel(s.Severity)
}

func sarifSeverityLevel(s finding.Severity) string {
	switch s {
	case finding.Critical, finding.High:
		return "error"
	case finding.Medium:
		return "warning"
	}
	return "note"
}

func sarifText(s *shown, o *finding.Occurrence) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%s, confidence %s).", sarifEscape(s.Title), sarifEscape(s.Text), statusWords(s.Verification.Status), s.Confidence)
	if !inTree(o) {
		b.WriteString(" It is only in the history of this repository")
		if g := o.Git; g.Commit != "" {
			fmt.Fprintf(&b, ": commit %s", clean(short(g.Commit)))
			if o.StartLine > 0 && o.Path != "" {
				fmt.Fprintf(&b, ", line %d", o.StartLine)
			}
		}
		b.WriteByte('.')
	}
	if n := len(s.Occurrences) + s.Dropped - 1; n > 0 {
		fmt.Fprintf(&b, " %s in all.", count(int64(n+1), "place"))
	}
	b.WriteString(" " + nextStep(s, false))
	return b.String()
}

// sarifEscape makes a foreign string inert in a message, where brackets begin links and
// braces begin placeholders (SARIF 2.1.0, sections 3.11.5 and 3.11.6).
func sarifEscape(s string) string {
	if s = clean(s); !strings.ContainsAny(s, "[]{}\\") {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "{", "{{", "}", "}}").Replace(s)
}

func sarifSuppressions(s *finding.Suppression) []sarifSuppression {
	if s == nil {
		return nil
	}
	kind := "external"
	if s.By == "comment" {
		kind = "inSource"
	}
	why := clean(s.By)
	if s.Where != "" {
		why += " " + clean(s.Where)
	}
	if s.Reason != "" {
		why += ": " + clean(s.Reason)
	}
	return []sarifSuppression{{kind, "accepted", why}}
}

func sarifExtra(s *shown, o *finding.Occurrence) map[string]any {
	extra := map[string]any{
		"severity": s.Severity.String(), "confidence": s.Confidence.String(),
		"status": s.Verification.Status.String(), "inHead": o.Git.InHead,
	}
	if o.Git.Commit != "" {
		extra["commit"] = o.Git.Commit
	}
	if s.First != nil {
		extra["firstCommit"] = s.First.Git.Commit
		extra["firstSeen"] = s.First.Git.Date.UTC().Format(time.RFC3339)
	}
	return extra
}

// semantic returns version where it is one that semver.org would accept, else nothing.
func semantic(version string) string {
	v := strings.TrimPrefix(version, "v")
	core, _, _ := strings.Cut(v, "-")
	core, _, _ = strings.Cut(core, "+")
	parts := strings.Split(core, ".")
	if len(parts) != 3 {
		return ""
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" || len(p) > 1 && p[0] == '0' {
			return ""
		}
	}
	return v
}
