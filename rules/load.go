package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
)

// Problem is one mistake in a rule file. Line is 0 where it is not known.
type Problem struct {
	File, Rule, Field string
	Line              int
	Text              string
}

// Error formats the problem as "file:line: rule ID: field: text".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	for _, s := range []string{p.Rule, p.Field} {
		if s != "" {
			b.WriteString(": " + s)
		}
	}
	return b.String() + ": " + p.Text
}

// Problems are all mistakes of a load, in the order of files and lines.
type Problems []Problem

// Error lists every problem on a line of its own.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// document is a rule file as TOML sees it. A file has one service, or none: then
// its rules belong to the service "custom".
type document struct {
	Service *Service `toml:"service"`
	Rules   []Rule   `toml:"rules"`
	Operations
}

// Parse reads one rule file, checks everything that can be checked without running
// a rule, and returns the service it describes. The error, if any, is a Problems
// that names every mistake at once.
func Parse(file string, data []byte) (*Service, error) {
	var doc document
	loc := newLocator(data)
	md, err := toml.NewDecoder(bytes.NewReader(data)).Decode(&doc)
	if err != nil {
		return nil, Problems{syntaxProblem(file, err)}
	}
	c := &checker{file: file, loc: loc}
	for _, key := range md.Undecoded() {
		if isFreeForm(key) {
			continue
		}
		c.addAt(loc.unknownKey(key), "", "", fmt.Sprintf("unknown key %q: see `rekey rules check --help` for the keys that exist", key.String()))
	}
	svc := doc.Service
	if svc == nil {
		svc = &Service{ID: "custom", Name: "Custom rules", Trust: TrustNever}
	}
	svc.File = file
	svc.Rules = doc.Rules
	svc.Ops = doc.Operations
	c.service(svc)
	if len(c.problems) > 0 {
		sort.SliceStable(c.problems, func(i, j int) bool { return c.problems[i].Line < c.problems[j].Line })
		return nil, c.problems
	}
	return svc, nil
}

// isFreeForm reports whether a key lies inside a table whose keys the author
// chooses: JSON bodies, which TOML cannot check against a type.
func isFreeForm(key toml.Key) bool {
	for _, k := range key {
		if k == "json" {
			return true
		}
	}
	return false
}

func syntaxProblem(file string, err error) Problem {
	var pe toml.ParseError
	if errors.As(err, &pe) {
		return Problem{File: file, Line: pe.Position.Line, Text: pe.Message}
	}
	return Problem{File: file, Text: strings.TrimPrefix(err.Error(), "toml: ")}
}

// LoadFS parses every *.toml file of dir in fsys, in the order of names. All
// problems of all files come back together.
func LoadFS(fsys fs.FS, dir string) ([]Service, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	var services []Service
	var problems Problems
	for _, e := range entries {
		if e.IsDir() || path.Ext(e.Name()) != ".toml" {
			continue
		}
		data, err := fs.ReadFile(fsys, path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read rules: %w", err)
		}
		svc, err := Parse(e.Name(), data)
		var ps Problems
		if errors.As(err, &ps) {
			problems = append(problems, ps...)
			continue
		} else if err != nil {
			return nil, err
		}
		services = append(services, *svc)
	}
	problems = append(problems, duplicates(services)...)
	if len(problems) > 0 {
		return nil, problems
	}
	return services, nil
}

func duplicates(services []Service) (ps Problems) {
	ids, seen := map[string]string{}, map[string]string{}
	for _, s := range services {
		if other, ok := seen[s.ID]; ok {
			ps = append(ps, Problem{File: s.File, Field: "service.id", Text: fmt.Sprintf("%q is already used in %s", s.ID, other)})
		}
		seen[s.ID] = s.File
		for _, r := range s.Rules {
			if other, ok := ids[r.ID]; ok {
				ps = append(ps, Problem{File: s.File, Line: r.Line, Rule: "rule " + r.ID, Field: "id", Text: fmt.Sprintf("already used in %s", other)})
			}
			ids[r.ID] = s.File
		}
	}
	return ps
}

// Merge lays user services over built-in ones: a rule with an id that exists
// replaces it, a service with an id that exists keeps its own operations and gains
// or replaces rules; everything else is added. Neither argument is changed.
func Merge(builtin, user []Service) []Service {
	out := append([]Service(nil), builtin...)
	for _, u := range user {
		replaced := map[string]bool{}
		for _, r := range u.Rules {
			replaced[r.ID] = true
		}
		at := -1
		for i := range out {
			out[i].Rules = without(out[i].Rules, replaced)
			if out[i].ID == u.ID {
				at = i
			}
		}
		if at < 0 {
			out = append(out, u)
			continue
		}
		out[at] = mergeService(out[at], u)
	}
	return out
}

func without(rules []Rule, ids map[string]bool) []Rule {
	kept := make([]Rule, 0, len(rules))
	for _, r := range rules {
		if !ids[r.ID] {
			kept = append(kept, r)
		}
	}
	return kept
}

func mergeService(b, u Service) Service {
	b.Rules = append(append([]Rule(nil), b.Rules...), u.Rules...)
	if u.BaseURL != "" {
		b.BaseURL = u.BaseURL
	}
	over := func(dst *[]Operation, src []Operation) {
		if len(src) > 0 {
			*dst = append(append([]Operation(nil), src...), *dst...)
		}
	}
	over(&b.Ops.Verify, u.Ops.Verify)
	over(&b.Ops.Whoami, u.Ops.Whoami)
	over(&b.Ops.List, u.Ops.List)
	over(&b.Ops.Regenerate, u.Ops.Regenerate)
	over(&b.Ops.Revoke, u.Ops.Revoke)
	over(&b.Ops.Disable, u.Ops.Disable)
	over(&b.Ops.Enable, u.Ops.Enable)
	return b
}

// ParseRepository reads the [[rules]] of a repository's .rekey.toml: patterns only.
// Its [[allow]] tables are package baseline's. nil means that it has no rules.
func ParseRepository(file string, data []byte) (*Service, error) {
	var doc struct {
		Rules []Rule           `toml:"rules"`
		Allow []toml.Primitive `toml:"allow"`
	}
	if _, err := toml.NewDecoder(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, Problems{syntaxProblem(file, err)}
	}
	if len(doc.Rules) == 0 {
		return nil, nil
	}
	svc := &Service{ID: "repository", Name: "Rules of the repository", Trust: TrustNever, File: file, Rules: doc.Rules}
	c := &checker{file: file, loc: newLocator(data)}
	c.service(svc)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return svc, nil
}
