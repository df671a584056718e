package report

import (
	"bufio"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// htmlPlaces is how many places of one finding the page holds.
const htmlPlaces = 50

// The data of the page. Names are one letter, since there may be a hundred thousand of
// each; page.js reads them. Strings that repeat are numbers into one table, whose
// first entry is empty.
type htmlFinding struct {
	Fingerprint string      `json:"f"`
	Secret      string      `json:"k"`
	Rule        int         `json:"r"`
	Title       int         `json:"t"`
	Service     int         `json:"g"`
	Severity    int         `json:"s"` // 0 low to 3 critical
	Confidence  int         `json:"c"`
	Status      int         `json:"v"` // finding.Status
	StatusText  int         `json:"w"`
	Reason      int         `json:"m,omitempty"`
	Owner       int         `json:"o,omitempty"`
	Scopes      int         `json:"j,omitempty"`
	Environment int         `json:"e,omitempty"`
	Parts       int         `json:"b,omitempty"`
	Checksum    int         `json:"i,omitempty"` // 1: valid
	Suppressed  int         `json:"x,omitempty"`
	InTree      int         `json:"h"` // 1: still in the tree
	First       int64       `json:"d,omitempty"`
	Last        int64       `json:"l,omitempty"`
	Checked     int64       `json:"q,omitempty"`
	Expires     int64       `json:"z,omitempty"`
	Places      int         `json:"n"`
	Listed      []htmlPlace `json:"p"`
	Next        int         `json:"a"`
	Docs        int         `json:"u,omitempty"`
}

type htmlPlace struct {
	Place   int   `json:"p"`
	Note    int   `json:"n,omitempty"`
	URL     int   `json:"u,omitempty"`
	Date    int64 `json:"d,omitempty"`
	Author  int   `json:"a,omitempty"`
	Subject int   `json:"s,omitempty"`
	Commit  int   `json:"c,omitempty"`
}

// stringTable numbers strings in the order in which they first come.
type stringTable struct {
	list  []string
	index map[string]int
}

func (t *stringTable) number(s string) int {
	n, ok := t.index[s]
	if !ok {
		n = len(t.list)
		t.index[s] = n
		t.list = append(t.list, s)
	}
	return n
}

// htmlData writes the data of the page. json.Marshal escapes <, > and &, so that
// nothing in it ends the element it stands in.
func (v *view) htmlData(w *bufio.Writer) error {
	t := &stringTable{list: []string{""}, index: map[string]int{"": 0}}
	_, _ = w.WriteString(`{"findings":[`)
	for i := range v.n {
		if i > 0 {
			_, _ = w.WriteString(",\n")
		}
		b, err := marshal(newHTMLFinding(v.finding(i), t, v.opt), "", "")
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	var finished int64
	if f := v.report.Finished; !f.IsZero() {
		finished = f.Unix()
	}
	b, err := marshal(struct {
		Finished int64    `json:"finished"`
		Strings  []string `json:"strings"`
	}{finished, t.list}, "", "")
	if err != nil {
		return err
	}
	_, _ = w.WriteString("],")
	_, err = w.Write(b[1:]) // the rest of the object, its brace included
	return err
}

func newHTMLFinding(s *shown, t *stringTable, opt Options) htmlFinding {
	ver := &s.Verification
	text := func(x string, n int) int { return t.number(cut(clean(x), n)) }
	f := htmlFinding{
		Fingerprint: clean(string(s.Fingerprint)), Secret: cut(clean(s.Text), 2000),
		Rule: text(s.Rule, 200), Title: text(s.Title, 200), Service: text(s.Service, 200),
		Severity: int(s.Severity), Confidence: int(s.Confidence),
		Status: int(ver.Status), StatusText: t.number(statusWords(ver.Status)),
		Reason: text(ver.Reason, 500), Owner: text(ver.Owner, 200), Environment: text(s.Environment, 100),
		Checked: unix(ver.CheckedAt), Expires: unix(ver.ExpiresAt),
		Places: len(s.Occurrences) + s.Dropped, Next: t.number(nextStep(s, opt.CanRotate)),
		Listed: []htmlPlace{},
	}
	f.Scopes = t.number(joinClean(ver.Scopes, ", ", 500))
	var parts []string
	for i, p := range s.Parts {
		parts = append(parts, p.Name+" "+s.PartText[i])
	}
	f.Parts = t.number(joinClean(parts, ", ", 500))
	if s.Checksum == finding.ChecksumValid {
		f.Checksum = 1
	}
	if s.InTree {
		f.InTree = 1
	}
	if s.Suppressed != nil {
		f.Suppressed = text("by "+s.Suppressed.By+" "+s.Suppressed.Where+": "+s.Suppressed.Reason, 500)
	}
	if s.First != nil {
		f.First = unix(s.First.Git.Date)
	}
	if webURL(s.Docs) {
		f.Docs = t.number(s.Docs)
	}
	for _, o := range byRank(&s.Finding) {
		f.Last = max(f.Last, unix(o.Git.Date))
		if len(f.Listed) < htmlPlaces {
			f.Listed = append(f.Listed, newHTMLPlace(o, t))
		}
	}
	return f
}

func newHTMLPlace(o *finding.Occurrence, t *stringTable) htmlPlace {
	g := &o.Git
	p := htmlPlace{
		Place: t.number(cutMiddle(place(o), 500)), Note: t.number(placeNote(o)), Date: unix(g.Date),
		Author: t.number(cut(author(o), 200)), Subject: t.number(cut(clean(g.Subject), 200)),
		Commit: t.number(clean(short(g.Commit))),
	}
	if webURL(o.URL) {
		p.URL = t.number(o.URL)
	}
	return p
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func joinClean(list []string, sep string, n int) string {
	text := ""
	for i, s := range list {
		if i > 0 {
			text += sep
		}
		text += clean(s)
		if len(text) > 4*n {
			break
		}
	}
	return cut(text, n)
}
