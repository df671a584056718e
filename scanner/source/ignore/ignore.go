// Package ignore decides which paths git ignores: .gitignore files of every level,
// .git/info/exclude and the user's core.excludesFile, as git itself reads them
// (gitignore(5) and the behaviour of git 2.39.5, read 2026-11-21). It runs no git
// and reads no configuration of the scanned repository.
package ignore

import (
	"bytes"
	"strings"
)

// MaxFileSize is the largest ignore file that is read. The rules of a larger one are
// not applied: more is scanned then, never less.
const MaxFileSize = 4 << 20

// Verdict is what ignore rules say of a path.
type Verdict uint8

// Verdicts. Undecided means that no pattern matched: the path is not ignored.
const (
	Undecided Verdict = iota
	Ignored
	Kept // a negated pattern ("!keep.log") matched last
)

// File is one parsed ignore file. It is immutable and safe for concurrent use.
type File struct {
	base     string // directory of the file, relative to the root, with a trailing slash; "" for the root
	patterns []pattern
}

// Parse reads an ignore file that lies in directory dir ("" for the root of the
// repository, which also holds for info/exclude and core.excludesFile). fold makes
// letters match in both cases, as core.ignoreCase does. Parse never fails: a pattern
// that git cannot match is one that never matches.
func Parse(data []byte, dir string, fold bool) *File {
	f := &File{}
	if dir != "" {
		f.base = strings.TrimSuffix(dir, "/") + "/"
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if i := bytes.IndexByte(line, 0); i >= 0 { // git reads lines as C strings
			line = line[:i]
		}
		if p, ok := parsePattern(string(trimSpaces(line)), fold); ok {
			f.patterns = append(f.patterns, p)
		}
	}
	return f
}

// Empty reports whether the file holds no pattern.
func (f *File) Empty() bool { return len(f.patterns) == 0 }

// Match gives the verdict of the last pattern that matches path, which is relative
// to the root and separated by slashes. A path inside an ignored directory is
// ignored whatever matches it: the caller, who walks from the top, sees to that.
func (f *File) Match(path string, dir bool) Verdict {
	if !strings.HasPrefix(path, f.base) || len(path) == len(f.base) {
		return Undecided
	}
	rel := path[len(f.base):]
	name := rel[strings.LastIndexByte(rel, '/')+1:]
	for i := len(f.patterns) - 1; i >= 0; i-- {
		p := &f.patterns[i]
		if p.dirOnly && !dir {
			continue
		}
		subject := name
		if p.anchored {
			subject = rel
		}
		if p.match(subject) {
			if p.negated {
				return Kept
			}
			return Ignored
		}
	}
	return Undecided
}

// Rules are the ignore files in force in one directory, nearest first. The nil
// *Rules ignores nothing. Rules are immutable and safe for concurrent use.
type Rules struct {
	file   *File
	parent *Rules
}

// With returns r with file in front: its verdicts come before those of r. Git's
// order is core.excludesFile, info/exclude, then .gitignore from the root down.
func (r *Rules) With(file *File) *Rules {
	if file == nil || file.Empty() {
		return r
	}
	return &Rules{file: file, parent: r}
}

// Match gives the first verdict of the files, nearest first.
func (r *Rules) Match(path string, dir bool) Verdict {
	for ; r != nil; r = r.parent {
		if v := r.file.Match(path, dir); v != Undecided {
			return v
		}
	}
	return Undecided
}

// trimSpaces cuts trailing spaces that no backslash protects.
func trimSpaces(line []byte) []byte {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			continue
		case '\\':
			i++
			if i == len(line) {
				return line
			}
		}
		end = i + 1
	}
	return line[:end]
}
