package forest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/forest"
)

// seen is what a checker keeps of an object: its whole content.
type seen struct {
	data []byte
	left int
}

// checker records digests of all objects and checks what a walk promises.
type checker struct {
	t  testing.TB
	mu sync.Mutex

	got          map[git.Oid]string
	visits, left int
	deltas       int
	copied       int64
}

// Visit checks that copies are what they say.
func (c *checker) Visit(o *forest.Object[*seen]) *seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, twice := c.got[o.Oid]; twice {
		c.t.Errorf("%s %s visited twice", o.Type, o.Oid)
	}
	c.got[o.Oid] = digest(o.Type.String(), o.Data)
	c.visits++
	end, last := 0, forest.Copy{Dst: -1}
	for _, k := range o.Copies {
		switch {
		case !o.Delta:
			c.t.Errorf("%s: copies without a base", o.Oid)
		case k.Len <= 0 || k.Dst < end || k.Dst+k.Len > len(o.Data) || k.Src < 0 || k.Src+k.Len > o.BaseSize:
			c.t.Errorf("%s: copy %+v after %d, object of %d, base of %d", o.Oid, k, end, len(o.Data), o.BaseSize)
		case !bytes.Equal(o.Data[k.Dst:k.Dst+k.Len], o.Base.data[k.Src:k.Src+k.Len]):
			c.t.Errorf("%s: copy %+v is not what its base has", o.Oid, k)
		case last.Dst+last.Len == k.Dst && last.Src+last.Len == k.Src:
			c.t.Errorf("%s: copies %+v and %+v are one", o.Oid, last, k)
		}
		end, last = k.Dst+k.Len, k
		c.copied += int64(k.Len)
	}
	if o.Delta {
		c.deltas++
		if o.BaseSize != len(o.Base.data) || o.Base.left > 0 {
			c.t.Errorf("%s: base of %d bytes, said to have %d, left %d times", o.Oid, len(o.Base.data), o.BaseSize, o.Base.left)
		}
	}
	return &seen{data: bytes.Clone(o.Data)}
}

func (c *checker) Leave(s *seen) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left++
	if s.left++; s.left > 1 {
		c.t.Error("left twice")
	}
}

// walk walks packs with a checker and checks what holds for every walk.
func walk(t testing.TB, packs []forest.Pack, opts forest.Options) (*checker, forest.Result) {
	t.Helper()
	c := &checker{t: t, got: map[git.Oid]string{}}
	res, err := forest.Walk(context.Background(), packs, opts, func(int) forest.Visitor[*seen] { return c })
	if err != nil {
		t.Fatal(err)
	}
	if c.left != c.visits {
		t.Errorf("%d visits, %d left", c.visits, c.left)
	}
	if res.Objects != int64(c.visits) || res.Deltas != int64(c.deltas) || res.Copied != c.copied {
		t.Errorf("%+v after %d visits, %d deltas, %d bytes copied", res.Stats, c.visits, c.deltas, c.copied)
	}
	return c, res
}

// same fails unless got is want.
func same(t testing.TB, got, want map[git.Oid]string) {
	t.Helper()
	for o, w := range want {
		if g, ok := got[o]; !ok {
			t.Errorf("%s (%.20s) was not visited", o, w)
		} else if g != w {
			t.Errorf("%s is %s, git says %s", o, g, w)
		}
	}
	for o := range got {
		if _, ok := want[o]; !ok {
			t.Errorf("%s was visited, git does not have it", o)
		}
	}
}

// repositories makes repositories whose packs differ in kind.
func repositories(t *testing.T) map[string]func(t *testing.T) (dir string, format git.Format) {
	make := func(format git.Format, f func(t *testing.T, dir string)) func(*testing.T) (string, git.Format) {
		return func(t *testing.T) (string, git.Format) {
			dir := newRepository(t, format)
			f(t, dir)
			return dir, format
		}
	}
	return map[string]func(t *testing.T) (string, git.Format){
		"as_imported": make(git.SHA1, func(t *testing.T, dir string) {
			runGit(t, dir, history(1, 120), "fast-import", "--quiet")
		}),
		"long_chains": make(git.SHA1, func(t *testing.T, dir string) {
			runGit(t, dir, history(2, 400), "fast-import", "--quiet")
			runGit(t, dir, nil, "repack", "-adfq", "--depth=250", "--window=20")
		}),
		"no_deltas": make(git.SHA1, func(t *testing.T, dir string) {
			runGit(t, dir, history(3, 30), "fast-import", "--quiet")
			runGit(t, dir, nil, "repack", "-adfq", "--depth=0", "--window=0")
		}),
		"ref_deltas": make(git.SHA1, func(t *testing.T, dir string) {
			runGit(t, dir, history(4, 100), "fast-import", "--quiet")
			runGit(t, dir, nil, "-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq")
		}),
		"many_packs_with_copies": make(git.SHA1, func(t *testing.T, dir string) {
			for seed := range int64(6) {
				runGit(t, dir, history(10+seed, 25), "fast-import", "--quiet", "--force")
			}
			runGit(t, dir, nil, "repack", "-q", "-a", "--no-write-bitmap-index") // one more, with all that is reachable
		}),
		"sha256": make(git.SHA256, func(t *testing.T, dir string) {
			runGit(t, dir, history(5, 80), "fast-import", "--quiet")
			runGit(t, dir, nil, "repack", "-adfq")
		}),
		"empty": make(git.SHA1, func(*testing.T, string) {}),
	}
}

