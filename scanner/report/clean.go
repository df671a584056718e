package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes a foreign string safe to print on one line of a terminal, a web page
// or a table: control bytes (also C1 and DEL), bytes that are not UTF-8, and
// characters that are invisible or reorder the text around them (bidirectional
// marks, zero width, separators) become \xNN or \u{...}. Other text is kept.
func clean(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case !visible(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case !visible(r):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// visible reports whether r shows as itself and leaves its surroundings alone.
// unicode.IsPrint is false for control and format characters, every space but
// U+0020, private use and unassigned. Characters that print but show as nothing,
// by which a text can look like another one, are listed here.
func visible(r rune) bool {
	switch {
	case r == 0x034f, r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0, r == 0x2800:
		return false // combining grapheme joiner, Hangul fillers, blank Braille
	case r == utf8.RuneError:
		return false // stands for what is lost; written the same however it came
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef:
		return false // variation selectors: may carry hidden bytes
	}
	return unicode.IsPrint(r)
}

// cut shortens a cleaned string to at most n runes, keeping its start, and says how
// much is gone. n below 24 is taken as 24.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	total := utf8.RuneCountInString(s)
	n = max(n, 24)
	if total <= n {
		return s
	}
	note := fmt.Sprintf("… (%d more)", total-n+16)
	return firstRunes(s, n-16) + note
}

// cutMiddle shortens a cleaned string to at most n runes, keeping both ends: of a
// path the end says most.
func cutMiddle(s string, n int) string {
	total := utf8.RuneCountInString(s)
	if total <= n || n < 8 {
		return s
	}
	head := n / 3
	tail := n - head - 1
	rs := []rune(s)
	return string(rs[:head]) + "…" + string(rs[total-tail:])
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// count writes n with its noun, in the plural where needed, with thousands set off.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "ry") {
		return thousands(n) + " " + strings.TrimSuffix(noun, "y") + "ies"
	}
	return thousands(n) + " " + noun + "s"
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func size(n int64) string {
	const unit = 1000
	if n < unit {
		return count(n, "byte")
	}
	v, i := float64(n)/unit, 0
	for v >= 999.95 && i < 4 {
		v /= unit
		i++
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGTP"[i])
}
