package gittest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// Random makes a repository out of a seed: the same seed gives the same objects and
// refs. Its history has merges, several roots, renames, copies, files that come back,
// the same directory under two names, odd dates, links, submodules, binary and empty
// files, annotated tags, deleted branches; its objects are loose, packed or both, in
// either object format. Here and there in contents, messages and names of files stands
// one of words.
func Random(t testing.TB, seed uint64, words ...string) *Repo {
	t.Helper()
	g := &random{Rand: rand.New(rand.NewPCG(seed, 1)), files: map[int]map[string]string{}, words: words}
	var args []string
	if g.IntN(4) == 0 {
		args = append(args, "--object-format=sha256")
	}
	r := New(t, args...)
	half := 1 + g.IntN(20)
	for i := 1; i <= half; i++ {
		g.commit(i)
	}
	g.load(r)
	g.shape(r)
	for i := half + 1; i <= half+g.IntN(20); i++ {
		g.commit(i)
	}
	g.tags(r)
	g.load(r)
	g.dropBranches(r)
	g.shape(r)
	return r
}

type random struct {
	*rand.Rand
	stream   bytes.Buffer
	files    map[int]map[string]string // by commit
	branches []string
	last     map[string]int
	marked   bool
	words    []string
}

// word returns one of the words, or now and then nothing.
func (g *random) word() string {
	if len(g.words) == 0 || g.IntN(3) == 0 {
		return ""
	}
	return g.words[g.IntN(len(g.words))]
}

func (g *random) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g *random) data(s string) { fmt.Fprintf(&g.stream, "data %d\n%s\n", len(s), s) }

// commit writes commit number i onto some branch.
func (g *random) commit(i int) {
	if g.last == nil {
		g.last = map[string]int{}
	}
	branch := fmt.Sprintf("b%d", g.IntN(4))
	files := map[string]string{}
	from := g.last[branch]
	if from == 0 && i > 1 && g.IntN(4) > 0 {
		from = 1 + g.IntN(i-1)
	}
	for p, c := range g.files[from] {
		files[p] = c
	}
	fmt.Fprintf(&g.stream, "commit refs/heads/%s\nmark :%d\n", branch, i)
	date := 1_600_000_000 + int64(i)*3600 + int64(g.IntN(3))*-7200
	fmt.Fprintf(&g.stream, "author A%d <a%d@x> %d +0100\ncommitter C <c@x> %d -0730\n", g.IntN(3), g.IntN(3), date, date)
	g.data(g.pick("message", "", "long\n\n"+strings.Repeat("words and words\n", 20), "caf\xe9 in latin-1", "key "+g.word()))
	if from > 0 {
		fmt.Fprintf(&g.stream, "from :%d\n", from)
	}
	if i > 2 && from > 0 && g.IntN(3) == 0 {
		if other := 1 + g.IntN(i-1); other != from {
			fmt.Fprintf(&g.stream, "merge :%d\n", other)
		}
	}
	for n := g.IntN(4); n >= 0; n-- {
		g.change(files)
	}
	g.stream.WriteString("deleteall\n")
	for _, p := range sorted(files) {
		g.file(p, files[p])
	}
	g.stream.WriteString("\n")
	g.files[i] = files
	if g.last[branch] == 0 {
		g.branches = append(g.branches, branch)
	}
	g.last[branch] = i
}

// file writes one file; content that begins with a mode in brackets has that mode.
func (g *random) file(path, content string) {
	mode := "100644"
	if strings.HasPrefix(content, "[120000]") {
		mode = "120000"
	} else if strings.HasPrefix(content, "[160000]") {
		fmt.Fprintf(&g.stream, "M 160000 %s %s\n", content[8:], path)
		return
	}
	fmt.Fprintf(&g.stream, "M %s inline %s\n", mode, path)
	g.data(content)
}

