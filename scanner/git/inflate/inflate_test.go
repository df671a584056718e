package inflate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"math/rand"
	"testing"
)

// sampleText looks like source code: words that repeat, some numbers, runs.
func sampleText(seed int64, n int) []byte {
	r := rand.New(rand.NewSource(seed))
	words := make([][]byte, 200)
	for i := range words {
		w := make([]byte, 2+r.Intn(9))
		for k := range w {
			w[k] = "etaoinshrdlucmfwypvbgkqjxz_ETA("[min(r.Intn(31), r.Intn(31))]
		}
		words[i] = w
	}
	var out []byte
	for len(out) < n {
		switch r.Intn(12) {
		case 0:
			out = append(out, '\n')
			out = append(out, bytes.Repeat([]byte("\t "[r.Intn(2):][:1]), r.Intn(20))...)
		case 1:
			for range r.Intn(8) {
				out = append(out, byte('0'+r.Intn(10)))
			}
		case 2:
			if len(out) > 100 {
				at := r.Intn(len(out) - 50)
				out = append(out, out[at:at+r.Intn(50)]...)
			}
		default:
			out = append(out, words[min(r.Intn(200), r.Intn(200), r.Intn(200))]...)
			out = append(out, ' ')
		}
	}
	return out[:n]
}

func compress(tb testing.TB, p []byte, level int) []byte {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err != nil {
		tb.Fatal(err)
	}
	w.Write(p)
	w.Close()
	return b.Bytes()
}

// shapes are contents that lead a compressor into different kinds of blocks.
func shapes() map[string][]byte {
	r := rand.New(rand.NewSource(7))
	noise := make([]byte, 70000)
	r.Read(noise)
	few := make([]byte, 5000)
	for i := range few {
		few[i] = "ab"[r.Intn(2)]
	}
	skewed := make([]byte, 60000) // long codes, subtables
	for i := range skewed {
		skewed[i] = byte(min(r.Intn(256), r.Intn(256), r.Intn(256), r.Intn(256), r.Intn(256)))
	}
	s := map[string][]byte{
		"empty": {}, "one_byte": {'x'}, "noise": noise, "few_symbols": few, "skewed": skewed,
		"one_run": bytes.Repeat([]byte{0}, 100000), "text": sampleText(1, 200000),
		"noise_then_text": append(bytes.Clone(noise[:40000]), sampleText(2, 30000)...),
	}
	for period := 2; period < 20; period++ {
		s[fmt.Sprintf("period_%d", period)] = bytes.Repeat(noise[:period], 700)
	}
	for _, n := range []int{2, 7, 31, 32, 33, 255, 300, 335, 336, 337, 600} {
		s[fmt.Sprintf("text_%d", n)] = sampleText(int64(n), n)
	}
	return s
}

// decode runs Inflate with different room around the buffers and checks that
// nothing outside the capacity was touched and that the results are the same.
func decode(t testing.TB, z []byte, size int) ([]byte, int, error) {
	t.Helper()
	var d Decoder
	var first []byte
	var firstN int
	var firstErr error
	for k, room := range [][2]int{{0, 0}, {Slack, InputSlack}, {Slack / 2, 0}, {2 * Slack, 3}} {
		const guard = 64
		buf := bytes.Repeat([]byte{0xa5}, size+room[0]+guard)
		src := append(bytes.Clone(z), make([]byte, room[1])...)
		n, err := d.Inflate(buf[:size:size+room[0]], src[:len(src):len(src)])
		if !bytes.Equal(buf[size+room[0]:], bytes.Repeat([]byte{0xa5}, guard)) {
			t.Fatalf("room %v: bytes behind the capacity were written", room)
		}
		if k == 0 {
			first, firstN, firstErr = buf[:size], n, err
			continue
		}
		// What is missing at the end may be found in the room behind.
		if errors.Is(firstErr, ErrTruncated) && room[1] > 0 {
			continue
		}
		if (err == nil) != (firstErr == nil) || n != firstN || err == nil && !bytes.Equal(first, buf[:size]) {
			t.Fatalf("room %v: %d, %v; without room %d, %v", room, n, err, firstN, firstErr)
		}
	}
	return first, firstN, firstErr
}

func TestInflateDecodesEveryLevelAndShape(t *testing.T) {
	for name, p := range shapes() {
		for level := zlib.HuffmanOnly; level <= zlib.BestCompression; level++ {
			z := compress(t, p, level)
			got, n, err := decode(t, z, len(p))
			if err != nil || n != len(z) || !bytes.Equal(got, p) {
				t.Fatalf("%s level %d: took %d of %d, %v", name, level, n, len(z), err)
			}
			if _, _, err := decode(t, z, len(p)+1); !errors.Is(err, ErrSize) {
				t.Errorf("%s level %d: one byte too many announced: %v", name, level, err)
			}
			if len(p) > 0 {
				if _, _, err := decode(t, z, len(p)-1); !errors.Is(err, ErrSize) {
					t.Errorf("%s level %d: one byte too few announced: %v", name, level, err)
				}
			}
		}
	}
}

