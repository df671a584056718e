package git

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// maxConfig bounds how much configuration is read.
const maxConfig = 1 << 20

// readConfig takes from the repository's configuration what its formats depend on,
// and nothing else: no command, path, include or identity.
func (r *Repository) readConfig() error {
	b, err := r.common.read("config", maxConfig)
	if err != nil && !absent(err) {
		// The usual format is tried; where it is wrong every object says so.
		h := holeFor(err, "config", "config", Oid{}, -1)
		h.Reason += "; taken for a SHA-1 repository"
		r.found.add(h)
	}
	var problem error
	eachSetting(b, func(section, sub, key, value string) {
		switch {
		case section == "extensions" && sub == "":
			if err := r.extension(key, value); err != nil {
				problem = errors.Join(problem, err)
			}
		case section == "remote" && key == "promisor":
			r.promisor = r.promisor || isTrue(value)
		case section == "core" && sub == "" && key == "repositoryformatversion" && value != "0" && value != "1":
			r.found.add(Hole{Kind: Unreadable, What: "config", Path: "config", Offset: -1,
				Reason: fmt.Sprintf("repository format version %.20q is unknown: read as version 1", value)})
		}
	})
	return problem
}

func (r *Repository) extension(key, value string) error {
	switch key {
	case "objectformat":
		switch strings.ToLower(value) {
		case "sha1":
			r.format = SHA1
		case "sha256":
			r.format = SHA256
		default:
			return fmt.Errorf("object format %.40q is unknown", value)
		}
	case "partialclone":
		r.promisor = true
	case "refstorage":
		if name, _, _ := strings.Cut(strings.ToLower(value), ":"); name != "files" {
			r.reftable = true
		}
	case "noop", "noop-v1", "preciousobjects", "worktreeconfig", "relativeworktrees", "compatobjectformat", "submodulepathconfig":
	default:
		r.found.add(Hole{Kind: Unreadable, What: "config", Path: "config", Offset: -1,
			Reason: fmt.Sprintf("extension %.40q is unknown: something may be kept where it is not looked for", key)})
	}
	return nil
}

func isTrue(v string) bool {
	switch strings.ToLower(v) {
	case "false", "no", "off", "0", "":
		return false
	}
	return true
}

// eachSetting calls fn for each setting of a configuration file, section and key in
// lower case. Lines that make no sense are skipped. Includes are not followed.
func eachSetting(b []byte, fn func(section, sub, key, value string)) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	var section, sub string
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		if bytes.HasSuffix(line, []byte("\\")) {
			var joined []byte
			for bytes.HasSuffix(line, []byte("\\")) && len(rest) > 0 {
				joined = append(joined, line[:len(line)-1]...)
				line, rest, _ = bytes.Cut(rest, []byte("\n"))
			}
			line = append(joined, line...)
		}
		b = rest
		s := strings.TrimSpace(string(line))
		if strings.HasPrefix(s, "[") {
			end := sectionEnd(s)
			if end < 0 {
				continue
			}
			section, sub, _ = strings.Cut(s[1:end], " ")
			section, sub = strings.ToLower(section), strings.Trim(strings.TrimSpace(sub), `"`)
			s = strings.TrimSpace(s[end+1:])
		}
		if s == "" || s[0] == '#' || s[0] == ';' {
			continue
		}
		key, value, has := strings.Cut(s, "=")
		if !has {
			value = "true"
		}
		if i := strings.IndexAny(value, "#;"); i >= 0 {
			value = value[:i]
		}
		fn(section, sub, strings.ToLower(strings.TrimSpace(key)), strings.Trim(strings.TrimSpace(value), `"`))
	}
}

// sectionEnd returns where the bracket of a section closes, or -1.
func sectionEnd(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '\\':
			i++
		case ']':
			if !quoted {
				return i
			}
		}
	}
	return -1
}
