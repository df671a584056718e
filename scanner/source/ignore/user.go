package ignore

import (
	"path/filepath"
	"strings"
)

// UserFile returns where the user's own ignore file lies: what core.excludesFile
// says in the last of the configurations that sets it, or git's default below
// xdgConfig ($XDG_CONFIG_HOME, or ~/.config). configs are the texts of the user's own
// git configuration, in git's order: system, xdgConfig/git/config, ~/.gitconfig; that
// of a repository is never among them. Includes are not followed.
//
// Source: git-config(1), "core.excludesFile", git 2.39 (read 2026-11-21).
func UserFile(home, xdgConfig string, configs ...[]byte) string {
	path := ""
	set := false
	for _, text := range configs {
		if v, ok := excludesFile(string(text)); ok {
			path, set = v, true
		}
	}
	switch {
	case !set && xdgConfig != "":
		return filepath.Join(xdgConfig, "git", "ignore")
	case strings.HasPrefix(path, "~/"):
		if home == "" {
			return ""
		}
		return filepath.Join(home, path[2:])
	}
	return path
}

// excludesFile returns the last value of core.excludesFile in a configuration.
func excludesFile(text string) (value string, ok bool) {
	core := false
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\\\n", "")
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			name, rest, closed := strings.Cut(line[1:], "]")
			core = closed && strings.EqualFold(strings.TrimSpace(name), "core")
			line = strings.TrimSpace(rest)
		}
		key, raw, found := strings.Cut(line, "=")
		if core && found && strings.EqualFold(strings.TrimSpace(key), "excludesfile") {
			value, ok = configValue(strings.TrimSpace(raw)), true
		}
	}
	return value, ok
}

// configValue undoes quotes and escapes and cuts the comment.
func configValue(raw string) string {
	var out strings.Builder
	quoted := false
	kept := 0 // length up to the last byte that is no trailing space
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '"':
			quoted = !quoted
			continue
		case !quoted && (c == '#' || c == ';'):
			return out.String()[:kept]
		case c == '\\' && i+1 < len(raw):
			i++
			switch c = raw[i]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			}
		}
		out.WriteByte(c)
		if quoted || c != ' ' && c != '\t' {
			kept = out.Len()
		}
	}
	return out.String()[:kept]
}
