package report

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// How much of long lists the text shows before it counts the rest.
const (
	textPlaces  = 3
	textSkips   = 8
	textNotices = 8
	textField   = 240 // runes of one foreign string
)

// textPage writes the report for people. All foreign strings pass clean; colour and
// layout are the only escapes in the output.
type textPage struct {
	w     *bufio.Writer
	v     *view
	width int
	cells *runewidth.Condition
}

func writeText(w *bufio.Writer, v *view) error {
	p := &textPage{w: w, v: v, width: v.opt.Width, cells: &runewidth.Condition{StrictEmojiNeutral: true}}
	if p.width <= 0 {
		p.width = 100
	}
	p.width = min(max(p.width, 40), 160)
	p.findings()
	p.summary()
	p.purge()
	p.notices()
	p.coverage()
	return nil // the buffer keeps the first error for Flush
}

// group is what findings have in common for someone who must act.
type group struct {
	title string
	holds func(s finding.Status) bool
}

func groups() []group {
	is := func(want ...finding.Status) func(finding.Status) bool {
		return func(s finding.Status) bool {
			for _, w := range want {
				if s == w {
					return true
				}
			}
			return false
		}
	}
	return []group{
		{"Live keys", finding.Status.Live},
		{"Keys that may work", is(finding.Unchecked, finding.Unknown)},
		{"Canaries", is(finding.Canary)},
		{"Keys that no longer work", is(finding.Inactive)},
		{"Published examples", is(finding.Example)},
	}
}

// findings writes one block per finding, by group. Examples get one line each, what is
// suppressed is only counted, and what is beyond the limit is counted too.
func (p *textPage) findings() {
	byGroup := make([][]int, len(groups()))
	all := groups()
	r := p.v
	for i := range r.n {
		status, suppressed := r.status(i)
		if suppressed != "" {
			continue
		}
		for g := range all {
			if all[g].holds(status) {
				byGroup[g] = append(byGroup[g], i)
				break
			}
		}
	}
	left, hidden := p.v.opt.limit(), 0
	for g, members := range byGroup {
		if len(members) == 0 {
			continue
		}
		here := len(members)
		if left >= 0 {
			here = min(here, left)
			left -= here
		}
		hidden += len(members) - here
		p.line(p.paint(bold, fmt.Sprintf("%s (%s)", all[g].title, thousands(int64(len(members))))))
		if here > 0 {
			p.line("")
		}
		for _, i := range members[:here] {
			p.block(p.v.finding(i))
		}
		if here > 0 && here < len(members) {
			p.line(fmt.Sprintf("and %s more of these", thousands(int64(len(members)-here))))
		}
	}
	if hidden > 0 {
		p.line("")
		p.wrap("", fmt.Sprintf("%s left out of this text; --report json=FILE or html=FILE has all.", count(int64(hidden), "finding")))
		p.line("")
	}
}

// block writes one finding.
func (p *textPage) block(s *shown) {
	head := p.paint(severityColor(s.Severity), strings.ToUpper(s.Severity.String())) + "  " +
		p.paint(bold, cut(clean(s.Title), 80)) + "  " + cut(clean(s.Text), textField)
	p.line(head)
	if s.Verification.Status == finding.Example {
		p.places(s)
		p.line("")
		return
	}
	p.field("status", p.paint(statusColor(s.Verification.Status), statusWords(s.Verification.Status))+p.verification(s))
	p.places(s)
	p.since(s)
	p.field("sure", sureWords(s))
	for i, part := range s.Parts {
		if part.Public {
			p.field("with", cut(clean(part.Name), 40)+" "+cut(clean(s.PartText[i]), textField))
		}
	}
	p.field("next", nextStep(s, p.v.opt.CanRotate))
	if webURL(s.Docs) {
		p.field("", s.Docs)
	}
	p.field("id", p.paint(dim, clean(string(s.Fingerprint))+"  "+clean(s.Rule)))
	p.line("")
}

