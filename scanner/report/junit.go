package report

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/rekeyhq/rekey/scanner/finding"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	Classname string        `xml:"classname,attr"`
	Time      string        `xml:"time,attr"`
	File      string        `xml:"file,attr,omitempty"`
	Line      string        `xml:"line,attr,omitempty"`
	Skipped   *junitMessage `xml:"skipped"`
	Error     *junitMessage `xml:"error"`
	Failure   *junitMessage `xml:"failure"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// junitPlaces is how many places a failure lists.
const junitPlaces = 20

// writeJUnit writes one suite per rule and one test per finding, which fails. What
// never makes a scan fail (suppressed, examples, canaries) is skipped with the reason.
// A last suite tests that the scan was complete.
func writeJUnit(w *bufio.Writer, v *view) error {
	suites := junitSuites{Name: "rekey", Time: "0"}
	index := map[string]int{}
	for i := range v.n {
		s := v.finding(i)
		at, ok := index[s.Rule]
		if !ok {
			at = len(suites.Suites)
			index[s.Rule] = at
			suites.Suites = append(suites.Suites, junitSuite{Name: clean(s.Rule), Time: "0"})
		}
		suites.Suites[at].add(junitFinding(s))
	}
	suites.Suites = append(suites.Suites, v.junitCoverage())
	suites.Time = fmt.Sprintf("%.3f", v.report.Coverage.Duration.Seconds())
	for i := range suites.Suites {
		s := &suites.Suites[i]
		suites.Tests += s.Tests
		suites.Failures += s.Failures
		suites.Errors += s.Errors
		suites.Skipped += s.Skipped
	}
	_, _ = w.WriteString(xml.Header)
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suites); err != nil {
		return err
	}
	return w.WriteByte('\n')
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func junitFinding(s *shown) junitCase {
	c := junitCase{
		Name:      clean(fmt.Sprintf("%s %s %s", s.Title, s.Text, s.Fingerprint)),
		Classname: clean(s.Rule), Time: "0",
	}
	if places := worthShowing(s); len(places) > 0 {
		c.File, c.Line = clean(places[0].Path), number(places[0].StartLine)
	}
	status := s.Verification.Status
	switch {
	case s.Suppressed != nil:
		c.Skipped = &junitMessage{Message: clean("suppressed by " + s.Suppressed.By + ": " + s.Suppressed.Reason)}
		return c
	case status == finding.Example, status == finding.Canary:
		c.Skipped = &junitMessage{Message: statusWords(status)}
		return c
	}
	c.Failure = &junitMessage{
		Message: clean(s.Title) + " " + clean(s.Text) + ": " + statusWords(status),
		Type:    s.Severity.String(),
		Text:    strings.Join(junitText(s), "\n"),
	}
	return c
}

func junitText(s *shown) []string {
	var lines []string
	for i, o := range byRank(&s.Finding) {
		if i == junitPlaces {
			break
		}
		lines = append(lines, place(o)+placeNote(o))
	}
	if rest := len(s.Occurrences) - len(lines) + s.Dropped; rest > 0 {
		lines = append(lines, fmt.Sprintf("and %s more", thousands(int64(rest))))
	}
	return append(lines, "confidence "+s.Confidence.String(), nextStep(s, false))
}

func (v *view) junitCoverage() junitSuite {
	s := junitSuite{Name: "coverage", Time: "0"}
	c := junitCase{Name: "the scan is complete", Classname: "coverage", Time: "0"}
	if r := v.report; !r.Coverage.Complete || r.Interrupted {
		var lines []string
		for _, skip := range r.Coverage.Skipped {
			lines = append(lines, "not read: "+clean(skip.describe()))
		}
		msg := "not everything was read"
		if r.Interrupted {
			msg = "the run was interrupted: the results are partial"
		}
		c.Error = &junitMessage{Message: msg, Type: "incomplete", Text: strings.Join(lines, "\n")}
	}
	s.add(c)
	return s
}
