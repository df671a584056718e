package git_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/gittest"
)

// victim is a repository that a hostile one tries to have read.
func victim(t *testing.T) *gittest.Repo {
	v := gittest.New(t)
	v.Commit("private", "secret.txt", "of another repository\n")
	return v
}

func TestOpenRefusesToLeave(t *testing.T) {
	tests := []struct {
		name   string
		attack func(t *testing.T, r, v *gittest.Repo) string // returns what is opened
		want   error
	}{
		{"git_file_elsewhere", func(t *testing.T, r, v *gittest.Repo) string {
			os.RemoveAll(filepath.Join(r.Dir, ".git"))
			r.Write(".git", "gitdir: "+v.Dir+"/.git\n")
			return r.Dir
		}, git.ErrRefused},
		{"git_file_to_a_worktree_of_another", func(t *testing.T, r, v *gittest.Repo) string {
			v.Git("worktree", "add", "-q", "--detach", "../vwt")
			os.RemoveAll(filepath.Join(r.Dir, ".git"))
			r.Write(".git", "gitdir: "+v.Dir+"/.git/worktrees/vwt\n")
			return r.Dir
		}, git.ErrRefused},
		{"git_link_elsewhere", func(t *testing.T, r, v *gittest.Repo) string {
			os.RemoveAll(filepath.Join(r.Dir, ".git"))
			os.Symlink(filepath.Join(v.Dir, ".git"), filepath.Join(r.Dir, ".git"))
			return r.Dir
		}, git.ErrRefused},
		{"commondir_elsewhere", func(t *testing.T, r, v *gittest.Repo) string {
			r.Write(".git/commondir", v.Dir+"/.git\n")
			return r.Dir
		}, git.ErrRefused},
		{"commondir_above", func(t *testing.T, r, v *gittest.Repo) string {
			r.Write(".git/commondir", "../../..\n")
			return r.Dir
		}, git.ErrRefused},
		{"objects_link_elsewhere", func(t *testing.T, r, v *gittest.Repo) string {
			os.RemoveAll(filepath.Join(r.Dir, ".git/objects"))
			os.Symlink(filepath.Join(v.Dir, ".git/objects"), filepath.Join(r.Dir, ".git/objects"))
			return r.Dir
		}, git.ErrRefused},
		{"no_objects", func(t *testing.T, r, v *gittest.Repo) string {
			os.RemoveAll(filepath.Join(r.Dir, ".git/objects"))
			return r.Dir
		}, git.ErrDamaged},
		{"no_objects_seen_from_below", func(t *testing.T, r, v *gittest.Repo) string {
			os.RemoveAll(filepath.Join(r.Dir, ".git/objects"))
			r.Write("dir/x", "x")
			return filepath.Join(r.Dir, "dir")
		}, git.ErrDamaged},
		{"empty_git_directory", func(t *testing.T, r, v *gittest.Repo) string {
			os.RemoveAll(filepath.Join(r.Dir, ".git"))
			os.Mkdir(filepath.Join(r.Dir, ".git"), 0o755)
			return r.Dir
		}, git.ErrNotRepository},
		{"nothing_there", func(t *testing.T, r, v *gittest.Repo) string { return t.TempDir() }, git.ErrNotRepository},
		{"git_file_of_garbage", func(t *testing.T, r, v *gittest.Repo) string {
			os.RemoveAll(filepath.Join(r.Dir, ".git"))
			r.Write(".git", "garbage")
			return r.Dir
		}, git.ErrDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := gittest.New(t)
			r.Commit("one", "a", "a\n")
			repo, err := git.Open(tt.attack(t, r, victim(t)), git.Options{})
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if err == nil {
				repo.Close()
			}
		})
	}
}

