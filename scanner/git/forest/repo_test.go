package forest_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/forest"
)

// runGit runs git without the machine's configuration.
func runGit(tb testing.TB, dir string, stdin io.Reader, args ...string) []byte {
	tb.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Stdin = stdin
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=fastimport.unpackLimit", "GIT_CONFIG_VALUE_0=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

func needGit(tb testing.TB) {
	if _, err := exec.LookPath("git"); err != nil {
		tb.Skip("no git here to make repositories with")
	}
}

// history is a stream for git fast-import: commits that edit a few files, so that
// their versions make chains of deltas.
func history(seed int64, commits int) *bytes.Buffer {
	r := rand.New(rand.NewSource(seed))
	files := make([][]byte, 3+r.Intn(5))
	for i := range files {
		for range 20 + r.Intn(400) {
			files[i] = fmt.Appendf(files[i], "line %d of %x\n", r.Intn(1000), r.Int63())
		}
	}
	b := new(bytes.Buffer)
	for c := range commits {
		fmt.Fprintf(b, "commit refs/heads/main\ncommitter A <a@example.org> %d +0000\ndata 8\nchange %d", 1700000000+c, c%10)
		b.WriteByte('\n')
		for i := range files {
			if c > 0 && r.Intn(3) > 0 {
				continue
			}
			for range 1 + r.Intn(3) {
				at := r.Intn(len(files[i]) + 1)
				ins := fmt.Appendf(nil, "new %x\n", r.Int63())
				cut := min(len(files[i]), at+r.Intn(60))
				files[i] = append(append(bytes.Clone(files[i][:at]), ins...), files[i][cut:]...)
			}
			fmt.Fprintf(b, "M 644 inline dir%d/file%d\ndata %d\n", i%2, i, len(files[i]))
			b.Write(files[i])
			b.WriteByte('\n')
		}
	}
	fmt.Fprintf(b, "tag v%d\nfrom refs/heads/main\ntagger A <a@example.org> 1700000000 +0000\ndata 3\ntag\n", seed)
	return b
}

// newRepository makes a bare repository and returns its directory.
func newRepository(tb testing.TB, format git.Format) string {
	dir := tb.TempDir()
	runGit(tb, dir, nil, "init", "-q", "--bare", "--object-format="+format.String(), "-b", "main", ".")
	return dir
}

// openPacks maps all packs of a repository.
func openPacks(tb testing.TB, dir string, format git.Format) []forest.Pack {
	names, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
	sort.Strings(names)
	var packs []forest.Pack
	for _, name := range names {
		packs = append(packs, openPack(tb, name, format))
	}
	return packs
}

func openPack(tb testing.TB, name string, format git.Format) forest.Pack {
	idx, err := os.ReadFile(strings.TrimSuffix(name, ".pack") + ".idx")
	if err != nil {
		tb.Fatal(err)
	}
	x, err := git.ParsePackIndex(idx, format)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	data, unmap, err := forest.Map(f, fi.Size())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unmap() })
	return forest.Pack{Name: filepath.Base(name), Data: data, Index: x}
}

// digest stands for an object: its type and the hash of its content.
func digest(typ string, data []byte) string {
	return fmt.Sprintf("%s %d %x", typ, len(data), sha256.Sum256(data))
}

// catFile asks git for all objects of a repository.
func catFile(tb testing.TB, dir string) map[git.Oid]string {
	r := bufio.NewReader(bytes.NewReader(runGit(tb, dir, nil, "cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer")))
	all := map[git.Oid]string{}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return all
		}
		var name, typ string
		var size int
		if _, err := fmt.Sscan(line, &name, &typ, &size); err != nil {
			tb.Fatal(err)
		}
		data := make([]byte, size+1)
		if _, err := io.ReadFull(r, data); err != nil {
			tb.Fatal(err)
		}
		o, err := git.ParseOid(name)
		if err != nil {
			tb.Fatal(err)
		}
		all[o] = digest(typ, data[:size])
	}
}
