package git_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/gittest"
)

func TestRefs(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			r := grown(t, format)
			r.Git("worktree", "add", "-q", "../wt-"+format, "side")
			r.Git("pack-refs", "--all")
			r.Git("update-ref", "refs/heads/later", "HEAD~1")
			refs, holes := open(t, r.Dir, git.Options{}).Refs()
			wantNoHoles(t, holes)
			got := map[string]string{}
			for _, ref := range refs {
				got[ref.Name] = ref.Oid.String()
			}
			for _, line := range strings.Split(r.Git("for-each-ref", "--format=%(refname) %(objectname)"), "\n") {
				name, id, _ := strings.Cut(line, " ")
				if got[name] != id {
					t.Errorf("%s is %s, want %s", name, got[name], id)
				}
			}
			for _, name := range []string{"HEAD", "worktrees/wt-" + format + "/HEAD", "ORIG_HEAD"} {
				if got[name] == "" {
					t.Errorf("%s was not read", name)
				}
			}
		})
	}
}

func TestOddRefs(t *testing.T) {
	r := gittest.New(t)
	id := r.Commit("one", "a", "a\n")
	tests := []struct {
		name, file, content string
		ref                 string // that must be read
		hole                string
	}{
		{"garbage", "refs/heads/bad", "garbage\n", "", "no object id"},
		{"no_newline", "refs/heads/x", id, "refs/heads/x", ""},
		{"trailing_text", "FETCH_HEAD", id + "\tnot-for-merge\tbranch 'x'\n" + id + "\tbranch 'y'\n", "FETCH_HEAD:1", ""},
		{"packed_garbage", "packed-refs", "# pack-refs with: peeled\nnonsense\n^" + id + "\n" + id + " refs/tags/p\n^" + id + "\n", "refs/tags/p", "no refs"},
		{"long_name", "refs/heads/" + strings.Repeat("a/", 1000) + "x", id, "refs/heads/" + strings.Repeat("a/", 1000) + "x", ""},
		{"escapes", "refs/heads/\x1b[31m\nx;rm -rf", id, "refs/heads/\x1b[31m\nx;rm -rf", ""},
		{"lock", "refs/heads/x.lock", "garbage", "", ""},
		{"symbolic_circle", "refs/heads/self", "ref: refs/heads/self\n", "refs/heads/self", ""},
		{"reftable", "reftable/tables.list", "x\n", "", "reftable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gittest.Copy(t, r.Dir)
			c.Write(".git/"+tt.file, tt.content)
			refs, holes := open(t, c.Dir, git.Options{}).Refs()
			found := tt.ref == ""
			for _, ref := range refs {
				found = found || ref.Name == tt.ref
			}
			if !found {
				t.Errorf("ref %q was not read: %v", tt.ref, refs)
			}
			if tt.hole == "" {
				wantNoHoles(t, holes)
			} else {
				wantHole(t, holes, git.Unreadable, "ref", tt.hole)
			}
		})
	}
	t.Run("link_out_and_fifo", func(t *testing.T) {
		c := gittest.Copy(t, r.Dir)
		os.Symlink("/etc/passwd", filepath.Join(c.Dir, ".git/refs/heads/out"))
		mkfifo(t, filepath.Join(c.Dir, ".git/refs/heads/fifo"))
		_, holes := open(t, c.Dir, git.Options{}).Refs()
		wantHole(t, holes, git.Unreadable, "ref", "escapes")
		wantHole(t, holes, git.Unreadable, "ref", "not a regular file")
	})
}

func TestReflogs(t *testing.T) {
	r := grown(t, "sha1")
	log, holes := open(t, r.Dir, git.Options{}).Reflogs()
	wantNoHoles(t, holes)
	got := map[string]bool{}
	for _, e := range log {
		got[fmt.Sprintf("%s %s@{%d} %s", e.New, e.Ref, e.Index, e.Message)] = true
	}
	for _, ref := range []string{"HEAD", "refs/heads/main", "refs/stash"} {
		for i, line := range strings.Split(r.Git("log", "-g", "--no-abbrev", "--format=%H %gs", ref), "\n") {
			id, subject, _ := strings.Cut(line, " ")
			if want := fmt.Sprintf("%s %s@{%d} %s", id, ref, i, subject); !got[want] {
				t.Errorf("missing %q", want)
			}
		}
	}
}

func TestResolve(t *testing.T) {
	r := grown(t, "sha1")
	repo := open(t, r.Dir, git.Options{})
	full := r.Git("rev-parse", "HEAD")
	for _, rev := range []string{"HEAD", "@", "main", "heads/side", "refs/heads/side", "light", "heavy", "heavier^{}", "HEAD~2", "HEAD^", "main~1^2", "side^0",
		"heavy^{commit}", full, full[:7], "stash", "hidden/x", "HEAD~~", "notes/commits", "ORIG_HEAD"} {
		got, err := repo.Resolve(rev)
		if want := r.Git("--no-replace-objects", "rev-parse", rev); err != nil || got.String() != want {
			t.Errorf("Resolve(%q) = %s, %v, want %s", rev, got, err, want)
		}
	}
	for _, rev := range []string{"nothing", "HEAD~1000", "HEAD^7", strings.Repeat("1", 40), "abc", "HEAD^x", "--upload-pack=x", "HEAD^{tree"} {
		if got, err := repo.Resolve(rev); err == nil || !strings.Contains(err.Error(), rev) {
			t.Errorf("Resolve(%q) = %s, %v, want an error that names it", rev, got, err)
		}
	}
}

// TestAgainstGoGit holds what is read against go-git, on a healthy SHA-1 repository.
func TestAgainstGoGit(t *testing.T) {
	r := grown(t, "sha1")
	r.Git("repack", "-q", "-adk")
	got, _ := read(t, open(t, r.Dir, git.Options{}))
	theirs, err := gogit.PlainOpen(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := theirs.BlobObjects()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = blobs.ForEach(func(b *object.Blob) error {
		n++
		if o := got[b.Hash.String()]; o.Type != "blob" || int64(len(o.Data)) != b.Size {
			t.Errorf("%s: read %s of %d bytes, go-git has a blob of %d", b.Hash, o.Type, len(o.Data), b.Size)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("go-git read %d blobs: %v", n, err)
	}
	refs, _ := open(t, r.Dir, git.Options{}).Refs()
	ours := map[string]string{}
	for _, ref := range refs {
		ours[ref.Name] = ref.Oid.String()
	}
	iter, err := theirs.References()
	if err != nil {
		t.Fatal(err)
	}
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.HashReference && ours[ref.Name().String()] != ref.Hash().String() {
			t.Errorf("%s is %s, go-git says %s", ref.Name(), ours[ref.Name().String()], ref.Hash())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