func TestWalkReadsWhatGitReads(t *testing.T) {
	needGit(t)
	for name, make := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			dir, format := make(t)
			packs, want := openPacks(t, dir, format), catFile(t, dir)
			for _, opts := range []forest.Options{
				{Workers: 1}, {Workers: 4, Verify: true}, {Workers: 2, Memory: 1}, {Workers: 3, Memory: 200 << 10},
			} {
				c, res := walk(t, packs, opts)
				same(t, c.got, want)
				if len(res.Holes) > 0 || len(res.Large) > 0 {
					t.Errorf("%+v: holes %v, large %v", opts, res.Holes, res.Large)
				}
				if (name == "long_chains" || name == "ref_deltas") && (res.Deltas < res.Objects/4 || opts.Memory == 1 && res.Rebuilt == 0) {
					t.Errorf("%+v: %+v: the test has lost its point", opts, res.Stats)
				}
			}
		})
	}
}

func TestWalkVisitsWhatIsWanted(t *testing.T) {
	needGit(t)
	dir, format := repositories(t)["long_chains"](t)
	packs, all := openPacks(t, dir, format), catFile(t, dir)
	part := func(keep func(o git.Oid, d string) bool) map[git.Oid]string {
		m := map[git.Oid]string{}
		for o, d := range all {
			if keep(o, d) {
				m[o] = d
			}
		}
		return m
	}
	tests := []struct {
		name string
		opts forest.Options
		keep func(o git.Oid, d string) bool
	}{
		{"blobs", forest.Options{Types: []git.Type{git.Blob}}, func(_ git.Oid, d string) bool { return d[0] == 'b' }},
		{"commits_and_tags", forest.Options{Types: []git.Type{git.Commit, git.Tag}}, func(_ git.Oid, d string) bool { return d[0] == 'c' || d[:2] == "ta" }},
		{"every_third", forest.Options{Skip: func(o git.Oid) bool { return o.Prefix()%3 > 0 }}, func(o git.Oid, _ string) bool { return o.Prefix()%3 == 0 }},
		{"nothing", forest.Options{Skip: func(git.Oid) bool { return true }}, func(git.Oid, string) bool { return false }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, res := walk(t, packs, tt.opts)
			same(t, c.got, part(tt.keep))
			if len(res.Holes) > 0 {
				t.Error(res.Holes)
			}
			if tt.name == "nothing" && res.Bytes > 0 {
				t.Errorf("%d bytes made", res.Bytes)
			}
		})
	}
}

func TestWalkLeavesLargeObjectsToTheCaller(t *testing.T) {
	needGit(t)
	dir, format := repositories(t)["long_chains"](t)
	packs, all := openPacks(t, dir, format), catFile(t, dir)
	const limit = 2000
	c, res := walk(t, packs, forest.Options{Large: limit})
	got := c.got
	large := 0
	for _, o := range res.Large {
		if _, twice := got[o]; twice {
			t.Errorf("%s is left to the caller and visited", o)
		}
		got[o] = all[o]
	}
	same(t, got, all)
	for o, d := range all {
		var typ string
		var size int
		fmt.Sscan(d, &typ, &size)
		if size > limit {
			large++
			if _, ok := c.got[o]; !ok {
				t.Errorf("%s %s neither visited nor left", o, d)
			}
		}
	}
	if large == 0 || len(res.Large) < large || len(res.Large) == len(all) {
		t.Errorf("%d large, %d left of %d: the test has lost its point", large, len(res.Large), len(all))
	}
}

