package git_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/gittest"
)

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
func grown(t testing.TB, format string) *gittest.Repo {
	t.Helper()
	gittest.Need(t)
	templates.Lock()
	defer templates.Unlock()
	from := templates.made[format]
	if from == "" {
		from = filepath.Join(templates.dir, format)
		gittest.At(t, from, "--object-format="+format).Grow()
		templates.made[format] = from
	}
	return gittest.Copy(t, from)
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
func read(t testing.TB, r *git.Repository) (map[string]gittest.Object, git.Stats) {
	t.Helper()
	all := map[string]gittest.Object{}
	stats, err := r.Objects(t.Context(), func(o git.Object) error {
		if _, ok := all[o.Oid.String()]; ok {
			t.Errorf("%s came twice", o.Oid)
		}
		all[o.Oid.String()] = gittest.Object{Type: o.Type.String(), Data: string(o.Data)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, stats
}

// wantSame compares what was read with what the oracle lists.
func wantSame(t testing.TB, got, want map[string]gittest.Object) {
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
