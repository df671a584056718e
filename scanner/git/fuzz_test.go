package git_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
)

// smallIndex makes an index of version 2 over ids and offsets, in order of id.
func smallIndex(f git.Format, offsets ...uint32) []byte {
	b := []byte{0xff, 't', 'O', 'c', 0, 0, 0, 2}
	for i := range 256 {
		n := uint32(0)
		for j := range offsets {
			if j*16 <= i {
				n++
			}
		}
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for j := range offsets {
		b = append(b, bytes.Repeat([]byte{byte(j * 16)}, f.Size())...)
	}
	b = append(b, make([]byte, 4*len(offsets))...)
	for _, o := range offsets {
		b = binary.BigEndian.AppendUint32(b, o)
	}
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 12) // one 64-bit offset
	b = append(b, make([]byte, f.Size())...)
	h := f.New()
	h.Write(b)
	return h.Sum(b)
}

func FuzzPackIndex(f *testing.F) {
	f.Add(smallIndex(git.SHA1, 12, 100, 50), false)
	f.Add(smallIndex(git.SHA256, 12, 0x80000000), true)
	f.Add(smallIndex(git.SHA1, 12, 0x80000001), false)
	v1 := append(make([]byte, 0), smallIndex(git.SHA1, 12)[8:8+1024]...)
	f.Add(append(append(append(v1, 0, 0, 0, 12), make([]byte, 20)...), make([]byte, 40)...), false)
	f.Fuzz(func(t *testing.T, data []byte, long bool) {
		format := git.SHA1
		if long {
			format = git.SHA256
		}
		x, err := git.ParsePackIndex(data, format)
		if err != nil {
			return
		}
		for i := 0; i < x.Len(); i++ {
			if x.Offset(i) < 0 {
				t.Fatalf("offset %d of object %d", x.Offset(i), i)
			}
			if j, ok := x.Find(x.Oid(i)); !ok || x.Oid(j) != x.Oid(i) {
				t.Fatalf("object %d is not found by its id", i)
			}
			if j, ok := x.FindOffset(x.Offset(i)); !ok || x.Offset(j) != x.Offset(i) {
				t.Fatalf("object %d is not found by its offset", i)
			}
			x.CRC(i)
		}
		order := x.ByOffset()
		for i := 1; i < len(order); i++ {
			if x.Offset(int(order[i-1])) > x.Offset(int(order[i])) {
				t.Fatal("ByOffset is not in order")
			}
		}
	})
}

func FuzzEntryHeader(f *testing.F) {
	for _, s := range [][]byte{{0x35}, {0xb5, 0x80, 0x01}, {0x65, 0x81, 0x00}, append([]byte{0x75}, make([]byte, 20)...),
		bytes.Repeat([]byte{0xff}, 30), {0x60, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}} {
		f.Add(s, int64(1000))
	}
	f.Fuzz(func(t *testing.T, data []byte, off int64) {
		h, err := git.ParseEntryHeader(data, off, git.SHA1)
		if err != nil {
			return
		}
		if h.Len > len(data) || h.Len > git.MaxEntryHeader || h.Size < 0 {
			t.Fatalf("header %+v of %d bytes", h, len(data))
		}
		if h.Type == git.OfsDelta && (h.Base < 12 || h.Base >= off) {
			t.Fatalf("base at %d of entry at %d", h.Base, off)
		}
	})
}

func FuzzDelta(f *testing.F) {
	base := []byte("hello world")
	f.Add(base, []byte{11, 16, 0x90, 11, 5, 'a', 'b', 'c', 'd', 'e'})
	f.Add(base, []byte{11, 5, 0x91, 6, 5})
	f.Add(base, []byte{11, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f})
	f.Add(base, []byte{11, 3, 0})
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		const limit = 1 << 20
		out, err := git.ApplyDelta(base, delta, limit)
		if err != nil {
			return
		}
		b, n, err := git.CheckDelta(delta)
		if err != nil || b != int64(len(base)) || n != int64(len(out)) || n > limit {
			t.Fatalf("applied to %d bytes from %d; checked: %d from %d, %v", len(out), len(base), n, b, err)
		}
		// The obvious way, instruction by instruction.
		d, _ := git.ParseDelta(delta)
		var slow []byte
		for {
			op, ok, err := d.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			for i := range op.Len {
				if op.Insert != nil {
					slow = append(slow, op.Insert[i])
				} else {
					slow = append(slow, base[op.Offset+i])
				}
			}
		}
		if !bytes.Equal(slow, out) {
			t.Fatal("ApplyDelta differs from the instructions")
		}
	})
}

