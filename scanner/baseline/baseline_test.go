package baseline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rekeyhq/rekey/scanner/baseline"
	"github.com/rekeyhq/rekey/scanner/finding"
)

var (
	now   = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	known = print32("a")
	other = print32("b")
)

func print32(c string) string { return "key:v1:" + strings.Repeat(c, 32) }

// found makes a finding of the known key at path:line places.
func found(places ...string) *finding.Finding {
	f := &finding.Finding{Fingerprint: finding.Fingerprint(known), Rule: "acme-key", Secret: finding.NewSecret([]byte("the-key-itself"))}
	for i, p := range places {
		f.Occurrences = append(f.Occurrences, finding.Occurrence{Kind: finding.KindBlob, Path: p, StartLine: i + 1,
			Git: finding.Provenance{Commit: strings.Repeat("c", 40)}})
	}
	return f
}

func TestMatch(t *testing.T) {
	commit := strings.Repeat("c", 40)
	baselineOf := func(line string) func(*baseline.Set) error {
		return func(s *baseline.Set) error { return s.AddBaseline(".rekey-baseline", []byte(line+"\n"), true) }
	}
	ignore := func(text string) func(*baseline.Set) error {
		return func(s *baseline.Set) error { return s.AddIgnore(".rekeyignore", "", []byte("# tests\n"+text), true) }
	}
	config := func(text string) func(*baseline.Set) error {
		return func(s *baseline.Set) error {
			return s.AddConfig(".rekey.toml", []byte("[[allow]]\nreason = \"tests\"\n"+text), true)
		}
	}
	gitleaks := func(text string) func(*baseline.Set) error {
		return func(s *baseline.Set) error { return s.AddGitleaksIgnore(".gitleaksignore", []byte(text), true) }
	}
	report := func(text string) func(*baseline.Set) error {
		return func(s *baseline.Set) error { return s.AddGitleaksBaseline("leaks.json", []byte(text), true) }
	}
	tests := []struct {
		name  string
		add   func(*baseline.Set) error
		f     *finding.Finding
		where string   // of the suppression; "" wants none
		left  []string // paths of the occurrences that stay
	}{
		{"baseline", baselineOf(known + ` acme-key 2026-01-01 ann - "test key"`), found("a", "b"), ".rekey-baseline:1", []string{"a", "b"}},
		{"baseline_of_another_rule", baselineOf(known + ` old-name 2026-01-01 - 2026-11-22 "test key"`), found("a"), ".rekey-baseline:1", []string{"a"}},
		{"baseline_expired_today", baselineOf(known + ` acme-key 2026-01-01 ann 2026-11-21 "test key"`), found("a"), "", []string{"a"}},
		{"baseline_of_another_key", baselineOf(other + ` acme-key 2026-01-01 ann - "test key"`), found("a"), "", []string{"a"}},
		{"all_places_ignored", ignore("/testdata/\n*.md\n"), found("testdata/x/y", "docs/a.md"), ".rekeyignore:2", []string{"testdata/x/y", "docs/a.md"}},
		{"one_place_ignored", ignore("/testdata/\n"), found("testdata/x", "src/x"), "", []string{"src/x"}},
		{"ignored_and_kept_again", ignore("*.md\n!README.md\n"), found("README.md", "a.md"), "", []string{"README.md"}},
		{"ignored_archive_takes_its_entries_along", ignore("*.zip\n"), found("d/a.zip!x/y"), ".rekeyignore:2", []string{"d/a.zip!x/y"}},
		{"ignored_directory_of_the_same_name_as_a_file", ignore("src/\n"), found("src"), "", []string{"src"}},
		{"allow_path", config(`paths = ["docs/**"]`), found("docs/x", "a"), "", []string{"a"}},
		{"allow_rule", config(`rules = ["acme-*"]`), found("a"), ".rekey.toml:1", []string{"a"}},
		{"allow_other_rule", config(`rules = ["other-*"]`), found("a"), "", []string{"a"}},
		{"allow_wants_all_conditions", config("rules = [\"acme-*\"]\npaths = [\"b\"]"), found("a"), "", []string{"a"}},
		{"allow_fingerprint", config(`fingerprints = ["` + known + `"]`), found("a"), ".rekey.toml:1", []string{"a"}},
		{"allow_expired", config("rules = [\"acme-*\"]\nexpires = 2026-11-21"), found("a"), "", []string{"a"}},
		{"allow_not_yet_expired", config("rules = [\"acme-*\"]\nexpires = \"2026-11-22\""), found("a"), ".rekey.toml:1", []string{"a"}},
		{"allow_regex_decides_with_the_line_only", config(`regexes = ["x"]`), found("a"), "", []string{"a"}},
		{"gitleaks_place", gitleaks("src/a:generic-api-key:1\n"), found("src/a"), ".gitleaksignore:1", []string{"src/a"}},
		{"gitleaks_other_line", gitleaks("src/a:generic-api-key:2\n"), found("src/a"), "", []string{"src/a"}},
		{"gitleaks_commit", gitleaks("# x\n\n" + commit + ":a:b:c:rule:1\n"), found("a:b:c"), ".gitleaksignore:3", []string{"a:b:c"}},
		{"gitleaks_other_commit", gitleaks(strings.Repeat("d", 40) + ":a:rule:1\n"), found("a"), "", []string{"a"}},
		{"gitleaks_windows_path", gitleaks(`.\src\a:rule:1`), found("src/a"), "", []string{"src/a"}},
		{"gitleaks_report", report(`[{"RuleID":"x","File":"a","StartLine":1,"Commit":""}]`), found("a", "b"), "", []string{"b"}},
		{"gitleaks_report_by_secret_on_another_line", report(`[{"RuleID":"x","File":"a","StartLine":70,"Secret":"the-key-itself"}]`), found("a"), "leaks.json:1", []string{"a"}},
		{"gitleaks_report_redacted", report(`[{"RuleID":"x","File":"a","StartLine":70,"Secret":"REDACTED"}]`), found("a"), "", []string{"a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "gitleaks_windows_path" {
				tt.where = ".gitleaksignore:1"
			}
			s := baseline.New(now)
			if err := tt.add(s); err != nil {
				t.Fatal(err)
			}
			got := s.Match(tt.f)
			if (got == nil) != (tt.where == "") || got != nil && (got.Where != tt.where || got.Reason == "" || got.By == "") {
				t.Errorf("Match = %+v, want %q", got, tt.where)
			}
			var left []string
			for _, o := range tt.f.Occurrences {
				left = append(left, o.Path)
			}
			if !slices.Equal(left, tt.left) {
				t.Errorf("occurrences %q stay, want %q", left, tt.left)
			}
		})
	}
}

