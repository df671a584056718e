package git_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/gittest"
)

// packOf packs all objects into one pack and returns the paths of pack and index.
func packOf(r *gittest.Repo) (pack, idx string) {
	r.T.Helper()
	r.Git("repack", "-q", "-adfk")
	r.Git("prune-packed")
	packs, _ := filepath.Glob(filepath.Join(r.Dir, ".git/objects/pack/*.pack"))
	if len(packs) != 1 {
		r.T.Fatalf("packs: %v", packs)
	}
	idx = strings.TrimSuffix(packs[0], ".pack") + ".idx"
	os.Chmod(packs[0], 0o644)
	os.Chmod(idx, 0o644)
	return packs[0], idx
}

func edit(t testing.TB, path string, fn func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		os.Chmod(path, 0o644)
		err = os.WriteFile(path, fn(b), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCutPack(t *testing.T) {
	for _, cut := range []int{1, 20, 40, 200} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			r := grown(t, "sha1")
			want := r.Objects(".")
			pack, _ := packOf(r)
			edit(t, pack, func(b []byte) []byte { return b[:len(b)-cut] })
			got, stats := read(t, open(t, r.Dir, git.Options{}))
			wantHole(t, stats.Holes, git.Unreadable, "pack", "cut or changed")
			lost := 0
			for id := range want {
				if _, ok := got[id]; !ok {
					lost++
					wantHoleFor(t, stats.Holes, id)
				}
			}
			if cut <= 20 && lost > 0 || lost == len(want) {
				t.Errorf("lost %d objects of %d", lost, len(want))
			}
		})
	}
}

func wantHoleFor(t testing.TB, holes []git.Hole, id string) {
	t.Helper()
	for _, h := range holes {
		if h.Oid.String() == id {
			return
		}
	}
	t.Errorf("no hole names %s", id)
}

// TestEveryByteOfAPack flips bytes of a pack and of its index: whatever happens, each
// object is read or named by a hole.
func TestEveryByteOfAPack(t *testing.T) {
	r := gittest.New(t)
	for i := 0; i < 3; i++ {
		r.Commit("c", "a", strings.Repeat("some text that packs well, ", 20)+fmt.Sprint(i), "d/b", fmt.Sprint(i))
	}
	want := r.Objects(".")
	pack, idx := packOf(r)
	for _, file := range []string{pack, idx} {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(whole)/150)
		for at := 0; at < len(whole); at += step {
			broken := bytes.Clone(whole)
			broken[at] ^= 0x55
			if err := os.WriteFile(file, broken, 0o644); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			got, stats := read(t, open(t, r.Dir, git.Options{}))
			if d := time.Since(began); d > 2*time.Second {
				t.Errorf("%s: byte %d: reading took %s", filepath.Ext(file), at, d)
			}
			for id := range want {
				if _, ok := got[id]; !ok && len(stats.Holes) == 0 {
					t.Errorf("%s: byte %d: %s was lost in silence", filepath.Ext(file), at, id)
				}
			}
			if filepath.Ext(file) == ".idx" && len(got) < len(want) {
				t.Errorf("byte %d of the index: %d objects of %d read, though the pack is whole; %v", at, len(got), len(want), stats.Holes)
			}
		}
		if err := os.WriteFile(file, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIndexGone(t *testing.T) {
	r := grown(t, "sha1")
	want := r.Objects(".")
	_, idx := packOf(r)
	if err := os.Remove(idx); err != nil {
		t.Fatal(err)
	}
	got, stats := read(t, open(t, r.Dir, git.Options{}))
	wantSame(t, got, want)
	wantNoHolesBut(t, stats.Holes, "ref")
}

func wantNoHolesBut(t testing.TB, holes []git.Hole, what string) {
	t.Helper()
	for _, h := range holes {
		if h.What != what {
			t.Errorf("unexpected hole: %s", h)
		}
	}
}

func TestPackGone(t *testing.T) {
	r := grown(t, "sha1")
	pack, _ := packOf(r)
	if err := os.Remove(pack); err != nil {
		t.Fatal(err)
	}
	got, stats := read(t, open(t, r.Dir, git.Options{}))
	if len(got) > 1 { // the dangling blob may be loose
		t.Errorf("read %d objects", len(got))
	}
	wantHole(t, stats.Holes, git.Unreadable, "pack", "promises objects")
}

func TestDamagedBaseIsReadFromAnotherPack(t *testing.T) {
	r := grown(t, "sha1")
	want := r.Objects(".")
	r.Git("repack", "-q", "-adfk")
	spare, _ := filepath.Glob(filepath.Join(r.Dir, ".git/objects/pack/*"))
	for _, f := range spare {
		b, _ := os.ReadFile(f)
		os.WriteFile(filepath.Join(filepath.Dir(f), "pack-0123"+filepath.Ext(f)), b, 0o644)
	}
	pack, _ := filepath.Glob(filepath.Join(r.Dir, ".git/objects/pack/pack-0123.pack"))
	edit(t, pack[0], func(b []byte) []byte {
		for i := 100; i < len(b)-40; i += 97 {
			b[i] ^= 0xff
		}
		return b
	})
	got, stats := read(t, open(t, r.Dir, git.Options{}))
	wantSame(t, got, want)
	wantNoHoles(t, stats.Holes)
}

// loose writes a loose object under a name of its own choosing.
func loose(r *gittest.Repo, id, inflated string) {
	r.T.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte(inflated))
	z.Close()
	looseRaw(r, id, b.Bytes())
}

func looseRaw(r *gittest.Repo, id string, b []byte) {
	r.T.Helper()
	path := filepath.Join(r.Dir, ".git/objects", id[:2], id[2:])
	os.MkdirAll(filepath.Dir(path), 0o755)
	os.Remove(path)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		r.T.Fatal(err)
	}
}

