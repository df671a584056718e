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
