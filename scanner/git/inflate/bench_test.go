package inflate

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"flag"
	"io"
	"os"
	"testing"
	"time"

	kzlib "github.com/klauspost/compress/zlib"
)

// go test -bench . ./scanner/git/inflate -args -pack .git/objects/pack/pack-X.pack
// measures the first entries of a real pack; without it, entries made here.
var packFlag = flag.String("pack", "", "pack file whose entries the benchmarks decode")

type entry struct {
	size int
	z    []byte // the stream and whatever follows
}

// packEntries reads a pack and keeps one of every 32 runs of 64 entries, so that
// commits, trees and blobs are there in their proportions.
func packEntries(tb testing.TB, path string) (entries []entry, in, out int64) {
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	n := binary.BigEndian.Uint32(data[8:])
	var d Decoder
	for i := 12; n > 0; n-- {
		c := data[i]
		typ, size := c>>4&7, int(c&15)
		for shift := 4; c&0x80 != 0; shift += 7 {
			i++
			c = data[i]
			size |= int(c&0x7f) << shift
		}
		i++
		switch typ {
		case 6:
			for data[i]&0x80 != 0 {
				i++
			}
			i++
		case 7:
			i += 20
		}
		used, err := d.Inflate(make([]byte, size, size+Slack), data[i:])
		if err != nil {
			tb.Fatalf("entry at %d: %v", i, err)
		}
		if n/64%32 == 0 {
			entries = append(entries, entry{size, data[i:]})
			in += int64(used)
			out += int64(size)
		}
		i += used
	}
	return entries, in, out
}

func benchEntries(b *testing.B) ([]entry, int64) {
	if *packFlag != "" {
		e, in, out := packEntries(b, *packFlag)
		b.Logf("%d entries, %d to %d bytes", len(e), in, out)
		return e, out
	}
	var e []entry
	var out int64
	for i := range 200 {
		text := sampleText(int64(i), 100+i*200)
		e = append(e, entry{len(text), append(compress(b, text, 6), make([]byte, InputSlack)...)})
		out += int64(len(text))
	}
	return e, out
}

// reportBest decodes the entries in groups of about a millisecond, each a dozen
// times, and reports output per second of the best times: on a busy machine the
// only figure that can be compared.
func reportBest(b *testing.B, entries []entry, decode func(entry)) {
	var out, bytes int64
	var best time.Duration
	for from := 0; from < len(entries); {
		to := from
		for bytes = 0; to < len(entries) && bytes < 200<<10; to++ {
			bytes += int64(entries[to].size)
		}
		fastest := time.Duration(1 << 62)
		for range 12 {
			start := time.Now()
			for _, e := range entries[from:to] {
				decode(e)
			}
			fastest = min(fastest, time.Since(start))
		}
		best += fastest
		out += bytes
		from = to
	}
	b.ReportMetric(float64(out)/best.Seconds()/1e6, "best-MB/s")
	b.ReportMetric(float64(best.Nanoseconds())/float64(len(entries)), "best-ns/entry")
}

func largest(e []entry) (n int) {
	for _, x := range e {
		n = max(n, x.size)
	}
	return n
}

func BenchmarkInflate(b *testing.B) {
	e, out := benchEntries(b)
	for _, skip := range []bool{false, true} {
		name := "adler"
		if skip {
			name = "no_adler"
		}
		b.Run(name, func(b *testing.B) {
			d := Decoder{SkipChecksum: skip}
			buf := make([]byte, largest(e)+Slack)
			b.SetBytes(out)
			for b.Loop() {
				reportBest(b, e, func(x entry) {
					if _, err := d.Inflate(buf[:x.size], x.z); err != nil {
						b.Fatal(err)
					}
				})
			}
		})
	}
}

func BenchmarkStdZlib(b *testing.B) {
	benchReader(b, func(r io.Reader) (io.ReadCloser, error) { return zlib.NewReader(r) },
		func(z io.ReadCloser, r io.Reader) error { return z.(zlib.Resetter).Reset(r, nil) })
}

func BenchmarkKlauspostZlib(b *testing.B) {
	benchReader(b, kzlib.NewReader,
		func(z io.ReadCloser, r io.Reader) error { return z.(kzlib.Resetter).Reset(r, nil) })
}

func benchReader(b *testing.B, open func(io.Reader) (io.ReadCloser, error), reset func(io.ReadCloser, io.Reader) error) {
	e, out := benchEntries(b)
	buf := make([]byte, largest(e))
	r := bytes.NewReader(e[0].z)
	z, err := open(r)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(out)
	for b.Loop() {
		reportBest(b, e, func(x entry) {
			r.Reset(x.z)
			if err := reset(z, r); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(z, buf[:x.size]); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkAdler32(b *testing.B) {
	p := sampleText(1, 1<<16)
	b.SetBytes(1 << 16)
	for b.Loop() {
		adler(p)
	}
}