func TestUntrustedIsListedNotApplied(t *testing.T) {
	s := baseline.New(now)
	for _, err := range []error{
		s.AddBaseline("b", []byte(known+` r 2026-01-01 - - "x"`), false),
		s.AddIgnore("i", "", []byte("* # all"), false),
		s.AddConfig("c", []byte("[[allow]]\nreason = \"x\"\nrules = [\"*\"]"), false),
		s.AddGitleaksIgnore("g", []byte("a:r:1"), false),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f := found("a")
	if got := s.Match(f); got != nil || len(f.Occurrences) != 1 {
		t.Errorf("Match = %+v, %d occurrences stay", got, len(f.Occurrences))
	}
	list := s.Untrusted()
	if len(list) != 4 {
		t.Fatalf("%d entries are listed, want 4", len(list))
	}
	for _, e := range list {
		if e.Hits != 1 {
			t.Errorf("%s has %d hits, want 1", e.Where(), e.Hits)
		}
	}
}

func TestUnusedAndExpired(t *testing.T) {
	s := baseline.New(now)
	text := known + ` r 2026-01-01 - - "used"` + "\n" + other + ` r 2026-01-01 - 2026-02-01 "expired"` + "\n"
	if err := s.AddBaseline("b", []byte(text), true); err != nil {
		t.Fatal(err)
	}
	if err := s.AddIgnore("i", "", []byte("nothing # is here"), true); err != nil {
		t.Fatal(err)
	}
	s.Match(found("a"))
	where := func(es []baseline.Entry) (out []string) {
		for _, e := range es {
			out = append(out, e.Where())
		}
		return out
	}
	if got := where(s.Unused()); !slices.Equal(got, []string{"b:2", "i:1"}) {
		t.Errorf("Unused = %q", got)
	}
	if got := where(s.Expired()); !slices.Equal(got, []string{"b:2"}) {
		t.Errorf("Expired = %q", got)
	}
}

func TestDroppedOccurrencesAreNotHiddenByPath(t *testing.T) {
	s := baseline.New(now)
	if err := s.AddIgnore("i", "", []byte("* # all"), true); err != nil {
		t.Fatal(err)
	}
	f := found("a")
	f.Dropped = 1
	if got := s.Match(f); got != nil || len(f.Occurrences) != 1 {
		t.Errorf("Match = %+v, %d occurrences stay, want none and 1", got, len(f.Occurrences))
	}
	if err := s.AddBaseline("b", []byte(known+` r 2026-01-01 - - "x"`), true); err != nil {
		t.Fatal(err)
	}
	if got := s.Match(f); got == nil || got.By != "baseline" {
		t.Errorf("Match = %+v, want the baseline", got)
	}
}

func TestLine(t *testing.T) {
	s := baseline.New(now)
	if err := s.AddConfig("c", []byte("[[allow]]\nreason = \"x\"\nrules = [\"acme-*\"]\npaths = [\"src/\"]\nregexes = ['^dummy = ']\n"), true); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		rule, path, line string
		want             bool
	}{
		{"acme-key", "src/a", "dummy = x", true},
		{"acme-key", "src/a", "real = x", false},
		{"acme-key", "lib/a", "dummy = x", false},
		{"other", "src/a", "dummy = x", false},
	} {
		if got := s.Line(tt.rule, "", tt.path, []byte(tt.line)); (got != nil) != tt.want {
			t.Errorf("Line(%q, %q, %q) = %+v, want %v", tt.rule, tt.path, tt.line, got, tt.want)
		}
	}
	if !s.HasLines() {
		t.Error("HasLines = false")
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct {
		name string
		add  func(s *baseline.Set, text string) error
		text string
		want []string // in this order, in as many lines
	}{
		{"baseline", func(s *baseline.Set, x string) error { return s.AddBaseline("f", []byte(x), true) },
			strings.Join([]string{"# salt: zz", "# note", "key:v1:short r 2026-01-01 - - \"x\"", known + ` r 2026-13-01 - - "x"`, known + ` r 2026-01-01 - soon "x"`,
				known + ` r 2026-01-01 - - x`, known + ` r 2026-01-01 - - " "`, known + " r", "<<<<<<< HEAD", "key:v1p:" + strings.Repeat("a", 32) + ` r 2026-01-01 - - "x"`, "# late"}, "\n"),
			[]string{"f:1: the salt must be", "f:3: fingerprint", "f:4: date", "f:5: expiry", "f:6: the reason is not", "f:7: no reason", "f:8: 2 fields", "f:9: an unresolved", "f:10: a fingerprint of a password", "f:11: comments stand"}},
		{"ignore", func(s *baseline.Set, x string) error { return s.AddIgnore("f", "", []byte(x), true) },
			"no/reason\n\n# why\nfine\n\nalone\n[ # never\n", []string{`f:1: pattern "no/reason" has no reason`, `f:6: pattern "alone" has no reason`, `f:7: pattern "[" can match no path`}},
		{"config", func(s *baseline.Set, x string) error { return s.AddConfig("f", []byte(x), true) },
			"host = \"x\"\n[[allow]]\npaths = [\"[\"]\nrules = [\"[\"]\n\n[[allow]]\nreason = \"x\"\n[[allow]]\nreason = \"y\"\nfingerprints = [\"k\"]\nregexes = ['(', 'a*']\nexpires = 3\nverify = true\n[[rules]]\nid = \"elsewhere\"\n",
			[]string{`f:1: unknown key "host"`, `f:13: unknown key "allow.verify"`, "f:2: [[allow]] number 1: no reason", "f:3: [[allow]] number 1: path", "f:4: [[allow]] number 1: rule",
				"f:6: [[allow]] number 2: it would allow everything", "f:10: [[allow]] number 3: fingerprint", "f:11: [[allow]] number 3: error parsing regexp", "f:11: [[allow]] number 3: regular expression", "f:12: [[allow]] number 3: the expiry"}},
		{"toml", func(s *baseline.Set, x string) error { return s.AddConfig("f", []byte(x), true) }, "[[allow]]\nreason = \n", []string{"f:2: "}},
		{"toml_type", func(s *baseline.Set, x string) error { return s.AddConfig("f", []byte(x), true) }, "allow = 3\n", []string{"f"}},
		{"gitleaks_ignore", func(s *baseline.Set, x string) error { return s.AddGitleaksIgnore("f", []byte(x), true) }, "# ok\nx\na:b\na:b:c\n:r:1\na:r:-1\n",
			[]string{"f:2: ", "f:3: ", "f:4: ", "f:5: ", "f:6: "}},
		{"gitleaks_report", func(s *baseline.Set, x string) error { return s.AddGitleaksBaseline("f", []byte(x), true) }, "[\n{\"File\": 3}]", []string{"f:2: no gitleaks report"}},
		{"nested_toml", func(s *baseline.Set, x string) error { return s.AddConfig("f", []byte(x), true) }, "a = " + strings.Repeat("[", 200_000), []string{"f"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := baseline.New(now)
			err := tt.add(s, tt.text)
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(tt.want) {
				t.Fatalf("%d mistakes, want %d:\n%s", len(got), len(tt.want), err)
			}
			for i, w := range tt.want {
				if !strings.HasPrefix(got[i], w) {
					t.Errorf("mistake %d is %q, want %q", i, got[i], w)
				}
			}
			if len(s.Entries()) > 0 {
				t.Error("entries of a file with mistakes were added")
			}
		})
	}
}

// A secret of a gitleaks report must not be in an error or a list.
func TestReportedSecretIsNotShown(t *testing.T) {
	const secret = "the-key-itself"
	s := baseline.New(now)
	if err := s.AddGitleaksBaseline("f", []byte(`[{"File":"a","RuleID":"r","Secret":"`+secret+`"}]`), true); err != nil {
		t.Fatal(err)
	}
	err := s.AddGitleaksBaseline("f", []byte(`[{"File":3,"Secret":"`+secret+`"}`), true)
	if err == nil {
		t.Fatal("no error")
	}
	for _, out := range []string{fmt.Sprintf("%+v %#v", s.Entries(), s.Entries()), err.Error(), fmt.Sprintf("%+v", s)} {
		if strings.Contains(out, secret) {
			t.Errorf("shows the secret: %s", out)
		}
	}
}

func TestComment(t *testing.T) {
	tests := []struct {
		name, line, reason, by string
	}{
		{"with_a_reason", `k = "x" // rekey:allow used in tests only`, "used in tests only", "rekey:allow"},
		{"in_upper_case", "k # Rekey:Allow because", "because", "rekey:allow"},
		{"without_a_reason", "k # rekey:allow", "no reason given", "rekey:allow"},
		{"closed_comment", "k /* rekey:allow a test */", "a test", "rekey:allow"},
		{"html", "<!-- rekey:allow: shown in the manual -->", "shown in the manual", "rekey:allow"},
		{"html_without_spaces", "<!--gitleaks:allow-->", "a comment for gitleaks", "gitleaks:allow"},
		{"gitleaks", "k #gitleaks:allow", "a comment for gitleaks", "gitleaks:allow"},
		{"betterleaks", "k # betterleaks:allow", "a comment for betterleaks", "betterleaks:allow"},
		{"trufflehog", "k // trufflehog:ignore", "a comment for trufflehog", "trufflehog:ignore"},
		{"kingfisher", "k // kingfisher:ignore", "a comment for kingfisher", "kingfisher:ignore"},
		{"ggshield", "k # ggignore", "a comment for ggshield", "ggignore"},
		{"detect_secrets", "k # pragma: allowlist secret", "a comment for detect-secrets", "pragma: allowlist secret"},
		{"part_of_a_word", "k # notrekey:allowed", "", ""},
		{"later_on_the_line", "xgitleaks:allow gitleaks:allow", "a comment for gitleaks", "gitleaks:allow"},
		{"control_bytes", "k # rekey:allow a\x1b[0m\tb", "a [0m b", "rekey:allow"},
		{"none", `k = "x" // a comment`, "", ""},
		{"empty", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reason, by, ok := baseline.Comment([]byte(tt.line))
			if reason != tt.reason || by != tt.by || ok != (tt.by != "") {
				t.Errorf("Comment(%q) = %q, %q, %v, want %q, %q", tt.line, reason, by, ok, tt.reason, tt.by)
			}
			if ok && !slices.Contains(baseline.CommentMarkers(), by) {
				t.Errorf("%q is not among CommentMarkers", by)
			}
		})
	}
}

