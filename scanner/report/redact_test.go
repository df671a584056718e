package report

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/finding"
)

func scrubberOf(findings ...finding.Finding) *scrubber {
	return newScrubber(&Report{Findings: findings})
}

func found(key string, public int, kinds ...string) finding.Finding {
	f := finding.Finding{Secret: finding.NewSecret([]byte(key)), Public: public}
	for _, k := range kinds {
		f.Occurrences = append(f.Occurrences, finding.Occurrence{Kind: k})
	}
	return f
}

func TestScrub(t *testing.T) {
	long := "ab_" + "0123456789ABCDEFGHIJKLMNOPqrst"
	inner := long[5:25]
	tests := []struct {
		name, text, prose, path string
		findings                []finding.Finding
	}{
		{"nothing_found", "a/b", "a/b", "a/b", nil},
		{"clear", "x" + long + "y", "xab_…qrsty", "xab_…qrsty", []finding.Finding{found(long, 3)}},
		{"twice", long + long, "ab_…qrstab_…qrst", "ab_…qrstab_…qrst", []finding.Finding{found(long, 3)}},
		{"one_in_another", "<" + long + ">", "<ab_…qrst>", "<ab_…qrst>", []finding.Finding{found(inner, 0), found(long, 3)}},
		{"overlapping", "<" + "aaaabbbb1" + "ccccdddd" + ">", "<…>", "<…>", []finding.Finding{found("aaaabbbb1ccc", 0), found("bb1ccccdddd", 0)}},
		{"word_stays_in_paths", "postgres/postgres.sql", "…/….sql", "postgres/postgres.sql", []finding.Finding{found("postgres", 0, finding.KindBlob)}},
		{"word_found_in_a_path", "postgres/a.sql", "…/a.sql", "…/a.sql", []finding.Finding{found("postgres", 0, finding.KindPath)}},
		{"short_word_stays", "test/testing", "test/testing", "test/testing", []finding.Finding{found("test", 0, finding.KindBlob)}},
		{"short_word_in_a_message", "set test", "set …", "set …", []finding.Finding{found("test", 0, finding.KindCommitMessage)}},
		{"too_short_for_anything", "abc", "abc", "abc", []finding.Finding{found("abc", 0, finding.KindPath)}},
		{"empty_secret", "abc", "abc", "abc", []finding.Finding{found("", 0, finding.KindPath)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := scrubberOf(tt.findings...)
			if got := s.prose(tt.text); got != tt.prose {
				t.Errorf("prose(%q) = %q, want %q", tt.text, got, tt.prose)
			}
			if got := s.name(tt.text); got != tt.path {
				t.Errorf("name(%q) = %q, want %q", tt.text, got, tt.path)
			}
		})
	}
}

// Whatever surrounds a key, in whatever usual encoding, nothing of it that has meaning
// is left: not a run of twelve of its encoded characters.
func TestScrubLeavesNoDisguise(t *testing.T) {
	rnd := rand.New(rand.NewSource(7))
	letters := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/+=?& %"
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[rnd.Intn(len(letters))]
		}
		return string(b)
	}
	encodings := map[string]func(string) string{
		"clear": func(s string) string { return s },
		"path":  url.PathEscape, "query": url.QueryEscape,
		"hex":    func(s string) string { return hex.EncodeToString([]byte(s)) },
		"HEX":    func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"url64":  func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
	}
	for range 300 {
		key := "0" + random(19+rnd.Intn(40))
		s := scrubberOf(found(random(30)+"1", 0), found(key, 0))
		before, after := random(rnd.Intn(9)), random(rnd.Intn(9))
		for name, enc := range encodings {
			got := s.name(enc(before + key + after))
			alone := enc(key)
			if name == "base64" || name == "url64" {
				alone = base64Core(base64.RawStdEncoding, key, len(before)%3)
				if name == "url64" {
					alone = base64Core(base64.RawURLEncoding, key, len(before)%3)
				}
			}
			for i := 0; i+12 <= len(alone); i++ {
				if strings.Contains(got, alone[i:i+12]) {
					t.Fatalf("%s: %q is left of key %q in %q", name, alone[i:i+12], key, got)
				}
			}
		}
	}
}