func TestDamagedLooseObjects(t *testing.T) {
	id := func(c string) string { return strings.Repeat(c, 40) }
	tests := []struct {
		name   string
		damage func(r *gittest.Repo)
		hole   string
	}{
		{"garbage", func(r *gittest.Repo) { looseRaw(r, id("1"), []byte("garbage")) }, "inflate"},
		{"empty_file", func(r *gittest.Repo) { looseRaw(r, id("1"), nil) }, "truncated"},
		{"other_content", func(r *gittest.Repo) { loose(r, id("1"), "blob 5\x00hello") }, "hash"},
		{"huge_size", func(r *gittest.Repo) { loose(r, id("1"), "blob 99999999999\x00hello") }, "truncated"},
		{"longer_than_its_size", func(r *gittest.Repo) { loose(r, id("1"), "blob 2\x00hello") }, "more than it promises"},
		{"no_header", func(r *gittest.Repo) { loose(r, id("1"), strings.Repeat("x", 100)) }, "no header"},
		{"unknown_type", func(r *gittest.Repo) { loose(r, id("1"), "blub 1\x00x") }, "unknown object type"},
		{"negative_size", func(r *gittest.Repo) { loose(r, id("1"), "blob -1\x00x") }, "bad size"},
		{"fifo", func(r *gittest.Repo) { mkfifo(r.T, filepath.Join(r.Dir, ".git/objects/11", id("1")[2:])) }, "not a regular file"},
		{"link_out", func(r *gittest.Repo) {
			os.MkdirAll(filepath.Join(r.Dir, ".git/objects/11"), 0o755)
			os.Symlink("/etc/passwd", filepath.Join(r.Dir, ".git/objects/11", id("1")[2:]))
		}, "escapes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := gittest.New(t)
			r.Commit("one", "a", "a\n")
			want := r.Objects(".")
			tt.damage(r)
			got, stats := read(t, open(t, r.Dir, git.Options{}))
			for id, w := range want {
				if got[id] != w {
					t.Errorf("%s was not read", id)
				}
			}
			wantHole(t, stats.Holes, git.Unreadable, map[bool]string{true: "object", false: "blob"}[tt.name != "other_content" && tt.name != "huge_size" && tt.name != "longer_than_its_size"], tt.hole)
			if tt.name == "other_content" {
				if _, ok := got[git.HashObject(git.SHA1, git.Blob, []byte("hello")).String()]; !ok {
					t.Error("content under a wrong id was not passed on")
				}
			}
		})
	}
}

