package forest_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/forest"
)

// packWriter writes a pack and its index entry by entry, whatever they say.
type packWriter struct {
	data    []byte
	entries []packed
	z       *zlib.Writer
}

type packed struct {
	oid git.Oid
	off int64
}

func newPack() *packWriter {
	return &packWriter{data: []byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00"), z: zlib.NewWriter(nil)}
}

// add appends an entry: size is what its header promises, extra what stands between
// header and content.
func (w *packWriter) add(o git.Oid, t git.Type, size int, extra, content []byte) int64 {
	off := int64(len(w.data))
	w.entries = append(w.entries, packed{o, off})
	c := byte(t)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		w.data = append(w.data, c|0x80)
		c = byte(size & 0x7f)
	}
	w.data = append(append(w.data, c), extra...)
	var z bytes.Buffer
	w.z.Reset(&z)
	w.z.Write(content)
	w.z.Close()
	w.data = append(w.data, z.Bytes()...)
	return off
}

// blob appends a whole blob and returns its id.
func (w *packWriter) blob(content string) git.Oid {
	o := git.HashObject(git.SHA1, git.Blob, []byte(content))
	w.add(o, git.Blob, len(content), nil, []byte(content))
	return o
}

// refDelta appends a delta on base that makes result by insertion.
func (w *packWriter) refDelta(o, base git.Oid, delta []byte) {
	w.add(o, git.RefDelta, len(delta), base.Append(nil), delta)
}

// insert is a delta that copies all of a short base and inserts text.
func insert(base, text string) []byte {
	return append([]byte{byte(len(base)), byte(len(base) + len(text)), 0x90, byte(len(base)), byte(len(text))}, text...)
}

