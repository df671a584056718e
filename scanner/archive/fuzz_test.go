package archive_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/scanner/archive"
)

func crc(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }

func FuzzWalk(f *testing.F) {
	z := zipOf(f, "x", needle, "d/y", needle)
	for _, seed := range [][]byte{z, cutDirectory(z), tarOf(f, "x", needle, "z", string(z)), gzipOf(f, []byte(needle)), zstdOf(f, []byte(needle)), arOf("x", needle), rarOf("x", needle), sevenOf(nil, "x", needle, "y", needle), gzipOf(f, tarOf(f, "x", string(gzipOf(f, z))))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 32 && bytes.HasPrefix(data, []byte("7z")) { // let damaged headers through
			data = bytes.Clone(data)
			from, size := binary.LittleEndian.Uint64(data[12:]), binary.LittleEndian.Uint64(data[20:])
			if n := uint64(len(data) - 32); from < n && size <= n-from {
				copy(data[28:], crc(data[32+from:32+from+size]))
			}
		}
		limits := archive.Limits{TotalBytes: 1 << 20, EntryBytes: 1 << 18, Entries: 100, Time: 5 * time.Second}
		var total int64
		_, err := archive.Walk(context.Background(), "f.zip", bytes.NewReader(data), int64(len(data)), limits, func(e archive.Entry) error {
			n, err := io.Copy(io.Discard, e.Reader)
			total += n
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if total > 8<<20+4*int64(len(data)) {
			t.Fatalf("%d bytes out of %d", total, len(data))
		}
	})
}
