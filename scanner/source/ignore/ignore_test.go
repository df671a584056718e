package ignore_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/scanner/source/ignore"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		name  string
		lines string
		path  string
		dir   bool
		want  ignore.Verdict
	}{
		{"name_anywhere", "foo", "a/b/foo", false, ignore.Ignored},
		{"anchored_at_the_root", "/foo", "a/foo", false, ignore.Undecided},
		{"a_slash_in_the_middle_anchors", "a/foo", "x/a/foo", false, ignore.Undecided},
		{"directory_only_on_a_file", "foo/", "foo", false, ignore.Undecided},
		{"directory_only_on_a_directory", "foo/", "foo", true, ignore.Ignored},
		{"negated_after", "*.log\n!keep.log", "keep.log", false, ignore.Kept},
		{"negated_before", "!keep.log\n*.log", "keep.log", false, ignore.Ignored},
		{"escaped_exclamation_mark", `\!x`, "!x", false, ignore.Ignored},
		{"escaped_hash", `\#x`, "#x", false, ignore.Ignored},
		{"comment", "#x", "#x", false, ignore.Undecided},
		{"trailing_spaces_are_cut", "foo  ", "foo", false, ignore.Ignored},
		{"escaped_trailing_space_stays", `foo\ `, "foo ", false, ignore.Ignored},
		{"carriage_return", "foo\r\nbar\r\n", "foo", false, ignore.Ignored},
		{"byte_order_mark", "\ufefffoo", "foo", false, ignore.Ignored},
		{"star_stops_at_a_slash", "a/*/c", "a/b/x/c", false, ignore.Undecided},
		{"two_stars_in_the_middle_match_nothing", "a/**/c", "a/c", false, ignore.Ignored},
		{"two_stars_in_the_middle_match_two", "a/**/c", "a/x/y/c", false, ignore.Ignored},
		{"two_stars_at_the_end", "a/**", "a/x/y", false, ignore.Ignored},
		{"two_stars_at_the_end_not_the_directory", "a/**", "a", true, ignore.Undecided},
		{"two_stars_at_the_start", "**/c/d", "x/y/c/d", false, ignore.Ignored},
		{"class", "[a-c]x", "bx", false, ignore.Ignored},
		{"negated_class", "[!a-c]x", "bx", false, ignore.Undecided},
		{"class_with_a_bracket", "[]-]x", "]x", false, ignore.Ignored},
		{"named_class", "[[:digit:]]x", "7x", false, ignore.Ignored},
		{"unknown_named_class_never_matches", "[[:nope:]]x", "nx", false, ignore.Undecided},
		{"unfinished_class_never_matches", "[ab", "[ab", false, ignore.Undecided},
		{"trailing_backslash_never_matches", `foo\`, `foo\`, false, ignore.Undecided},
		{"invalid_utf8", "\xff*", "\xffa", false, ignore.Ignored},
		{"newline_in_a_path", "a?b", "a\nb", false, ignore.Ignored},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ignore.Parse([]byte(tt.lines), "", false).Match(tt.path, tt.dir); got != tt.want {
				t.Errorf("Match(%q, %v) of %q = %v, want %v", tt.path, tt.dir, tt.lines, got, tt.want)
			}
		})
	}
}

func TestFileOfADirectoryHoldsBelowItOnly(t *testing.T) {
	f := ignore.Parse([]byte("/x\ny"), "sub", false)
	for path, want := range map[string]ignore.Verdict{
		"sub/x": ignore.Ignored, "sub/a/x": ignore.Undecided, "sub/a/y": ignore.Ignored,
		"x": ignore.Undecided, "y": ignore.Undecided, "subx/y": ignore.Undecided,
	} {
		if got := f.Match(path, false); got != want {
			t.Errorf("Match(%q) = %v, want %v", path, got, want)
		}
	}
}

// A pattern of many stars must not take exponential time (reliability.md, threat 12).
func TestManyStarsTakeLinearTime(t *testing.T) {
	f := ignore.Parse([]byte("x/"+strings.Repeat("*a", 60)+"b"), "", false)
	start := time.Now()
	if f.Match("x/"+strings.Repeat("a", 250), false) != ignore.Undecided {
		t.Error("matched without the final b")
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v", d)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	r := (*ignore.Rules)(nil).With(ignore.Parse([]byte("*.o\n/build/**/x\nnode_modules/\nfoo[0-9]*.txt\n"), "", false))
	if n := testing.AllocsPerRun(100, func() { r.Match("src/deep/foo12.txz", false) }); n != 0 {
		t.Errorf("Match allocates %v times", n)
	}
}

// TestAgainstGit compares verdicts with git check-ignore on random ignore files at
// three levels, info/exclude and core.excludesFile.
func TestAgainstGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: the differential test needs it")
	}
	rounds := 40
	seed := time.Now().UnixNano()
	if s := os.Getenv("REKEY_TEST_SEED"); s != "" {
		fmt.Sscan(s, &seed)
		rounds = 400
	}
	rng := rand.New(rand.NewSource(seed))
	for round := range rounds {
		againstGit(t, rng, round%4 == 3)
		if t.Failed() {
			t.Fatalf("seed %d, round %d", seed, round)
		}
	}
}

func againstGit(t *testing.T, rng *rand.Rand, fold bool) {
	t.Helper()
	root := t.TempDir()
	git := func(stdin []byte, args ...string) []byte {
		cmd := exec.Command("git", append([]string{"-C", root, "-c", "core.excludesFile=" + filepath.Join(root, ".git/global"),
			"-c", fmt.Sprintf("core.ignoreCase=%v", fold)}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		cmd.Stdin = bytes.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil && cmd.ProcessState.ExitCode() != 1 { // 1: nothing is ignored
			t.Fatalf("git %v: %v", args, err)
		}
		return out
	}
	git(nil, "init", "-q")
	files := map[string][]byte{}
	for _, name := range []string{".git/global", ".git/info/exclude", ".gitignore", "a/.gitignore", "a/b/.gitignore"} {
		files[name] = randomIgnoreFile(rng)
		full := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, files[name], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var paths []string
	var stdin bytes.Buffer
	for range 200 {
		p := randomPath(rng)
		if fi, err := os.Lstat(filepath.Join(root, p)); err == nil && fi.IsDir() {
			continue
		}
		paths = append(paths, p)
		stdin.WriteString(p + "\x00")
	}
	want := map[string]bool{}
	for _, p := range strings.Split(string(git(stdin.Bytes(), "check-ignore", "--no-index", "-z", "--stdin")), "\x00") {
		want[p] = true
	}
	parse := func(name, dir string) *ignore.File { return ignore.Parse(files[name], dir, fold) }
	top := (*ignore.Rules)(nil).With(parse(".git/global", "")).With(parse(".git/info/exclude", "")).With(parse(".gitignore", ""))
	for _, p := range paths {
		rules, got := top, false
		for i := range p {
			if p[i] != '/' {
				continue
			}
			if got = rules.Match(p[:i], true) == ignore.Ignored; got {
				break
			}
			if dir := p[:i]; dir == "a" || dir == "a/b" {
				rules = rules.With(parse(dir+"/.gitignore", dir))
			}
		}
		got = got || rules.Match(p, false) == ignore.Ignored
		if got != want[p] {
			t.Errorf("%q (fold %v): ignored = %v, git says %v\nfiles: %q", p, fold, got, want[p], files)
		}
	}
}

var pieces = []string{"a", "b", "c", "B", "ab", "*", "**", "?", "/", "/", "**/", "/**", "[ab]", "[!a]", "[^B-b]", "[[:alpha:]]",
	"[[:upper:]]", "[]a]", "[a-", "[", "]", "-", "\\", "\\*", "\\a", "\\B", "\\/", ".", " ", "\t", "[[:x:]]", "[[:a]", "[\\a-\\c]", "x", "[a-c-x]", "[A-C]", "\xc3\xa9", "\xff", "[\xc0-\xff]"}

func randomIgnoreFile(rng *rand.Rand) []byte {
	var b bytes.Buffer
	if rng.Intn(10) == 0 {
		b.WriteString("\xef\xbb\xbf")
	}
	for range rng.Intn(4) {
		switch rng.Intn(8) {
		case 0:
			b.WriteByte('!')
		case 1:
			b.WriteByte('/')
		case 2:
			b.WriteString([]string{"#", "\\!", "\\#", "**/"}[rng.Intn(4)])
		}
		for range 1 + rng.Intn(4) {
			b.WriteString(pieces[rng.Intn(len(pieces))])
		}
		b.WriteString([]string{"", "", "", "/", " ", "\\ ", "\r", "\x00z"}[rng.Intn(8)])
		if rng.Intn(12) != 0 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func randomPath(rng *rand.Rand) string {
	names := []string{"a", "a", "b", "b", "c", "B", "ab", "abc", "x", "a.b", "aB", " ", "a ", "#", "!a", "*", "-", "]", "[", "é", "\xff", "\\", "a\tb", "a\nb"}
	var parts []string
	for range 1 + rng.Intn(4) {
		parts = append(parts, names[rng.Intn(len(names))])
	}
	return strings.Join(parts, "/")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("*.o\n!/keep/**/x\n[a-z"), "a/b.o")
	f.Add([]byte("\\ \\"), " ")
	f.Fuzz(func(_ *testing.T, data []byte, path string) {
		for _, fold := range []bool{false, true} {
			file := ignore.Parse(data, "a", fold)
			file.Match(path, true)
			file.Match("a/"+path, false)
		}
	})
}
