// Package gittest makes git repositories for tests, with the git binary: by hand,
// with a known history of every kind of object, and at random. Tests skip where git is
// absent.
package gittest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Repo is a repository made with the git binary for one test.
type Repo struct {
	T    testing.TB
	Dir  string
	tick int
}

// Object is an object as git itself reads it.
type Object struct {
	Type string
	Data string
}

// Need skips the test where git is absent.
func Need(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: repositories cannot be made")
	}
}

// New makes an empty repository with a branch main; args go to git init.
func New(t testing.TB, args ...string) *Repo {
	t.Helper()
	return At(t, filepath.Join(t.TempDir(), "r"), args...)
}

// At is New at a place of the caller's.
func At(t testing.TB, dir string, args ...string) *Repo {
	t.Helper()
	Need(t)
	r := &Repo{T: t, Dir: dir}
	r.Git(append(append([]string{"init", "-q", "-b", "main"}, args...), r.Dir)...)
	return r
}

// Copy copies a repository into a directory of the test's own.
func Copy(t testing.TB, from string) *Repo {
	t.Helper()
	r := &Repo{T: t, Dir: filepath.Join(t.TempDir(), "r"), tick: 100_000}
	if err := os.CopyFS(r.Dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return r
}

// Git runs git in the repository and returns what it prints.
func (r *Repo) Git(args ...string) string { r.T.Helper(); return r.In(".", args...) }

// In runs git in a directory relative to the repository.
func (r *Repo) In(dir string, args ...string) string {
	r.T.Helper()
	out, err := r.Run(dir, nil, args...)
	if err != nil {
		r.T.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Run runs git with a clean environment; every run is a minute after the one before.
func (r *Repo) Run(dir string, stdin []byte, args ...string) ([]byte, error) {
	r.tick++
	cmd := exec.Command("git", args...)
	if _, err := os.Stat(r.Dir); err == nil {
		cmd.Dir = filepath.Join(r.Dir, dir)
	}
	date := fmt.Sprintf("%d +0100", 1_700_000_000+int64(r.tick)*60)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@x", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@x",
		"GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date, "GIT_ALLOW_PROTOCOL=file", "LC_ALL=C"}
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		out = append(out, stderr.Bytes()...)
	}
	return out, err
}

// Write writes a file of the work tree.
func (r *Repo) Write(path, content string) {
	r.T.Helper()
	path = filepath.Join(r.Dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.T.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.T.Fatal(err)
	}
}

// Commit writes files (path, content, ...), commits all and returns the commit.
func (r *Repo) Commit(message string, files ...string) string {
	r.T.Helper()
	for i := 0; i < len(files); i += 2 {
		r.Write(files[i], files[i+1])
	}
	r.Git("add", "-A")
	r.Git("commit", "-q", "--allow-empty", "-m", message)
	return r.Git("rev-parse", "HEAD")
}

// Objects lists all objects as git reads them, by id. It is the oracle for readers;
// dir is relative to the repository.
func (r *Repo) Objects(dir string) map[string]Object {
	r.T.Helper()
	out, err := r.Run(dir, nil, "cat-file", "--batch-all-objects", "--batch")
	if err != nil {
		r.T.Fatalf("git cat-file: %v: %s", err, out)
	}
	all := map[string]Object{}
	for len(out) > 0 {
		line, rest, _ := bytes.Cut(out, []byte("\n"))
		f := strings.Fields(string(line))
		if len(f) != 3 {
			r.T.Fatalf("git cat-file: unexpected line %q", line)
		}
		n, err := strconv.Atoi(f[2])
		if err != nil {
			r.T.Fatal(err)
		}
		all[f[0]] = Object{f[1], string(rest[:n])}
		out = rest[n+1:]
	}
	return all
}

// Grow makes a history of every kind: files that change a little, so that packs hold
// deltas; a branch, a merge, tags, a note, stashes, a replace ref, lost commits and
// blobs.
func (r *Repo) Grow() {
	body := strings.Repeat("the quick brown fox jumps over the lazy dog\n", 200)
	for i := 0; i < 6; i++ {
		r.Commit("change "+string(rune('a'+i)), "a.txt", body+strings.Repeat("x", i), "dir/sub/b.txt", body[i*10:])
	}
	r.Git("checkout", "-q", "-b", "side", "HEAD~2")
	r.Commit("side", "side.txt", "side\n")
	r.Git("tag", "light")
	r.Git("tag", "-a", "-m", "tag message", "heavy")
	r.Git("tag", "-a", "-m", "tag of a tag", "heavier", "heavy")
	r.Git("checkout", "-q", "main")
	r.Git("merge", "-q", "--no-ff", "-m", "merge", "side")
	r.Git("notes", "add", "-m", "a note")
	r.Git("update-ref", "refs/hidden/x", "HEAD~1")
	r.Write("a.txt", "stashed one\n")
	r.Git("stash", "-q")
	r.Write("untracked.txt", "stashed two\n")
	r.Git("stash", "-q", "-u")
	r.Commit("amended away", "gone.txt", "gone\n")
	r.Git("commit", "-q", "--amend", "-m", "amended")
	r.Git("replace", "HEAD~1", "HEAD~2")
	r.Write("dangling", "dangling blob\n")
	r.Git("hash-object", "-w", "dangling")
	os.Remove(filepath.Join(r.Dir, "dangling"))
}