// verification adds what the service said to the status.
func (p *textPage) verification(s *shown) string {
	ver := &s.Verification
	var more []string
	if ver.Owner != "" {
		more = append(more, "belongs to "+cut(clean(ver.Owner), 80))
	}
	if len(ver.Scopes) > 0 {
		more = append(more, "may "+cut(clean(strings.Join(ver.Scopes, ", ")), 120))
	}
	if !ver.ExpiresAt.IsZero() {
		more = append(more, "expires "+day(ver.ExpiresAt))
	}
	if ver.Reason != "" {
		more = append(more, cut(clean(ver.Reason), textField))
	}
	if !ver.CheckedAt.IsZero() {
		more = append(more, "checked "+ver.CheckedAt.UTC().Format("2006-01-02 15:04 UTC"))
	}
	if s.Environment != "" {
		more = append(more, "environment "+cut(clean(s.Environment), 40))
	}
	if len(more) == 0 {
		return ""
	}
	return "; " + strings.Join(more, "; ")
}

// places writes the first few places.
func (p *textPage) places(s *shown) {
	label := "where"
	list := byRank(&s.Finding)
	n := len(list)
	for _, o := range list[:min(n, textPlaces)] {
		p.field(label, cutMiddle(place(o), 2*p.width)+p.paint(dim, placeNote(o)))
		label = ""
	}
	if rest := int64(max(0, n-textPlaces) + s.Dropped); rest > 0 {
		p.field(label, fmt.Sprintf("and %s more", thousands(rest)))
	}
	if n == 0 && s.Dropped == 0 {
		p.field(label, "no place recorded")
	}
}

// placeNote says whether a place is still there.
func placeNote(o *finding.Occurrence) string {
	var notes []string
	g := &o.Git
	switch {
	case o.Kind == finding.KindStaged:
		notes = append(notes, "staged")
	case o.Kind == finding.KindWorktree:
		notes = append(notes, "working tree")
	case o.Kind == finding.KindStdin:
	case o.Path == "" && g.Commit != "" && g.Reachable:
		notes = append(notes, "commit "+clean(short(g.Commit)))
	case o.Path != "" && g.InHead:
		notes = append(notes, "in HEAD")
	case g.Commit != "" && !g.Reachable:
		notes = append(notes, "commit "+clean(short(g.Commit))+", no ref leads to it")
	case g.Commit != "":
		notes = append(notes, "history only, commit "+clean(short(g.Commit)))
	case g.Blob != "":
		notes = append(notes, "object "+clean(short(g.Blob))+", in no commit")
	}
	if o.Versions > 1 {
		notes = append(notes, count(int64(o.Versions), "version"))
	}
	if len(o.Decoded) > 0 {
		notes = append(notes, "inside "+clean(strings.Join(o.Decoded, ", ")))
	}
	if len(notes) == 0 {
		return ""
	}
	return "  " + strings.Join(notes, "; ")
}

// since says when the key came in, by whom, and whether it is still there.
func (p *textPage) since(s *shown) {
	if s.First == nil && s.InTree {
		return // the places say it
	}
	var b strings.Builder
	if f := s.First; f != nil {
		fmt.Fprintf(&b, "%s, commit %s", day(f.Git.Date), clean(short(f.Git.Commit)))
		if who := author(f); who != "" {
			fmt.Fprintf(&b, " by %s", cut(who, 80))
		}
		if f.Git.Subject != "" {
			fmt.Fprintf(&b, " \"%s\"", cut(clean(f.Git.Subject), 72))
		}
		b.WriteString("; ")
	}
	if !s.InTree {
		b.WriteString("only in history")
	} else {
		b.WriteString("still in the tree")
	}
	p.field("since", b.String())
}

func author(o *finding.Occurrence) string {
	name, email := clean(o.Git.Author), clean(o.Git.Email)
	switch {
	case email == "":
		return name
	case name == "":
		return email
	}
	return name + " <" + email + ">"
}

func sureWords(s *shown) string {
	if s.Checksum == finding.ChecksumValid {
		return s.Confidence.String() + ": its checksum is right"
	}
	return s.Confidence.String()
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }
