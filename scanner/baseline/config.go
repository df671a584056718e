package baseline

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source/ignore"
)

// maxConfig bounds a .rekey.toml: it also bounds how deep a hostile one can nest.
const maxConfig = 256 << 10

// maxRegex bounds one regular expression of an allow entry.
const maxRegex = 2000

// document is a .rekey.toml as far as it suppresses. Its rules are read by package
// rules.
type document struct {
	Allow []allowTable     `toml:"allow"`
	Rules []toml.Primitive `toml:"rules"`
}

// allowTable is one [[allow]]: it covers an occurrence that meets every kind of
// condition that it has, by any value of that kind.
type allowTable struct {
	Reason       string   `toml:"reason"`
	Paths        []string `toml:"paths"`        // as in .gitignore
	Fingerprints []string `toml:"fingerprints"` // of keys
	Rules        []string `toml:"rules"`        // globs over rule ids
	Regexes      []string `toml:"regexes"`      // over the line that the secret starts on
	Expires      any      `toml:"expires"`      // a date
}

// allow is a checked [[allow]].
type allow struct {
	*entry
	paths        *ignoreFile
	fingerprints map[finding.Fingerprint]bool
	rules        []string
	regexes      []*regexp.Regexp
}

// AddConfig adds the [[allow]] tables of a .rekey.toml. All other keys but rules are
// mistakes: a file in a repository names no host, command or action.
func (s *Set) AddConfig(name string, data []byte, trusted bool) error {
	if len(data) > maxConfig {
		return Mistakes{{File: name, Text: fmt.Sprintf("has %d bytes, more than the limit of %d", len(data), maxConfig), Remedy: "move accepted keys to " + BaselineName}}
	}
	var doc document
	meta, err := toml.Decode(string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))), &doc)
	if err != nil {
		m := Mistake{File: name, Text: "not valid TOML"}
		var parse toml.ParseError
		if errors.As(err, &parse) {
			m.Line, m.Text = parse.Position.Line, parse.Message
		} else if key, ok := strings.CutPrefix(err.Error(), "toml: "); ok {
			m.Text = key
		}
		return Mistakes{m}
	}
	var ms Mistakes
	at := locator{data}
	for _, key := range meta.Undecoded() {
		if key[0] == "rules" {
			continue
		}
		ms.add(name, at.key(0, key[len(key)-1]), "it may hold [[allow]] and [[rules]]; hosts, commands and policy belong in your own rekey.toml",
			"unknown key %.80q", key.String())
	}
	var allows []*allow
	for i, t := range doc.Allow {
		if a := t.check(&ms, name, at, i+1); a != nil {
			a.Trusted = trusted
			allows = append(allows, a)
		}
	}
	if err := ms.err(); err != nil {
		return err
	}
	for _, a := range allows {
		s.add(a.entry)
		s.others = append(s.others, a.entry)
		if len(a.regexes) > 0 {
			s.lines = append(s.lines, a)
		}
	}
	return nil
}

// check turns the n-th table, counted from 1, into an entry.
func (t allowTable) check(ms *Mistakes, name string, at locator, n int) *allow {
	before := len(*ms)
	table := at.table(n)
	bad := func(key, remedy, format string, args ...any) {
		line := at.key(table, key)
		if line == 0 || table > 0 && line >= at.table(n+1) && at.table(n+1) > 0 {
			line = table // not set in this table
		}
		ms.add(name, line, remedy, "[[allow]] number %d: "+format, append([]any{n}, args...)...)
	}
	a := &allow{entry: &entry{Entry: Entry{File: name, Line: table, By: byAllowlist, Reason: t.Reason}}, rules: t.Rules}
	a.matcher = a
	if strings.TrimSpace(t.Reason) == "" {
		bad("reason", `write reason = "why these keys may stay"`, "no reason")
	}
	if len(t.Paths)+len(t.Fingerprints)+len(t.Rules)+len(t.Regexes) == 0 {
		bad("allow", "name paths, fingerprints, rules or regexes", "it would allow everything")
	}
	if len(t.Paths) > 0 {
		a.paths = &ignoreFile{}
		for _, p := range t.Paths {
			parsed := ignore.Parse([]byte(p), "", false)
			if parsed.Empty() || strings.Contains(p, "\n") {
				bad("paths", "write it as in .gitignore", "path %.80q can match nothing", p)
				continue
			}
			a.paths.patterns = append(a.paths.patterns, &entry{matcher: pathPattern{parsed}})
		}
	}
	for _, f := range t.Fingerprints {
		if m := checkFingerprint(f); m.Text != "" {
			bad("fingerprints", m.Remedy, "%s", m.Text)
			continue
		}
		if a.fingerprints == nil {
			a.fingerprints = make(map[finding.Fingerprint]bool)
		}
		a.fingerprints[finding.Fingerprint(f)] = true
	}
	for _, r := range t.Rules {
		if _, err := path.Match(r, ""); err != nil || r == "" {
			bad("rules", "write a rule id or a glob such as acme-*", "rule %.80q", r)
		}
	}
	for _, r := range t.Regexes {
		re, err := regexp.Compile(r)
		switch {
		case len(r) > maxRegex:
			bad("regexes", "split it", "a regular expression of more than %d bytes", maxRegex)
		case err != nil:
			bad("regexes", "RE2 syntax: https://github.com/google/re2/wiki/Syntax", "%v", err)
		case re.MatchString(""):
			bad("regexes", "make it match at least one character", "regular expression %.80q matches every line", r)
		default:
			a.regexes = append(a.regexes, re)
		}
	}
	var ok bool
	if a.Expires, ok = date(t.Expires); !ok {
		bad("expires", "write expires = 2027-11-21", "the expiry is no date")
	}
	if len(*ms) > before {
		return nil
	}
	a.Text = t.summary()
	return a
}