func TestMissingObjects(t *testing.T) {
	tests := []struct{ name, rev, what string }{
		{"blob", "HEAD:a", "blob"},
		{"tree", "HEAD^{tree}", "tree"},
		{"parent", "HEAD~1", "commit"},
		{"tip", "HEAD", "ref"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := gittest.New(t)
			r.Commit("one", "a", "a\n")
			r.Commit("two", "a", "b\n")
			id := r.Git("rev-parse", tt.rev)
			if err := os.Remove(filepath.Join(r.Dir, ".git/objects", id[:2], id[2:])); err != nil {
				t.Fatal(err)
			}
			_, stats := read(t, open(t, r.Dir, git.Options{}))
			wantHole(t, stats.Holes, git.Unreadable, tt.what, id)
		})
	}
}

// handPack makes a pack out of entries, without an index.
func handPack(entries ...[]byte) []byte {
	b := []byte("PACK\x00\x00\x00\x02")
	b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
	for _, e := range entries {
		b = append(b, e...)
	}
	h := git.SHA1.New()
	h.Write(b)
	return h.Sum(b)
}

func entry(t git.Type, size int, base, body []byte) []byte {
	c := byte(t)<<4 | byte(size&15)
	var b []byte
	for size >>= 4; size > 0; size >>= 7 {
		b = append(b, c|0x80)
		c = byte(size & 0x7f)
	}
	b = append(append(b, c), base...)
	// Stored, not compressed: thousands of entries are made.
	b = append(b, 0x78, 0x01, 1)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(body)))
	b = binary.LittleEndian.AppendUint16(b, ^uint16(len(body)))
	return binary.BigEndian.AppendUint32(append(b, body...), adler32.Checksum(body))
}

func TestHostileDeltas(t *testing.T) {
	oid := func(s string) []byte { return git.HashObject(git.SHA1, git.Blob, []byte(s)).Append(nil) }
	circle := bytes.Repeat([]byte{7}, 20)
	bomb := []byte{5, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40} // promises 2^41 bytes
	tests := []struct {
		name    string
		entries [][]byte
		hole    string
	}{
		{"base_before_the_pack", [][]byte{entry(git.OfsDelta, 4, []byte{100}, []byte{5, 1, 1, 'x'})}, "outside of the pack"},
		{"base_is_itself", [][]byte{entry(git.OfsDelta, 4, []byte{0}, []byte{5, 1, 1, 'x'})}, "outside of the pack"},
		{"base_missing", [][]byte{entry(git.RefDelta, 4, circle, []byte{5, 1, 1, 'x'})}, "not found"},
		{"copy_beyond_base", [][]byte{entry(git.Blob, 5, nil, []byte("hello")), entry(git.RefDelta, 5, oid("hello"), []byte{5, 6, 0x91, 0, 6})}, "outside of its base"},
		{"size_lie", [][]byte{entry(git.Blob, 5, nil, []byte("hello")), entry(git.RefDelta, len(bomb), oid("hello"), bomb)}, "less than it promises"},
		{"instruction_zero", [][]byte{entry(git.Blob, 5, nil, []byte("hello")), entry(git.RefDelta, 3, oid("hello"), []byte{5, 1, 0})}, "reserved"},
		{"unknown_type", [][]byte{entry(5, 1, nil, []byte("x"))}, "damaged from here on"},
		{"size_of_80_bits", [][]byte{append(bytes.Repeat([]byte{0xbf}, 12), 1)}, "damaged from here on"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := gittest.New(t)
			r.Write(".git/objects/pack/pack-00.pack", string(handPack(tt.entries...)))
			_, stats := read(t, open(t, r.Dir, git.Options{}))
			found := false
			for _, h := range stats.Holes {
				found = found || strings.Contains(h.Reason, tt.hole)
			}
			if !found {
				t.Errorf("no hole says %q: %v", tt.hole, stats.Holes)
			}
		})
	}
}