// What is written is read back the same, sorted, and written the same again.
func TestFileRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &baseline.File{}
		if rapid.Bool().Draw(t, "salted") {
			f.Salt = baseline.NewSalt()
		}
		for range rapid.IntRange(0, 8).Draw(t, "entries") {
			e := baseline.Accepted{
				Fingerprint: finding.Fingerprint("key:v1:" + rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "fingerprint")),
				Rule:        rapid.StringMatching(`[a-z-]{1,9}`).Draw(t, "rule"), Date: now.Truncate(24 * time.Hour),
				Who: rapid.String().Draw(t, "who"), Reason: "r" + rapid.String().Draw(t, "reason"),
			}
			if rapid.Bool().Draw(t, "expires") {
				e.Expires = e.Date.AddDate(1, 0, 0)
			}
			f.Accept(e)
		}
		text := f.Bytes()
		back, err := baseline.ParseFile("f", text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if len(back.Entries) != len(f.Entries) || string(back.Bytes()) != string(text) {
			t.Fatalf("wrote\n%s\nread\n%s", text, back.Bytes())
		}
		for _, e := range f.Entries {
			if !slices.ContainsFunc(back.Entries, func(b baseline.Accepted) bool { return b.Fingerprint == e.Fingerprint && b.Reason == e.Reason }) {
				t.Fatalf("lost %q, have %+v", e.Reason, back.Entries)
			}
			if !back.Remove(e.Fingerprint) {
				t.Fatalf("Remove(%s) = false", e.Fingerprint)
			}
		}
	})
}

