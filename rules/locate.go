package rules

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// locator finds the line of a key in a TOML file: the library tells the line of a
// syntax error but not of a key it has read. It understands headers and "key =" at
// the start of a line, which is how rule files are written; 0 means not found.
type locator struct {
	lines []tomlLine
}

type tomlLine struct {
	header string // for [x] and [[x]]: x
	array  bool
	key    string // for "key = ..."
}

var (
	headerLine = regexp.MustCompile(`^\s*(\[{1,2})\s*([A-Za-z0-9_.-]+)\s*\]{1,2}`)
	keyLine    = regexp.MustCompile(`^\s*([A-Za-z0-9_-]+)\s*=`)
)

func newLocator(data []byte) *locator {
	var l locator
	multi := "" // inside a multi-line string: its delimiter
	for _, line := range bytes.Split(data, []byte{'\n'}) {
		var t tomlLine
		if multi == "" {
			if m := headerLine.FindSubmatch(line); m != nil {
				t = tomlLine{header: string(m[2]), array: len(m[1]) == 2}
			} else if m := keyLine.FindSubmatch(line); m != nil {
				t.key = string(m[1])
			}
		}
		for _, q := range []string{`"""`, `'''`} {
			if (multi == "" || multi == q) && strings.Count(string(line), q)%2 == 1 {
				if multi == q {
					multi = ""
				} else {
					multi = q
				}
			}
		}
		l.lines = append(l.lines, t)
	}
	return &l
}

// table returns the line of the n-th (from 0) [[name]], or of [name].
func (l *locator) table(name string, n int) int {
	for i, t := range l.lines {
		if t.header == name {
			if n == 0 {
				return i + 1
			}
			n--
		}
	}
	return 0
}

// key returns the line of key in the table that begins at line, or that line.
func (l *locator) key(table int, key string) int {
	if table <= 0 {
		return 0
	}
	for i := table; i < len(l.lines); i++ {
		if l.lines[i].header != "" {
			break
		}
		if l.lines[i].key == key {
			return i + 1
		}
	}
	return table
}

// unknownKey returns the first line where key, as the decoder names it, may stand.
func (l *locator) unknownKey(key toml.Key) int {
	last := key[len(key)-1]
	header := ""
	for i, t := range l.lines {
		if t.header != "" {
			header = t.header
			if t.header == key.String() {
				return i + 1
			}
		}
		if t.key == last && len(key) > 1 && (header == key[:len(key)-1].String() || strings.HasPrefix(key.String(), header+".")) {
			return i + 1
		}
		if len(key) == 1 && header == "" && t.key == last {
			return i + 1
		}
	}
	for i, t := range l.lines { // inline tables: the line of the outer key
		if len(key) > 1 && t.key == key[len(key)-2] {
			return i + 1
		}
	}
	return 0
}