func (w *packWriter) pack(t testing.TB, name string) forest.Pack {
	binary.BigEndian.PutUint32(w.data[8:], uint32(len(w.entries)))
	sum := sha1.Sum(w.data)
	data := append(w.data, sum[:]...)
	sort.Slice(w.entries, func(i, j int) bool { return w.entries[i].oid.Compare(w.entries[j].oid) < 0 })
	idx := []byte("\xfftOc\x00\x00\x00\x02")
	for b := range 256 {
		n := 0
		for _, e := range w.entries {
			if int(e.oid.Append(nil)[0]) <= b {
				n++
			}
		}
		idx = binary.BigEndian.AppendUint32(idx, uint32(n))
	}
	for _, e := range w.entries {
		idx = e.oid.Append(idx)
	}
	idx = append(idx, make([]byte, 4*len(w.entries))...)
	for _, e := range w.entries {
		idx = binary.BigEndian.AppendUint32(idx, uint32(e.off))
	}
	idx = append(idx, sum[:]...)
	all := sha1.Sum(idx)
	x, err := git.ParsePackIndex(append(idx, all[:]...), git.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	return forest.Pack{Name: name, Data: data, Index: x}
}

// blobID names a blob by its content.
func blobID(content string) git.Oid { return git.HashObject(git.SHA1, git.Blob, []byte(content)) }

func TestWalkSaysWhatIsWrong(t *testing.T) {
	tests := []struct {
		name string
		make func(w *packWriter)
		want string // in the reason of the one or two holes; empty: none
		lost int
	}{
		{"nothing", func(w *packWriter) { w.refDelta(blobID("basemore"), w.blob("base"), insert("base", "more")) }, "", 0},
		{"base_behind", func(w *packWriter) {
			w.refDelta(blobID("basemore"), blobID("base"), insert("base", "more"))
			w.blob("base")
		}, "", 0},
		{"base_missing", func(w *packWriter) { w.refDelta(blobID("xmore"), blobID("x"), insert("x", "more")) }, "is not in the packs", 1},
		{"own_base", func(w *packWriter) { w.refDelta(blobID("x"), blobID("x"), insert("x", "")) }, "base", 1},
		{"circle", func(w *packWriter) {
			w.refDelta(blobID("x"), blobID("y"), insert("y", "z"))
			w.refDelta(blobID("y"), blobID("x"), insert("x", "z"))
		}, "whose base", 2},
		{"chain_on_missing", func(w *packWriter) {
			w.refDelta(blobID("a"), blobID("b"), insert("b", "z"))
			w.refDelta(blobID("b"), blobID("c"), insert("c", "z"))
		}, "base", 2},
		{"wrong_base_size", func(w *packWriter) { w.refDelta(blobID("basemore"), w.blob("base"), insert("bases", "more")) }, "base of another size", 1},
		{"copy_outside", func(w *packWriter) {
			w.refDelta(blobID("x"), w.blob("base"), []byte{4, 4, 0x91, 1, 4})
		}, "copies from outside", 1},
		{"insert_nothing", func(w *packWriter) { w.refDelta(blobID("x"), w.blob("base"), []byte{4, 4, 0}) }, "instruction 0", 1},
		{"delta_cut", func(w *packWriter) { w.refDelta(blobID("x"), w.blob("base"), []byte{4, 4, 0x91}) }, "cut off", 1},
		{"insert_cut", func(w *packWriter) { w.refDelta(blobID("x"), w.blob("base"), []byte{4, 4, 4, 'a'}) }, "cut off", 1},
		{"too_short", func(w *packWriter) { w.refDelta(blobID("x"), w.blob("base"), []byte{4, 5, 0x90, 4}) }, "less than", 1},
		{"too_long", func(w *packWriter) { w.refDelta(blobID("x"), w.blob("base"), []byte{4, 3, 0x90, 4}) }, "more than", 1},
		{"empty_delta", func(w *packWriter) { w.refDelta(blobID("x"), w.blob("base"), nil) }, "truncated", 1},
		{"header_without_end", func(w *packWriter) { w.refDelta(blobID("x"), w.blob("base"), []byte{4, 0x84}) }, "truncated", 1},
		{"size_a_lie", func(w *packWriter) { w.add(blobID("x"), git.Blob, 9, nil, []byte("x")) }, "size that was announced", 1},
		{"size_impossible", func(w *packWriter) { w.add(blobID("x"), git.Blob, 30<<20, nil, []byte("x")) }, "promises", 1},
		{"unknown_type", func(w *packWriter) { w.add(blobID("x"), 5, 1, nil, []byte("x")) }, "unknown entry type", 1},
		{"wrong_id", func(w *packWriter) { w.add(blobID("y"), git.Blob, 1, nil, []byte("x")) }, "this id", 1},
		{"offset_outside", func(w *packWriter) { w.entries = append(w.entries, packed{blobID("x"), 1 << 30}) }, "no entry at", 1},
		{"offset_in_trailer", func(w *packWriter) { w.entries = append(w.entries, packed{blobID("x"), int64(len(w.data))}) }, "no entry at", 1},
		{"ofs_base_between_entries", func(w *packWriter) {
			w.blob("base")
			w.add(blobID("x"), git.OfsDelta, 3, []byte{3}, []byte("abc"))
		}, "no object at", 1},
		{"ofs_base_before_start", func(w *packWriter) { w.add(blobID("x"), git.OfsDelta, 3, []byte{20}, []byte("abc")) }, "outside of the pack", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newPack()
			good := w.blob("good")
			tt.make(w)
			n := len(w.entries)
			c, res := walk(t, []forest.Pack{w.pack(t, "pack-x.pack")}, forest.Options{Verify: true})
			if _, ok := c.got[good]; !ok {
				t.Error("a good object was lost too")
			}
			if len(res.Holes) != tt.lost || len(c.got) != n-tt.lost {
				t.Fatalf("%d visited of %d, holes %v", len(c.got), n, res.Holes)
			}
			for _, h := range res.Holes {
				if !strings.Contains(h.Reason, tt.want) || h.Path != "pack-x.pack" {
					t.Errorf("hole %s: want %q", h, tt.want)
				}
			}
		})
	}
}

