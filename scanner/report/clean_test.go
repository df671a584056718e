package report

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/scanner/finding"
)

func TestClean(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "src/a b.go", "src/a b.go"},
		{"letters", "café 李雷 ελλάδα", "café 李雷 ελλάδα"},
		{"escape", "\x1b[31mred\x07", `\x1b[31mred\x07`},
		{"lines", "a\nb\r\tc", `a\nb\r\tc`},
		{"not_utf8", "a\xff\xc3", `a\xff\xc3`},
		{"c1_and_delete", "\u009b31m\x7f", `\x9b31m\x7f`},
		{"right_to_left", "\u202egpj.exe\u2066", `\u{202e}gpj.exe\u{2066}`},
		{"invisible", "a\u200bb\u00adc\ufeffd", `a\u{200b}b\xadc\u{feff}d`},
		{"tags_and_selectors", "a\U000e0041\ufe0f\U000e0101", `a\u{e0041}\u{fe0f}\u{e0101}`},
		{"separators", "a\u2028b\u00a0c\u3000d", `a\u{2028}b\xa0c\u{3000}d`},
		{"filler", "a\u3164b\u2800c", `a\u{3164}b\u{2800}c`},
		{"lost", "a\ufffd", `a\u{fffd}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := clean(tt.in); got != tt.want || clean(got) != got {
				t.Errorf("clean(%q) = %q, want %q; twice %q", tt.in, got, tt.want, clean(got))
			}
		})
	}
}

func TestCut(t *testing.T) {
	long := strings.Repeat("é", 100)
	for _, n := range []int{-1, 0, 24, 50, 99} {
		got := cut(long, n)
		if k := utf8.RuneCountInString(got); k > max(n, 24)+4 || !utf8.ValidString(got) {
			t.Errorf("cut(_, %d) = %q, %d runes", n, got, k)
		}
		var shown, gone int
		if _, err := fmt.Sscanf(got[strings.Index(got, "("):], "(%d more)", &gone); err != nil {
			t.Fatal(err)
		}
		if shown = strings.Count(got, "é"); shown+gone != 100 {
			t.Errorf("cut(_, %d) shows %d and counts %d more", n, shown, gone)
		}
		if m := cutMiddle(long, n); !utf8.ValidString(m) || n >= 8 && utf8.RuneCountInString(m) != n {
			t.Errorf("cutMiddle(_, %d) = %q", n, m)
		}
	}
	if cut(long, 100) != long || cutMiddle(long, 100) != long {
		t.Error("what fits is cut")
	}
}

func TestNumbers(t *testing.T) {
	tests := []struct{ got, want string }{
		{thousands(0), "0"}, {thousands(999), "999"}, {thousands(1000), "1,000"}, {thousands(-1234567), "-1,234,567"},
		{count(1, "finding"), "1 finding"}, {count(2, "key"), "2 keys"}, {count(2, "entry"), "2 entries"},
		{size(999), "999 bytes"}, {size(1000), "1.0 kB"}, {size(999_999), "1.0 MB"}, {size(1 << 40), "1.1 TB"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestCSVCell(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "src/a.go", "src/a.go"},
		{"formula", "=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"},
		{"plus", "+1", "'+1"}, {"minus", "-1", "'-1"}, {"at", "@SUM(1)", "'@SUM(1)"},
		{"behind_space", "  =1", "'  =1"},
		{"behind_quote", "\"=1", "'\"=1"},
		{"behind_semicolon", "a;=1;b", "a;'=1;b"},
		{"full_width", "＝1", "'＝1"},
		{"tab", "\t=1", `\t=1`},
		{"line", "a\n=1", `a\n=1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := csvCell(tt.in); got != tt.want {
				t.Errorf("csvCell(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestMarkdownEscapes(t *testing.T) {
	tests := []struct{ name, got, want string }{
		{"markup", mdEscape("*a* [b](c) <i> `d`"), `\*a\* \[b\]\(c\) &lt;i&gt; \` + "`d\\`"},
		{"mention_issue_link", mdEscape("@all #1 https://x www.x"), "&#64;all &#35;1 https&#58;//x www&#46;x"},
		{"cell", mdEscape("a|b\nc"), `a\|b\\nc`},
		{"code", mdCode("a|b"), "`a\\|b`"},
		{"code_with_backticks", mdCode("a``b`"), "``` a``b` ```"},
		{"code_empty", mdCode(""), "`  `"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %q, want %q", tt.got, tt.want)
			}
		})
	}
}

func TestWebURL(t *testing.T) {
	for url, want := range map[string]bool{
		"https://a.b/c?d=e#f": true, "http://localhost": true, "javascript:alert(1)": false, "https://a b": false,
		"https://a\"b": false, "https://a<b": false, "HTTPS://a": false, "": false, "//a": false, "https://é": false,
	} {
		if got := webURL(url); got != want {
			t.Errorf("webURL(%q) = %v", url, got)
		}
	}
}

func TestSARIFLimit(t *testing.T) {
	r := &Report{Coverage: Coverage{Complete: true}}
	for i := range 4 {
		f := finding.Finding{Fingerprint: finding.Fingerprint(fmt.Sprint("key:v1:", i)), Rule: "r"}
		for line := range 3 {
			f.Occurrences = append(f.Occurrences, finding.Occurrence{Kind: finding.KindWorktree, Path: "a", StartLine: 1 + line})
		}
		r.Findings = append(r.Findings, f)
	}
	for limit, want := range map[int]string{4: "8 results left out", 6: "6 results left out", 11: "1 result left out", 12: ""} {
		run := newView(r, Options{}).sarifRun(limit)
		if len(run.Results) != limit {
			t.Errorf("limit %d: %d results", limit, len(run.Results))
		}
		said := ""
		for _, n := range run.Invocations[0].ToolExecutionNotifications {
			said += n.Message.Text
		}
		if want == "" && said != "" || !strings.Contains(said, want) {
			t.Errorf("limit %d: the run says %q, want %q", limit, said, want)
		}
	}
}

// The columns of SARIF: UTF-16, the end exclusive; bytes where those are not known;
// none rather than wrong ones.
func TestSARIFPlace(t *testing.T) {
	tests := []struct {
		name string
		o    finding.Occurrence
		want sarifRegion
	}{
		{"utf16_known", finding.Occurrence{StartLine: 2, StartColumn: 9, EndLine: 2, EndColumn: 20, StartUTF16: 6, EndUTF16: 18}, sarifRegion{2, 6, 2, 18}},
		{"bytes", finding.Occurrence{StartLine: 2, StartColumn: 9, EndLine: 2, EndColumn: 20}, sarifRegion{2, 9, 2, 21}},
		{"several_lines", finding.Occurrence{StartLine: 2, StartColumn: 9, EndLine: 4, EndColumn: 3}, sarifRegion{2, 9, 4, 4}},
		{"one_byte", finding.Occurrence{StartLine: 1, StartColumn: 1, EndLine: 1, EndColumn: 1}, sarifRegion{1, 1, 1, 2}},
		{"no_columns", finding.Occurrence{StartLine: 3}, sarifRegion{StartLine: 3, EndLine: 3}},
		{"end_before_start", finding.Occurrence{StartLine: 3, StartColumn: 9, EndLine: 1, EndColumn: 2}, sarifRegion{StartLine: 3, EndLine: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := sarifPlace(&tt.o); got == nil || *got != tt.want {
				t.Errorf("sarifPlace = %+v, want %+v", got, tt.want)
			}
		})
	}
	if got := sarifPlace(&finding.Occurrence{Kind: finding.KindPath, StartLine: 1}); got != nil {
		t.Errorf("a file's name has region %+v", got)
	}
}

func TestSemantic(t *testing.T) {
	for in, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3-rc.1+x": "1.2.3-rc.1+x", "devel": "", "1.2": "", "01.2.3": "", "": "", "(devel)": "", "1.2.x": "",
	} {
		if got := semantic(in); got != want {
			t.Errorf("semantic(%q) = %q, want %q", in, got, want)
		}
	}
}

// design.md section 10: one call site outside of revoker may reveal a secret.
func TestRevealHasOneCallSite(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		calls += bytes.Count(b, []byte(".Reveal("))
	}
	if calls != 1 {
		t.Errorf("Reveal is called at %d places, want 1", calls)
	}
}

// The page runs and loads nothing but its own script and style.
func TestHTMLPolicy(t *testing.T) {
	var b bytes.Buffer
	r := &Report{Findings: []finding.Finding{{Fingerprint: "key:v1:a", Rule: "</script><script>alert(1)</script>", Title: "<img src=x onerror=alert(1)>"}}}
	if err := Write(&b, "html", r, Options{}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if n := strings.Count(page, "<script"); n != 2 { // data and code
		t.Errorf("%d script elements, want 2", n)
	}
	style := between(t, page, "<style>", "</style>")
	at := strings.LastIndex(page, "<script>")
	script := between(t, page[at:], "<script>", "</script>")
	for _, want := range []string{"default-src 'none'", "script-src '" + sourceHash(script) + "'", "style-src '" + sourceHash(style) + "'"} {
		if !strings.Contains(page, want) {
			t.Errorf("the policy lacks %s", want)
		}
	}
	for _, bad := range []string{"onerror=alert(1)>", " style=\"", "javascript:", "innerHTML", "src=\"", "url(", "@import", "eval("} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	data := between(t, page, `id="data">`, "</script>")
	if strings.ContainsAny(data, "<>&") {
		t.Error("the data is not inert")
	}
}

func between(t *testing.T, s, from, to string) string {
	t.Helper()
	_, s, ok := strings.Cut(s, from)
	s, _, ok2 := strings.Cut(s, to)
	if !ok || !ok2 {
		t.Fatalf("nothing between %q and %q", from, to)
	}
	return s
}

func TestTimeline(t *testing.T) {
	var list []dated
	for _, year := range []int{1, 1970, 2026, 9999} {
		list = append(list, dated{at: wild(year)})
		c, ok := timeline(list)
		if !ok || len(c.Bars) == 0 {
			t.Errorf("timeline up to year %d has no bars", year)
		}
		for _, b := range c.Bars {
			if b.X < 0 || b.X+b.W > chartWidth+1 || b.Y < 0 || b.H <= 0 {
				t.Errorf("bar outside of the drawing: %+v", b)
			}
		}
	}
}

func wild(year int) time.Time { return time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC) }
