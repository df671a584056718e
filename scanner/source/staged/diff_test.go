package staged_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rekeyhq/rekey/scanner/source/staged"
)

func TestAddedLines(t *testing.T) {
	tests := []struct {
		name     string
		old, new string
		want     []staged.LineRange
	}{
		{"same", "a\nb\n", "a\nb\n", nil},
		{"both_empty", "", "", nil},
		{"all_new", "", "a\nb\n", []staged.LineRange{{1, 2}}},
		{"all_gone", "a\nb\n", "", nil},
		{"one_in_the_middle", "a\nc\n", "a\nb\nc\n", []staged.LineRange{{2, 2}}},
		{"changed_and_appended", "a\nb\nc\n", "a\nB\nc\nd\n", []staged.LineRange{{2, 2}, {4, 4}}},
		{"removed_in_the_middle", "a\nkey\nb\n", "a\nb\n", nil},
		{"line_break_at_the_end_only", "a\nb", "a\nb\n", nil},
		{"a_second_copy", "a\n", "a\na\n", []staged.LineRange{{2, 2}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := staged.AddedLines([]byte(tt.old), []byte(tt.new)); !slices.Equal(got, tt.want) {
				t.Errorf("AddedLines = %v, want %v", got, tt.want)
			}
		})
	}
}

// The lines that are not added must stand in the old file in the same order, and no
// more may be added than a table of all common subsequences allows.
func TestAddedLinesAreFewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SampledFrom([]string{"a", "b", "c", "", "dd"})
		a := rapid.SliceOfN(line, 0, 30).Draw(t, "old")
		b := rapid.SliceOfN(line, 0, 30).Draw(t, "new")
		text := func(l []string) []byte { return []byte(strings.Join(append(slices.Clone(l), ""), "\n")) }
		added := map[int]bool{}
		for _, r := range staged.AddedLines(text(a), text(b)) {
			for i := r.First; i <= r.Last; i++ {
				added[i-1] = true
			}
		}
		at := 0
		for i, l := range b {
			if added[i] {
				continue
			}
			for at < len(a) && a[at] != l {
				at++
			}
			if at == len(a) {
				t.Fatalf("line %d is not added, but the old file has none left for it", i+1)
			}
			at++
		}
		if want := len(b) - longest(a, b); len(added) != want {
			t.Fatalf("%d lines added, want %d", len(added), want)
		}
	})
}

// longest is the length of the longest common subsequence, by the table.
func longest(a, b []string) int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := range a {
		for j := range b {
			if a[i] == b[j] {
				table[i+1][j+1] = table[i][j] + 1
			} else {
				table[i+1][j+1] = max(table[i][j+1], table[i+1][j])
			}
		}
	}
	return table[len(a)][len(b)]
}

// TestAgainstGitDiff compares the number of added lines with git diff --minimal on
// edits as people make them.
func TestAgainstGitDiff(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: the test compares with it")
	}
	dir := t.TempDir()
	for round := range 20 {
		var a, b []string
		for i := range 200 {
			line := fmt.Sprint("line ", (i*7+round)%50)
			a = append(a, line)
			switch (i*13 + round*31) % 17 {
			case 0:
			case 1:
				b = append(b, line, "added "+fmt.Sprint(i%5))
			case 2:
				b = append(b, "changed")
			default:
				b = append(b, line)
			}
		}
		old, new := strings.Join(a, "\n")+"\n", strings.Join(b, "\n")+"\n"
		for name, text := range map[string]string{"old": old, "new": new} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("git", "diff", "--no-index", "--minimal", "--numstat", "old", "new")
		cmd.Dir = dir
		out, _ := cmd.Output() // exits 1 where they differ
		want, err := strconv.Atoi(strings.Fields(string(out))[0])
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, r := range staged.AddedLines([]byte(old), []byte(new)) {
			got += r.Last - r.First + 1
		}
		if got != want {
			t.Errorf("round %d: %d lines added, git says %d", round, got, want)
		}
	}
}

// Files that have nothing in order take bounded time and count as added.
func TestAddedLinesOfReversedFile(t *testing.T) {
	var a, b []string
	for i := range 100_000 {
		a, b = append(a, fmt.Sprint(i)), append(b, fmt.Sprint(100_000-i))
	}
	start := time.Now()
	got := staged.AddedLines([]byte(strings.Join(a, "\n")), []byte(strings.Join(b, "\n")))
	if d := time.Since(start); d > 2*time.Second || len(got) == 0 {
		t.Errorf("%d ranges after %v", len(got), d)
	}
}

func FuzzAddedLines(f *testing.F) {
	f.Add([]byte("a\nb"), []byte("b\na\n"))
	f.Fuzz(func(t *testing.T, old, new []byte) {
		last := 0
		for _, r := range staged.AddedLines(old, new) {
			if r.First <= last || r.Last < r.First || r.Last > strings.Count(string(new), "\n")+1 {
				t.Fatalf("bad range %v after line %d", r, last)
			}
			last = r.Last
		}
	})
}
