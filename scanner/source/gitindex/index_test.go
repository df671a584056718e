package gitindex_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source/gitindex"
)

// repo is a repository made by git itself, the oracle of these tests.
type repo struct {
	t   testing.TB
	dir string
}

func newRepo(t testing.TB, args ...string) *repo {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: the test compares with it")
	}
	r := &repo{t, t.TempDir()}
	r.git(append([]string{"init", "-q"}, args...)...)
	return r
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir, "-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (r *repo) write(name, text string) {
	full := filepath.Join(r.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(text), 0o644)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repo) fill() {
	for i := range 30 {
		r.write(fmt.Sprintf("dir%d/sub/f%02d.txt", i%3, i), fmt.Sprint(i))
	}
	r.write("a\nb", "newline")
	r.write("\xff\xfe", "not UTF-8")
	r.git("add", "-A")
	r.git("update-index", "--add", "--cacheinfo", "100644,"+strings.TrimSpace(r.git("rev-parse", ":dir0/sub/f00.txt"))+","+strings.Repeat("n", 5000))
	r.git("commit", "-qm", "first")
	r.write("new", "staged")
	r.git("add", "new")
	r.write("later", "intent")
	r.git("add", "-N", "later")
}

func TestReadIsWhatGitLists(t *testing.T) {
	tests := []struct {
		name  string
		init  []string
		setup [][]string
	}{
		{"version_2", nil, [][]string{{"update-index", "--index-version", "2"}}},
		{"version_3", nil, [][]string{{"update-index", "--skip-worktree", "new"}}},
		{"version_4", nil, [][]string{{"update-index", "--index-version", "4"}}},
		{"sha256", []string{"--object-format=sha256"}, nil},
		{"split", nil, [][]string{{"update-index", "--split-index"}, {"rm", "-q", "--cached", "dir0/sub/f00.txt"}, {"update-index", "--chmod=+x", "dir1/sub/f01.txt"}, {"update-index", "--add", "later"}}},
		{"no_checksum", nil, [][]string{{"config", "index.skipHash", "true"}, {"rm", "-q", "--cached", "new"}}},
		{"untracked_cache", nil, [][]string{{"update-index", "--force-untracked-cache"}, {"status"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRepo(t, tt.init...)
			r.fill()
			for _, args := range tt.setup {
				r.git(args...)
			}
			format := git.SHA1
			if tt.init != nil {
				format = git.SHA256
			}
			gitDir := filepath.Join(r.dir, ".git")
			x, err := gitindex.Read(filepath.Join(gitDir, "index"), gitDir, format)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for _, e := range x.Entries {
				fmt.Fprintf(&got, "%06o %s %d\t%s\x00", e.Mode, e.Oid, e.Stage, e.Name)
			}
			if want := r.git("ls-files", "--stage", "-z"); got.String() != want {
				t.Errorf("Read lists\n%q\ngit lists\n%q", got.String(), want)
			}
			for dir, c := range x.Trees {
				if n, ok := countBelow(x, dir); !ok || n != c.Entries {
					t.Errorf("cached tree %q has %d entries, the index has %d", dir, c.Entries, n)
				}
			}
		})
	}
}

func countBelow(x *gitindex.Index, dir string) (n int, ok bool) {
	for _, e := range x.Entries {
		if (dir == "" || strings.HasPrefix(e.Name, dir+"/")) && e.Flags&gitindex.IntentToAdd == 0 {
			n++
		}
	}
	return n, n > 0
}

func TestSparseIndexKeepsDirectories(t *testing.T) {
	r := newRepo(t)
	r.fill()
	r.git("rm", "-q", "--cached", "later")
	r.git("commit", "-qm", "second")
	r.git("sparse-checkout", "set", "--cone", "--sparse-index", "dir0")
	x, err := gitindex.Read(filepath.Join(r.dir, ".git/index"), filepath.Join(r.dir, ".git"), git.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range x.Entries {
		if e.Name == "dir1/" {
			if want := strings.TrimSpace(r.git("rev-parse", "HEAD:dir1")); e.Mode != git.ModeDir || e.Oid.String() != want {
				t.Errorf("dir1/ has mode %o, id %s, want a directory, %s", e.Mode, e.Oid, want)
			}
			return
		}
	}
	t.Error("dir1/ is not an entry of the sparse index")
}

// Every cut and every changed byte is an error or a whole index, never a panic.
func TestDamage(t *testing.T) {
	r := newRepo(t)
	r.fill()
	good, err := os.ReadFile(filepath.Join(r.dir, ".git/index"))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(good); n += 7 {
		if _, err := gitindex.Parse(good[:n], git.SHA1); err == nil {
			t.Fatalf("an index cut at %d of %d is read as whole", n, len(good))
		}
		bad := bytes.Clone(good)
		bad[n] ^= 0x55
		if _, err := gitindex.Parse(bad, git.SHA1); !errors.Is(err, gitindex.ErrCorrupt) {
			t.Fatalf("byte %d changed: %v, want ErrCorrupt", n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	r := newRepo(f)
	for i := range 3 {
		r.write(fmt.Sprintf("d%d/f", i), "x")
	}
	r.git("add", "-A")
	for _, args := range [][]string{{"write-tree"}, {"update-index", "--index-version", "4"}, {"update-index", "--split-index"}} {
		r.git(args...)
		data, err := os.ReadFile(filepath.Join(r.dir, ".git/index"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		if len(data) > 20 { // a zero checksum is not verified: reach what lies behind
			clear(data[len(data)-20:])
		}
		if x, err := gitindex.Parse(data, git.SHA1); err == nil {
			_ = x.Join(x)
		}
	})
}