func TestInflateNamesWhatIsWrong(t *testing.T) {
	good := compress(t, []byte("tree and blob and tree and blob"), 6)
	edit := func(f func(z []byte) []byte) []byte { return f(bytes.Clone(good)) }
	raw := func(b ...byte) []byte {
		return append(append([]byte{0x78, 0x9c}, b...), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	tests := []struct {
		name string
		z    []byte
		want error
	}{
		{"empty_input", nil, ErrTruncated},
		{"half_header", good[:1], ErrTruncated},
		{"header_only", good[:2], ErrTruncated},
		{"without_checksum", good[:len(good)-4], ErrTruncated},
		{"half_checksum", good[:len(good)-1], ErrTruncated},
		{"not_deflate", edit(func(z []byte) []byte { z[0], z[1] = 0x79, 0x9b; return z }), ErrHeader},
		{"window_too_large", edit(func(z []byte) []byte { z[0], z[1] = 0x88, 0x1c; return z }), ErrHeader},
		{"header_check", edit(func(z []byte) []byte { z[1]++; return z }), ErrHeader},
		{"dictionary", edit(func(z []byte) []byte { z[1] = 0xbb; return z }), ErrHeader},
		{"checksum", edit(func(z []byte) []byte { z[len(z)-1]++; return z }), ErrChecksum},
		{"block_type_3", raw(0x07), ErrCorrupt},
		{"stored_length", raw(0x01, 0x01, 0x00, 0xff, 0xff), ErrCorrupt},
		{"stored_too_long", raw(0x01, 0xff, 0x00, 0x00, 0xff), ErrTruncated},
		{"static_symbol_286", raw(0x1b, 0x03), ErrCorrupt},
		{"distance_before_start", raw(0x03, 0x02), ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := decode(t, tt.z, 31); !errors.Is(err, tt.want) {
				t.Errorf("Inflate = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestInflateSkipsChecksumOnRequest(t *testing.T) {
	z := compress(t, []byte("blob"), 6)
	z[len(z)-1] ^= 1
	d := Decoder{SkipChecksum: true}
	if n, err := d.Inflate(make([]byte, 4), z); n != len(z) || err != nil {
		t.Errorf("Inflate = %d, %v", n, err)
	}
}

func TestInflateRefusesEveryPrefix(t *testing.T) {
	for _, level := range []int{0, 1, 6} {
		p := sampleText(4, 1500)
		z := compress(t, p, level)
		for n := range z {
			if _, _, err := decode(t, z[:n:n], len(p)); !errors.Is(err, ErrTruncated) {
				t.Fatalf("level %d, %d of %d bytes: %v", level, n, len(z), err)
			}
		}
	}
}

// reference decodes z with the standard library: what it gave before an error,
// and whether there was one.
func reference(z []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(z))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, 1<<20))
}

// agree fails unless Inflate and the standard library say the same about z.
func agree(t testing.TB, z []byte) {
	t.Helper()
	want, wantErr := reference(z)
	if len(want) == 1<<20 {
		return
	}
	got, n, err := decode(t, z, len(want))
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("Inflate: %v; compress/zlib: %v; %d bytes from %x", err, wantErr, len(want), z[:min(len(z), 200)])
	}
	if err == nil {
		if !bytes.Equal(got, want) {
			t.Fatalf("output differs from compress/zlib: %x", z[:min(len(z), 200)])
		}
		if _, cut := reference(z[:n]); cut != nil {
			t.Fatalf("Inflate took %d bytes, compress/zlib needs more: %v", n, cut)
		}
	}
}

func TestInflateAgreesOnDamagedStreams(t *testing.T) {
	r := rand.New(rand.NewSource(9))
	for round := range 3000 {
		z := compress(t, sampleText(int64(round), 20+r.Intn(800)), 1+r.Intn(9))
		for range 1 + r.Intn(3) {
			at := r.Intn(len(z))
			if r.Intn(2) == 0 {
				at = min(len(z)-1, 2+r.Intn(60)) // the codes
			}
			z[at] ^= 1 << r.Intn(8)
		}
		agree(t, z)
		fix(z)
		agree(t, z)
	}
}

// fix puts the checksum right that belongs to the output, if the stream decodes.
func fix(z []byte) {
	if len(z) < 6 {
		return
	}
	out, _ := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(z[2:])), 1<<20))
	s := adler32.Checksum(out)
	copy(z[len(z)-4:], []byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)})
}

func TestInflateAgreesOnRandomCodes(t *testing.T) {
	good := 0
	for seed := range int64(1500) {
		z := randomStream(rand.New(rand.NewSource(seed)))
		agree(t, z)
		if _, err := reference(z); err == nil {
			good++
		}
	}
	if good < 300 {
		t.Errorf("only %d of 1500 random streams decode: the test has lost its point", good)
	}
	t.Logf("%d streams decode", good)
}

func TestInflateDoesNotAllocate(t *testing.T) {
	p := sampleText(5, 50000)
	z := compress(t, p, 6)
	var d Decoder
	out := make([]byte, len(p)+Slack)
	if n := testing.AllocsPerRun(10, func() { d.Inflate(out[:len(p)], z) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAdler32IsTheStandardOne(t *testing.T) {
	r := rand.New(rand.NewSource(11))
	for n := range 2000 {
		p := make([]byte, n)
		r.Read(p)
		if n%3 == 0 {
			p = bytes.Repeat([]byte{0xff}, n*40)
		}
		if got, want := adler(p), adler32.Checksum(p); got != want {
			t.Fatalf("adler32 of %d bytes = %08x, want %08x", len(p), got, want)
		}
	}
}

func FuzzInflate(f *testing.F) {
	for _, p := range shapes() {
		if len(p) < 2000 {
			for level := zlib.HuffmanOnly; level <= 9; level += 3 {
				f.Add(compress(f, p, level))
			}
		}
	}
	for seed := range int64(20) {
		f.Add(randomStream(rand.New(rand.NewSource(seed))))
	}
	f.Fuzz(func(t *testing.T, z []byte) {
		agree(t, z)
		z = bytes.Clone(z)
		fix(z)
		agree(t, z)
	})
}