func TestWholeWords(t *testing.T) {
	words := strings.Repeat("word ", 39)
	tests := []struct{ name, in, want string }{
		{"short", "Add a key…", "Add a key…"},
		{"long_and_whole", words + "end", words + "end"},
		{"cut_in_a_key", words + "ab_0123…", words + "…"},
		{"one_long_word", strings.Repeat("x", 200) + "…", "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := wholeWords(tt.in); got != tt.want {
				t.Errorf("wholeWords(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestWithoutCredentials(t *testing.T) {
	tests := []struct{ name, in, all, some string }{
		{"plain_path", "/home/a@b/c?d#e", "/home/a@b/c?d#e", "/home/a@b/c?d#e"},
		{"user_and_password", "https://u:p@h/x", "https://h/x", "https://h/x"},
		{"at_sign_in_password", "https://u:p@q@h/x", "https://h/x", "https://h/x"},
		{"at_sign_in_path", "https://h/x@y", "https://h/x@y", "https://h/x@y"},
		{"query_and_line", "https://h/x?token=1#L2", "https://h/x", "https://h/x?token=1#L2"},
		{"host_only", "ssh://git@h", "ssh://h", "ssh://h"},
		{"query_without_path", "https://u:p@h?a=b@c", "https://h", "https://h?a=b@c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := withoutCredentials(tt.in, true); got != tt.all {
				t.Errorf("all: %q, want %q", got, tt.all)
			}
			if got := withoutCredentials(tt.in, false); got != tt.some {
				t.Errorf("some: %q, want %q", got, tt.some)
			}
		})
	}
}

// FuzzScrub holds the scrubber against a search for every form at every position.
func FuzzScrub(f *testing.F) {
	f.Add("a/0123456789/b", "0123456789", "89/b1234")
	f.Add("aaaaaaaaaaaa", "aaaaa", "aaaaaaaaa1")
	f.Fuzz(func(t *testing.T, text, one, two string) {
		list := []finding.Finding{found(one, 0), found(two, 2, finding.KindPath)}
		s := scrubberOf(list...)
		for _, name := range []bool{false, true} {
			covered := make([]bool, len(text))
			for i, key := range []string{one, two} {
				names := i == 1 || looksLikeKey(key)
				if len(key) < shortest || len(key) < window && !names || name && !names {
					continue
				}
				for _, form := range disguises(key) {
					for at := 0; at+len(form) <= len(text); at++ {
						if text[at:at+len(form)] == form {
							for j := 0; j < len(form); j++ {
								covered[at+j] = true
							}
						}
					}
				}
			}
			var kept strings.Builder
			for i := range covered {
				if !covered[i] {
					kept.WriteByte(text[i])
				}
			}
			got := s.scrub(text, name)
			if kept.Len() == len(text) && got != text {
				t.Fatalf("scrub(%q, %v) = %q with nothing to remove", text, name, got)
			}
			if !subsequence(kept.String(), got) {
				t.Fatalf("scrub(%q, %v) = %q lost some of %q", text, name, got, kept.String())
			}
			rest := strings.NewReplacer("…", "", found(one, 0).Secret.Redacted(0), "", found(two, 2).Secret.Redacted(2), "").Replace(got)
			if len(rest) > kept.Len() && !strings.Contains(text, "…") {
				t.Fatalf("scrub(%q, %v) = %q kept more than %q", text, name, got, kept.String())
			}
		}
	})
}

func subsequence(short, long string) bool {
	for i := 0; i < len(long) && short != ""; i++ {
		if long[i] == short[0] {
			short = short[1:]
		}
	}
	return short == ""
}

// A repository may hold many keys that end alike, and texts full of that end: a
// scrubber that compared each with each would not come back from this.
func TestScrubManyKeysWithOneEnd(t *testing.T) {
	var list []finding.Finding
	for i := range 3000 {
		list = append(list, found(fmt.Sprintf("key%020dSAMEENDS", i), 3))
	}
	s := scrubberOf(list...)
	text := strings.Repeat("SAMEENDS", 3000)
	if got := s.name(text); got != text {
		t.Error("ends alone are taken for keys")
	}
	if got := s.name("x" + fmt.Sprintf("key%020dSAMEENDS", 2999) + "y"); got != "xkey…ENDSy" {
		t.Errorf("got %q", got)
	}
}

// The same bytes may be a word found in content and a key found in a name.
func TestScrubTakesTheStricterRule(t *testing.T) {
	for _, list := range [][]finding.Finding{
		{found("postgres", 0, finding.KindBlob), found("postgres", 0, finding.KindPath)},
		{found("postgres", 0, finding.KindPath), found("postgres", 0, finding.KindBlob)},
	} {
		if got := scrubberOf(list...).name("a/postgres"); got != "a/…" {
			t.Errorf("name = %q", got)
		}
	}
}
