package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// view is a report as a format may see it. The findings that it gives out hold no
// Secret, only the text that may be shown; formats take text from them alone, and from
// src at most counts, dates and service ids (chart.go).
type view struct {
	opt    Options
	report *Report // head, coverage and notices, scrubbed; without findings
	counts Counts
	n      int // findings

	src   *Report
	prose func(string) string // removes secrets from a text
	name  func(string) string // removes secrets from a path, ref or address
}

// shown is one finding as it may be shown: every string is scrubbed, Secret and the
// values of Parts are empty, and what may be said of them stands beside.
type shown struct {
	finding.Finding
	Text     string // the secret: redacted, or whole under ShowSecrets
	Redacted bool
	PartText []string // as Parts
	InTree   bool
	First    *finding.Occurrence // first commit, nil if none has one
}

func newView(r *Report, opt Options) *view {
	same := func(s string) string { return s }
	v := &view{opt: opt, src: r, counts: Summary(r), n: len(r.Findings), prose: same, name: same}
	if !opt.ShowSecrets {
		s := newScrubber(r)
		v.prose, v.name = s.prose, s.name
	}
	head := *r
	head.Findings, head.texts = nil, nil
	head.Schema = Schema
	head.Started, head.Finished = sane(r.Started), sane(r.Finished)
	head.Target.Location = v.address(r.Target.Location, true)
	head.Notices = all(r.Notices, v.prose)
	head.Coverage.Skipped = slices.Clone(r.Coverage.Skipped)
	for i := range head.Coverage.Skipped {
		s := &head.Coverage.Skipped[i]
		s.What, s.Reason = v.name(s.What), v.prose(s.Reason)
	}
	v.report = &head
	return v
}

// inHistory reports whether a key that may still work stands in a commit.
func (v *view) inHistory() bool {
	for i := range v.src.Findings {
		f := &v.src.Findings[i]
		switch f.Verification.Status {
		case finding.Inactive, finding.Example, finding.Canary:
			continue
		}
		if f.Suppressed != nil {
			continue
		}
		for j := range f.Occurrences {
			if f.Occurrences[j].Git.Commit != "" {
				return true
			}
		}
	}
	return false
}

// status returns the status of a finding, and who suppresses it, without the cost of
// a copy.
func (v *view) status(i int) (status finding.Status, suppressedBy string) {
	f := &v.src.Findings[i]
	if f.Suppressed != nil {
		suppressedBy = cmp.Or(f.Suppressed.By, "unknown")
	}
	return f.Verification.Status, suppressedBy
}

// finding returns the copy of a finding that formats see.
func (v *view) finding(i int) *shown {
	f := &v.src.Findings[i]
	s := &shown{Finding: *f, InTree: anyInTree(f)}
	s.Secret = finding.Secret{}
	s.Text, s.Redacted = v.text(f.Secret, f.Public, f.LowEntropy, string(f.Fingerprint))
	s.Parts = slices.Clone(f.Parts)
	s.PartText = make([]string, len(f.Parts))
	for i, p := range f.Parts {
		s.Parts[i].Value = finding.Secret{}
		if p.Public {
			s.PartText[i] = v.prose(reveal(p.Value))
		} else {
			s.PartText[i], _ = v.text(p.Value, 0, f.LowEntropy, partKey(f.Fingerprint, p.Name))
		}
	}
	s.Title, s.Environment = v.prose(f.Title), v.prose(f.Environment)
	s.Verification = v.verification(f.Verification)
	if f.Suppressed != nil {
		sup := *f.Suppressed
		sup.Reason, sup.Where = v.prose(sup.Reason), v.prose(sup.Where)
		s.Suppressed = &sup
	}
	s.Occurrences = slices.Clone(f.Occurrences)
	for i := range s.Occurrences {
		v.occurrence(&s.Occurrences[i])
	}
	s.First = firstSeen(&s.Finding)
	return s
}

// text returns what may be shown of a secret, and whether that is less than all. Of
// one that can be guessed nothing is shown.
func (v *view) text(s finding.Secret, public int, guessable bool, key string) (string, bool) {
	switch {
	case s.IsZero():
		if text, ok := v.src.texts[key]; ok {
			return text, true
		}
		return "…", true
	case v.opt.ShowSecrets:
		return reveal(s), false
	}
	if guessable {
		return "…", true
	}
	return s.Redacted(public), true
}

func (v *view) verification(in finding.Verification) finding.Verification {
	in.CheckedAt, in.ExpiresAt = sane(in.CheckedAt), sane(in.ExpiresAt)
	in.Reason, in.Owner, in.KeyID = v.prose(in.Reason), v.prose(in.Owner), v.prose(in.KeyID)
	in.Scopes = all(in.Scopes, v.prose)
	if len(in.Extra) > 0 {
		extra := make(map[string]string, len(in.Extra))
		for k, val := range in.Extra {
			extra[v.prose(k)] = v.prose(val)
		}
		in.Extra = extra
	}
	return in
}

func (v *view) occurrence(o *finding.Occurrence) {
	o.Path, o.URL = v.name(o.Path), v.address(o.URL, false)
	g := &o.Git
	g.Date = sane(g.Date)
	g.Subject = wholeWords(g.Subject)
	g.Author, g.Email, g.Subject, g.Refs = v.prose(g.Author), v.prose(g.Email), v.prose(g.Subject), all(g.Refs, v.name)
	if !v.opt.Authors {
		g.Author, g.Email = "", ""
	}
}

// wholeWords removes the last word of a long subject that a source has cut: it may be
// the first half of a key, which nothing could recognise.
func wholeWords(subject string) string {
	const long = 150
	if len(subject) < long || !strings.HasSuffix(subject, "…") {
		return subject
	}
	return subject[:strings.LastIndexByte(subject, ' ')+1] + "…"
}

// address scrubs a URL, which may carry credentials that no rule knows. With all, query
// and fragment go too.
func (v *view) address(s string, all bool) string {
	if v.opt.ShowSecrets {
		return s
	}
	return v.name(withoutCredentials(s, all))
}

// sane returns t, or the zero time where the year does not fit into a date of four
// digits: a commit may claim any, and one that JSON cannot write would stop the report.
func sane(t time.Time) time.Time {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return time.Time{}
	}
	return t
}

func all(list []string, f func(string) string) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = f(s)
	}
	return out
}

func partKey(fp finding.Fingerprint, name string) string { return string(fp) + "\x00" + name }
