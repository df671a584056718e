package worktree_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/worktree"
)

// The key of the tests is made of parts: no scanner should stop at this file.
var key = "acme_" + "live_9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"

const acme = `
[service]
id = "acme"
name = "Acme"

[[rules]]
id = "acme-key"
title = "Acme key"
severity = "critical"
pattern = '''(?P<secret>acme_live_(?P<body>[0-9A-Za-z]{30}))'''
match = ["acme_{cut}live_9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"]
`

func detector(t testing.TB) *detect.Detector {
	t.Helper()
	svc, err := rules.Parse("acme.toml", []byte(acme))
	if err != nil {
		t.Fatal(err)
	}
	d, err := detect.New([]rules.Service{*svc}, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// result is what one scan reported.
type result struct {
	mu    sync.Mutex
	paths []string // of hits
	hits  []source.Hit
	holes []source.Hole
	run   source.Run
}

func scan(t testing.TB, root string, opt worktree.Options) *result {
	t.Helper()
	r := &result{}
	r.run = source.Run{
		Detector: detector(t), Workers: 3,
		OnHit: func(h source.Hit) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.paths = append(r.paths, h.Occurrence.Path)
			r.hits = append(r.hits, h)
		},
		OnHole: func(h source.Hole) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.holes = append(r.holes, h)
		},
	}
	if err := worktree.New(root, opt).Scan(context.Background(), &r.run); err != nil {
		t.Fatal(err)
	}
	sort.Strings(r.paths)
	return r
}

func (r *result) want(t testing.TB, paths ...string) {
	t.Helper()
	sort.Strings(paths)
	if !slices.Equal(r.paths, paths) {
		t.Errorf("found in %q, want %q; holes %+v", r.paths, paths, r.holes)
	}
}

func (r *result) hole(t testing.TB, class source.Class, name, reason string) {
	t.Helper()
	if !slices.ContainsFunc(r.holes, func(h source.Hole) bool {
		return h.Class == class && h.Name == name && strings.Contains(h.Reason, reason)
	}) {
		t.Errorf("no %s hole %q with %q in %+v", class, name, reason, r.holes)
	}
}

func write(t testing.TB, root string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		full := filepath.Join(root, files[i])
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(files[i+1]), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: the test needs it")
	}
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestPlainDirectory(t *testing.T) {
	root := t.TempDir()
	write(t, root, "a", key, "d/e/f.txt", "x\ny "+key+"\n", "nul", "\x00\x00"+key+"\x00", "empty", "", ".hidden/x", key,
		".gitignore", "a\n", "new\nline", key, "\xff\xfe", key, "none", "nothing here")
	r := scan(t, root, worktree.Options{NoRepository: true})
	r.want(t, "a", "d/e/f.txt", "nul", ".hidden/x", "new\nline", "\xff\xfe")
	for _, h := range r.hits {
		if o := h.Occurrence; o.Path == "d/e/f.txt" && (o.StartLine != 2 || o.StartColumn != 3 || o.Kind != finding.KindWorktree) {
			t.Errorf("occurrence %+v, want line 2, column 3", o)
		}
	}
	if n := r.run.Counts.Files.Load(); n != 9 {
		t.Errorf("%d files counted, want 9", n)
	}
}

func TestRepositoryIgnoresAsGitDoes(t *testing.T) {
	root := t.TempDir()
	git(t, root, "init", "-q")
	write(t, root, ".gitignore", "*.log\nbuild/\n/only-here\n!keep.log\n", ".git/info/exclude", "secret.txt\n",
		"a.log", key, "keep.log", key, "build/x", key, "build/tracked", key, "d/build/deep/y", key, "only-here", key, "d/only-here", key,
		"d/.gitignore", "!a.log\n*.tmp", "d/a.log", key, "d/x.tmp", key, "x.tmp", key, "secret.txt", key, "global.bak", key, "tracked.log", key)
	git(t, root, "add", "-f", "build/tracked", "tracked.log")
	opt := worktree.Options{UserIgnore: []byte("*.bak\n")}
	scan(t, root, opt).want(t, "keep.log", "build/tracked", "d/only-here", "d/a.log", "x.tmp", "tracked.log")
	opt.Ignored = true
	if r := scan(t, root, opt); len(r.paths) != 13 {
		t.Errorf("with Ignored found in %q, want 13", r.paths)
	}
	// Below the top, the rules from above hold; what is named is read all the same.
	scan(t, filepath.Join(root, "d"), worktree.Options{UserIgnore: opt.UserIgnore}).want(t, "a.log", "only-here")
	scan(t, root, worktree.Options{Paths: []string{"d/x.tmp", "build"}}).want(t, "d/x.tmp", "build/x", "build/tracked")
}

func TestAllIgnoredIsSaid(t *testing.T) {
	home := t.TempDir()
	git(t, home, "init", "-q")
	write(t, home, ".gitignore", "*\n", "project/a", key)
	root := filepath.Join(home, "project")
	r := scan(t, root, worktree.Options{})
	r.want(t)
	r.hole(t, source.Policy, root, "ignores all")
}

func TestDamagedIndexIsAHole(t *testing.T) {
	root := t.TempDir()
	git(t, root, "init", "-q")
	write(t, root, ".gitignore", "*.log", "a.log", key, "b", key)
	git(t, root, "add", "-f", "a.log")
	scan(t, root, worktree.Options{}).want(t, "a.log", "b")
	write(t, root, ".git/index", "DIRC and nothing that makes sense behind it")
	r := scan(t, root, worktree.Options{})
	r.want(t, "b")
	r.hole(t, source.Unreadable, filepath.Join(root, ".git", "index"), "corrupt")
}

