package report

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// The messages of schema rekey.report/v1. docs/report.schema.json describes them, and
// a test holds both equal. Fields may be added, never renamed or removed.

type headMessage struct {
	Schema      string          `json:"schema"`
	Tool        toolMessage     `json:"tool"`
	Target      targetMessage   `json:"target"`
	Started     *time.Time      `json:"started,omitempty"`
	Finished    *time.Time      `json:"finished,omitempty"`
	Interrupted bool            `json:"interrupted"`
	Coverage    coverageMessage `json:"coverage"`
	Notices     []string        `json:"notices"`
}

type toolMessage struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	RulesDigest string `json:"rules_digest"`
}

type targetMessage struct {
	Kind     string `json:"kind"`
	Location string `json:"location"`
	Head     string `json:"head"`
}

type coverageMessage struct {
	Objects      int64         `json:"objects"`
	Blobs        int64         `json:"blobs"`
	Commits      int64         `json:"commits"`
	Files        int64         `json:"files"`
	BytesLogical int64         `json:"bytes_logical"`
	BytesScanned int64         `json:"bytes_scanned"`
	Skipped      []skipMessage `json:"skipped"`
	Complete     bool          `json:"complete"`
	Rules        int           `json:"rules"`
	Seconds      float64       `json:"seconds"`
}

type skipMessage struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
	Class  string `json:"class"`
}

type findingMessage struct {
	Fingerprint  finding.Fingerprint `json:"fingerprint"`
	Rule         string              `json:"rule"`
	Service      string              `json:"service"`
	Title        string              `json:"title"`
	Severity     finding.Severity    `json:"severity"`
	Confidence   finding.Confidence  `json:"confidence"`
	Secret       string              `json:"secret"`
	SecretBytes  string              `json:"secret_base64,omitempty"` // only where shown and not UTF-8
	Redacted     *bool               `json:"redacted"`                // never nil when written; absent means true
	PublicBytes  int                 `json:"public_bytes,omitempty"`
	Checksum     finding.Checksum    `json:"checksum"`
	Parts        map[string]string   `json:"parts"`
	PublicParts  []string            `json:"public_parts,omitempty"`
	Environment  string              `json:"environment,omitempty"`
	Verification verificationMessage `json:"verification"`
	Suppressed   *suppressionMessage `json:"suppressed"`
	Occurrences  []occurrenceMessage `json:"occurrences"`
	Dropped      int                 `json:"occurrences_dropped,omitempty"`
	FirstSeen    *firstSeenMessage   `json:"first_seen,omitempty"`
	Remedy       remedyMessage       `json:"remedy"`
}

type verificationMessage struct {
	Status    finding.Status    `json:"status"`
	Reason    string            `json:"reason,omitempty"`
	CheckedAt *time.Time        `json:"checked_at,omitempty"`
	Owner     string            `json:"owner,omitempty"`
	KeyID     string            `json:"key_id,omitempty"`
	Scopes    []string          `json:"scopes,omitempty"`
	ExpiresAt *time.Time        `json:"expires_at,omitempty"`
	Extra     map[string]string `json:"extra,omitempty"`
}

type suppressionMessage struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
	Where  string `json:"where"`
}

type occurrenceMessage struct {
	Kind        string     `json:"kind"`
	Path        string     `json:"path"`
	PathBytes   string     `json:"path_base64,omitempty"` // only where the path is not UTF-8
	StartLine   int        `json:"start_line"`
	StartColumn int        `json:"start_column"`
	EndLine     int        `json:"end_line"`
	EndColumn   int        `json:"end_column"`
	StartUTF16  int        `json:"start_utf16,omitempty"` // exclusive end, as SARIF
	EndUTF16    int        `json:"end_utf16,omitempty"`
	Blob        string     `json:"blob,omitempty"`
	Commit      string     `json:"commit,omitempty"`
	Author      string     `json:"author,omitempty"`
	Email       string     `json:"email,omitempty"`
	Date        *time.Time `json:"date,omitempty"`
	Subject     string     `json:"subject,omitempty"`
	Refs        []string   `json:"refs,omitempty"`
	InHead      bool       `json:"in_head"`
	Reachable   bool       `json:"reachable"`
	URL         string     `json:"url,omitempty"`
	Versions    int        `json:"versions"`
	Decoded     []string   `json:"decoded,omitempty"`
}

type firstSeenMessage struct {
	Commit string    `json:"commit"`
	Date   time.Time `json:"date"`
}

type remedyMessage struct {
	Actions []string `json:"actions"`
	Docs    string   `json:"docs"`
}

