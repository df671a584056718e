package git_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
)

// grow makes some history: files that change a little, so that packs hold deltas; a
// branch, a merge, tags, a note, stashes, a replace ref, lost commits and blobs.
func grow(r *repo) {
	body := strings.Repeat("the quick brown fox jumps over the lazy dog\n", 200)
	for i := 0; i < 6; i++ {
		r.commit("change "+string(rune('a'+i)), "a.txt", body+strings.Repeat("x", i), "dir/sub/b.txt", body[i*10:])
	}
	r.git("checkout", "-q", "-b", "side", "HEAD~2")
	r.commit("side", "side.txt", "side\n")
	r.git("tag", "light")
	r.git("tag", "-a", "-m", "tag message", "heavy")
	r.git("tag", "-a", "-m", "tag of a tag", "heavier", "heavy")
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	r.git("notes", "add", "-m", "a note")
	r.git("update-ref", "refs/hidden/x", "HEAD~1")
	r.write("a.txt", "stashed one\n")
	r.git("stash", "-q")
	r.write("untracked.txt", "stashed two\n")
	r.git("stash", "-q", "-u")
	r.commit("amended away", "gone.txt", "gone\n")
	r.git("commit", "-q", "--amend", "-m", "amended")
	r.git("replace", "HEAD~1", "HEAD~2")
	r.write("dangling", "dangling blob\n")
	r.git("hash-object", "-w", "dangling")
	os.Remove(filepath.Join(r.dir, "dangling"))
}

func TestObjectsOfEveryShape(t *testing.T) {
	shapes := []struct {
		name  string
		shape func(r *repo) string // returns where the repository is, relative to r
		opts  git.Options
	}{
		{"loose", func(r *repo) string { return "." }, git.Options{}},
		{"packed", func(r *repo) string { r.git("gc", "-q"); return "." }, git.Options{}},
		{"repacked", func(r *repo) string { r.git("repack", "-q", "-adf"); return "." }, git.Options{}},
		{"kept_unreachable", func(r *repo) string { r.git("repack", "-q", "-adfk"); return "." }, git.Options{}},
		{"cruft", func(r *repo) string { r.git("repack", "-q", "-d", "--cruft"); return "." }, git.Options{}},
		{"index_v1", func(r *repo) string { r.git("-c", "pack.indexVersion=1", "repack", "-q", "-adk"); return "." }, git.Options{}},
		{"midx", func(r *repo) string { r.git("repack", "-q", "-adk", "--write-midx"); return "." }, git.Options{}},
		{"64_bit_offsets", func(r *repo) string {
			r.git("repack", "-q", "-adk")
			packs, _ := filepath.Glob(filepath.Join(r.dir, ".git/objects/pack/*.pack"))
			for _, p := range packs {
				idx := strings.TrimSuffix(p, ".pack") + ".idx"
				os.Remove(idx)
				r.git("index-pack", "--index-version=2,0x100", "-o", idx, p)
			}
			return "."
		}, git.Options{}},
		{"many_packs", func(r *repo) string {
			r.git("repack", "-q")
			for i := 0; i < 12; i++ {
				r.commit("more", "a.txt", strings.Repeat("more\n", i*30))
				r.git("repack", "-q")
			}
			return "."
		}, git.Options{}},
		{"packs_with_copies", func(r *repo) string {
			r.git("repack", "-q")
			r.commit("more", "m.txt", "more\n")
			r.git("repack", "-q", "-a")
			return "."
		}, git.Options{}},
		{"ref_deltas", func(r *repo) string {
			r.git("-c", "repack.useDeltaBaseOffset=false", "repack", "-q", "-adfk")
			return "."
		}, git.Options{}},
		{"alternates_allowed", func(r *repo) string { r.git("clone", "-q", "--shared", ".", "../shared"); return "../shared" },
			git.Options{AllowOutside: true}},
		{"worktree", func(r *repo) string {
			r.git("worktree", "add", "-q", "../wt", "side")
			return "../wt"
		}, git.Options{}},
		{"below_the_top", func(r *repo) string { return "dir/sub" }, git.Options{}},
		{"git_directory", func(r *repo) string { return ".git" }, git.Options{}},
		{"bare", func(r *repo) string { r.git("clone", "-q", "--mirror", ".", "../bare.git"); return "../bare.git" }, git.Options{}},
		{"detached_head", func(r *repo) string { r.git("checkout", "-q", "--detach", "HEAD~1"); return "." }, git.Options{}},
		{"unborn_head", func(r *repo) string { r.git("checkout", "-q", "--orphan", "new"); return "." }, git.Options{}},
		{"submodule", func(r *repo) string {
			r.git("init", "-q", "-b", "main", "../super")
			r.in("../super", "submodule", "add", "-q", r.dir, "sub")
			return "../super/sub"
		}, git.Options{}},
		{"streamed", func(r *repo) string { r.git("repack", "-q", "-d"); return "." }, git.Options{Limits: git.Limits{Cache: 1}}},
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
				want := r.oracle(at)
				got, stats := read(t, open(t, filepath.Join(r.dir, at), tt.opts))
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
	r := newRepo(t)
	got, stats := read(t, open(t, r.dir, git.Options{}))
	if len(got) != 0 || len(stats.Holes) != 0 {
		t.Errorf("read %v, holes %v, want none", got, stats.Holes)
	}
}
