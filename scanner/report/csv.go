package report

import (
	"bufio"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// writeCSV writes one row per occurrence. Cells are escaped as in text, and one that a
// spreadsheet would take for a formula begins with an apostrophe. A first row names
// the columns; new ones are added at the end.
func writeCSV(w *bufio.Writer, v *view) error {
	c := csv.NewWriter(w)
	if err := c.Write([]string{
		"severity", "status", "confidence", "title", "secret", "path", "line", "column", "kind", "in_head",
		"commit", "date", "author", "email", "subject", "url", "rule", "service", "fingerprint",
		"first_commit", "first_date", "owner", "expires_at", "suppressed_by", "suppressed_reason", "blob", "end_line", "end_column",
	}); err != nil {
		return err
	}
	for i := range v.n {
		s := v.finding(i)
		if len(s.Occurrences) == 0 {
			s.Occurrences = []finding.Occurrence{{}}
		}
		for j := range s.Occurrences {
			row := csvRow(s, &s.Occurrences[j])
			for k := range row {
				row[k] = csvCell(row[k])
			}
			if err := c.Write(row); err != nil {
				return err
			}
		}
	}
	c.Flush()
	return c.Error()
}

func csvRow(s *shown, o *finding.Occurrence) []string {
	g := &o.Git
	row := []string{
		s.Severity.String(), s.Verification.Status.String(), s.Confidence.String(), s.Title, s.Text,
		o.Path, number(o.StartLine), number(o.StartColumn), o.Kind, strconv.FormatBool(g.InHead),
		g.Commit, csvTime(g.Date), g.Author, g.Email, g.Subject, o.URL, s.Rule, s.Service, string(s.Fingerprint),
	}
	first := []string{"", ""}
	if s.First != nil {
		first = []string{s.First.Git.Commit, csvTime(s.First.Git.Date)}
	}
	row = append(row, first...)
	by, why := "", ""
	if s.Suppressed != nil {
		by, why = s.Suppressed.By, s.Suppressed.Reason
	}
	return append(row, s.Verification.Owner, csvTime(s.Verification.ExpiresAt), by, why, g.Blob, number(o.EndLine), number(o.EndColumn))
}

// csvCell escapes s and defuses formulas: at the start of a cell, and behind a
// semicolon, at which spreadsheets of many countries split lines. Full-width forms
// count too (OWASP, "CSV Injection", read 2026-11-21).
func csvCell(s string) string {
	s = clean(s)
	parts := strings.Split(s, ";")
	for i, p := range parts {
		if t := strings.TrimLeft(p, " \"'"); t != "" && strings.ContainsRune("=+-@＝＋－＠|%", []rune(t)[0]) {
			parts[i] = "'" + p
		}
	}
	return strings.Join(parts, ";")
}

func csvTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// number writes n, and nothing for 0, which means that it does not apply.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