func TestChainOfDeltas(t *testing.T) {
	const depth = 1500
	entries := [][]byte{entry(git.Blob, 5, nil, []byte("hello"))}
	last := []byte("hello")
	for i := 0; i < depth; i++ { // each appends a byte
		next := append(bytes.Clone(last), byte('a'+i%26))
		size := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
		d := append(size(len(last)), size(len(next))...)
		d = append(d, 0xb0, byte(len(last)), byte(len(last)>>8), 1, next[len(next)-1])
		dist := len(entries[len(entries)-1])
		entries = append(entries, entry(git.OfsDelta, len(d), []byte{byte(dist)}, d))
		last = next
	}
	for _, tt := range []struct {
		name         string
		limits       git.Limits
		objects, bad int
	}{
		{"all", git.Limits{}, depth + 1, 0},
		{"without_cache", git.Limits{Cache: 1, Depth: 500}, 501, depth - 500},
		{"limited", git.Limits{Depth: 1000}, 1001, depth - 1000},
		{"limited_without_cache", git.Limits{Depth: 100, Cache: 1}, 101, depth - 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := gittest.New(t)
			r.Write(".git/objects/pack/pack-00.pack", string(handPack(entries...)))
			got, stats := read(t, open(t, r.Dir, git.Options{Limits: tt.limits}))
			if len(got) != tt.objects || len(stats.Holes) != tt.bad {
				t.Errorf("read %d objects with %d holes, want %d and %d", len(got), len(stats.Holes), tt.objects, tt.bad)
			}
			for _, h := range stats.Holes {
				if h.Kind != git.OutOfPolicy {
					t.Errorf("hole %v is not out of policy", h)
					break
				}
			}
		})
	}
}

// TestEndlessChain reads a chain that is far longer than allowed: in time that grows
// with its length, not with the square of it.
func TestEndlessChain(t *testing.T) {
	const depth = 40_000
	entries := [][]byte{entry(git.Blob, 4, nil, []byte("root"))}
	for i := 1; i <= depth; i++ {
		d := append([]byte{4, 4, 4}, binary.BigEndian.AppendUint32(nil, uint32(i))...)
		entries = append(entries, entry(git.OfsDelta, len(d), []byte{byte(len(entries[i-1]))}, d))
	}
	r := gittest.New(t)
	r.Write(".git/objects/pack/pack-00.pack", string(handPack(entries...)))
	began := time.Now()
	got, stats := read(t, open(t, r.Dir, git.Options{}))
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	lost := 0
	for _, h := range stats.Holes {
		lost += h.Count
	}
	if len(got) != 10_001 || lost != depth-10_000 {
		t.Errorf("read %d objects with holes for %d", len(got), lost)
	}
}

// TestIndexGoneAndBasesLast reads a pack without index in which deltas stand before
// their bases.
func TestIndexGoneAndBasesLast(t *testing.T) {
	hello := git.HashObject(git.SHA1, git.Blob, []byte("hello"))
	onHello := entry(git.RefDelta, 4, hello.Append(nil), []byte{5, 1, 1, 'x'})
	entries := [][]byte{onHello, entry(git.OfsDelta, 4, []byte{byte(len(onHello))}, []byte{1, 1, 1, 'y'}), entry(git.Blob, 5, nil, []byte("hello"))}
	r := gittest.New(t)
	r.Write(".git/objects/pack/odd-name.pack", string(handPack(entries...)))
	got, stats := read(t, open(t, r.Dir, git.Options{}))
	if len(got) != 3 {
		t.Errorf("read %v, want three blobs", got)
	}
	wantNoHoles(t, stats.Holes)
}
