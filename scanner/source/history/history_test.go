package history_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/gittest"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/history"
)

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

// key makes a key that no scanner stops at in this file.
func key(n int) string { return "acme_" + "live_" + fmt.Sprintf("9fQ2mT7xLw0aBc3DeFgH5iJkNoP%03d", n) }

func detector(t testing.TB) *detect.Detector {
	t.Helper()
	svc, err := rules.Parse("acme.toml", []byte(acme))
	if err != nil {
		t.Fatal(err)
	}
	d, err := detect.New([]rules.Service{*svc}, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// result is what a scan found, by key.
type result struct {
	occs  map[string][]finding.Occurrence
	holes []source.Hole
	run   *source.Run
}

func scan(t testing.TB, dir string, gopt git.Options, opt history.Options) result {
	t.Helper()
	repo, err := git.Open(dir, gopt)
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	s, err := history.New(repo, opt)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	res := result{occs: map[string][]finding.Occurrence{}}
	res.run = &source.Run{Detector: detector(t), Workers: 2,
		OnHit: func(h source.Hit) {
			mu.Lock()
			defer mu.Unlock()
			k := string(h.Match.Secret.Reveal())
			res.occs[k] = append(res.occs[k], h.Occurrence)
		},
		OnHole: func(h source.Hole) {
			mu.Lock()
			defer mu.Unlock()
			res.holes = append(res.holes, h)
		}}
	if err := s.Scan(t.Context(), res.run); err != nil {
		t.Fatal(err)
	}
	return res
}

// plant puts a key into every place of a history and returns what each is called.
func plant(r *gittest.Repo) []string {
	var places []string
	next := func(place string) string {
		places = append(places, place)
		return key(len(places) - 1)
	}
	commit := func(args ...string) { r.Git(append([]string{"commit", "-q", "--allow-empty"}, args...)...) }
	r.Commit("one", "deleted.txt", "x\n  k = "+next("deleted file")+"\n", "kept.txt", next("kept file")+"\n")
	os.Remove(filepath.Join(r.Dir, "deleted.txt"))
	r.Commit("two\n\nbody " + next("commit message"))
	r.Git("checkout", "-q", "-b", "other")
	r.Commit("other", "o.txt", next("other branch"))
	r.Git("update-ref", "refs/hidden/deep/ref", r.Git("commit-tree", "-m", "x "+next("hidden ref"), "HEAD^{tree}"))
	r.Git("checkout", "-q", "main")
	r.Git("notes", "add", "-m", next("note"))
	r.Git("tag", "-a", "-m", next("tag message"), "v1")
	r.Git("-c", "user.name=x", "commit", "-q", "--allow-empty", "--author="+next("author name")+" <a@x>", "-m", "author")
	commit("--author=a <"+next("author email")+"@x>", "-m", "email")
	r.Commit("named", "dir/"+next("file name")+"/f.txt", "x\n")
	r.Git("branch", "b-"+next("ref name"))
	r.Git("checkout", "-q", "-b", "conflict", "HEAD~1")
	r.Commit("conflict", "kept.txt", "theirs\n")
	r.Git("checkout", "-q", "main")
	r.Commit("ours", "ours.txt", "ours\n")
	r.Git("merge", "-q", "--no-ff", "--no-commit", "conflict")
	r.Write("merged.txt", next("merge resolution"))
	r.Git("add", "-A")
	commit("-m", "merge")
	r.Write("ours.txt", next("stash tracked old"))
	r.Git("stash", "-q")
	r.Write("untracked.txt", next("stash untracked"))
	r.Git("stash", "-q", "-u")
	r.Write("ours.txt", next("stash tracked"))
	r.Git("stash", "-q")
	r.Commit("lost "+next("reflog only message"), "lost.txt", next("reflog only"))
	r.Git("reset", "-q", "--hard", "HEAD~1")
	r.Write("dangling", next("dangling blob"))
	r.Git("hash-object", "-w", "dangling")
	os.Remove(filepath.Join(r.Dir, "dangling"))
	r.Git("commit-tree", "-m", next("dangling commit"), "HEAD^{tree}")
	r.Commit("binary", "nul.bin", "\x00\x01"+next("behind NUL"), ".gitattributes", "* -diff\n", "nodiff.txt", next("under -diff"))
	utf16 := "\xff\xfe"
	for _, c := range next("UTF-16") {
		utf16 += string([]byte{byte(c), 0})
	}
	r.Commit("wide", "wide.txt", utf16)
	r.Git("replace", "HEAD", "HEAD~1")
	return places
}

func TestKeyInEveryPlace(t *testing.T) {
	r := gittest.New(t)
	places := plant(r)
	for i := range 4 {
		packed, plain := i >= 2, i%2 == 0
		if i == 2 {
			r.Git("repack", "-q", "-adfk")
		}
		res := scan(t, r.Dir, git.Options{}, history.Options{Plain: plain})
		for i, place := range places {
			if len(res.occs[key(i)]) == 0 {
				t.Errorf("packed %v, plain %v: the key in the %s was not found", packed, plain, place)
			}
			for _, o := range res.occs[key(i)] {
				for _, text := range append([]string{o.Path, o.Git.Author, o.Git.Email, o.Git.Subject}, o.Git.Refs...) {
					if strings.Contains(text, "9fQ2mT7xLw0") {
						t.Errorf("key in the %s is shown: %+v", place, o)
					}
				}
			}
		}
		for _, h := range res.holes {
			t.Errorf("unexpected hole %+v", h)
		}
		if n := res.run.Counts.Objects.Load(); n != int64(len(r.Objects("."))) {
			t.Errorf("%d objects counted, want %d", n, len(r.Objects(".")))
		}
		if packed {
			checkPlaces(t, r, res, places)
		}
	}
}

// checkPlaces holds some occurrences against what is known of them.
func checkPlaces(t *testing.T, r *gittest.Repo, res result, places []string) {
	t.Helper()
	one := func(place string) finding.Occurrence {
		t.Helper()
		occs := res.occs[key(slices.Index(places, place))]
		if len(occs) != 1 {
			t.Errorf("%s: %d occurrences, want 1: %+v", place, len(occs), occs)
			return finding.Occurrence{}
		}
		return occs[0]
	}
	first := r.Git("rev-list", "--max-parents=0", "main")
	tests := []struct {
		place, kind, path string
		line, column      int
		reachable, inHead bool
		ref               string
	}{
		{"deleted file", finding.KindBlob, "deleted.txt", 2, 7, true, false, "refs/heads/main"},
		{"kept file", finding.KindBlob, "kept.txt", 1, 1, true, false, "refs/heads/main"},
		{"other branch", finding.KindBlob, "o.txt", 1, 1, true, false, "refs/heads/other"},
		{"commit message", finding.KindCommitMessage, "", 3, 6, true, true, "refs/heads/other"},
		{"hidden ref", finding.KindCommitMessage, "", 1, 3, true, false, "refs/hidden/deep/ref"},
		{"tag message", finding.KindTagMessage, "", 1, 1, true, false, "refs/tags/v1"},
		{"author name", finding.KindAuthor, "", 1, 1, true, true, "refs/heads/main"},
		{"file name", finding.KindPath, "dir/…", 1, 1, true, true, "refs/heads/main"},
		{"merge resolution", finding.KindBlob, "merged.txt", 1, 1, true, true, "refs/heads/main"},
		{"stash tracked", finding.KindBlob, "ours.txt", 1, 1, true, false, "refs/stash"},
		{"stash tracked old", finding.KindBlob, "ours.txt", 1, 1, false, false, "refs/stash@{2}"},
		{"stash untracked", finding.KindBlob, "untracked.txt", 1, 1, false, false, "refs/stash@{1}"},
		{"reflog only", finding.KindBlob, "lost.txt", 1, 1, false, false, "ORIG_HEAD"},
		{"dangling blob", finding.KindBlob, "", 1, 1, false, false, ""},
		{"dangling commit", finding.KindCommitMessage, "", 1, 1, false, false, ""},
		{"UTF-16", finding.KindBlob, "wide.txt", 1, 3, true, true, "HEAD"},
	}
	for _, tt := range tests {
		o := one(tt.place)
		if o.Kind != tt.kind || o.Path != tt.path || o.StartLine != tt.line || o.StartColumn != tt.column ||
			o.Git.Reachable != tt.reachable || o.Git.InHead != tt.inHead || tt.ref != "" && !slices.Contains(o.Git.Refs, tt.ref) {
			t.Errorf("%s: got %+v, want %+v", tt.place, o, tt)
		}
	}
	if o := one("deleted file"); o.Git.Commit != first || o.Git.Author != "A" || o.Git.Email != "a@x" || o.Git.Subject != "one" || o.Git.Date.IsZero() {
		t.Errorf("provenance of the first commit: %+v", o.Git)
	}
}

func TestVersionsOfOnePath(t *testing.T) {
	r := gittest.New(t)
	r.Commit("first", "a.txt", key(1)+"\n")
	first := r.Git("rev-parse", "HEAD")
	r.Commit("moved down", "a.txt", "line\n"+key(1)+"\n")
	r.Commit("again", "a.txt", "line\n"+key(1)+"\nmore\n", "copy.txt", key(1)+"\n")
	for _, all := range []bool{false, true} {
		occs := scan(t, r.Dir, git.Options{}, history.Options{Plain: true, AllOccurrences: all}).occs[key(1)]
		if all {
			if len(occs) != 4 {
				t.Errorf("all occurrences: %d, want 4: %+v", len(occs), occs)
			}
			continue
		}
		slices.SortFunc(occs, func(a, b finding.Occurrence) int {
			return strings.Compare(a.Path+fmt.Sprint(a.StartLine), b.Path+fmt.Sprint(b.StartLine))
		})
		if len(occs) != 3 {
			t.Fatalf("%d occurrences, want 3: %+v", len(occs), occs)
		}
		if o := occs[0]; o.Path != "a.txt" || o.StartLine != 1 || o.Versions != 3 || o.Git.InHead || o.Git.Commit != first {
			t.Errorf("where it began: %+v", o)
		}
		if o := occs[1]; o.Path != "a.txt" || o.StartLine != 2 || !o.Git.InHead {
			t.Errorf("where HEAD has it: %+v", o)
		}
		if o := occs[2]; o.Path != "copy.txt" || !o.Git.InHead || o.Versions != 1 {
			t.Errorf("the copy: %+v", o)
		}
	}
}

func TestRange(t *testing.T) {
	r := gittest.New(t)
	r.Commit("one", "a.txt", key(1))
	r.Commit("two", "b.txt", key(2))
	r.Git("tag", "v1")
	r.Commit("three", "c.txt", key(3))
	r.Git("branch", "side", "HEAD~1")
	tests := []struct {
		name string
		opt  history.Options
		want []int
	}{
		{"two_dots", history.Options{Range: "v1..HEAD"}, []int{3}},
		{"from_the_start", history.Options{Range: "HEAD~1"}, []int{1, 2}},
		{"excluded", history.Options{Range: "main ^HEAD~2"}, []int{2, 3}},
		{"refs", history.Options{Refs: []string{"heads/side"}}, []int{1, 2}},
		{"since", history.Options{Since: commitDate(r, "HEAD")}, []int{3}},
		{"empty", history.Options{Range: "HEAD..HEAD"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.opt.Plain = true
			res := scan(t, r.Dir, git.Options{}, tt.opt)
			var got []int
			for i := 1; i <= 3; i++ {
				if len(res.occs[key(i)]) > 0 {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, tt.want) || len(res.holes) > 0 {
				t.Errorf("found keys %v, want %v; holes %v", got, tt.want, res.holes)
			}
		})
	}
}

// TestFastIsPlain holds the fast reader against the plain one, on healthy and on
// damaged repositories.
func TestFastIsPlain(t *testing.T) {
	words := []string{key(1), key(2), key(3), "k=" + key(4) + ";" + key(5), "\n" + key(6)}
	for seed := uint64(0); seed < repositories; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := gittest.Random(t, seed, words...)
			same(t, r.Dir, history.Options{})
			same(t, r.Dir, history.Options{AllOccurrences: true})
			same(t, r.Dir, history.Options{Range: r.Git("rev-list", "-1", "HEAD") + " ^" + r.Git("rev-list", "--max-parents=0", "-1", "HEAD")})
			packs, _ := filepath.Glob(filepath.Join(r.Dir, ".git/objects/pack/*.pack"))
			for i, p := range packs {
				b, err := os.ReadFile(p)
				if err != nil {
					t.Fatal(err)
				}
				os.Chmod(p, 0o644)
				if i%2 == 0 {
					b = b[:len(b)-1-int(seed%60)]
				} else {
					b[len(b)/2] ^= 0xff
				}
				if err := os.WriteFile(p, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if plain := same(t, r.Dir, history.Options{}); len(packs) > 0 && len(plain.holes) == 0 {
				t.Error("damage without a hole")
			}
		})
	}
}

// same scans with both readers and compares what they say. Holes are compared by
// whether there are any of a class.
func same(t *testing.T, dir string, opt history.Options) result {
	t.Helper()
	fast := scan(t, dir, git.Options{}, opt)
	opt.Plain = true
	plain := scan(t, dir, git.Options{}, opt)
	got, want := lines(fast), lines(plain)
	for line := range want {
		if !got[line] {
			t.Errorf("%+v: only the plain reader finds %s", opt, line)
		}
	}
	for line := range got {
		if !want[line] {
			t.Errorf("%+v: only the fast reader finds %s", opt, line)
		}
	}
	classes := func(r result) map[source.Class]bool {
		m := map[source.Class]bool{}
		for _, h := range r.holes {
			m[h.Class] = true
		}
		return m
	}
	if a, b := classes(fast), classes(plain); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("%+v: holes of the fast reader %v, of the plain one %v", opt, fast.holes, plain.holes)
	}
	return plain
}

func lines(r result) map[string]bool {
	all := map[string]bool{}
	for k, occs := range r.occs {
		for _, o := range occs {
			all[fmt.Sprintf("%s: %+v", k[len(k)-3:], o)] = true
		}
	}
	return all
}

func commitDate(r *gittest.Repo, rev string) string {
	at, err := time.Parse(time.RFC3339, r.Git("log", "-1", "--format=%cI", rev))
	if err != nil {
		r.T.Fatal(err)
	}
	return at.Format(time.RFC3339)
}

func TestNewRefusesWhatMakesNoSense(t *testing.T) {
	r := gittest.New(t)
	r.Commit("one")
	repo, err := git.Open(r.Dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	for name, opt := range map[string]history.Options{
		"nowhere":      {Range: "nowhere..HEAD"},
		"three dots":   {Range: "HEAD...HEAD"},
		"gestern":      {Since: "gestern"},
		"heads/absent": {Refs: []string{"heads/absent"}},
	} {
		if _, err := history.New(repo, opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: error %v, want one that names %q", opt, err, name)
		}
	}
}

func TestInterrupted(t *testing.T) {
	r := gittest.New(t)
	r.Commit("one", "a.txt", key(1))
	repo, err := git.Open(r.Dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	s, err := history.New(repo, history.Options{Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Scan(ctx, &source.Run{Detector: detector(t), Workers: 1}); err == nil {
		t.Error("an interrupted scan returns no error")
	}
}