func TestAlternates(t *testing.T) {
	tests := []struct {
		name  string
		setup func(r, v *gittest.Repo)
		opts  func(v *gittest.Repo) git.Options
		read  bool // the victim's objects
		hole  string
	}{
		{"outside", func(r, v *gittest.Repo) { r.Write(".git/objects/info/alternates", v.Dir+"/.git/objects\n") },
			nil, false, "outside of the repository"},
		{"outside_allowed", func(r, v *gittest.Repo) { r.Write(".git/objects/info/alternates", v.Dir+"/.git/objects\n") },
			func(*gittest.Repo) git.Options { return git.Options{AllowOutside: true} }, true, ""},
		{"trusted_root", func(r, v *gittest.Repo) { r.Write(".git/objects/info/alternates", v.Dir+"/.git/objects\n") },
			func(v *gittest.Repo) git.Options { return git.Options{TrustedRoots: []string{v.Dir}} }, true, ""},
		{"itself", func(r, v *gittest.Repo) { r.Write(".git/objects/info/alternates", "../objects\n../objects/.\n") }, nil, false, ""},
		{"gone", func(r, v *gittest.Repo) { r.Write(".git/objects/info/alternates", "/nonexistent/objects\n") }, nil, false, "nonexistent"},
		{"inside", func(r, v *gittest.Repo) {
			os.Rename(filepath.Join(v.Dir, ".git"), filepath.Join(r.Dir, "lender.git"))
			r.Write(".git/objects/info/alternates", "# comment\n../../lender.git/objects\n")
		}, nil, true, ""},
		{"link_inside_to_outside", func(r, v *gittest.Repo) {
			os.Symlink(filepath.Join(v.Dir, ".git/objects"), filepath.Join(r.Dir, "innocent"))
			r.Write(".git/objects/info/alternates", "../../innocent\n")
		}, nil, false, "outside of the repository"},
		{"long_chain", func(r, v *gittest.Repo) {
			for i := 0; i < 10; i++ {
				os.MkdirAll(filepath.Join(r.Dir, fmt.Sprintf("c%d/info", i)), 0o755)
				r.Write(fmt.Sprintf("c%d/info/alternates", i), fmt.Sprintf("../c%d\n", i+1))
			}
			os.MkdirAll(filepath.Join(r.Dir, "c10"), 0o755)
			r.Write(".git/objects/info/alternates", "../../c0\n")
		}, nil, false, "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, v := gittest.New(t), victim(t)
			r.Commit("one", "a", "a\n")
			tt.setup(r, v)
			var opts git.Options
			if tt.opts != nil {
				opts = tt.opts(v)
			}
			got, stats := read(t, open(t, r.Dir, opts))
			secret := git.HashObject(git.SHA1, git.Blob, []byte("of another repository\n"))
			if _, ok := got[secret.String()]; ok != tt.read {
				t.Errorf("object of the other repository was read: %v, want %v", ok, tt.read)
			}
			if tt.hole != "" {
				wantHole(t, stats.Holes, git.Unreadable, "alternates", tt.hole)
			} else {
				wantNoHoles(t, stats.Holes)
			}
		})
	}
}

func TestQuarantine(t *testing.T) {
	r := gittest.New(t)
	r.Commit("one", "a", "a\n")
	incoming := t.TempDir()
	blob := "new in the push\n"
	id := git.HashObject(git.SHA1, git.Blob, []byte(blob)).String()
	loose(r, id, fmt.Sprintf("blob %d\x00%s", len(blob), blob))
	os.MkdirAll(filepath.Join(incoming, id[:2]), 0o755)
	os.Rename(filepath.Join(r.Dir, ".git/objects", id[:2], id[2:]), filepath.Join(incoming, id[:2], id[2:]))
	repo := open(t, r.Dir, git.Options{ObjectDirs: []string{incoming}})
	if q := repo.Quarantined(); q.Len() != 1 || !q.Has(git.HashObject(git.SHA1, git.Blob, []byte(blob))) {
		t.Errorf("quarantine has %d objects, want the new blob", q.Len())
	}
	if got, _ := read(t, repo); got[id].Data != blob || len(got) != 4 {
		t.Errorf("read %d objects, want 4 with the new blob", len(got))
	}
}