func TestWalkFindsBasesInOtherPacks(t *testing.T) {
	thin, full := newPack(), newPack()
	thin.refDelta(blobID("basemore"), blobID("base"), insert("base", "more"))
	base := full.blob("base")
	full.refDelta(blobID("baseless"), base, insert("base", "less"))
	for _, packs := range [][]forest.Pack{
		{thin.pack(t, "thin"), full.pack(t, "full")},
		{full.pack(t, "full"), thin.pack(t, "thin"), full.pack(t, "copy")},
	} {
		c, res := walk(t, packs, forest.Options{Verify: true})
		if len(c.got) != 3 || len(res.Holes) > 0 || res.Deltas != 2 {
			t.Errorf("visited %v, holes %v", c.got, res.Holes)
		}
	}
}

func TestWalkSplitsOneFamily(t *testing.T) {
	w := newPack()
	root := w.blob(strings.Repeat("r", 100))
	base := strings.Repeat("r", 100)
	for i := range 3000 {
		text := fmt.Sprintf("-%06d", i)
		w.refDelta(blobID(base+text), root, insert(base, text))
	}
	packs := []forest.Pack{w.pack(t, "x")}
	for range 20 {
		c, res := walk(t, packs, forest.Options{Workers: 4, Verify: true})
		if len(c.got) != 3001 || len(res.Holes) > 0 {
			t.Fatalf("%d visited, holes %v", len(c.got), res.Holes)
		}
		if res.Handed > 0 {
			return
		}
	}
	t.Error("no subtree was ever handed over")
}

func TestWalkHandlesChainsAsDeepAsTheyCome(t *testing.T) {
	w := newPack()
	last := w.blob("0")
	content := "0"
	for i := range 20000 {
		next := fmt.Sprintf("%d %d", i, i)
		o := blobID(next)
		w.refDelta(o, last, insert0(content, next))
		content, last = next, o
	}
	c, res := walk(t, []forest.Pack{w.pack(t, "x")}, forest.Options{Verify: true, Memory: 1})
	if len(c.got) != 20001 || len(res.Holes) > 0 {
		t.Errorf("%d visited, %d holes", len(c.got), len(res.Holes))
	}
}

// A chain on each of whose objects two others are based, the chain's next one first:
// walked in that order, all of the chain would have to wait in memory.
func TestWalkKeepsFewBasesHoweverDeltasAreArranged(t *testing.T) {
	w := newPack()
	const size = 100
	content := strings.Repeat("a", size)
	last := w.blob(content)
	for i := range 2000 {
		next := fmt.Sprintf("%0*d", size, i)
		w.refDelta(blobID(next), last, insert0(content, next))
		leaf := fmt.Sprintf("%0*d", size, 1000000+i)
		w.refDelta(blobID(leaf), last, insert0(content, leaf))
		content, last = next, blobID(next)
	}
	c, res := walk(t, []forest.Pack{w.pack(t, "x")}, forest.Options{Workers: 1, Verify: true})
	if len(c.got) != 4001 || len(res.Holes) > 0 {
		t.Errorf("%d visited, %d holes", len(c.got), len(res.Holes))
	}
	if res.PeakBytes > 8*4096 {
		t.Errorf("%d bytes of buffers for objects of %d", res.PeakBytes, size)
	}
}

// insert0 is a delta that copies nothing.
func insert0(base, result string) []byte {
	return append([]byte{byte(len(base)), byte(len(result)), byte(len(result))}, result...)
}

func FuzzWalk(f *testing.F) {
	w := newPack()
	w.refDelta(blobID("basemore"), w.blob("base"), insert("base", "more"))
	w.refDelta(blobID("basemore2"), blobID("basemore"), insert("basemore", "2"))
	good := w.pack(f, "x")
	f.Add(good.Data, uint16(12))
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		p := good
		p.Data = bytes.Clone(data)
		c, res := walk(t, []forest.Pack{p}, forest.Options{Workers: 2, Large: 1 << 16})
		if len(c.got)+len(res.Holes)+len(res.Large) != p.Index.Len() {
			t.Errorf("%d visited, %d holes, %d large of %d", len(c.got), len(res.Holes), len(res.Large), p.Index.Len())
		}
	})
}
