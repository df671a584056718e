// Package baseline knows which findings were accepted before and why: the baseline,
// ignore files, allow entries and inline comments, rekey's own and those of its
// peers. Reading is strict: every mistake is named at once, with its line and what
// to do.
package baseline

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// Names of the files that a repository may have.
const (
	BaselineName        = ".rekey-baseline"
	IgnoreName          = ".rekeyignore"
	ConfigName          = ".rekey.toml"
	GitleaksIgnoreName  = ".gitleaksignore"
	maxFile             = 16 << 20
	maxEntries          = 200_000
	byBaseline          = "baseline"
	byAllowlist         = "allowlist"
	byIgnoreFile        = "ignore-file"
	dateLayout          = "2006-01-02"
	gitleaksReason      = "listed in a gitleaks ignore file"
	gitleaksKnownReason = "listed in a gitleaks baseline"
)

// Mistake is one thing that is wrong in a file.
type Mistake struct {
	File   string
	Line   int // 0: the file as a whole
	Text   string
	Remedy string
}

// Error formats the mistake as "file:line: text; remedy".
func (m Mistake) Error() string {
	s := m.File
	if m.Line > 0 {
		s += fmt.Sprintf(":%d", m.Line)
	}
	s += ": " + m.Text
	if m.Remedy != "" {
		s += "; " + m.Remedy
	}
	return s
}

// Mistakes are all that is wrong, in the order of files and lines.
type Mistakes []Mistake

// Error lists every mistake on a line of its own.
func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// err is nil when there is no mistake.
func (ms Mistakes) err() error {
	if len(ms) == 0 {
		return nil
	}
	return ms
}

func (ms *Mistakes) add(file string, line int, remedy, format string, args ...any) {
	*ms = append(*ms, Mistake{File: file, Line: line, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

// Entry is one line or table that suppresses findings, as lists of them show it.
type Entry struct {
	File    string
	Line    int
	By      string // baseline, allowlist or ignore-file
	Text    string // what it names: a fingerprint, a pattern
	Reason  string
	Expires time.Time // zero: never
	// Trusted is false for what a scanned repository of somebody else's brought: it is
	// listed and hides nothing.
	Trusted bool
	// Hits counts the occurrences that it hides or, untrusted or expired, would hide.
	Hits int64
}

// Where is the entry's place, as file:line.
func (e Entry) Where() string { return fmt.Sprintf("%s:%d", e.File, e.Line) }

// entry is an Entry and how it decides.
type entry struct {
	Entry
	hits    atomic.Int64
	expired bool
	matcher
}

// matcher says which occurrences of a finding an entry covers.
type matcher interface {
	// covers reports whether the entry speaks of this occurrence of f.
	covers(f *finding.Finding, o *finding.Occurrence) bool
}

// Set is all that suppresses, from several files. Build it with New and the Add
// methods; after that its methods are safe for concurrent use.
type Set struct {
	now     time.Time
	entries []*entry
	known   map[finding.Fingerprint][]*entry
	places  map[string][]*entry // positions of gitleaks, by path
	paths   []*ignoreFile
	others  []*entry // allow entries
	lines   []*allow // allow entries with regexes
	salt    []byte
}

// New returns an empty set. now decides what has expired.
func New(now time.Time) *Set {
	return &Set{now: now, known: make(map[finding.Fingerprint][]*entry), places: make(map[string][]*entry)}
}

// Salt returns the salt of the baseline, or nil. Fingerprints of low-entropy secrets
// are made with it.
func (s *Set) Salt() []byte { return s.salt }

func (s *Set) add(e *entry) {
	e.expired = !e.Expires.IsZero() && !s.now.Before(e.Expires)
	s.entries = append(s.entries, e)
}

// applies reports whether the entry hides findings.
func (e *entry) applies() bool { return e.Trusted && !e.expired }

// Match says whether entries hide the finding. Where they cover every occurrence it
// returns the suppression; else it removes the covered occurrences from f, which
// stays a finding, and returns nil. A finding with dropped occurrences, of which
// nothing is known, is only hidden as a whole by an entry that names no place.
//
// Entries that are untrusted or expired hide nothing, but their hits are counted.
func (s *Set) Match(f *finding.Finding) *finding.Suppression {
	covered := make([]*entry, len(f.Occurrences))
	note := func(e *entry, i int) {
		e.hits.Add(1)
		if e.applies() && covered[i] == nil {
			covered[i] = e
		}
	}
	candidates := append(append([]*entry(nil), s.known[f.Fingerprint]...), s.others...)
	for _, e := range candidates {
		for i := range f.Occurrences {
			if e.covers(f, &f.Occurrences[i]) {
				note(e, i)
			}
		}
		if len(f.Occurrences) == 0 && e.covers(f, nil) {
			e.hits.Add(1)
			if e.applies() {
				return e.suppression()
			}
		}
	}
	for i := range f.Occurrences {
		o := &f.Occurrences[i]
		for _, e := range s.places[o.Path] {
			if e.covers(f, o) {
				note(e, i)
			}
		}
		for _, p := range s.paths {
			if e := p.match(o.Path); e != nil {
				note(e, i)
			}
		}
	}
	return settle(f, covered)
}

// settle turns the cover of single occurrences into a verdict on the finding.
func settle(f *finding.Finding, covered []*entry) *finding.Suppression {
	var first *entry
	n := 0
	for _, e := range covered {
		if e == nil {
			continue
		}
		if n++; first == nil {
			first = e
		}
	}
	switch {
	case n == 0:
		return nil
	case n == len(covered) && (f.Dropped == 0 || first.covers(f, nil)):
		return first.suppression()
	case n == len(covered):
		return nil // what was dropped may lie elsewhere: keep a place to look at
	}
	kept := make([]finding.Occurrence, 0, len(covered)-n)
	for i, e := range covered {
		if e == nil {
			kept = append(kept, f.Occurrences[i])
		}
	}
	f.Occurrences = kept
	return nil
}

func (e *entry) suppression() *finding.Suppression {
	return &finding.Suppression{By: e.By, Reason: e.Reason, Where: e.Where()}
}

// Entries lists all entries, in the order in which they were added.
func (s *Set) Entries() []Entry { return s.list(func(*entry) bool { return true }) }

// Unused lists the trusted entries that no finding met: their key is gone, or they
// never did anything.
func (s *Set) Unused() []Entry {
	return s.list(func(e *entry) bool { return e.Trusted && e.hits.Load() == 0 })
}

// Expired lists the trusted entries whose time is over.
func (s *Set) Expired() []Entry { return s.list(func(e *entry) bool { return e.Trusted && e.expired }) }

// Untrusted lists the entries that were not applied because of where they come from.
func (s *Set) Untrusted() []Entry { return s.list(func(e *entry) bool { return !e.Trusted }) }

func (s *Set) list(want func(*entry) bool) (out []Entry) {
	for _, e := range s.entries {
		if want(e) {
			one := e.Entry
			one.Hits = e.hits.Load()
			out = append(out, one)
		}
	}
	return out
}

// tooLarge refuses a file that no person wrote.
func tooLarge(file string, data []byte) error {
	if len(data) > maxFile {
		return Mistakes{{File: file, Text: fmt.Sprintf("has %d bytes, more than the limit of %d", len(data), maxFile), Remedy: "split or prune it"}}
	}
	return nil
}
