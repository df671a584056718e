package git_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
)

// TestRepackedWhileRead repacks, commits and drops the old packs in the middle of a
// pass: everything that was there at its start is read, and nothing is a hole.
func TestRepackedWhileRead(t *testing.T) {
	for _, packed := range []bool{false, true} {
		r := grown(t, "sha1")
		if packed {
			r.Git("repack", "-q")
		}
		want := r.Objects(".")
		repo := open(t, r.Dir, git.Options{})
		repo.Len() // the listing is made now
		done := false
		got := map[string]bool{}
		change := func() {
			done = true
			r.Commit("while it is read", "new.txt", "new\n")
			r.Git("-c", "repack.writeBitmaps=false", "repack", "-q", "-adfk")
			r.Git("prune-packed")
			spare, _ := filepath.Glob(filepath.Join(r.Dir, ".git/objects/??"))
			for _, dir := range spare {
				os.Remove(dir)
			}
		}
		if packed {
			change()
		}
		stats, err := repo.Objects(t.Context(), func(o git.Object) error {
			got[o.Oid.String()] = true
			if !done {
				change()
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for id, o := range want {
			if !got[id] {
				t.Errorf("packed %v: %s %s was not read", packed, o.Type, id)
			}
		}
		wantNoHoles(t, stats.Holes)
	}
}
