package report

import (
	"bufio"
	"fmt"
	"math"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// gitleaksMessage has the fields, names and order of a finding in a JSON report of
// gitleaks 8.30 (its report/finding.go, read 2026-11-21).
type gitleaksMessage struct {
	RuleID      string
	Description string
	StartLine   int
	EndLine     int
	StartColumn int
	EndColumn   int
	Match       string
	Secret      string
	File        string
	SymlinkFile string
	Commit      string
	Link        string `json:",omitempty"`
	Entropy     float32
	Author      string
	Email       string
	Date        string
	Message     string
	Tags        []string
	Fingerprint string
}

// gitleaksHidden is what gitleaks --redact writes in place of a secret.
const gitleaksHidden = "REDACTED"

// writeGitleaks writes the JSON array of gitleaks: one element per occurrence, since
// it has no other notion of a finding. Suppressed findings are left out, as gitleaks
// leaves out what its baseline and comments allow. Under redaction Entropy is 0: it
// says something about the secret.
func writeGitleaks(w *bufio.Writer, v *view) error {
	_ = w.WriteByte('[')
	first := true
	for i := range v.n {
		s := v.finding(i)
		if s.Suppressed != nil {
			continue
		}
		for j := range s.Occurrences {
			b, err := marshal(newGitleaksMessage(s, &s.Occurrences[j]), " ", " ")
			if err != nil {
				return err
			}
			if !first {
				_ = w.WriteByte(',')
			}
			first = false
			_, _ = w.WriteString("\n ")
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	if !first {
		_ = w.WriteByte('\n')
	}
	_, err := w.WriteString("]\n")
	return err
}

func newGitleaksMessage(s *shown, o *finding.Occurrence) gitleaksMessage {
	g := &o.Git
	m := gitleaksMessage{
		RuleID: s.Rule, Description: s.Title,
		StartLine: o.StartLine, EndLine: o.EndLine, StartColumn: o.StartColumn, EndColumn: o.EndColumn,
		Match: gitleaksHidden, Secret: gitleaksHidden,
		File: o.Path, Commit: g.Commit, Link: o.URL,
		Author: g.Author, Email: g.Email, Message: g.Subject,
		Tags: []string{},
	}
	if !s.Redacted {
		m.Match, m.Secret, m.Entropy = s.Text, s.Text, entropy(s.Text)
	}
	if !g.Date.IsZero() {
		m.Date = g.Date.UTC().Format(time.RFC3339)
	}
	m.Fingerprint = fmt.Sprintf("%s:%s:%d", o.Path, s.Rule, o.StartLine)
	if g.Commit != "" {
		m.Fingerprint = g.Commit + ":" + m.Fingerprint
	}
	return m
}

// entropy is Shannon's, in bits per character, as gitleaks computes it.
func entropy(s string) float32 {
	counts := map[rune]int{}
	total := 0
	for _, r := range s {
		counts[r]++
		total++
	}
	var e float64
	for _, n := range counts {
		p := float64(n) / float64(total)
		e -= p * math.Log2(p)
	}
	return float32(e)
}