func TestWalkStopsWhenTheContextEnds(t *testing.T) {
	needGit(t)
	dir, format := repositories(t)["as_imported"](t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := forest.Walk(ctx, openPacks(t, dir, format), forest.Options{}, func(int) forest.Visitor[struct{}] { return ignore{} }); !errors.Is(err, context.Canceled) {
		t.Errorf("Walk = %v", err)
	}
}

// ignore is a visitor that looks at nothing.
type ignore struct{}

func (ignore) Visit(*forest.Object[struct{}]) struct{} { return struct{}{} }
func (ignore) Leave(struct{})                          {}

func TestWalkLosesOnlyWhatIsDamaged(t *testing.T) {
	needGit(t)
	dir, format := repositories(t)["long_chains"](t)
	packs, all := openPacks(t, dir, format), catFile(t, dir)
	good := packs[0]
	x := good.Index
	order := x.ByOffset()
	plain, _ := walk(t, packs, forest.Options{})
	for round := range 40 {
		p := good
		p.Data = bytes.Clone(good.Data)
		hit := int(order[(round*7919)%len(order)])
		at := x.Offset(hit) + int64(round%5)
		p.Data[at] ^= byte(1 << (round % 8))
		if round%10 == 9 {
			p.Data = p.Data[:at]
		}
		c, res := walk(t, []forest.Pack{p}, forest.Options{Workers: 2, Verify: true})
		lost := map[git.Oid]bool{}
		for _, h := range res.Holes {
			if h.Oid.IsZero() || h.Reason == "" || h.Offset <= 0 || lost[h.Oid] {
				t.Errorf("hole %s", h)
			}
			lost[h.Oid] = true
		}
		for o, d := range all {
			if g, ok := c.got[o]; ok == lost[o] {
				t.Fatalf("round %d: %s visited %v, hole %v", round, o, ok, lost[o])
			} else if ok && g != d {
				t.Errorf("round %d: %s is %s, want %s", round, o, g, d)
			}
		}
		if len(lost) == len(all) && round%10 != 9 {
			t.Errorf("round %d: all lost: %v", round, res.Holes[0])
		}

		if len(lost) > 30 { // each of them asks git
			continue
		}
		fallbacks := 0
		c, res = walk(t, []forest.Pack{p}, forest.Options{Workers: 2, Verify: true, Fallback: func(o git.Oid) (git.Type, []byte, error) {
			fallbacks++
			if fallbacks%2 == 0 {
				return 0, nil, git.ErrNotFound
			}
			typ, data := readObject(t, dir, o)
			return typ, data, nil
		}})
		if fallbacks != len(lost) || len(res.Holes) != len(lost)/2 || len(c.got) != len(plain.got)-len(lost)/2 {
			t.Errorf("round %d: %d lost, %d asked for, %d holes, %d of %d visited", round, len(lost), fallbacks, len(res.Holes), len(c.got), len(all))
		}
	}
}

func readObject(t testing.TB, dir string, o git.Oid) (git.Type, []byte) {
	typ, err := git.ParseType(string(bytes.TrimSpace(runGit(t, dir, nil, "cat-file", "-t", o.String()))))
	if err != nil {
		t.Fatal(err)
	}
	return typ, runGit(t, dir, nil, "cat-file", typ.String(), o.String())
}

// The plain reader fills the holes that the walk leaves, as it knows loose objects
// and further copies.
func TestOpenAndFallbackReadAWholeRepository(t *testing.T) {
	needGit(t)
	dir, format := repositories(t)["many_packs_with_copies"](t)
	want := catFile(t, dir)
	names, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
	os.Chmod(names[0], 0o600)
	f, err := os.OpenFile(names[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 50), fi.Size()/2); err != nil {
		t.Fatal(err)
	}
	f.Close()
	repo, err := git.Open(dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	packs := forest.Open(repo)
	defer packs.Close()
	if len(packs.List) != len(names) || len(packs.Left) > 0 || repo.Format() != format {
		t.Fatalf("%d packs of %d, %d left", len(packs.List), len(names), len(packs.Left))
	}
	asked := 0
	c, res := walk(t, packs.List, forest.Options{Workers: 2, Fallback: func(o git.Oid) (git.Type, []byte, error) {
		asked++
		return repo.Read(o)
	}})
	for o, d := range c.got {
		if want[o] != d {
			t.Errorf("%s is %s, want %s", o, d, want[o])
		}
	}
	if asked == 0 || len(c.got)+len(res.Holes) != len(want) || len(res.Holes) == asked {
		t.Errorf("%d asked for, %d holes, %d of %d visited", asked, len(res.Holes), len(c.got), len(want))
	}
}

func TestWalkSurvivesAFileThatIsCut(t *testing.T) {
	needGit(t)
	dir, format := repositories(t)["as_imported"](t)
	names, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
	os.Chmod(names[0], 0o600)
	p := openPack(t, names[0], format)
	if err := os.Truncate(names[0], 5000); err != nil {
		t.Fatal(err)
	}
	c, res := walk(t, []forest.Pack{p}, forest.Options{})
	if len(res.Holes) == 0 || len(c.got)+len(res.Holes) != p.Index.Len() {
		t.Errorf("%d objects, %d visited, %d holes", p.Index.Len(), len(c.got), len(res.Holes))
	}
}
