package git_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
)

// repo is a repository made with the git binary for one test.
type repo struct {
	t    testing.TB
	dir  string
	tick int
}

// newRepo makes an empty repository with a branch main.
func newRepo(t testing.TB, args ...string) *repo {
	t.Helper()
	needGit(t)
	r := &repo{t: t, dir: filepath.Join(t.TempDir(), "r")}
	r.in(".", append(append([]string{"init", "-q", "-b", "main"}, args...), r.dir)...)
	return r
}

// templates holds one grown repository per object format, made when first asked for.
var templates = struct {
	sync.Mutex
	dir  string
	made map[string]string
}{made: map[string]string{}}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rekey-git-test-")
	if err != nil {
		panic(err)
	}
	templates.dir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// grown returns a copy of a repository with some history (see grow).
func grown(t testing.TB, format string) *repo {
	t.Helper()
	needGit(t)
	templates.Lock()
	defer templates.Unlock()
	from := templates.made[format]
	if from == "" {
		from = filepath.Join(templates.dir, format)
		r := &repo{t: t, dir: from}
		r.in(".", "init", "-q", "-b", "main", "--object-format="+format, from)
		grow(r)
		templates.made[format] = from
	}
	r := &repo{t: t, dir: filepath.Join(t.TempDir(), "r"), tick: 1000}
	if err := os.CopyFS(r.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return r
}

func needGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: repositories cannot be made")
	}
}

// in runs git with a clean environment; dir is relative to the repository.
func (r *repo) in(dir string, args ...string) string {
	r.t.Helper()
	out, err := r.run(dir, nil, args...)
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repo) run(dir string, stdin []byte, args ...string) ([]byte, error) {
	r.tick++
	cmd := exec.Command("git", args...)
	if _, err := os.Stat(r.dir); err == nil {
		cmd.Dir = filepath.Join(r.dir, dir)
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

func (r *repo) git(args ...string) string { r.t.Helper(); return r.in(".", args...) }

func (r *repo) write(path, content string) {
	r.t.Helper()
	path = filepath.Join(r.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// commit writes files (path, content, ...), commits them and returns the commit.
func (r *repo) commit(message string, files ...string) string {
	r.t.Helper()
	for i := 0; i < len(files); i += 2 {
		r.write(files[i], files[i+1])
	}
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// object is what an oracle and the reader are compared by.
type object struct {
	Type string
	Data string
}

// oracle lists all objects with git itself.
func (r *repo) oracle(dir string) map[string]object {
	r.t.Helper()
	out, err := r.run(dir, nil, "cat-file", "--batch-all-objects", "--batch")
	if err != nil {
		r.t.Fatalf("git cat-file: %v: %s", err, out)
	}
	return parseBatch(r.t, out)
}

func parseBatch(t testing.TB, out []byte) map[string]object {
	all := map[string]object{}
	for len(out) > 0 {
		line, rest, _ := bytes.Cut(out, []byte("\n"))
		f := strings.Fields(string(line))
		if len(f) != 3 {
			t.Fatalf("git cat-file: unexpected line %q", line)
		}
		n, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatal(err)
		}
		all[f[0]] = object{f[1], string(rest[:n])}
		out = rest[n+1:]
	}
	return all
}

func open(t testing.TB, dir string, opts git.Options) *git.Repository {
	t.Helper()
	r, err := git.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// read reads all objects with our reader; an object that comes twice fails the test.
func read(t testing.TB, r *git.Repository) (map[string]object, git.Stats) {
	t.Helper()
	all := map[string]object{}
	stats, err := r.Objects(t.Context(), func(o git.Object) error {
		if _, ok := all[o.Oid.String()]; ok {
			t.Errorf("%s came twice", o.Oid)
		}
		all[o.Oid.String()] = object{o.Type.String(), string(o.Data)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, stats
}

// wantSame compares what was read with what the oracle lists.
func wantSame(t testing.TB, got, want map[string]object) {
	t.Helper()
	for id, w := range want {
		if g, ok := got[id]; !ok {
			t.Errorf("%s %s was not read", w.Type, id)
		} else if g != w {
			t.Errorf("%s: read %s of %d bytes, want %s of %d bytes", id, g.Type, len(g.Data), w.Type, len(w.Data))
		}
	}
	for id, g := range got {
		if _, ok := want[id]; !ok {
			t.Errorf("%s %s was read, git does not know it", g.Type, id)
		}
	}
}

func wantNoHoles(t testing.TB, holes []git.Hole) {
	t.Helper()
	for _, h := range holes {
		t.Errorf("unexpected hole: %s: %s", h.Kind, h)
	}
}

// wantHole fails unless a hole of this kind and thing has text in its description.
func wantHole(t testing.TB, holes []git.Hole, kind git.HoleKind, what, text string) {
	t.Helper()
	for _, h := range holes {
		if h.Kind == kind && h.What == what && strings.Contains(h.String(), text) {
			return
		}
	}
	t.Errorf("no hole of kind %q about %q with %q among %d: %v", kind, what, text, len(holes), holes)
}
