package report

import "strings"

// mdEscape makes a text inert in GitHub's Markdown: every character of ASCII
// punctuation that could begin markup is escaped, and @ and # become entities, so
// that nobody is notified and no issue is linked. Addresses are not made links.
func mdEscape(s string) string {
	var b strings.Builder
	for _, r := range clean(s) {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '@':
			b.WriteString("&#64;")
		case r == '#':
			b.WriteString("&#35;")
		case r == ':':
			b.WriteString("&#58;") // https://
		case strings.ContainsRune("\\`*_{}[]()!|~$+=", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.ReplaceAll(b.String(), "www.", "www&#46;")
}

// mdCode puts a text into a code span that may stand in a table. The span is fenced
// with more backticks than the text holds in a row.
func mdCode(s string) string {
	s = strings.ReplaceAll(clean(s), "|", `\|`)
	run, longest := 0, 0
	for _, r := range s {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	fence := strings.Repeat("`", longest+1)
	if longest > 0 || strings.TrimSpace(s) != s || s == "" {
		s = " " + s + " "
	}
	return fence + s + fence
}