func TestNestedRepositories(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{root, filepath.Join(root, "sub"), other} {
		write(t, dir, "x", "x")
		git(t, dir, "init", "-q")
		git(t, dir, "add", "x")
		git(t, dir, "commit", "-qm", "x")
	}
	git(t, root, "submodule", "--quiet", "add", other, "mod")
	git(t, root, "clone", "-q", "--bare", other, "bare.git")
	write(t, root, ".gitignore", "*.log", "sub/a.log", key, "sub/.gitignore", "own", "sub/own", key, "sub/file", key, "mod/file", key,
		"evil/.git", "gitdir: "+filepath.Join(other, ".git")+"\n", "evil/x", key, "odd/.git/config", key)
	var mu sync.Mutex
	got := map[string]string{}
	r := scan(t, root, worktree.Options{OnNested: func(n worktree.Nested) {
		mu.Lock()
		defer mu.Unlock()
		got[n.Path] = fmt.Sprint(n.Bare, n.Err != nil)
	}})
	r.want(t, "sub/a.log", "sub/file", "mod/file", "evil/x", "odd/.git/config")
	want := map[string]string{"sub": "false false", "mod": "false false", "bare.git": "true false", "evil": "false true"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("nested repositories %v, want %v", got, want)
	}
	scan(t, root, worktree.Options{}).hole(t, source.Absent, "sub", "history")
}

// TestAgainstGit compares the files that are read with those that git lists, on
// random trees with random ignore files.
func TestAgainstGit(t *testing.T) {
	for round := range 12 {
		root := t.TempDir()
		git(t, root, "init", "-q")
		rng := rand(uint64(round))
		names := []string{"a", "b", "c.o", "d.log", "build", "x y", "é", "\xff"}
		var all []string
		for range 80 {
			var parts []string
			for range 1 + rng(4) {
				parts = append(parts, names[rng(len(names))])
			}
			p := strings.Join(parts, "/")
			if os.MkdirAll(filepath.Dir(filepath.Join(root, p)), 0o755) == nil && os.WriteFile(filepath.Join(root, p), []byte(key), 0o644) == nil {
				all = append(all, p)
			}
		}
		lines := []string{"*.o", "build/", "!build/a", "/a", "b/**/c.o", "**/x y/", "!d.log", "*", "!*/", "é*", "a/b", "[\xf0-\xff]"}
		for _, dir := range []string{"", "a", "b", "build"} {
			if fi, err := os.Stat(filepath.Join(root, dir)); err == nil && fi.IsDir() {
				text := lines[rng(len(lines))] + "\n" + lines[rng(len(lines))] + "\n"
				write(t, root, filepath.Join(dir, ".gitignore"), text+"# "+key+"\n")
			}
		}
		for range 8 {
			if p := all[rng(len(all))]; rng(2) == 0 {
				if fi, err := os.Stat(filepath.Join(root, p)); err == nil && !fi.IsDir() {
					git(t, root, "add", "-f", "--", ":(literal)"+p)
				}
			}
		}
		want := strings.Split(strings.TrimSuffix(git(t, root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00"), "\x00")
		r := scan(t, root, worktree.Options{})
		slices.Sort(want)
		if !slices.Equal(r.paths, want) {
			t.Fatalf("round %d: read %q\ngit lists %q", round, r.paths, want)
		}
	}
}

// rand is a small generator of numbers below n.
func rand(seed uint64) func(n int) int {
	x := seed*2654435769 + 88172645463325252
	return func(n int) int {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		return int(x % uint64(n))
	}
}

func TestArchivesAndLargeFiles(t *testing.T) {
	root := t.TempDir()
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for name, text := range map[string]string{"inner.txt": "x " + key, "big.txt": strings.Repeat("filler\n", 400_000) + key} {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, root, "a.zip", z.String(), "large", strings.Repeat("0123456789abcde\n", 600_000)+key, "pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
	r := scan(t, root, worktree.Options{NoRepository: true})
	r.want(t, "a.zip!inner.txt", "a.zip!big.txt", "large")
	r.hole(t, source.Absent, "pointer", "LFS")
	scan(t, root, worktree.Options{NoRepository: true, NoArchives: true}).want(t, "large")
}

func TestNamesAreScanned(t *testing.T) {
	root := t.TempDir()
	write(t, root, "d/"+key+".json", "{}")
	r := scan(t, root, worktree.Options{NoRepository: true})
	if len(r.hits) != 1 || r.hits[0].Occurrence.Kind != finding.KindPath || r.hits[0].Occurrence.StartColumn != 1 {
		t.Errorf("hits %+v, want one in the name", r.hits)
	}
}

func TestCancelledScanSaysSo(t *testing.T) {
	root := t.TempDir()
	write(t, root, "a", key)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	run := source.Run{Detector: detector(t), Workers: 2}
	if err := worktree.New(root, worktree.Options{NoRepository: true}).Scan(ctx, &run); !errors.Is(err, context.Canceled) {
		t.Errorf("Scan = %v, want context.Canceled", err)
	}
}

func TestMissingRootIsAnError(t *testing.T) {
	run := source.Run{Detector: detector(t), Workers: 2}
	if err := worktree.New(filepath.Join(t.TempDir(), "no"), worktree.Options{}).Scan(context.Background(), &run); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Scan = %v, want not found", err)
	}
	r := scan(t, t.TempDir(), worktree.Options{NoRepository: true, Paths: []string{"gone"}})
	r.hole(t, source.Unreadable, "gone", "no such file")
}
