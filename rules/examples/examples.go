// Package examples runs the match and no_match lines of rules: the proof that a rule
// finds what its author says, wherever in a file it stands.
package examples

import (
	"fmt"
	"strings"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/detect"
)

// Failure is an example that the rule did not live up to. It does not quote the
// example, which may hold a key's shape; Index counts from 1.
type Failure struct {
	File, Rule string
	Line       int
	NoMatch    bool
	Index      int
	Placement  string
	Text       string
}

// Error formats the failure.
func (f Failure) Error() string {
	kind := "match"
	if f.NoMatch {
		kind = "no_match"
	}
	return fmt.Sprintf("%s:%d: rule %s: %s example %d, %s: %s", f.File, f.Line, f.Rule, kind, f.Index, f.Placement, f.Text)
}

// Uncut returns an example as it is meant: with its {cut} marks removed.
func Uncut(example string) string { return strings.ReplaceAll(example, "{cut}", "") }

// placement puts an example into a blob.
type placement struct {
	name string
	wrap func(example string) string
}

const (
	prose = "The quick brown fox jumps over the lazy dog; nothing to see here.\n"
	code  = "func main() {\n\tfmt.Println(\"hello\")\n}\n"
)

var placements = []placement{
	{"alone", func(e string) string { return e }},
	{"at the start", func(e string) string { return e + "\n" + strings.Repeat(prose, 30) }},
	{"in the middle", func(e string) string { return strings.Repeat(code, 30) + e + "\n" + strings.Repeat(code, 30) }},
	{"at the end", func(e string) string { return strings.Repeat(prose, 30) + e }},
	{"twice in a row", func(e string) string { return e + "\n" + e + "\n" }},
	{"behind a NUL byte", func(e string) string { return "\x00\x01\x02\n" + e + "\n\x00" }},
	{"with CRLF", func(e string) string { return strings.ReplaceAll("a\n"+e+"\nb\n", "\n", "\r\n") }},
	{"as UTF-16", func(e string) string { return utf16(prose + e + "\n" + prose) }},
}

func utf16(s string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for i := range len(s) {
		b.WriteByte(s[i])
		b.WriteByte(0)
	}
	return b.String()
}

// Check runs every example of every rule of services with a detector of those rules,
// and returns what failed. A match example must be found by its own rule; a no_match
// example must not be found by it.
func Check(services []rules.Service) ([]Failure, error) {
	var out []Failure
	for i := range services {
		for j := range services[i].Rules {
			fs, err := checkRule(services[i], j)
			if err != nil {
				return nil, err
			}
			out = append(out, fs...)
		}
	}
	return out, nil
}

func checkRule(svc rules.Service, j int) (out []Failure, err error) {
	r := svc.Rules[j]
	svc.Rules = []rules.Rule{r}
	d, err := detect.New([]rules.Service{svc}, detect.Options{})
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", r.ID, err)
	}
	s := d.NewScratch()
	fail := func(no bool, i int, place, text string) {
		out = append(out, Failure{File: r.File, Rule: r.ID, Line: r.Line, NoMatch: no, Index: i + 1, Placement: place, Text: text})
	}
	for i, e := range r.Match {
		text := Uncut(e)
		if len(d.Detect(s, []byte(text))) == 0 {
			fail(false, i, "alone", "not found")
			continue
		}
		want := ""
		for _, p := range placements {
			ms := d.Detect(s, []byte(p.wrap(text)))
			if len(ms) == 0 {
				fail(false, i, p.name, "not found")
				continue
			}
			if p.name == "with CRLF" {
				continue // a block keeps its own line ends
			}
			if key := string(ms[0].Key); want == "" {
				want = key
			} else if key != want {
				fail(false, i, p.name, "another secret was found than alone")
			}
		}
	}
	for i, e := range r.NoMatch {
		text := Uncut(e)
		for _, p := range placements {
			if ms := d.Detect(s, []byte(p.wrap(text))); len(ms) > 0 {
				fail(true, i, p.name, fmt.Sprintf("found at bytes %d to %d of %d", ms[0].Start, ms[0].End, len(p.wrap(text))))
				break
			}
		}
	}
	return out, nil
}