func (t allowTable) summary() string {
	var parts []string
	for _, p := range []struct {
		name   string
		values []string
	}{{"paths", t.Paths}, {"fingerprints", t.Fingerprints}, {"rules", t.Rules}, {"regexes", t.Regexes}} {
		if len(p.values) > 0 {
			parts = append(parts, p.name+" "+strings.Join(p.values, " "))
		}
	}
	return strings.Join(parts, ", ")
}

// date reads a TOML date or a string that holds one; none is the zero time.
func date(v any) (time.Time, bool) {
	switch v := v.(type) {
	case nil:
		return time.Time{}, true
	case time.Time:
		return time.Date(v.Year(), v.Month(), v.Day(), 0, 0, 0, 0, time.UTC), true
	case string:
		t, err := time.Parse(dateLayout, v)
		return t, err == nil
	}
	return time.Time{}, false
}

// covers judges all conditions but the regexes, which need the line: entries that
// have some decide in Line only.
func (a *allow) covers(f *finding.Finding, o *finding.Occurrence) bool {
	if len(a.regexes) > 0 {
		return false
	}
	if a.paths != nil && (o == nil || a.paths.match(o.Path) == nil) {
		return false
	}
	return (a.fingerprints == nil || a.fingerprints[f.Fingerprint]) && a.allowsRule(f.Rule)
}

func (a *allow) allowsRule(rule string) bool {
	for _, g := range a.rules {
		if ok, _ := path.Match(g, rule); ok {
			return true
		}
	}
	return len(a.rules) == 0
}

// HasLines reports whether some entry needs Line: a source that cannot show lines
// need not be asked otherwise.
func (s *Set) HasLines() bool { return len(s.lines) > 0 }

// Line says whether an allow entry with regexes hides a secret of this rule and
// fingerprint that starts on this line of this path. It is asked while the bytes are
// at hand, as findings do not keep lines.
func (s *Set) Line(rule string, key finding.Fingerprint, path string, line []byte) *finding.Suppression {
	for _, a := range s.lines {
		if a.paths != nil && a.paths.match(path) == nil || a.fingerprints != nil && !a.fingerprints[key] || !a.allowsRule(rule) {
			continue
		}
		for _, re := range a.regexes {
			if re.Match(line) {
				a.hits.Add(1)
				if a.applies() {
					return a.suppression()
				}
				break
			}
		}
	}
	return nil
}

// locator finds lines in a TOML file, which the library does not tell.
type locator struct{ data []byte }

// table returns the line of the n-th [[allow]], or 0.
func (l locator) table(n int) int {
	return l.find(0, func(line string) bool {
		inner, ok := strings.CutPrefix(strings.TrimSpace(line), "[[")
		if name, _, closed := strings.Cut(inner, "]]"); ok && closed && strings.TrimSpace(name) == "allow" {
			n--
		}
		return n == 0
	})
}

// key returns the first line after the given one that sets key or is a table of that
// name, or 0.
func (l locator) key(after int, key string) int {
	return l.find(after, func(line string) bool {
		line = strings.TrimLeft(strings.TrimSpace(line), "[ ")
		rest, ok := strings.CutPrefix(strings.TrimPrefix(line, `"`), key)
		return ok && (rest == "" || strings.ContainsAny(rest[:1], " =]\".\t"))
	})
}

func (l locator) find(after int, is func(string) bool) int {
	for n, line := range strings.Split(string(l.data), "\n") {
		if n+1 > after && is(line) {
			return n + 1
		}
	}
	return 0
}
