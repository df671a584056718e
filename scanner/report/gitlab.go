package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// The secret detection report of GitLab, schema 15.2.1 (gitlab-org/gitlab,
// lib/gitlab/ci/parsers/security/validators/schemas, read 2026-11-21).
const gitlabVersion = "15.2.1"

// Limits of that schema.
const (
	gitlabName        = 255
	gitlabDescription = 4000
)

type gitlabReport struct {
	Version         string                `json:"version"`
	Schema          string                `json:"schema"`
	Scan            gitlabScan            `json:"scan"`
	Vulnerabilities []gitlabVulnerability `json:"vulnerabilities"`
}

type gitlabScan struct {
	Analyzer  gitlabTool      `json:"analyzer"`
	Scanner   gitlabTool      `json:"scanner"`
	Type      string          `json:"type"`
	StartTime string          `json:"start_time"`
	EndTime   string          `json:"end_time"`
	Status    string          `json:"status"`
	Messages  []gitlabMessage `json:"messages,omitempty"`
}

type gitlabTool struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	URL     string       `json:"url"`
	Version string       `json:"version"`
	Vendor  gitlabVendor `json:"vendor"`
}

type gitlabVendor struct {
	Name string `json:"name"`
}

type gitlabMessage struct {
	Level string `json:"level"`
	Value string `json:"value"`
}

type gitlabVulnerability struct {
	ID          string             `json:"id"`
	Name        string             `json:"name"`
	Description string             `json:"description"`
	Severity    string             `json:"severity"`
	Solution    string             `json:"solution"`
	Identifiers []gitlabIdentifier `json:"identifiers"`
	Links       []gitlabLink       `json:"links,omitempty"`
	Flags       []gitlabFlag       `json:"flags,omitempty"`
	Location    gitlabLocation     `json:"location"`
	Extract     string             `json:"raw_source_code_extract"`
}

type gitlabIdentifier struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
	URL   string `json:"url,omitempty"`
}

type gitlabLink struct {
	URL string `json:"url"`
}

type gitlabFlag struct {
	Type        string `json:"type"`
	Origin      string `json:"origin"`
	Description string `json:"description"`
}

type gitlabLocation struct {
	File      string       `json:"file"`
	Commit    gitlabCommit `json:"commit"`
	StartLine int          `json:"start_line,omitempty"`
	EndLine   int          `json:"end_line,omitempty"`
}

type gitlabCommit struct {
	Author  string `json:"author,omitempty"`
	Date    string `json:"date,omitempty"`
	Message string `json:"message,omitempty"`
	SHA     string `json:"sha"`
}

// writeGitLab writes one vulnerability per place in the scanned tree, or one for a
// finding that is only in history. GitLab knows no suppression: suppressed findings
// are left out and counted in a message.
func writeGitLab(w *bufio.Writer, v *view) error {
	rep := gitlabReport{
		Version:         gitlabVersion,
		Schema:          "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v" + gitlabVersion + "/dist/secret-detection-report-format.json",
		Scan:            v.gitlabScan(),
		Vulnerabilities: []gitlabVulnerability{},
	}
	for i := range v.n {
		s := v.finding(i)
		if s.Suppressed != nil {
			continue
		}
		for _, o := range worthShowing(s) {
			rep.Vulnerabilities = append(rep.Vulnerabilities, newGitlabVulnerability(s, o))
		}
	}
	b, err := marshal(rep, "", "  ")
	if err != nil {
		return err
	}
	_, _ = w.Write(b)
	return w.WriteByte('\n')
}

