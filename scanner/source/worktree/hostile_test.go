//go:build unix

package worktree_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/worktree"
)

var plain = worktree.Options{NoRepository: true}

// reliability.md F01 and F02: nothing blocks, nothing leads out.
func TestSpecialFilesAndLinks(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	write(t, outside, "secret", key, "dir/secret", key)
	write(t, root, "real/x", key)
	links := map[string]string{"out": filepath.Join(outside, "secret"), "outdir": filepath.Join(outside, "dir"), "in": "real/x",
		"loop": "loop", "dangling": "nowhere", "zero": "/dev/zero", "up": ".."}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := time.Now()
	r := scan(t, root, plain)
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v", d)
	}
	r.want(t, "real/x")
	r.hole(t, source.Policy, "fifo", "named pipe")
	r.hole(t, source.Policy, "sock", "socket")
	for _, name := range []string{"out", "outdir", "zero", "up"} {
		r.hole(t, source.Policy, name, "not followed")
	}
}

// reliability.md F03: a file or directory that turns into a link or pipe while the
// tree is walked never leads out.
func TestSwappedWhileWalked(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	write(t, outside, "x", key)
	ctx, cancel := context.WithCancel(context.Background())
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		dir, file := filepath.Join(root, "d"), filepath.Join(root, "f")
		for ctx.Err() == nil {
			os.Mkdir(dir, 0o755)
			os.WriteFile(filepath.Join(dir, "x"), []byte("clean"), 0o644)
			os.WriteFile(file, []byte("clean"), 0o644)
			os.RemoveAll(dir)
			os.Remove(file)
			os.Symlink(outside, dir)
			os.Symlink(filepath.Join(outside, "x"), file)
			os.Remove(dir)
			os.Remove(file)
			syscall.Mkfifo(file, 0o644)
			os.Remove(file)
		}
	}()
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		if r := scan(t, root, plain); len(r.paths) > 0 {
			t.Fatalf("read %q through a link", r.paths)
		}
	}
	cancel()
	<-swapped
}

func TestPermissions(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything: run as another user")
	}
	root := t.TempDir()
	write(t, root, "no", key, "d/x", key, "yes", key)
	for name, mode := range map[string]os.FileMode{"no": 0, "d": 0} {
		if err := os.Chmod(filepath.Join(root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(root, "d"), 0o755) })
	r := scan(t, root, plain)
	r.want(t, "yes")
	r.hole(t, source.Unreadable, "no", "permission")
	r.hole(t, source.Unreadable, "d", "permission")
}

// A path longer than the kernel takes in one call is walked all the same (R38).
func TestDeepPath(t *testing.T) {
	root := t.TempDir()
	at, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 200)
	var path []string
	for range 40 {
		if err := at.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := at.OpenRoot(name)
		if err != nil {
			t.Fatal(err)
		}
		at.Close()
		at, path = next, append(path, name)
	}
	if err := at.WriteFile("x", []byte(key), 0o644); err != nil {
		t.Fatal(err)
	}
	at.Close()
	scan(t, root, plain).want(t, strings.Join(path, "/")+"/x")
}

func TestFewDescriptors(t *testing.T) {
	root := t.TempDir()
	for i := range 200 {
		write(t, root, filepath.Join(string(rune('a'+i%20)), string(rune('a'+i%7)), "f"), key)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	want := scan(t, root, plain)
	low := old
	low.Cur = 20
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	got := scan(t, root, plain)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if len(got.holes) > 0 || len(got.paths) != len(want.paths) {
		t.Errorf("with 20 descriptors found %d of %d, holes %+v", len(got.paths), len(want.paths), got.holes)
	}
}

func TestSparseAndOversizedFiles(t *testing.T) {
	root := t.TempDir()
	write(t, root, "small", key, "over", strings.Repeat("x", 5000)+key)
	f, err := os.Create(filepath.Join(root, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 40); err != nil {
		t.Skip("the file system knows no sparse files")
	}
	f.Close()
	r := &result{}
	r.run = source.Run{Detector: detector(t), Workers: 1, MaxFile: 4 << 10,
		OnHit:  func(h source.Hit) { r.paths = append(r.paths, h.Occurrence.Path) },
		OnHole: func(h source.Hole) { r.holes = append(r.holes, h) }}
	if err := worktree.New(root, plain).Scan(context.Background(), &r.run); err != nil {
		t.Fatal(err)
	}
	r.want(t, "small")
	r.hole(t, source.Policy, "over", "limit")
	scan(t, root, plain).hole(t, source.Policy, "sparse", "sparse")
}

// BenchmarkTree scans the Go tree: bytes of files per second, allocations per file.
func BenchmarkTree(b *testing.B) {
	root := os.Getenv("REKEY_BENCH_TREE")
	if root == "" {
		b.Skip("REKEY_BENCH_TREE names no directory")
	}
	d := detector(b)
	for b.Loop() {
		run := source.Run{Detector: d, Workers: 2}
		opt := plain
		opt.NoArchives = os.Getenv("REKEY_BENCH_ARCHIVES") == ""
		if err := worktree.New(root, opt).Scan(b.Context(), &run); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(run.Counts.BytesScanned.Load())
		b.ReportMetric(float64(run.Counts.Files.Load()), "files")
	}
}
