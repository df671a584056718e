package baseline

import (
	"bytes"
	"strings"

	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source/ignore"
)

// ignoreFile is one .rekeyignore: path patterns as in .gitignore, the last that
// matches decides.
type ignoreFile struct {
	patterns []*entry
}

// pathPattern is one line.
type pathPattern struct{ *ignore.File }

// covers is not asked: ignoreFile.match decides over all lines of the file.
func (pathPattern) covers(*finding.Finding, *finding.Occurrence) bool { return false }

// AddIgnore adds a .rekeyignore. Its lines are patterns as in .gitignore, relative to
// dir, the directory of the file ("" for the root); each needs a reason: the comment
// at the end of its line, or the comment lines above its paragraph.
func (s *Set) AddIgnore(name, dir string, data []byte, trusted bool) error {
	if err := tooLarge(name, data); err != nil {
		return err
	}
	var ms Mistakes
	file := &ignoreFile{}
	reason := ""
	above := false // the last line was a comment too
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for n := 1; len(data) > 0; n++ {
		var raw []byte
		raw, data, _ = bytes.Cut(data, []byte{'\n'})
		line := strings.TrimRight(string(raw), " \t\r")
		switch {
		case line == "":
			reason, above = "", false
			continue
		case line[0] == '#':
			text := strings.TrimSpace(strings.TrimLeft(line, "#"))
			if above && reason != "" {
				text = reason + " " + text
			}
			reason, above = text, true
			continue
		}
		above = false
		pattern, why := line, reason
		if i := strings.LastIndex(line, " #"); i >= 0 {
			pattern, why = strings.TrimRight(line[:i], " \t"), strings.TrimSpace(line[i+2:])
		}
		file.addLine(&ms, name, dir, n, pattern, why, trusted)
	}
	if err := ms.err(); err != nil {
		return err
	}
	for _, e := range file.patterns {
		s.add(e)
	}
	s.paths = append(s.paths, file)
	return nil
}

func (f *ignoreFile) addLine(ms *Mistakes, name, dir string, n int, pattern, why string, trusted bool) {
	if len(f.patterns) >= maxEntries {
		if len(f.patterns) == maxEntries && len(*ms) == 0 {
			ms.add(name, n, "use patterns that cover more", "more than %d patterns", maxEntries)
		}
		return
	}
	parsed := ignore.Parse([]byte(pattern), dir, false)
	if parsed.Empty() {
		ms.add(name, n, "close brackets, and write / for directories", "pattern %.80q can match no path", pattern)
		return
	}
	if why == "" && !strings.HasPrefix(pattern, "!") {
		ms.add(name, n, "write it behind the pattern or on the line above, as a comment", "pattern %.80q has no reason", pattern)
		return
	}
	f.patterns = append(f.patterns, &entry{
		Entry:   Entry{File: name, Line: n, By: byIgnoreFile, Text: pattern, Reason: why, Trusted: trusted},
		matcher: pathPattern{parsed},
	})
}

// match returns the entry that ignores the path, or nil. A directory that is ignored
// takes all below it along, and an archive what is in it.
func (f *ignoreFile) match(path string) *entry {
	for end := 0; end <= len(path); end++ {
		if end < len(path) && path[end] != '/' && path[end] != '!' {
			continue
		}
		dir := end < len(path) && path[end] == '/'
		for i := len(f.patterns) - 1; i >= 0; i-- {
			e := f.patterns[i]
			p, ok := e.matcher.(pathPattern)
			if !ok {
				continue
			}
			v := p.Match(path[:end], dir)
			if v == ignore.Ignored {
				return e
			}
			if v == ignore.Kept {
				e.hits.Add(1)
				break
			}
		}
	}
	return nil
}
