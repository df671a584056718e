package forest

import (
	"bytes"
	"math/rand"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
)

// randomDelta is a delta for a base of size bytes: valid in most cases.
func randomDelta(r *rand.Rand, size int) []byte {
	var ops []byte
	result := 0
	for range r.Intn(30) {
		if r.Intn(2) == 0 || size == 0 {
			n := 1 + r.Intn(127)
			ops = append(ops, byte(n))
			for range n {
				ops = append(ops, byte(r.Intn(256)))
			}
			result += n
			continue
		}
		src := r.Intn(size)
		n := 1 + r.Intn(size-src)
		if r.Intn(50) == 0 {
			n += 5
		}
		op, args := byte(0x80), []byte(nil)
		for k := range 4 {
			if b := byte(src >> (8 * k)); b != 0 {
				op, args = op|1<<k, append(args, b)
			}
		}
		for k := range 3 {
			if b := byte(n >> (8 * k)); b != 0 {
				op, args = op|16<<k, append(args, b)
			}
		}
		ops = append(append(ops, op), args...)
		result += n
	}
	if r.Intn(30) == 0 {
		result++
	}
	return append(append(varint(size), varint(result)...), ops...)
}

func varint(n int) (b []byte) {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// sameDelta compares applyDelta with the plain reader's ApplyDelta.
func sameDelta(t *testing.T, base, delta []byte) {
	t.Helper()
	want, wantErr := git.ApplyDelta(base, delta, 1<<20)
	baseSize, size, head, err := deltaSizes(delta)
	if err == nil && (baseSize != int64(len(base)) || size > 1<<20) {
		err = errDeltaOnBase
	}
	var out []byte
	var copies []Copy
	if err == nil {
		out = bytes.Repeat([]byte{0xa5}, int(size))
		copies, err = applyDelta(out, base, delta[head:], nil)
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("applyDelta: %v; ApplyDelta: %v; base of %d, delta %x", err, wantErr, len(base), delta)
	}
	if err != nil {
		return
	}
	if !bytes.Equal(out, want) {
		t.Fatalf("results differ: base of %d, delta %x", len(base), delta)
	}
	for _, c := range copies {
		if !bytes.Equal(out[c.Dst:c.Dst+c.Len], base[c.Src:c.Src+c.Len]) {
			t.Fatalf("copy %+v is not what the base has", c)
		}
	}
}

func TestApplyDeltaIsThePlainOne(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	base := make([]byte, 1<<17)
	r.Read(base)
	for range 5000 {
		b := base[:r.Intn(300)]
		if r.Intn(20) == 0 {
			b = base[:0x10000+r.Intn(0x10000)]
		}
		delta := randomDelta(r, len(b))
		sameDelta(t, b, delta)
		if len(delta) > 0 {
			delta[r.Intn(len(delta))] ^= 1 << r.Intn(8)
			sameDelta(t, b, delta)
			sameDelta(t, b, delta[:r.Intn(len(delta))])
		}
	}
}

func FuzzApplyDelta(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	for range 20 {
		base := make([]byte, r.Intn(100))
		r.Read(base)
		f.Add(base, randomDelta(r, len(base)))
	}
	f.Fuzz(sameDelta)
}

func TestPlacesFindEveryOffset(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for n := range 200 {
		var off []int64
		at := int64(12)
		for range n {
			off = append(off, at)
			at += int64(1 + r.Intn(1+r.Intn(5000)))
			if r.Intn(500) == 0 {
				at += 1 << 33
			}
		}
		p := newPlaces(off)
		has := map[int64]int32{}
		for i, o := range off {
			has[o] = int32(i)
		}
		for _, o := range append(off, -1, 0, 11, 13, at, at+1, 1<<62) {
			for d := int64(-1); d <= 1; d++ {
				want, ok := has[o+d]
				if got, found := p.find(o + d); found != ok || found && got != want {
					t.Fatalf("%d offsets: find(%d) = %d, %v; want %d, %v", n, o+d, got, found, want, ok)
				}
			}
		}
	}
}

func TestBuffersComeBackInTheirClass(t *testing.T) {
	for n := 1; n < 1<<22; n += 1 + n/50 {
		c, size := class(n)
		c2, size2 := class(size)
		if size < n || c != c2 || size != size2 || n > smallest && size > n+n/4+8 {
			t.Errorf("class(%d) = %d, %d; of that size %d, %d", n, c, size, c2, size2)
		}
	}
}
