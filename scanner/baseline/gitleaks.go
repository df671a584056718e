package baseline

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// position is a place as gitleaks writes it: it is bound to a file and a line, not to
// a key. Rule ids of gitleaks are not ours, so the rule is kept for the reader only.
type position struct {
	commit string // "" for any
	path   string
	line   int // 0 for any
	secret finding.Secret
}

// covers matches the first line of an occurrence; with a secret, the same secret
// anywhere in the file.
func (p position) covers(f *finding.Finding, o *finding.Occurrence) bool {
	if o == nil || o.Path != p.path || p.commit != "" && o.Git.Commit != "" && o.Git.Commit != p.commit {
		return false
	}
	if p.line == o.StartLine || p.line == 0 {
		return true
	}
	return !p.secret.IsZero() && p.secret.Equal(f.Secret)
}

// AddGitleaksIgnore adds a .gitleaksignore: lines commit:file:rule:line or
// file:rule:line, comments with #.
func (s *Set) AddGitleaksIgnore(name string, data []byte, trusted bool) error {
	if err := tooLarge(name, data); err != nil {
		return err
	}
	var ms Mistakes
	var entries []*entry
	for n := 1; len(data) > 0; n++ {
		var raw []byte
		raw, data, _ = bytes.Cut(data, []byte{'\n'})
		line := strings.TrimSpace(string(raw))
		if line == "" || line[0] == '#' {
			continue
		}
		p, ok := parsePosition(line)
		if !ok {
			ms.add(name, n, "write commit:file:rule:line or file:rule:line", "%.120q is no gitleaks fingerprint", line)
			continue
		}
		entries = append(entries, &entry{
			Entry:   Entry{File: name, Line: n, By: byIgnoreFile, Text: line, Reason: gitleaksReason, Trusted: trusted},
			matcher: p,
		})
	}
	if err := ms.err(); err != nil {
		return err
	}
	s.addPositions(entries)
	return nil
}

func (s *Set) addPositions(entries []*entry) {
	for _, e := range entries {
		s.add(e)
		if p, ok := e.matcher.(position); ok {
			s.places[p.path] = append(s.places[p.path], e)
		}
	}
}

// parsePosition reads from the end, as file names may hold colons.
func parsePosition(line string) (p position, ok bool) {
	i := strings.LastIndexByte(line, ':')
	if i < 0 {
		return p, false
	}
	var err error
	if p.line, err = strconv.Atoi(line[i+1:]); err != nil || p.line < 0 {
		return p, false
	}
	j := strings.LastIndexByte(line[:i], ':')
	if j < 0 || j+1 == i {
		return p, false
	}
	file := line[:j]
	if first, rest, found := strings.Cut(file, ":"); found && isCommit(first) {
		p.commit, file = first, rest
	}
	p.path = cleanPath(file)
	return p, p.path != ""
}

func isCommit(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}

// cleanPath turns a path of gitleaks into one of an occurrence.
func cleanPath(s string) string {
	return strings.TrimPrefix(strings.ReplaceAll(s, `\`, "/"), "./")
}

// gitleaksFinding is what a gitleaks report says of one finding, as far as it tells
// which one it is.
type gitleaksFinding struct {
	RuleID    string
	File      string
	StartLine int
	Commit    string
	Secret    string
}

// AddGitleaksBaseline adds a gitleaks report (JSON) whose findings are accepted. A
// report that was not redacted holds secrets: they are kept as finding.Secret, and a
// key is then recognised in its file on any line.
func (s *Set) AddGitleaksBaseline(name string, data []byte, trusted bool) error {
	if len(data) > 16*maxFile { // reports are long
		return tooLarge(name, data)
	}
	var list []gitleaksFinding
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&list); err != nil {
		return Mistakes{{File: name, Line: lineAt(data, err, d.InputOffset()), Text: "no gitleaks report in JSON", Remedy: "write it with gitleaks --report-format json"}}
	}
	var ms Mistakes
	var entries []*entry
	for i, f := range list {
		if f.File == "" {
			ms.add(name, 0, "leave it out of the file, or write the report again", "finding number %d names no file", i+1)
			continue
		}
		p := position{commit: f.Commit, path: cleanPath(f.File), line: f.StartLine}
		if f.Secret != "" && f.Secret != "REDACTED" && !strings.HasSuffix(f.Secret, "...") {
			p.secret = finding.NewSecret([]byte(f.Secret))
		}
		entries = append(entries, &entry{
			Entry: Entry{File: name, Line: i + 1, By: byBaseline, Reason: gitleaksKnownReason, Trusted: trusted,
				Text: fmt.Sprintf("%s:%s:%d", f.File, f.RuleID, f.StartLine)},
			matcher: p,
		})
	}
	if err := ms.err(); err != nil {
		return err
	}
	s.addPositions(entries)
	return nil
}

// lineAt returns the line of a JSON error; the error itself may quote the input.
func lineAt(data []byte, err error, offset int64) int {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	}
	return 1 + bytes.Count(data[:min(max(offset, 0), int64(len(data)))], []byte{'\n'})
}
