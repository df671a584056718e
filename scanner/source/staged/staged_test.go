package staged_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/staged"
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

// repo is a repository made by git itself.
type repo struct {
	t   testing.TB
	dir string
}

func newRepo(t testing.TB, args ...string) *repo {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: the test needs it")
	}
	r := &repo{t, t.TempDir()}
	r.git(append([]string{"init", "-q"}, args...)...)
	return r
}

func (r *repo) try(args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", r.dir, "-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.Output()
	return string(out), err
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func (r *repo) write(files ...string) {
	r.t.Helper()
	for i := 0; i < len(files); i += 2 {
		full := filepath.Join(r.dir, files[i])
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(files[i+1]), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *repo) add(files ...string) {
	r.write(files...)
	r.git("add", "-A")
}

func (r *repo) source(opt staged.Options) *staged.Source {
	r.t.Helper()
	g, err := git.Open(r.dir, git.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { g.Close() })
	return staged.New(g, opt)
}

// scan returns path:line of what is found.
func (r *repo) scan(opt staged.Options) (places []string, holes []source.Hole) {
	r.t.Helper()
	svc, err := rules.Parse("acme.toml", []byte(acme))
	if err != nil {
		r.t.Fatal(err)
	}
	d, err := detect.New([]rules.Service{*svc}, detect.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	run := source.Run{Detector: d, Workers: 1,
		OnHit: func(h source.Hit) {
			switch o := h.Occurrence; {
			case o.Kind == finding.KindPath:
				places = append(places, "name of "+o.Path)
			case o.Kind != finding.KindStaged || o.Git.Blob == "":
				r.t.Errorf("occurrence %+v", o)
			default:
				places = append(places, fmt.Sprintf("%s:%d", o.Path, o.StartLine))
			}
		},
		OnHole: func(h source.Hole) { holes = append(holes, h) }}
	if err := r.source(opt).Scan(context.Background(), &run); err != nil {
		r.t.Fatal(err)
	}
	sort.Strings(places)
	return places, holes
}

func TestScan(t *testing.T) {
	added := staged.Options{AddedOnly: true}
	tests := []struct {
		name  string
		setup func(r *repo)
		opt   staged.Options
		want  []string
	}{
		{"unborn_head", func(r *repo) { r.add("a/b", "x\n"+key) }, added, []string{"a/b:2"}},
		{"nothing_staged", func(r *repo) { r.add("a", key); r.commit() }, added, nil},
		{"work_tree_is_not_read", func(r *repo) { r.add("a", "clean"); r.commit(); r.write("a", key, "b", key) }, added, nil},
		{"staged_then_cleaned", func(r *repo) { r.add("a", key); r.write("a", "clean") }, added, []string{"a:1"}},
		{"added_line", func(r *repo) { r.add("a", "1\n"+key+"\n"); r.commit(); r.add("a", "0\n1\n"+key+"\nx "+key+"\n") }, added, []string{"a:4"}},
		{"all_lines_on_request", func(r *repo) { r.add("a", key+"\n"); r.commit(); r.add("a", key+"\nx\n") }, staged.Options{}, []string{"a:1"}},
		{"removed_key", func(r *repo) { r.add("a", "1\n"+key+"\n2\n"); r.commit(); r.add("a", "1\n2\n") }, added, nil},
		{"moved_file", func(r *repo) { r.add("a", key); r.commit(); r.git("mv", "a", "b") }, added, nil},
		{"moved_directory", func(r *repo) { r.add("d/e/a", key, "x", "x"); r.commit(); r.git("mv", "d", "f") }, added, nil},
		{"copied_file", func(r *repo) { r.add("a", key); r.commit(); r.add("b", key) }, added, []string{"b:1"}},
		{"file_becomes_directory", func(r *repo) { r.add("a", "x"); r.commit(); r.git("rm", "-q", "a"); r.add("a/b", key) }, added, []string{"a/b:1"}},
		{"intent_to_add", func(r *repo) { r.add("x", "x"); r.commit(); r.write("a", key); r.git("add", "-N", "a") }, added, nil},
		{"link", func(r *repo) {
			if err := os.Symlink(key, filepath.Join(r.dir, "l")); err != nil {
				r.t.Skip("no symbolic links here")
			}
			r.git("add", "l")
		}, added, []string{"l:1"}},
		{"key_in_a_new_name", func(r *repo) { r.add("d/"+key+".txt", "x") }, added, []string{"name of d/" + key + ".txt"}},
		{"key_in_an_old_name", func(r *repo) { r.add("d/"+key+".txt", "x"); r.commit(); r.add("d/"+key+".txt", "y") }, added, nil},
		{"other_index", func(r *repo) {
			r.add("a", "x")
			r.commit()
			r.add("a", key)
			if err := os.Rename(filepath.Join(r.dir, ".git/index"), filepath.Join(r.dir, ".git/other")); err != nil {
				r.t.Fatal(err)
			}
			r.git("reset", "-q")
		}, staged.Options{AddedOnly: true, IndexFile: "OTHER"}, []string{"a:1"}},
		{"both_sides_of_a_conflict", conflict, added, []string{"a:1"}},
		{"untouched_subtrees_with_odd_names", func(r *repo) {
			r.add("d/a", key, "d-a", key, "d.a", key, "d/sub/x", key)
			r.commit()
			r.add("d/sub/y", key, "d0", key)
		}, added, []string{"d/sub/y:1", "d0:1"}},
		{"packed", func(r *repo) {
			r.add("a", "1\n"+key+"\n")
			r.commit()
			r.git("gc", "-q")
			r.add("a", "1\n"+key+"\n"+key+"\n")
		}, added, []string{"a:3"}},
		{"version_4_index", func(r *repo) {
			r.add("a", "x", "b", "y")
			r.commit()
			r.git("update-index", "--index-version", "4")
			r.add("b", key)
		}, added, []string{"b:1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRepo(t)
			tt.setup(r)
			if tt.opt.IndexFile != "" {
				tt.opt.IndexFile = filepath.Join(r.dir, ".git/other")
			}
			places, holes := r.scan(tt.opt)
			if !slices.Equal(places, tt.want) || len(holes) > 0 {
				t.Errorf("found %q, want %q; holes %+v", places, tt.want, holes)
			}
		})
	}
}

func (r *repo) commit() { r.git("commit", "-qm", "x") }

// conflict leaves a conflict in which the other side brings the key.
func conflict(r *repo) {
	r.add("a", "base\n")
	r.commit()
	r.git("checkout", "-q", "-b", "other")
	r.add("a", key+"\n")
	r.commit()
	r.git("checkout", "-q", "-")
	r.add("a", "ours\n")
	r.commit()
	if _, err := r.try("merge", "other"); err == nil {
		r.t.Fatal("the merge has no conflict")
	}
}

func TestAmendComparesWithTheParent(t *testing.T) {
	r := newRepo(t)
	r.add("a", "x")
	r.commit()
	r.add("b", key)
	r.commit()
	parent, err := git.ParseOid(strings.TrimSpace(r.git("rev-parse", "HEAD^")))
	if err != nil {
		t.Fatal(err)
	}
	if places, _ := r.scan(staged.Options{AddedOnly: true, Against: parent}); !slices.Equal(places, []string{"b:1"}) {
		t.Errorf("found %q, want b:1", places)
	}
}

func TestSparseIndex(t *testing.T) {
	r := newRepo(t)
	r.add("in/a", "x", "out/a", "x", "out/sub/b", "y")
	r.commit()
	r.add("out/sub/b", key+"\n")
	r.commit()
	r.git("sparse-checkout", "set", "--cone", "--sparse-index", "in")
	if places, holes := r.scan(staged.Options{AddedOnly: true}); len(places)+len(holes) > 0 {
		t.Errorf("found %q, holes %+v, want nothing", places, holes)
	}
	r.git("reset", "-q", "--soft", "HEAD^")
	if places, holes := r.scan(staged.Options{AddedOnly: true}); !slices.Equal(places, []string{"out/sub/b:1"}) || len(holes) > 0 {
		t.Errorf("found %q, holes %+v, want out/sub/b:1", places, holes)
	}
}

func TestSha256(t *testing.T) {
	r := newRepo(t, "--object-format=sha256")
	r.add("a", "x\n")
	r.commit()
	r.add("a", "x\n"+key)
	if places, holes := r.scan(staged.Options{AddedOnly: true}); !slices.Equal(places, []string{"a:2"}) || len(holes) > 0 {
		t.Errorf("found %q, holes %+v, want a:2", places, holes)
	}
}

func TestDamageIsAHoleOrAnError(t *testing.T) {
	r := newRepo(t)
	r.add("a", key, "b", "x "+key)
	blob := strings.TrimSpace(r.git("rev-parse", ":a"))
	if err := os.Remove(filepath.Join(r.dir, ".git/objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	places, holes := r.scan(staged.Options{})
	if !slices.Equal(places, []string{"b:1"}) || len(holes) != 1 || holes[0].Class != source.Unreadable || holes[0].Name != "a" {
		t.Errorf("found %q, holes %+v, want b:1 and a hole for a", places, holes)
	}
	index := filepath.Join(r.dir, ".git/index")
	data, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	data[40] ^= 1
	if err := os.WriteFile(index, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.source(staged.Options{}).Scan(context.Background(), &source.Run{}); err == nil || !strings.Contains(err.Error(), "corrupt") {
		t.Errorf("Scan = %v, want that the index is corrupt", err)
	}
}

// TestChangesAgainstGit compares the list of changes with git diff --cached on random
// edits of a tree.
func TestChangesAgainstGit(t *testing.T) {
	r := newRepo(t)
	x := uint64(88172645463325252)
	rng := func(n int) int {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		return int(x % uint64(n))
	}
	name := func() string {
		return []string{"a", "a-b", "a.b", "d", "e"}[rng(5)] + "/" + []string{"x", "y/z", "y-z", "w"}[rng(4)] + []string{"", "1", "2"}[rng(3)]
	}
	for range 40 {
		r.write(name(), fmt.Sprint(rng(1000)))
	}
	r.git("add", "-A")
	r.commit()
	for round := range 10 {
		for range 4 {
			n := name()
			if rng(3) == 0 {
				_, _ = r.try("rm", "-q", "--cached", n)
			} else if fi, err := os.Stat(filepath.Join(r.dir, n)); err != nil || !fi.IsDir() {
				r.write(n, fmt.Sprint(rng(100000)))
				r.git("add", n)
			}
		}
		var want bytes.Buffer
		for _, line := range strings.Split(r.git("diff", "--cached", "--no-renames", "--diff-filter=AMT", "--raw", "--abbrev=40", "-z"), "\x00:") {
			if f := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == 0 || c == ':' }); len(f) == 6 {
				fmt.Fprintln(&want, f[5], f[2], f[3])
			}
		}
		changes, holes, err := r.source(staged.Options{}).Changes(context.Background())
		if err != nil || len(holes) > 0 {
			t.Fatal(err, holes)
		}
		var got bytes.Buffer
		for _, c := range changes {
			fmt.Fprintln(&got, c.Path, c.Old, c.Blob)
		}
		if got.String() != want.String() {
			t.Fatalf("round %d: changes\n%s\ngit says\n%s", round, got.String(), want.String())
		}
		if want.Len() == 0 && round == 4 {
			t.Fatal("the edits stage nothing")
		}
		if round == 5 {
			r.commit()
		}
	}
}