func TestSaveAndSalt(t *testing.T) {
	path := filepath.Join(t.TempDir(), baseline.BaselineName)
	f := &baseline.File{Salt: baseline.NewSalt(), Notes: []string{"# kept"}}
	f.Accept(baseline.Accepted{Fingerprint: finding.Fingerprint(other), Rule: "r", Date: now, Reason: "x"})
	f.Accept(baseline.Accepted{Fingerprint: finding.Fingerprint(known), Rule: "r", Date: now, Who: "Ann Lee", Reason: `a "quoted" reason`})
	if err := baseline.Save(path, f); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("# salt: %x\n# kept\n%s r 2026-11-21 Ann_Lee - \"a \\\"quoted\\\" reason\"\n%s r 2026-11-21 - - \"x\"\n", f.Salt, known, other)
	if string(data) != want {
		t.Errorf("saved\n%s\nwant\n%s", data, want)
	}
	s := baseline.New(now)
	if err := s.AddBaseline("one", data, true); err != nil || string(s.Salt()) != string(f.Salt) {
		t.Errorf("salt %x, error %v, want %x", s.Salt(), err, f.Salt)
	}
	if err := s.AddBaseline("two", []byte(fmt.Sprintf("# salt: %x\n", baseline.NewSalt())), true); err == nil {
		t.Error("two salts are no mistake")
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%d files lie there, error %v, want the baseline alone", len(entries), err)
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte(known + ` r 2026-01-01 - - "x"`))
	f.Add([]byte("*.md # docs\n!x"))
	f.Add([]byte("[[allow]]\nreason=\"x\"\npaths=[\"a\"]\nregexes=['x']"))
	f.Add([]byte("a:r:1\n" + strings.Repeat("c", 40) + ":a:r:1"))
	f.Add([]byte(`[{"File":"a","StartLine":1,"Secret":"x"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := baseline.New(now)
		steps := []func() error{
			func() error { return s.AddBaseline("f", data, true) }, func() error { return s.AddIgnore("f", "d", data, true) },
			func() error { return s.AddConfig("f", data, true) }, func() error { return s.AddGitleaksIgnore("f", data, false) },
			func() error { return s.AddGitleaksBaseline("f", data, true) },
			func() error { s.Match(found("a", string(data))); return nil },
		}
		for i, step := range steps {
			start := time.Now()
			err := step()
			if d := time.Since(start); d > 2*time.Second {
				t.Fatalf("step %d took %v for %d bytes", i, d, len(data))
			}
			if err != nil && !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("error %q names no file", err)
			}
		}
		s.Line("acme-key", finding.Fingerprint(known), "d/a", data)
		baseline.Comment(data)
		if file, err := baseline.ParseFile("f", data); err == nil {
			if _, err := baseline.ParseFile("f", file.Bytes()); err != nil {
				t.Fatalf("what was read is written with a mistake: %v", err)
			}
		}
	})
}
