package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rekeyhq/rekey/scanner/archive"
)

// needle stands for a key: the tests ask in which entries it is seen.
const needle = "NEEDLE-0123456789"

func zipOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = io.WriteString(w, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Size: int64(len(files[i+1])), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdOf(t testing.TB, data []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

func arOf(files ...string) []byte {
	b := []byte("!<arch>\n")
	for i := 0; i < len(files); i += 2 {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", files[i], 0, 0, 0, 0o644, len(files[i+1]), files[i+1])
		if len(files[i+1])%2 == 1 {
			b = append(b, '\n')
		}
	}
	return b
}

// tool packs data with a program; the test is skipped where that is not installed.
func tool(t *testing.T, data []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed: this case needs it", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// walk returns the names of the entries that hold the needle, and the holes.
func walk(t testing.TB, name string, data []byte, limits archive.Limits) (names []string, holes []archive.Hole) {
	t.Helper()
	holes, err := archive.Walk(context.Background(), name, bytes.NewReader(data), int64(len(data)), limits, func(e archive.Entry) error {
		b, err := io.ReadAll(e.Reader)
		if bytes.Contains(b, []byte(needle)) {
			names = append(names, e.Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, holes
}

func TestWalkFinds(t *testing.T) {
	text := "first line\n" + needle + "\n"
	tests := []struct {
		name string
		file string
		data func(t *testing.T) []byte
		want []string
	}{
		{"zip", "a.zip", func(t *testing.T) []byte { return zipOf(t, "d/", "", "d/x", text, "y", "nothing") }, []string{"a.zip!d/x"}},
		{"zip_without_an_extension", "blob", func(t *testing.T) []byte { return zipOf(t, "x", text) }, []string{"blob!x"}},
		{"zip_behind_a_script", "run.pyz", func(t *testing.T) []byte {
			return append([]byte("#!/usr/bin/env python3\n\x00"), zipOf(t, "__main__.py", text)...)
		}, []string{"run.pyz!__main__.py"}},
		{"zip_with_bytes_behind", "a.zip", func(t *testing.T) []byte { return append(zipOf(t, "x", text), "junk behind the end"...) }, []string{"a.zip!x"}},
		{"zip_with_an_entry_that_its_directory_no_longer_lists", "a.zip", func(t *testing.T) []byte { return unlisted(zipOf(t, "x", "clean", "y", text)) }, []string{"a.zip!y"}},
		{"zip_of_empty_directories", "a.zip", func(t *testing.T) []byte { return zipOf(t, strings.Repeat("d", 100)+"/", "", "x", text) }, []string{"a.zip!x"}},
		{"names_that_climb", "a.zip", func(t *testing.T) []byte {
			return zipOf(t, "../../etc/x", text, "/abs", text, `C:\x`, text, "nul\x00l", text)
		}, []string{"a.zip!../../etc/x", "a.zip!/abs", `a.zip!C:\x`, "a.zip!nul\x00l"}},
		{"zip_in_zip_in_zip", "a.jar", func(t *testing.T) []byte {
			return zipOf(t, "b.war", string(zipOf(t, "c.jar", string(zipOf(t, "x", text)))))
		}, []string{"a.jar!b.war!c.jar!x"}},
		{"tar", "a.tar", func(t *testing.T) []byte { return tarOf(t, "x", text, "y", "no") }, []string{"a.tar!x"}},
		{"tar_gz", "a.tgz", func(t *testing.T) []byte { return gzipOf(t, tarOf(t, "x", text)) }, []string{"a.tgz!x"}},
		{"image_layer", "image.tar", func(t *testing.T) []byte {
			return tarOf(t, "blobs/sha256/1", string(gzipOf(t, tarOf(t, "app.jar", string(zipOf(t, "conf", text))))))
		}, []string{"image.tar!blobs/sha256/1!app.jar!conf"}},
		{"gz", "log.txt.gz", func(t *testing.T) []byte { return gzipOf(t, []byte(text)) }, []string{"log.txt.gz!log.txt"}},
		{"gz_of_several_members", "a.gz", func(t *testing.T) []byte { return append(gzipOf(t, []byte("one")), gzipOf(t, []byte(text))...) }, []string{"a.gz!a"}},
		{"gz_in_gz", "a.gz", func(t *testing.T) []byte { return gzipOf(t, gzipOf(t, []byte(text))) }, []string{"a.gz!a"}},
		{"zst", "a.zst", func(t *testing.T) []byte { return zstdOf(t, []byte(text)) }, []string{"a.zst!a"}},
		{"bz2", "a.bz2", func(t *testing.T) []byte { return tool(t, []byte(text), "bzip2", "-c") }, []string{"a.bz2!a"}},
		{"xz", "a.xz", func(t *testing.T) []byte { return tool(t, []byte(text), "xz", "-9c") }, []string{"a.xz!a"}},
		{"deb", "a.deb", func(t *testing.T) []byte {
			return arOf("debian-binary", "2.0\n", "control.tar.gz", string(gzipOf(t, tarOf(t, "./control", "Package: x"))), "data.tar.zst", string(zstdOf(t, tarOf(t, "./etc/x", text))))
		}, []string{"a.deb!data.tar.zst!./etc/x"}},
		{"rar_stored", "a.rar", func(*testing.T) []byte { return rarOf("x", text) }, []string{"a.rar!x"}},
		{"7z_stored", "a.7z", func(*testing.T) []byte { return sevenOf(nil, "x", text, "d/y", "no", "é", text) }, []string{"a.7z!x", "a.7z!é"}},
		{"7z_lzma", "a.7z", func(t *testing.T) []byte { return sevenOf(lzmaOf(t), "x", "no", "y", text) }, []string{"a.7z!y"}},
		{"zip_streamed_by_a_tool", "a.zip", func(t *testing.T) []byte { return tool(t, []byte(text), "zip", "-q", "-", "-") }, []string{"a.zip!-"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names, holes := walk(t, tt.file, tt.data(t), archive.Limits{})
			if !slices.Equal(names, tt.want) || len(holes) > 0 {
				t.Errorf("found in %q with holes %+v, want %q and none", names, holes, tt.want)
			}
		})
	}
}

func TestHoles(t *testing.T) {
	text := needle + strings.Repeat("\nmore text", 2000)
	small := archive.Limits{EntryBytes: 1000, TotalBytes: 5000, Entries: 5, Held: 300, Depth: 2}
	tests := []struct {
		name   string
		data   []byte
		limits archive.Limits
		reason string // in the reason of some hole
		where  string // its name
		found  int    // entries with the needle all the same
	}{
		{"truncated_zip_is_read_one_by_one", cutHalf(zipOf(t, "x", text, "y", text)), archive.Limits{}, "read one by one", "a", 2},
		{"zip_without_its_directory", cutDirectory(zipOf(t, "x", text, "y", text)), archive.Limits{}, "read one by one", "a", 2},
		{"damaged_offset_is_found_by_its_header", patch(zipOf(t, "x", text), "PK\x01\x02", 42, 0x77), archive.Limits{}, "where the directory says", "a!x", 1},
		{"encrypted_zip", patch(zipOf(t, "x", text, "y", text), "PK\x01\x02", 8, 1), archive.Limits{}, "encrypted", "a!x", 1},
		{"unknown_method", patch(zipOf(t, "x", text, "y", text), "PK\x01\x02", 10, 99), archive.Limits{}, "method 99", "a!x", 1},
		{"truncated_gzip", gzipOf(t, []byte(text))[:60], archive.Limits{}, "damaged", "a!a", 1},
		{"truncated_tar", tarOf(t, "x", text)[:1000], archive.Limits{}, "damaged", "a!x", 1},
		{"entry_too_large", zipOf(t, "x", strings.Repeat("x", 2000), "y", needle), small, "limit for one entry", "a!x", 1},
		{"total_too_large", zipOf(t, "1", text[:900], "2", text[:900], "3", text[:900], "4", text[:900], "5", strings.Repeat("x", 2000)), small, "limit for one", "a!5", 4},
		{"too_many_entries", zipOf(t, "1", "", "2", "", "3", "", "4", "", "5", "", "6", needle), small, "more entries", "a", 0},
		{"too_deep", gzipOf(t, tarOf(t, "1", string(tarOf(t, "2", string(tarOf(t, "3", needle)))))), archive.Limits{Depth: 2}, "deep", "a!1!2", 1},
		{"inner_archive_not_held", tarOf(t, "1", string(zipOf(t, "x", "abc"+needle+strings.Repeat("q", 400), "y", strings.Repeat("z", 30), "z", "q"))), small, "held in memory", "a!1", 0},
		{"too_many_layers", gzips(t, []byte(needle), 9), archive.Limits{}, "layers", "a", 0},
		{"7z_cut_off", []byte("7z\xbc\xaf\x27\x1c and more bytes"), archive.Limits{}, "cut off", "a", 0},
		{"7z_truncated", sevenOf(nil, "x", text)[:200], archive.Limits{}, "outside of the file", "a", 0},
		{"7z_of_an_unknown_method", sevenOf(func(b []byte) ([]byte, []byte) { return b, []byte{1, 2, 0x99, 0x98} }, "x", text), archive.Limits{}, "method 9998", "a!x", 0},
		{"7z_encrypted", sevenOf(func(b []byte) ([]byte, []byte) { return b, []byte{1, 4, 6, 0xf1, 7, 1} }, "x", text), archive.Limits{}, "encrypted", "a!x", 0},
		{"7z_with_a_dictionary_of_4_gib", sevenOf(func(b []byte) ([]byte, []byte) { return b, []byte{1, 0x21, 0x21, 1, 40} }, "x", text), archive.Limits{}, "dictionary", "a!x", 0},
		{"zstd_window_of_2_gib", []byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"), archive.Limits{}, "window", "a!a", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names, holes := walk(t, "a", tt.data, tt.limits)
			ok := slices.ContainsFunc(holes, func(h archive.Hole) bool { return h.Name == tt.where && strings.Contains(h.Reason, tt.reason) })
			if !ok || len(names) != tt.found {
				t.Errorf("holes %+v, found in %q; want %q of %s, found in %d", holes, names, tt.reason, tt.where, tt.found)
			}
		})
	}
}

func gzips(t testing.TB, data []byte, n int) []byte {
	for range n {
		data = gzipOf(t, data)
	}
	return data
}

func cutDirectory(z []byte) []byte { return z[:bytes.Index(z, []byte("PK\x01\x02"))] }

// patch sets the byte at off behind the first occurrence of sig.
func patch(b []byte, sig string, off int, v byte) []byte {
	b[bytes.Index(b, []byte(sig))+off] = v
	return b
}

// Bombs must end soon, in bounded memory, and be told (reliability.md F09 to F12).
func TestBombs(t *testing.T) {
	newlines := bytes.Repeat([]byte("\n"), 128<<20)
	tests := []struct {
		name string
		data []byte
	}{
		{"zip_of_newlines", zipOf(t, "x", string(newlines[:32<<20]), "y", string(newlines[:32<<20]))},
		{"gzip", gzipOf(t, newlines[:48<<20])},
		{"zstd", zstdOf(t, newlines)},
		{"overlapping_entries", overlapping(t, newlines[:16<<20], 5000)},
		{"gzip_of_many_members", bytes.Repeat(gzipOf(t, nil), 100_000)},
	}
	newlines = nil
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			var read int64
			holes, err := archive.Walk(context.Background(), "b", bytes.NewReader(tt.data), int64(len(tt.data)), archive.Limits{}, func(e archive.Entry) error {
				n, err := io.Copy(io.Discard, e.Reader)
				read += n
				return err
			})
			runtime.ReadMemStats(&after)
			t.Logf("%d bytes in, %d out, %v, %d allocated, holes %+v", len(tt.data), read, time.Since(start), after.TotalAlloc-before.TotalAlloc, holes)
			if err != nil || read > 300<<20 || time.Since(start) > 5*time.Second {
				t.Errorf("err %v, read %d in %v", err, read, time.Since(start))
			}
			if tt.name != "gzip_of_many_members" && len(holes) == 0 {
				t.Error("the bomb is not told")
			}
			if d := after.TotalAlloc - before.TotalAlloc; d > 300<<20 {
				t.Errorf("allocated %d bytes", d)
			}
		})
	}
}

// overlapping makes a zip whose n directory entries all point at one stream.
func overlapping(t testing.TB, data []byte, n int) []byte {
	z := zipOf(t, "x", string(data))
	dir := bytes.Index(z, []byte("PK\x01\x02"))
	end := bytes.LastIndex(z, []byte("PK\x05\x06"))
	record := z[dir:end]
	out := slices.Clone(z[:dir])
	for range n {
		out = append(out, record...)
	}
	tail := slices.Clone(z[end:])
	size := n * len(record)
	copy(tail[12:], []byte{byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24)})
	return append(out, tail...)
}

func TestWalkStops(t *testing.T) {
	data := zipOf(t, "x", needle, "y", needle)
	stop := errors.New("enough")
	calls := 0
	_, err := archive.Walk(context.Background(), "a", bytes.NewReader(data), int64(len(data)), archive.Limits{}, func(archive.Entry) error {
		calls++
		return stop
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("error %v after %d calls, want the error of fn after 1", err, calls)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = archive.Walk(ctx, "a", bytes.NewReader(data), int64(len(data)), archive.Limits{}, func(archive.Entry) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a cancelled walk", err)
	}
}

func TestSniffLetsTextPass(t *testing.T) {
	for name, text := range map[string]string{"a.zip": "just text, whatever its name says", "b": "BZh is not enough", "c.tar": strings.Repeat("text ", 200), "PK": "PKCS and more text here"} {
		if k, ok := archive.Sniff(name, []byte(text)); ok {
			t.Errorf("Sniff(%q) = %v", name, k)
		}
	}
	head := []byte(strings.Repeat("p", 512))
	if n := testing.AllocsPerRun(10, func() { archive.Sniff("x/y.go", head) }); n != 0 {
		t.Errorf("Sniff allocates %v times", n)
	}
}

// rarOf makes a RAR 5 archive of one stored file.
func rarOf(name, text string) []byte {
	block := func(body []byte) []byte { // size, body; CRC in front
		b := append(vint(uint64(len(body))), body...)
		return append(crc(b), b...)
	}
	out := []byte("Rar!\x1a\x07\x01\x00")
	out = append(out, block([]byte{1, 0, 0})...)
	file := []byte{2, 2}                            // file header, with a data area
	file = append(file, vint(uint64(len(text)))...) // its size
	file = append(file, 4)                          // flags: CRC present
	file = append(file, vint(uint64(len(text)))...) // unpacked size
	file = append(file, 0)                          // attributes
	file = append(file, crc([]byte(text))...)       //
	file = append(file, 0, 1, byte(len(name)))      // stored, Unix, name
	out = append(append(out, block(append(file, name...))...), text...)
	return append(out, block([]byte{5, 0, 0})...)
}

func vint(v uint64) []byte {
	var b []byte
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func TestRealJars(t *testing.T) {
	found, err := filepath.Glob("/usr/lib/python3*/ensurepip/_bundled/*.whl")
	if err != nil || len(found) == 0 {
		t.Skip("no wheel on this machine")
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, f := range z.File {
		if !f.FileInfo().IsDir() {
			want++
		}
	}
	got := 0
	holes, err := archive.Walk(context.Background(), found[0], bytes.NewReader(data), int64(len(data)), archive.Limits{}, func(archive.Entry) error { got++; return nil })
	if err != nil || got < want || len(holes) > 0 {
		t.Errorf("%d entries, archive/zip sees %d; holes %v, error %v", got, want, holes, err)
	}
}

// cutHalf cuts an archive in the middle of its directory of entries.
func cutHalf(z []byte) []byte { return z[:bytes.Index(z, []byte("PK\x01\x02"))+20] }

// unlisted takes the last entry out of a zip's directory, not out of the file.
func unlisted(z []byte) []byte {
	last, end := bytes.LastIndex(z, []byte("PK\x01\x02")), bytes.LastIndex(z, []byte("PK\x05\x06"))
	out := append(slices.Clone(z[:last]), z[end:]...)
	size := last - bytes.Index(z, []byte("PK\x01\x02"))
	end = last
	copy(out[end+8:], []byte{1, 0, 1, 0, byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24)})
	return out
}
