package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// SGR sequences. Only colours that are readable on dark and light ground.
const (
	bold    = "\x1b[1m"
	dim     = "\x1b[2m"
	red     = "\x1b[31m"
	redBold = "\x1b[1;31m"
	yellow  = "\x1b[33m"
	green   = "\x1b[32m"
	cyan    = "\x1b[36m"
	reset   = "\x1b[0m"
)

func severityColor(s finding.Severity) string {
	switch s {
	case finding.Critical:
		return redBold
	case finding.High:
		return red
	case finding.Medium:
		return yellow
	}
	return cyan
}

func statusColor(s finding.Status) string {
	switch {
	case s.Live(), s == finding.Canary:
		return redBold
	case s == finding.Inactive, s == finding.Example:
		return green
	}
	return yellow
}

func (p *textPage) paint(color, s string) string {
	if !p.v.opt.Color || s == "" {
		return s
	}
	return color + s + reset
}

// summary counts what was found.
func (p *textPage) summary() {
	c := p.v.counts
	if c.Findings == 0 {
		if p.v.report.Coverage.Complete && !p.v.report.Interrupted {
			p.line(p.paint(green, "No keys found."))
		} else {
			p.line(p.paint(yellow, "No keys found in what was read; the scan is not complete."))
		}
	} else {
		var by []string
		for s := finding.Critical; s >= finding.Low; s-- {
			if n := c.BySeverity[s]; n > 0 {
				by = append(by, p.paint(severityColor(s), fmt.Sprintf("%s %s", thousands(int64(n)), s)))
			}
		}
		text := count(int64(c.Findings), "finding") + ": " + strings.Join(by, ", ")
		var states []string
		for s, n := range c.ByStatus {
			if n > 0 {
				states = append(states, fmt.Sprintf("%s %s", thousands(int64(n)), finding.Status(s)))
			}
		}
		p.wrap("", text+" ("+strings.Join(states, ", ")+").")
	}
	if c.Suppressed > 0 {
		p.wrap("", fmt.Sprintf("%s suppressed%s.", count(int64(c.Suppressed), "finding"), p.v.suppressedBy()))
	}
}

// suppressedBy lists what suppresses, with counts: suppression is never silent.
func (v *view) suppressedBy() string {
	counts := map[string]int{}
	for i := range v.n {
		if _, by := v.status(i); by != "" {
			counts[by]++
		}
	}
	var list []string
	for _, by := range []string{"baseline", "comment", "allowlist", "ignore-file"} {
		if n := counts[by]; n > 0 {
			list = append(list, fmt.Sprintf("%s by %s", thousands(int64(n)), by))
		}
		delete(counts, by)
	}
	others := 0
	for _, n := range counts {
		others += n
	}
	if others > 0 {
		list = append(list, fmt.Sprintf("%s by others", thousands(int64(others))))
	}
	return ": " + strings.Join(list, ", ")
}

// purge says once how to remove keys from history, and that it does not close a leak.
func (p *textPage) purge() {
	if !p.v.inHistory() {
		return
	}
	p.wrap("", "Rotate before you purge: rewriting history does not close a leak, since clones, forks and caches keep the old one. "+
		"To purge afterwards, put each key on a line of a file outside of the repository and run: git filter-repo --replace-text FILE")
}

func (p *textPage) notices() {
	list := p.v.report.Notices
	for i, n := range list {
		if i == textNotices {
			p.wrap("", fmt.Sprintf("note: and %s more.", count(int64(len(list)-i), "note")))
			break
		}
		p.wrap("note: ", cut(clean(n), textField))
	}
}

// coverage ends every report: what was scanned, and what was not.
func (p *textPage) coverage() {
	r := p.v.report
	c := &r.Coverage
	for i, s := range c.Skipped {
		if i == textSkips {
			p.wrap("", fmt.Sprintf("not read: and %s of other kinds.", count(int64(len(c.Skipped)-i), "hole")))
			break
		}
		p.wrap(p.paint(yellow, "not read: "), cut(clean(s.describe()), textField))
	}
	line := p.v.coverageLine()
	if r.Interrupted || !c.Complete {
		line = p.paint(yellow, line)
	}
	p.wrap("", line)
}

// coverageLine says how much was scanned and whether that was all.
func (v *view) coverageLine() string {
	r := v.report
	c := &r.Coverage
	state := "complete"
	switch {
	case r.Interrupted:
		state = "interrupted, results are partial"
	case !c.Complete:
		state = "NOT complete"
	}
	var parts []string
	for _, n := range []struct {
		count int64
		noun  string
	}{{c.Objects, "object"}, {c.Commits, "commit"}, {c.Files, "file"}} {
		if n.count != 0 {
			parts = append(parts, count(n.count, n.noun))
		}
	}
	content := size(c.BytesLogical) + " of content"
	if c.BytesScanned != c.BytesLogical {
		content += " (" + size(c.BytesScanned) + " read)"
	}
	parts = append(parts, content)
	return fmt.Sprintf("Scanned %s with %s in %s: %s.", strings.Join(parts, ", "),
		count(int64(c.RulesCount), "rule"), roundDuration(c.Duration), state)
}

func roundDuration(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (p *textPage) line(s string) {
	_, _ = p.w.WriteString(strings.TrimRight(s, " "))
	_ = p.w.WriteByte('\n')
}

// field writes a labelled line of a block, wrapped.
func (p *textPage) field(label, text string) {
	p.wrap("  "+p.paint(dim, fmt.Sprintf("%-7s", label))+" ", text)
}

// wrap writes text behind head and breaks it at spaces, further lines indented by
// head's width. A word longer than the line, such as a path, is kept whole: it can
// then be copied.
func (p *textPage) wrap(head, text string) {
	indent := p.cellsOf(head)
	var b strings.Builder
	b.WriteString(head)
	col, empty := indent, true
	for word := range strings.SplitSeq(text, " ") {
		n := p.cellsOf(word)
		switch {
		case empty:
		case col+1+n > p.width && indent+n <= p.width:
			p.line(b.String())
			b.Reset()
			b.WriteString(strings.Repeat(" ", indent))
			col = indent
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += n
		empty = false
	}
	p.line(b.String())
}

// cellsOf returns the columns that s takes on a terminal; our own colours take none.
func (p *textPage) cellsOf(s string) int {
	if p.v.opt.Color {
		for {
			from := strings.IndexByte(s, 0x1b)
			if from < 0 {
				break
			}
			n := strings.IndexByte(s[from:], 'm')
			if n < 0 {
				break
			}
			s = s[:from] + s[from+n+1:]
		}
	}
	return p.cells.StringWidth(s)
}
