package archive_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"testing"
	"unicode/utf16"

	"github.com/ulikunitz/xz/lzma"

	"github.com/rekeyhq/rekey/scanner/archive"
)

// packer packs the content of a 7z folder and describes the folder.
type packer func(content []byte) (packed, folder []byte)

// sevenOf makes a 7z archive of one folder; without a packer it is stored.
func sevenOf(pack packer, files ...string) []byte {
	if pack == nil {
		pack = func(b []byte) ([]byte, []byte) { return b, []byte{1, 1, 0} }
	}
	var content, sizes, names []byte
	for i := 0; i < len(files); i += 2 {
		content = append(content, files[i+1]...)
		if i+2 < len(files) {
			sizes = append(sizes, sevenNumber(len(files[i+1]))...)
		}
		for _, u := range append(utf16.Encode([]rune(files[i])), 0) {
			names = binary.LittleEndian.AppendUint16(names, u)
		}
	}
	packed, folder := pack(content)
	n := sevenNumber(len(files) / 2)
	var h []byte
	for _, part := range [][]byte{
		{1, 4, 6, 0, 1, 9}, sevenNumber(len(packed)), {0}, // where the packed stream lies
		{7, 0x0b, 1, 0}, folder, {0x0c}, sevenNumber(len(content)), {0},
		{8, 0x0d}, n, {9}, sizes, {0, 0}, // the files in it
		{5}, n, {0x11}, sevenNumber(len(names) + 1), {0}, names, {0, 0},
	} {
		h = append(h, part...)
	}
	return sevenFile(packed, h)
}

func sevenFile(packed, header []byte) []byte {
	start := binary.LittleEndian.AppendUint64(nil, uint64(len(packed)))
	start = binary.LittleEndian.AppendUint64(start, uint64(len(header)))
	start = binary.LittleEndian.AppendUint32(start, crc32.ChecksumIEEE(header))
	out := append([]byte("7z\xbc\xaf\x27\x1c\x00\x04"), crc(start)...)
	return append(append(append(out, start...), packed...), header...)
}

// sevenNumber writes a number below 2^28 in four bytes or fewer.
func sevenNumber(n int) []byte {
	switch {
	case n < 0x80:
		return []byte{byte(n)}
	case n < 0x4000:
		return []byte{0x80 | byte(n>>8), byte(n)}
	}
	return []byte{0xe0 | byte(n>>24), byte(n), byte(n >> 8), byte(n >> 16)}
}

func lzmaOf(t *testing.T) packer {
	return func(content []byte) ([]byte, []byte) {
		var b bytes.Buffer
		w, err := lzma.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()[13:], append([]byte{1, 0x23, 3, 1, 1, 5}, b.Bytes()[:5]...)
	}
}

// A header that claims billions of anything must not be believed before it is read.
func TestSevenZipClaims(t *testing.T) {
	billions := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0}
	headers := map[string][]byte{
		"packed_streams":       append([]byte{1, 4, 6, 0}, billions...),
		"digests":              append(append([]byte{1, 4, 6, 0}, billions...), 0x0a, 1),
		"folders":              append([]byte{1, 4, 7, 0x0b}, billions...),
		"coders":               append([]byte{1, 4, 7, 0x0b, 1, 0}, billions...),
		"streams_of_a_coder":   append([]byte{1, 4, 7, 0x0b, 1, 0, 1, 0x11, 0}, billions...),
		"properties":           append([]byte{1, 4, 7, 0x0b, 1, 0, 1, 0x21, 0}, billions...),
		"files_in_a_folder":    append([]byte{1, 4, 7, 0x0b, 1, 0, 1, 1, 0, 0x0c, 5, 0, 8, 0x0d}, billions...),
		"files":                append([]byte{1, 5}, billions...),
		"names":                append([]byte{1, 5, 1, 0x11}, billions...),
		"unpacked_header":      append(append([]byte{0x17, 6, 0, 1, 9, 5, 0, 7, 0x0b, 1, 0, 1, 1, 0, 0x0c}, billions...), 0, 0),
		"archive_properties":   append([]byte{1, 2, 5}, billions...),
		"nothing":              {1},
		"only_a_packed_header": {0x17},
	}
	for name, h := range headers {
		t.Run(name, func(t *testing.T) {
			data := sevenFile([]byte("12345"), append(h, make([]byte, 40)...))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, holes := walk(t, "a.7z", data, archive.Limits{})
			runtime.ReadMemStats(&after)
			if d := after.TotalAlloc - before.TotalAlloc; d > 10<<20 {
				t.Errorf("allocated %d bytes", d)
			}
			if len(holes) == 0 && name != "files" && name != "nothing" {
				t.Error("nothing is told")
			}
		})
	}
}

// Every changed byte of an archive ends in entries or holes, never in a panic.
func TestSevenZipDamage(t *testing.T) {
	good := sevenOf(lzmaOf(t), "x", needle, "y", needle)
	for i := 6; i < len(good); i++ {
		bad := bytes.Clone(good)
		bad[i] ^= 0xff
		header := int(binary.LittleEndian.Uint64(good[12:])) + 32
		copy(bad[28:], crc(bad[header:])) // so that the header is read all the same
		walk(t, "a.7z", bad, archive.Limits{})
	}
}