func TestAbsentByChoice(t *testing.T) {
	r := gittest.New(t)
	for i := 0; i < 5; i++ {
		r.Commit("c", "a", fmt.Sprint(i), "d/b", fmt.Sprint(i*7))
	}
	r.Git("config", "uploadpack.allowFilter", "true")
	t.Run("shallow", func(t *testing.T) {
		r.Git("clone", "-q", "--depth=2", "file://"+r.Dir, "../shallow")
		dir := filepath.Join(r.Dir, "../shallow")
		got, stats := read(t, open(t, dir, git.Options{}))
		wantSame(t, got, r.Objects("../shallow"))
		wantHole(t, stats.Holes, git.AbsentByChoice, "shallow", "unshallow")
		if len(stats.Holes) != 1 {
			t.Errorf("holes %v, want one", stats.Holes)
		}
		repo := open(t, dir, git.Options{})
		whole, err := repo.Range(t.Context(), git.RangeSpec{Revisions: []string{"HEAD~1..HEAD"}})
		if err != nil || len(whole.Holes) != 0 || len(whole.Commits) != 1 {
			t.Errorf("range inside: %v, %+v", err, whole)
		}
		cut, err := repo.Range(t.Context(), git.RangeSpec{Revisions: []string{"HEAD"}})
		if err != nil || len(cut.Holes) != 1 || cut.Holes[0].Kind != git.AbsentByChoice {
			t.Errorf("range to the border: %v, %+v", err, cut)
		}
		if _, err := repo.Resolve("HEAD~2"); err == nil || !strings.Contains(err.Error(), "unshallow") {
			t.Errorf("parent beyond the border: %v, want the remedy", err)
		}
	})
	t.Run("partial", func(t *testing.T) {
		r.Git("clone", "-q", "--filter=blob:none", "--no-checkout", "file://"+r.Dir, "../partial")
		got, stats := read(t, open(t, filepath.Join(r.Dir, "../partial"), git.Options{}))
		for id, o := range got {
			if o.Type == "blob" {
				t.Errorf("blob %s appeared", id)
			}
		}
		wantHole(t, stats.Holes, git.AbsentByChoice, "object", "partial clone")
		if len(stats.Holes) != 1 || stats.Holes[0].Count != 9 { // 0 to 4 and 0, 7, 14, 21, 28
			t.Errorf("holes %v, want one of 9 objects", stats.Holes)
		}
	})
}

func TestConfiguration(t *testing.T) {
	tests := []struct {
		name, config string
		kind         git.HoleKind
		hole         string // "" wants none
		fails        string // error of Open
	}{
		{"odd_spelling", "\xef\xbb\xbf[CORE]\r\n\tRepositoryFormatVersion = 0 ; comment\r\n[user \"a]b\"] name = x\n", 0, "", ""},
		{"unknown_version", "[core]\nrepositoryformatversion = 99\n", git.Unreadable, "format version", ""},
		{"unknown_extension", "[extensions]\nwarpDrive = on\n", git.Unreadable, "warpdrive", ""},
		{"unknown_format", "[extensions]\nobjectFormat = md5\n", 0, "", "md5"},
		{"no_sense", strings.Repeat("\x00[[[\n=\n\\", 1000), 0, "", ""},
		{"huge", strings.Repeat("# comment\n", 200_000), git.OutOfPolicy, "over the limit", ""},
		{"worktree_elsewhere", "[core]\nworktree = /etc\n", 0, "", ""},
		{"commands", "[core]\nfsmonitor = touch mark\nhooksPath = .\n[include]\npath = ../evil\n", 0, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := gittest.New(t)
			r.Commit("one", "a", "a\n")
			r.Write(".git/config", tt.config)
			repo, err := git.Open(r.Dir, git.Options{})
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("error %v, want one about %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer repo.Close()
			got, stats := read(t, repo)
			if len(got) != 3 {
				t.Errorf("read %d objects, want 3", len(got))
			}
			if tt.hole == "" {
				wantNoHoles(t, stats.Holes)
			} else {
				wantHole(t, stats.Holes, tt.kind, "config", tt.hole)
			}
			if repo.WorkTree != r.Dir {
				t.Errorf("work tree %s, want %s", repo.WorkTree, r.Dir)
			}
		})
	}
}
