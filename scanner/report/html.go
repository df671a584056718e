package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

//go:embed page/page.css
var pageCSS string

//go:embed page/page.js
var pageJS string

//go:embed page/page.tmpl
var pageHTML string

// htmlWithoutScript is how many findings the page lists for readers whose browser or
// mail program runs no script.
const htmlWithoutScript = 50

// htmlHoles is how many kinds of holes, and how many notices, the page lists.
const htmlHoles = 200

// writeHTML writes one page that needs nothing else: style, script, charts and data
// are in it, and its policy forbids the browser to load or run anything more. The
// findings are JSON in an inert element; the script makes rows of them as they come
// into sight, with textContent only.
func writeHTML(w *bufio.Writer, v *view) error {
	page, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}
	policy := "default-src 'none'; script-src '" + sourceHash(pageJS) + "'; style-src '" + sourceHash(pageCSS) +
		"'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	_, _ = fmt.Fprintf(w, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex, nofollow">
<meta name="color-scheme" content="light dark">
<title>rekey report</title>
<style>%s</style>
</head>
`, policy, pageCSS)
	if err := page.Execute(w, v.htmlPage()); err != nil {
		return err
	}
	_, _ = w.WriteString(`<script type="application/json" id="data">`)
	if err := v.htmlData(w); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "</script>\n<script>%s</script>\n</body>\n</html>\n", pageJS)
	return err
}

// sourceHash is the name by which a policy allows one inline element.
func sourceHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// htmlPage is what the template sees. Strings are cleaned here and escaped there.
type htmlPage struct {
	Title, Target, Head, Version, Digest string
	Started, Finished                    string
	Coverage                             string
	Complete, Interrupted, ShowSecrets   bool
	Tiles                                []htmlTile
	Charts                               []chart
	Skipped                              []htmlHole
	SkippedMore                          int
	Notices                              []string
	NoticesMore                          int
	Suppressed                           string
	Purge                                bool
	First                                []htmlRow
	FirstMore                            int
	Total                                int
	Services, Severities, Statuses       []string
}

type htmlTile struct {
	Label, Class string
	N            string
}

type htmlHole struct {
	What, Reason, Class, Count string
}

type htmlRow struct {
	Severity, Status, Title, Text, Where, Since, Next string
}

func (v *view) htmlPage() htmlPage {
	r, c := v.report, v.counts
	p := htmlPage{
		Target: cutMiddle(clean(r.Target.Location), 300), Head: clean(short(r.Target.Head)),
		Version: clean(r.Tool.Version), Digest: clean(r.Tool.RulesDigest),
		Started: htmlTime(r.Started), Finished: htmlTime(r.Finished),
		Coverage: v.coverageLine(), Complete: r.Coverage.Complete, Interrupted: r.Interrupted,
		ShowSecrets: v.opt.ShowSecrets, Charts: v.charts(), Purge: v.inHistory(), Total: v.n,
	}
	switch {
	case c.Findings > 0:
		p.Title = count(int64(c.Findings), "finding")
	case r.Coverage.Complete && !r.Interrupted:
		p.Title = "No keys found"
	default:
		p.Title = "No keys found in what was read"
	}
	open := c.ByStatus[finding.Unchecked] + c.ByStatus[finding.Unknown]
	p.Tiles = []htmlTile{
		{"live", "live", thousands(int64(c.Live))},
		{"state not known", "open", thousands(int64(open))},
		{"no longer work", "dead", thousands(int64(c.ByStatus[finding.Inactive]))},
		{"examples, canaries", "quiet", thousands(int64(c.ByStatus[finding.Example] + c.ByStatus[finding.Canary]))},
		{"suppressed", "quiet", thousands(int64(c.Suppressed))},
	}
	if c.Suppressed > 0 {
		p.Suppressed = count(int64(c.Suppressed), "finding") + " suppressed" + v.suppressedBy() + "."
	}
	for i, s := range r.Coverage.Skipped {
		if i == htmlHoles {
			p.SkippedMore = len(r.Coverage.Skipped) - i
			break
		}
		p.Skipped = append(p.Skipped, htmlHole{cut(clean(s.What), textField), cut(clean(s.Reason), textField), clean(s.Class), thousands(s.Count)})
	}
	for i, n := range r.Notices {
		if i == htmlHoles {
			p.NoticesMore = len(r.Notices) - i
			break
		}
		p.Notices = append(p.Notices, cut(clean(n), 2*textField))
	}
	for s := finding.Critical; s >= finding.Low; s-- {
		p.Severities = append(p.Severities, s.String())
	}
	for s := finding.Unchecked; s <= finding.Canary; s++ {
		p.Statuses = append(p.Statuses, s.String())
	}
	p.Services = v.services()
	for i := 0; i < min(v.n, htmlWithoutScript); i++ {
		p.First = append(p.First, newHTMLRow(v.finding(i)))
	}
	p.FirstMore = v.n - len(p.First)
	return p
}

func newHTMLRow(s *shown) htmlRow {
	row := htmlRow{
		Severity: s.Severity.String(), Status: statusWords(s.Verification.Status),
		Title: cut(clean(s.Title), textField), Text: cut(clean(s.Text), textField), Next: nextStep(s, false),
	}
	if places := worthShowing(s); len(places) > 0 {
		row.Where = cutMiddle(place(places[0]), textField)
	}
	if s.First != nil {
		row.Since = day(s.First.Git.Date)
	}
	if s.Suppressed != nil {
		row.Status = "suppressed"
	}
	return row
}

func htmlTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