type summaryMessage struct {
	Findings   int            `json:"findings"`
	BySeverity map[string]int `json:"by_severity"`
	ByStatus   map[string]int `json:"by_status"`
	Suppressed int            `json:"suppressed"`
}

func (v *view) headMessage() headMessage {
	r := v.report
	c := &r.Coverage
	m := headMessage{
		Schema: Schema, Tool: toolMessage(r.Tool), Target: targetMessage(r.Target),
		Started: instant(r.Started), Finished: instant(r.Finished),
		Interrupted: r.Interrupted, Notices: list(r.Notices),
		Coverage: coverageMessage{
			Objects: c.Objects, Blobs: c.Blobs, Commits: c.Commits, Files: c.Files,
			BytesLogical: c.BytesLogical, BytesScanned: c.BytesScanned,
			Skipped: make([]skipMessage, len(c.Skipped)), Complete: c.Complete,
			Rules: c.RulesCount, Seconds: c.Duration.Seconds(),
		},
	}
	for i, s := range c.Skipped {
		m.Coverage.Skipped[i] = skipMessage(s)
	}
	return m
}

func (v *view) summaryMessage() summaryMessage {
	m := summaryMessage{
		Findings: v.counts.Findings, Suppressed: v.counts.Suppressed,
		BySeverity: map[string]int{}, ByStatus: map[string]int{},
	}
	for s, n := range v.counts.BySeverity {
		m.BySeverity[finding.Severity(s).String()] = n
	}
	for s, n := range v.counts.ByStatus {
		m.ByStatus[finding.Status(s).String()] = n
	}
	return m
}

func newFindingMessage(s *shown) findingMessage {
	ver := &s.Verification
	m := findingMessage{
		Fingerprint: s.Fingerprint, Rule: s.Rule, Service: s.Service, Title: s.Title,
		Severity: s.Severity, Confidence: s.Confidence,
		Secret: s.Text, Redacted: &s.Redacted, PublicBytes: s.Public,
		Checksum: s.Checksum, Parts: map[string]string{}, Environment: s.Environment,
		Verification: verificationMessage{
			Status: ver.Status, Reason: ver.Reason, CheckedAt: instant(ver.CheckedAt), Owner: ver.Owner,
			KeyID: ver.KeyID, Scopes: ver.Scopes, ExpiresAt: instant(ver.ExpiresAt), Extra: ver.Extra,
		},
		Suppressed:  (*suppressionMessage)(s.Suppressed),
		Occurrences: make([]occurrenceMessage, len(s.Occurrences)),
		Dropped:     s.Dropped,
		Remedy:      remedyMessage{list(s.Actions), s.Docs},
	}
	if m.Checksum == "" {
		m.Checksum = finding.ChecksumNone
	}
	m.Secret, m.SecretBytes = utf8OrBase64(s.Text)
	for i, p := range s.Parts {
		m.Parts[p.Name] = s.PartText[i]
		if p.Public {
			m.PublicParts = append(m.PublicParts, p.Name)
		}
	}
	for i := range s.Occurrences {
		m.Occurrences[i] = newOccurrenceMessage(&s.Occurrences[i])
	}
	if s.First != nil {
		m.FirstSeen = &firstSeenMessage{s.First.Git.Commit, s.First.Git.Date.UTC()}
	}
	return m
}

func newOccurrenceMessage(o *finding.Occurrence) occurrenceMessage {
	g := &o.Git
	m := occurrenceMessage{
		Kind: o.Kind, StartLine: o.StartLine, StartColumn: o.StartColumn,
		EndLine: o.EndLine, EndColumn: o.EndColumn,
		StartUTF16: o.StartUTF16, EndUTF16: o.EndUTF16, Blob: g.Blob, Commit: g.Commit,
		Author: g.Author, Email: g.Email, Date: instant(g.Date), Subject: g.Subject, Refs: g.Refs,
		InHead: g.InHead, Reachable: g.Reachable, URL: o.URL, Versions: o.Versions, Decoded: o.Decoded,
	}
	m.Path, m.PathBytes = utf8OrBase64(o.Path)
	return m
}

// utf8OrBase64 returns s and nothing, or, where JSON cannot hold s, a readable form
// of it and its exact bytes in base64.
func utf8OrBase64(s string) (text, exact string) {
	if utf8.ValidString(s) {
		return s, ""
	}
	return clean(s), base64.StdEncoding.EncodeToString([]byte(s))
}

// instant returns t for JSON, nil where it is not known. Times of git come here
// through sane.
func instant(t time.Time) *time.Time {
	t = sane(t)
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// list returns s, or an empty list that JSON writes as [].
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
