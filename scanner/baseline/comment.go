package baseline

import (
	"bytes"
	"strings"
)

// marker is a text that allows the secret on its line.
type marker struct {
	text   string // lower case
	reason string // what is said of one that gives none
}

// markers are rekey's own and those of other scanners, from their documentation
// (read 2026-11-21): gitleaks, trufflehog, detect-secrets, ggshield, kingfisher and
// betterleaks.
var markers = [...]marker{
	{"rekey:allow", "no reason given"},
	{"gitleaks:allow", "a comment for gitleaks"},
	{"betterleaks:allow", "a comment for betterleaks"},
	{"trufflehog:ignore", "a comment for trufflehog"},
	{"kingfisher:ignore", "a comment for kingfisher"},
	{"ggignore", "a comment for ggshield"},
	{"pragma: allowlist secret", "a comment for detect-secrets"},
	{"pragma:allowlist secret", "a comment for detect-secrets"},
	{"pragma: allowlist-secret", "a comment for detect-secrets"},
	{"pragma: whitelist secret", "a comment for detect-secrets"},
	{"pragma:whitelist secret", "a comment for detect-secrets"},
	{"pragma: whitelist-secret", "a comment for detect-secrets"},
}

// CommentMarkers returns texts in lower case, one of which every line holds that
// Comment allows, in any case of letters.
func CommentMarkers() []string {
	out := make([]string, len(markers))
	for i, m := range markers {
		out[i] = m.text
	}
	return out
}

// Comment tells whether a comment on the line allows the secret on it: "rekey:allow
// REASON" or one of the peers' (gitleaks:allow, betterleaks:allow, trufflehog:ignore,
// kingfisher:ignore, ggignore, pragma: allowlist secret). by is the marker; reason is
// what follows it, or says that nothing does. Letters match in both cases; a marker
// that is part of a longer word is none.
func Comment(line []byte) (reason, by string, ok bool) {
	low := asciiLower(line)
	for _, m := range markers {
		for from := 0; ; {
			i := strings.Index(low[from:], m.text)
			if i < 0 {
				break
			}
			i += from
			end := i + len(m.text)
			if (i == 0 || !wordByte(low[i-1])) && (end == len(low) || !wordByte(low[end])) {
				if reason := tidy(line[end:]); reason != "" {
					return reason, m.text, true
				}
				return m.reason, m.text, true
			}
			from = end
		}
	}
	return "", "", false
}

// asciiLower keeps every byte where it is, as strings.ToLower does not.
func asciiLower(b []byte) string {
	out := bytes.Clone(b)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// maxReason bounds the reason taken from a comment, in bytes.
const maxReason = 200

// tidy takes a reason out of what follows a marker: without the end of the comment,
// quotes and what cannot be printed.
func tidy(b []byte) string {
	s := strings.ToValidUTF8(string(b[:min(len(b), maxReason)]), "")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	for _, end := range []string{"*/", "-->", "--%>", "%>", "#}", "}}", "--]]", `"""`, `"`, "'", "`", ")", ","} {
		s = strings.TrimSpace(strings.TrimSuffix(s, end))
	}
	return strings.TrimSpace(strings.TrimLeft(s, ":=-([ "))
}