func (v *view) gitlabScan() gitlabScan {
	r := v.report
	tool := gitlabTool{
		ID: "rekey", Name: "rekey", URL: "https://github.com/rekeyhq/rekey",
		Version: cmp.Or(r.Tool.Version, "unknown"), Vendor: gitlabVendor{"rekey"},
	}
	scan := gitlabScan{
		Analyzer: tool, Scanner: tool, Type: "secret_detection", Status: "success",
		StartTime: gitlabTime(r.Started), EndTime: gitlabTime(r.Finished),
	}
	note := func(level, format string, args ...any) {
		scan.Messages = append(scan.Messages, gitlabMessage{level, cut(clean(fmt.Sprintf(format, args...)), gitlabDescription)})
	}
	if r.Interrupted || !r.Coverage.Complete {
		scan.Status = "failure"
		note("fatal", "not everything was read")
	}
	for _, s := range r.Coverage.Skipped {
		note("warn", "not read: %s", s.describe())
	}
	if v.counts.Suppressed > 0 {
		note("info", "%s suppressed", count(int64(v.counts.Suppressed), "finding"))
	}
	for _, n := range r.Notices {
		note("info", "note: %s", n)
	}
	return scan
}

func newGitlabVulnerability(s *shown, o *finding.Occurrence) gitlabVulnerability {
	title := cut(clean(s.Title), gitlabName)
	file := o.Path
	if file == "" || o.Kind == finding.KindRefName {
		_, file = sarifURI(o)
	}
	g := &o.Git
	m := gitlabVulnerability{
		ID:          gitlabID(s, o),
		Name:        title,
		Description: gitlabText(s, o),
		Severity:    gitlabSeverity(s),
		Solution:    nextStep(s, false),
		Identifiers: []gitlabIdentifier{
			{Type: "rekey_rule", Name: "rekey rule " + clean(s.Rule), Value: cmp.Or(clean(s.Rule), "unknown")},
			{Type: "rekey_fingerprint", Name: "rekey " + clean(string(s.Fingerprint)), Value: cmp.Or(clean(string(s.Fingerprint)), "unknown")},
			{Type: "cwe", Name: "CWE-798", Value: "798", URL: "https://cwe.mitre.org/data/definitions/798.html"},
		},
		Location: gitlabLocation{
			File: file, StartLine: max(0, o.StartLine), EndLine: max(0, o.EndLine),
			Commit: gitlabCommit{Author: author(o), Message: clean(g.Subject), SHA: cmp.Or(g.Commit, "0000000")},
		},
		Extract: s.Text,
	}
	if !g.Date.IsZero() {
		m.Location.Commit.Date = g.Date.UTC().Format(time.RFC3339)
	}
	if webURL(s.Docs) {
		m.Links = []gitlabLink{{s.Docs}}
	}
	if s.Verification.Status == finding.Example {
		m.Flags = []gitlabFlag{{"flagged-as-likely-false-positive", "rekey", statusWords(finding.Example)}}
	}
	return m
}

// gitlabText is GitLab's Markdown, by the schema.
func gitlabText(s *shown, o *finding.Occurrence) string {
	text := fmt.Sprintf("%s %s: %s, confidence %s.", mdEscape(cut(clean(s.Title), 1000)), mdCode(cut(clean(s.Text), 1000)),
		statusWords(s.Verification.Status), s.Confidence)
	if note := strings.TrimSpace(placeNote(o)); note != "" {
		text += " " + mdEscape(note) + "."
	}
	return text
}

// gitlabID is a UUID (version 8) made of key and place, so that it stays.
func gitlabID(s *shown, o *finding.Occurrence) string {
	h := sha256.Sum256(fmt.Appendf(nil, "rekey/gitlab/v1\x00%s\x00%s\x00%s\x00%d\x00%d\x00%s",
		s.Fingerprint, o.Kind, o.Path, o.StartLine, o.StartColumn, o.Git.Commit))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func gitlabSeverity(s *shown) string {
	switch {
	case s.Verification.Status == finding.Inactive, s.Verification.Status == finding.Example:
		return "Info"
	case s.Severity == finding.Critical:
		return "Critical"
	case s.Severity == finding.High:
		return "High"
	case s.Severity == finding.Medium:
		return "Medium"
	}
	return "Low"
}

// gitlabTime has no zone and is never absent: the schema wants both.
func gitlabTime(t time.Time) string {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}
