package report

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// markdownSize is where the table ends: a comment on GitHub holds 65,536 characters
// (and what follows the table needs some of them).
const markdownSize = 52_000

// writeMarkdown writes a comment for a pull request or a step summary. Every foreign
// string is escaped or stands in a code span: it makes no link, mentions nobody and
// cannot leave its cell.
func writeMarkdown(w *bufio.Writer, v *view) error {
	var b strings.Builder
	v.markdownHead(&b)
	rows := v.markdownTable(&b)
	if rest := v.counts.Findings - rows; rest > 0 {
		fmt.Fprintf(&b, "\n%s left out here: see the json or html report.\n", count(int64(rest), "finding"))
	}
	if v.counts.Findings > 0 {
		b.WriteString("\n**Rotate first, then purge.** Removing a key from the code does not help: the history, clones and forks keep it.\n")
	}
	v.markdownFoot(&b)
	_, err := w.WriteString(b.String())
	return err
}

func (v *view) markdownHead(b *strings.Builder) {
	c := v.counts
	switch {
	case c.Live > 0:
		fmt.Fprintf(b, "## rekey found %s, %s of them live\n\n", count(int64(c.Findings), "key"), thousands(int64(c.Live)))
	case c.Findings > 0:
		fmt.Fprintf(b, "## rekey found %s\n\n", count(int64(c.Findings), "key"))
	case v.report.Coverage.Complete && !v.report.Interrupted:
		b.WriteString("## rekey found no keys\n\n")
	default:
		b.WriteString("## rekey found no keys in what it could read\n\n")
	}
}

// markdownTable writes a row per finding that counts and returns how many it wrote.
func (v *view) markdownTable(b *strings.Builder) int {
	if v.counts.Findings == 0 {
		return 0
	}
	b.WriteString("| Severity | Key | Status | Where | Since | Next |\n| --- | --- | --- | --- | --- | --- |\n")
	rows, limit := 0, v.opt.limit()
	for i := range v.n {
		if _, by := v.status(i); by != "" {
			continue
		}
		if rows == limit || b.Len() > markdownSize {
			break
		}
		b.WriteString(markdownRow(v.finding(i)))
		rows++
	}
	return rows
}

func markdownRow(s *shown) string {
	status := statusWords(s.Verification.Status)
	if s.Verification.Status.Live() {
		status = "**" + status + "**"
	}
	where := "no place recorded"
	if places := worthShowing(s); len(places) > 0 {
		where = markdownPlace(places[0])
		if rest := len(s.Occurrences) + s.Dropped - 1; rest > 0 {
			where += fmt.Sprintf(" and %s more", thousands(int64(rest)))
		}
	}
	since := ""
	if s.First != nil {
		since = day(s.First.Git.Date)
		if who := clean(s.First.Git.Author); who != "" {
			since += " " + mdEscape(cut(who, 60))
		}
	}
	return fmt.Sprintf("| %s | %s %s | %s | %s | %s | %s |\n", s.Severity,
		mdEscape(cut(clean(s.Title), 100)), mdCode(cut(clean(s.Text), 100)), status, where, since, mdEscape(nextStep(s, false)))
}

func markdownPlace(o *finding.Occurrence) string {
	text := mdCode(cutMiddle(place(o), 120))
	if webURL(o.URL) && !strings.Contains(o.URL, "|") && len(o.URL) < 500 {
		text = "[" + text + "](<" + o.URL + ">)"
	}
	if !inTree(o) {
		text += " (only in history)"
	}
	return text
}

func (v *view) markdownFoot(b *strings.Builder) {
	c := v.counts
	if c.Suppressed > 0 {
		fmt.Fprintf(b, "\n%s suppressed%s.\n", count(int64(c.Suppressed), "finding"), v.suppressedBy())
	}
	r := v.report
	b.WriteString("\n<details><summary>Coverage</summary>\n\n")
	fmt.Fprintf(b, "- %s\n", mdEscape(v.coverageLine()))
	for i, s := range r.Coverage.Skipped {
		if i == textSkips {
			fmt.Fprintf(b, "- not read: and %s of other kinds\n", count(int64(len(r.Coverage.Skipped)-i), "hole"))
			break
		}
		fmt.Fprintf(b, "- not read: %s\n", mdEscape(cut(clean(s.describe()), textField)))
	}
	for i, n := range r.Notices {
		if i == textNotices {
			fmt.Fprintf(b, "- and %s more\n", count(int64(len(r.Notices)-i), "note"))
			break
		}
		fmt.Fprintf(b, "- note: %s\n", mdEscape(cut(clean(n), textField)))
	}
	b.WriteString("\n</details>\n")
}
