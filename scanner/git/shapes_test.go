package git_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/gittest"
)

func TestObjectsOfEveryShape(t *testing.T) {
	shapes := []struct {
		name  string
		shape func(r *gittest.Repo) string // returns where the repository is, relative to r
		opts  git.Options
	}{
		{"loose", func(r *gittest.Repo) string { return "." }, git.Options{}},
		{"packed", func(r *gittest.Repo) string { r.Git("gc", "-q"); return "." }, git.Options{}},
		{"repacked", func(r *gittest.Repo) string { r.Git("repack", "-q", "-adf"); return "." }, git.Options{}},
		{"kept_unreachable", func(r *gittest.Repo) string { r.Git("repack", "-q", "-adfk"); return "." }, git.Options{}},
		{"cruft", func(r *gittest.Repo) string { r.Git("repack", "-q", "-d", "--cruft"); return "." }, git.Options{}},
		{"index_v1", func(r *gittest.Repo) string { r.Git("-c", "pack.indexVersion=1", "repack", "-q", "-adk"); return "." }, git.Options{}},
		{"midx", func(r *gittest.Repo) string { r.Git("repack", "-q", "-adk", "--write-midx"); return "." }, git.Options{}},
		{"64_bit_offsets", func(r *gittest.Repo) string {
			r.Git("repack", "-q", "-adk")
			packs, _ := filepath.Glob(filepath.Join(r.Dir, ".git/objects/pack/*.pack"))
			for _, p := range packs {
				idx := strings.TrimSuffix(p, ".pack") + ".idx"
				os.Remove(idx)
				r.Git("index-pack", "--index-version=2,0x100", "-o", idx, p)
			}
			return "."
		}, git.Options{}},
		{"many_packs", func(r *gittest.Repo) string {
			r.Git("repack", "-q")
			for i := 0; i < 5; i++ {
				r.Commit("more", "a.txt", strings.Repeat("more\n", i*30))
				r.Git("repack", "-q")
			}
			return "."
		}, git.Options{}},
		{"packs_with_copies", func(r *gittest.Repo) string {
			r.Git("repack", "-q")
			r.Commit("more", "m.txt", "more\n")
			r.Git("repack", "-q", "-a")
			return "."
		}, git.Options{}},
		{"ref_deltas", func(r *gittest.Repo) string {
			r.Git("-c", "repack.useDeltaBaseOffset=false", "repack", "-q", "-adfk")
			return "."
		}, git.Options{}},
		{"alternates_allowed", func(r *gittest.Repo) string { r.Git("clone", "-q", "--shared", ".", "../shared"); return "../shared" },
			git.Options{AllowOutside: true}},
		{"worktree", func(r *gittest.Repo) string {
			r.Git("worktree", "add", "-q", "../wt", "side")
			return "../wt"
		}, git.Options{}},
		{"below_the_top", func(r *gittest.Repo) string { return "dir/sub" }, git.Options{}},
		{"git_directory", func(r *gittest.Repo) string { return ".git" }, git.Options{}},
		{"bare", func(r *gittest.Repo) string {
			r.Git("clone", "-q", "--mirror", ".", "../bare.git")
			return "../bare.git"
		}, git.Options{}},
		{"detached_head", func(r *gittest.Repo) string { r.Git("checkout", "-q", "--detach", "HEAD~1"); return "." }, git.Options{}},
		{"unborn_head", func(r *gittest.Repo) string { r.Git("checkout", "-q", "--orphan", "new"); return "." }, git.Options{}},
		{"submodule", func(r *gittest.Repo) string {
			r.Git("init", "-q", "-b", "main", "../super")
			r.In("../super", "submodule", "add", "-q", r.Dir, "sub")
			return "../super/sub"
		}, git.Options{}},
		{"streamed", func(r *gittest.Repo) string { r.Git("repack", "-q", "-d"); return "." }, git.Options{Limits: git.Limits{Cache: 1}}},
	}
	inSHA256 := map[string]bool{"loose": true, "packed": true, "index_v1": true, "ref_deltas": true, "worktree": true, "64_bit_offsets": true}
	for _, format := range []string{"sha1", "sha256"} {
		for _, tt := range shapes {
			t.Run(format+"_"+tt.name, func(t *testing.T) {
				t.Parallel()
				if format == "sha256" && !inSHA256[tt.name] {
					t.Skip("shape is the same in both formats")
				}
				r := grown(t, format)
				at := tt.shape(r)
				want := r.Objects(at)
				got, stats := read(t, open(t, filepath.Join(r.Dir, at), tt.opts))
				wantSame(t, got, want)
				wantNoHoles(t, stats.Holes)
				if stats.Objects() != len(want) {
					t.Errorf("stats count %d objects, want %d", stats.Objects(), len(want))
				}
			})
		}
	}
}

func TestEmptyRepository(t *testing.T) {
	r := gittest.New(t)
	got, stats := read(t, open(t, r.Dir, git.Options{}))
	if len(got) != 0 || len(stats.Holes) != 0 {
		t.Errorf("read %v, holes %v, want none", got, stats.Holes)
	}
}