// change changes a file, or makes, moves, copies or removes one.
func (g *random) change(files map[string]string) {
	path := g.pick("a", "b", "dir/a", "dir/sub/c", "dir/sub/d", "other/x", "copy/sub/c", "copy/sub/d", "deep/1/2/3/4/f", "with space", "n\xfcn")
	old, have := files[path]
	switch k := g.IntN(10); {
	case k == 0:
		delete(files, path)
	case k == 1 && have:
		delete(files, path)
		files["moved/"+fmt.Sprint(g.IntN(3))] = old
	case k == 2 && have:
		files["copied/"+fmt.Sprint(g.IntN(3))] = old
	case k == 3:
		files["link"] = "[120000]" + path
	case k == 4:
		files[path] = g.pick("", "\x00binary\xff", "same everywhere\n")
	case k >= 5 && have && len(old) > 10 && !strings.HasPrefix(old, "["):
		at := g.IntN(len(old))
		files[path] = old[:at] + fmt.Sprintf("change %d %s\n", g.IntN(1000), g.word()) + old[min(len(old), at+g.IntN(40)):]
	case k == 9 && g.word() != "":
		files["named/"+strings.TrimSpace(g.word())+".txt"] = g.word()
	default:
		var b strings.Builder
		for n := g.IntN(300); n >= 0; n-- {
			fmt.Fprintf(&b, "line %d %x\n", n, g.IntN(1<<16))
			if g.IntN(40) == 0 {
				b.WriteString(g.word())
			}
		}
		files[path] = b.String()
	}
}

// tags puts annotated tags on commits, tags, and a blob.
func (g *random) tags(r *Repo) {
	for i := g.IntN(3); i > 0; i-- {
		b := g.branches[g.IntN(len(g.branches))]
		fmt.Fprintf(&g.stream, "tag v%d\nfrom :%d\ntagger T <t@x> %d +0000\n", i, g.last[b], 1_700_000_000+i)
		g.data("tag message")
	}
}

// load gives the stream to git.
func (g *random) load(r *Repo) {
	r.T.Helper()
	marks := filepath.Join(r.Dir, ".git", "test-marks")
	args := []string{"-c", "fastimport.unpackLimit=" + g.pick("0", "100000"), "fast-import", "--quiet", "--force", "--export-marks=" + marks}
	if g.marked {
		args = append(args, "--import-marks="+marks)
	}
	g.marked = true
	if out, err := r.Run(".", g.stream.Bytes(), args...); err != nil {
		r.T.Fatalf("git fast-import: %v: %s", err, out)
	}
	g.stream.Reset()
}

// shape moves objects about.
func (g *random) shape(r *Repo) {
	switch g.IntN(6) {
	case 0:
		r.Git("repack", "-q", "-adfk")
	case 1:
		r.Git("repack", "-q", "-d")
	case 2:
		r.Git("-c", "repack.useDeltaBaseOffset=false", "repack", "-q", "-adfk", "--depth=4095", "--window=30")
	case 3:
		r.Git("-c", "pack.indexVersion=1", "repack", "-q", "-adk")
	case 4:
		r.Git("repack", "-q", "-a") // leaves copies
	}
	if g.IntN(2) == 0 {
		r.Git("pack-refs", "--all")
	}
}

// dropBranches makes commits unreachable and sets HEAD.
func (g *random) dropBranches(r *Repo) {
	if len(g.branches) > 1 && g.IntN(2) == 0 {
		n := g.IntN(len(g.branches))
		r.Git("update-ref", "-d", "refs/heads/"+g.branches[n])
		g.branches = append(g.branches[:n:n], g.branches[n+1:]...)
	}
	r.Git("symbolic-ref", "HEAD", "refs/heads/"+g.branches[0])
}

func sorted(files map[string]string) []string {
	var list []string
	for p := range files {
		list = append(list, p)
	}
	for i := range list { // a directory and a file of one name cannot both be
		for j := i; j > 0 && list[j] < list[j-1]; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}