func FuzzTree(f *testing.F) {
	id := make([]byte, 32)
	f.Add(append([]byte("100644 a\x00"), id[:20]...))
	f.Add(append([]byte("40000 ..\x00"), id...))
	f.Add([]byte("160000 \x00"))
	f.Add([]byte("99"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []git.Format{git.SHA1, git.SHA256} {
			it := git.NewTreeIter(data, format)
			last := 0
			for {
				e, ok, err := it.Next()
				if !ok {
					if err == nil && it.Offset() != len(data) {
						t.Fatalf("ends at %d of %d without an error", it.Offset(), len(data))
					}
					break
				}
				if it.Offset() <= last || len(e.ID()) != format.Size() || bytes.IndexByte(e.Name, 0) >= 0 {
					t.Fatalf("entry %+v at %d", e, it.Offset())
				}
				last = it.Offset()
			}
		}
	})
}

func FuzzCommit(f *testing.F) {
	f.Add([]byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@x> 1 +0100\ncommitter C <c@x> 99999999999999999999 -9999\nencoding x\ngpgsig -----\n \n x\n\nmessage\n"))
	f.Add([]byte("\n\n"))
	f.Add([]byte("tree x"))
	f.Add([]byte(" \n x\n author"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _ := git.ParseCommit(data, git.SHA1)
		covered := len(c.Message.Of(data))
		for _, s := range []git.Span{c.Author, c.Committer} {
			covered += len(s.Of(data))
			if y := git.ParseIdent(s.Of(data)).Time().Year(); y < -1 || y > 9999 {
				t.Fatalf("year %d", y)
			}
		}
		for _, h := range c.Extra {
			covered += len(h.Value.Of(data))
		}
		if covered > len(data) {
			t.Fatalf("parts of %d bytes in a commit of %d", covered, len(data))
		}
	})
}

func FuzzTag(f *testing.F) {
	f.Add([]byte("object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\ntagger T <t@x> 1 +0000\n\nmessage\n"))
	f.Add([]byte("object \ntype blub\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := git.ParseTag(data, git.SHA1)
		if err == nil && (g.Type < git.Commit || g.Type > git.Tag) {
			t.Fatalf("type %d without an error", g.Type)
		}
		_, _, _ = g.Name.Of(data), g.Tagger.Of(data), g.Message.Of(data)
	})
}

func FuzzPackedRefs(f *testing.F) {
	const id = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	f.Add([]byte("# pack-refs with: peeled fully-peeled sorted\n" + id + " refs/tags/v1\n^" + id + "\n" + id + " refs/heads/x\r\n"))
	f.Add([]byte("^" + id + "\n\n\n" + id))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		bad := git.ParsePackedRefs(data, git.SHA1, func(name string, o, _ git.Oid) {
			n++
			if name == "" || o.Format() != git.SHA1 {
				t.Fatalf("ref %q %s", name, o)
			}
		})
		if n+bad > bytes.Count(data, []byte("\n"))+1 {
			t.Fatalf("%d refs and %d bad lines out of fewer lines", n, bad)
		}
	})
}

func FuzzReflog(f *testing.F) {
	const id = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	f.Add([]byte(id + " " + id + " A <a@x> 1 +0000\tcommit: x\n" + id + " " + id + "\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		log, bad := git.ParseReflog(data, git.SHA1)
		if len(log)+bad > bytes.Count(data, []byte("\n"))+1 {
			t.Fatalf("%d entries and %d bad lines out of fewer lines", len(log), bad)
		}
	})
}

func FuzzLooseHeader(f *testing.F) {
	for _, s := range []string{"blob 5\x00", "commit 0\x00", "tag 99999999999999999999\x00", "blob +1\x00", "blob  1\x00", "tree", "blob \x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		typ, size, n, err := git.ParseLooseHeader(data)
		if err == nil && (n > len(data) || size < 0 || typ < git.Commit || typ > git.Tag) {
			t.Fatalf("type %s, size %d, header of %d bytes out of %d", typ, size, n, len(data))
		}
	})
}

// FuzzRepository reads a repository with any pack and index in it.
func FuzzRepository(f *testing.F) {
	delta := []byte{5, 7, 0x90, 5, 2, '!', '!'}
	base := git.HashObject(git.SHA1, git.Blob, []byte("hello"))
	f.Add(handPack(entry(git.Blob, 5, nil, []byte("hello")), entry(git.RefDelta, len(delta), base.Append(nil), delta)), smallIndex(git.SHA1, 12, 26))
	f.Add(handPack(), []byte{})
	f.Fuzz(func(t *testing.T, pack, idx []byte) {
		dir := t.TempDir()
		for _, d := range []string{"objects/pack", "refs"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, data := range map[string][]byte{"HEAD": []byte("ref: refs/heads/main\n"), "objects/pack/pack-1.pack": pack, "objects/pack/pack-1.idx": idx} {
			if len(data) > 0 {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		r, err := git.Open(dir, git.Options{Limits: git.Limits{Large: 1 << 16, Delta: 1 << 20, Depth: 50}})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		seen := map[git.Oid]bool{}
		_, err = r.Objects(t.Context(), func(o git.Object) error {
			if o.Data != nil && git.HashObject(git.SHA1, o.Type, o.Data) != o.Oid {
				t.Fatalf("%s has another content", o.Oid)
			}
			if seen[o.Oid] {
				t.Fatalf("%s came twice", o.Oid)
			}
			seen[o.Oid] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
