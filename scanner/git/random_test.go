package git_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/gittest"
)

func TestRandomRepositories(t *testing.T) {
	for seed := uint64(0); seed < randomRepositories; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := gittest.Random(t, seed)
			got, stats := read(t, open(t, r.Dir, git.Options{}))
			wantSame(t, got, r.Objects("."))
			wantNoHoles(t, stats.Holes)
			h := newHistory(r)
			checkProvenance(t, r, h, seed)
			checkRanges(t, r, h, seed)
		})
	}
}

// history is a repository as git tells it, for slow and obvious answers.
type history struct {
	order  []string // commits: parents first, ties by date then id
	trees  map[string]map[string]string
	parent map[string][]string
	refs   map[string]string // to the object in the end
	head   string
	all    map[string]gittest.Object
	reach  map[string]map[string]bool // by ref
}

func newHistory(r *gittest.Repo) *history {
	h := &history{trees: map[string]map[string]string{}, parent: map[string][]string{}, refs: map[string]string{},
		all: r.Objects("."), reach: map[string]map[string]bool{}}
	date := map[string]int64{}
	f := git.SHA1
	for id, o := range h.all {
		if len(id) == 64 {
			f = git.SHA256
		}
		if o.Type != "commit" {
			continue
		}
		c, err := git.ParseCommit([]byte(o.Data), f)
		if err != nil {
			r.T.Fatal(err)
		}
		for _, p := range c.Parents {
			h.parent[id] = append(h.parent[id], p.String())
		}
		date[id] = git.ParseIdent(c.Committer.Of([]byte(o.Data))).Unix
		h.trees[id] = map[string]string{}
		h.list(f, c.Tree.String(), "", h.trees[id])
	}
	done := map[string]bool{}
	for len(done) < len(h.trees) {
		best := ""
		for id := range h.trees {
			ready := !done[id]
			for _, p := range h.parent[id] {
				ready = ready && done[p]
			}
			if ready && (best == "" || date[id] < date[best] || date[id] == date[best] && id < best) {
				best = id
			}
		}
		done[best] = true
		h.order = append(h.order, best)
	}
	out := r.Git("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)")
	for _, line := range strings.Split(out, "\n") {
		if w := strings.Fields(line); len(w) >= 2 {
			h.refs[w[0]] = w[len(w)-1]
		}
	}
	h.head = r.Git("rev-parse", "HEAD")
	h.refs["HEAD"] = h.head
	for name, id := range h.refs {
		h.reach[name] = map[string]bool{}
		h.ancestors(id, h.reach[name])
	}
	return h
}

func (h *history) ancestors(id string, into map[string]bool) {
	if into[id] || h.trees[id] == nil {
		return
	}
	into[id] = true
	for _, p := range h.parent[id] {
		h.ancestors(p, into)
	}
}

func (h *history) list(f git.Format, tree, prefix string, into map[string]string) {
	it := git.NewTreeIter([]byte(h.all[tree].Data), f)
	for {
		e, ok, _ := it.Next()
		if !ok {
			return
		}
		if e.IsTree() {
			h.list(f, e.Oid().String(), prefix+string(e.Name)+"/", into)
		} else if !e.IsGitlink() {
			into[prefix+string(e.Name)] = e.Oid().String()
		}
	}
}

// reachable reports whether a ref reaches a commit.
func (h *history) reachable(id string) bool {
	for _, set := range h.reach {
		if set[id] {
			return true
		}
	}
	return false
}

func checkProvenance(t *testing.T, r *gittest.Repo, h *history, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	var req git.Request
	for _, id := range sortedKeys(h.all) {
		if o := h.all[id]; o.Type == "blob" && rng.IntN(2) == 0 || o.Type == "commit" && rng.IntN(4) == 0 {
			oid, _ := git.ParseOid(id)
			req.Objects = append(req.Objects, oid)
		}
	}
	every := map[string]bool{}
	req.Every = func(i int, commit git.Oid, path string) error {
		every[req.Objects[i].String()+commit.String()+path] = true
		return nil
	}
	traces, err := open(t, r.Dir, git.Options{}).Provenance(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	everyWant := 0
	for i, o := range req.Objects {
		id := o.String()
		want := map[string]git.Place{}
		if h.trees[id] != nil {
			want[""] = git.Place{Commit: o, Reachable: h.reachable(id), InHead: h.reach["HEAD"][id]}
		}
		for _, reachable := range []bool{true, false} {
			for _, c := range h.order {
				if h.reachable(c) != reachable {
					continue
				}
				for path, blob := range h.trees[c] {
					if blob != id {
						continue
					}
					everyWant++
					if !every[id+c+path] {
						t.Errorf("Every did not tell of %s in %s at %s", id, c, path)
					}
					if _, ok := want[path]; !ok {
						co, _ := git.ParseOid(c)
						want[path] = git.Place{Path: path, Commit: co, Reachable: reachable, InHead: h.trees[h.head][path] == id}
					}
				}
			}
		}
		if len(traces[i].Places) != len(want) {
			t.Errorf("%s has places %v, want %v", id, traces[i].Places, want)
		}
		for _, p := range traces[i].Places {
			w := want[p.Path]
			if p.Commit != w.Commit || p.Reachable != w.Reachable || p.InHead != w.InHead {
				t.Errorf("%s at %q: %+v, want %+v", id, p.Path, p, w)
			}
			for name, set := range h.reach {
				if set[p.Commit.String()] != slices.Contains(p.Refs, name) {
					t.Errorf("%s at %q: refs %v, git says of %s: %v", id, p.Path, p.Refs, name, set[p.Commit.String()])
				}
			}
		}
	}
	if len(every) != everyWant {
		t.Errorf("Every told of %d places, want %d", len(every), everyWant)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// checkRanges holds ranges between random commits against git rev-list.
func checkRanges(t *testing.T, r *gittest.Repo, h *history, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	repo := open(t, r.Dir, git.Options{})
	list := func(args ...string) map[string]bool {
		set := map[string]bool{}
		for _, line := range strings.Split(r.Git(append([]string{"rev-list", "--objects"}, args...)...), "\n") {
			if id, _, _ := strings.Cut(line, " "); id != "" {
				set[id] = true
			}
		}
		return set
	}
	for range 4 {
		a, b := h.order[rng.IntN(len(h.order))], h.order[rng.IntN(len(h.order))]
		fromA, fromB := list(a), list(b)
		exact, err := repo.Range(t.Context(), git.RangeSpec{Revisions: []string{a + ".." + b}, Exact: true})
		if err != nil {
			t.Fatal(err)
		}
		near, err := repo.Range(t.Context(), git.RangeSpec{Revisions: []string{b, "^" + a}})
		if err != nil {
			t.Fatal(err)
		}
		wantNoHoles(t, exact.Holes)
		commits := 0
		for id, o := range h.all {
			oid, _ := git.ParseOid(id)
			want := fromB[id] && !fromA[id]
			if exact.Has(oid) != want {
				t.Errorf("%s..%s: %s %s is in the exact range: %v, want %v", a, b, o.Type, id, exact.Has(oid), want)
			}
			if want && !near.Has(oid) || near.Has(oid) && !fromB[id] {
				t.Errorf("%s..%s: %s %s is in the near range: %v, exact says %v", a, b, o.Type, id, near.Has(oid), want)
			}
			if want && o.Type == "commit" {
				commits++
			}
		}
		if len(near.Commits) != commits || len(exact.Commits) != commits {
			t.Errorf("%s..%s: %d and %d commits, want %d", a, b, len(near.Commits), len(exact.Commits), commits)
		}
	}
}
