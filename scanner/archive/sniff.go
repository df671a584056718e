package archive

import (
	"bytes"
	"strconv"
	"strings"
)

// Kind is a format of archives or compressed files.
type Kind uint8

// Kinds. The zero Kind is none.
const (
	Zip Kind = iota + 1 // also jar, whl, apk, docx, xlsx, pptx, odt, epub
	Tar
	Gzip
	Bzip2
	Xz
	Zstd
	Ar // also deb
	Rar
	SevenZip
)

var kindNames = [...]string{"", "zip", "tar", "gzip", "bzip2", "xz", "zstd", "ar", "rar", "7z"}

// String returns the kind's usual name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// random reports whether the kind is read at random offsets, not as a stream.
func (k Kind) random() bool { return k == Zip || k == SevenZip }

// compression reports whether the kind holds one stream without a name.
func (k Kind) compression() bool { return k == Gzip || k == Bzip2 || k == Xz || k == Zstd }

// SniffLen is how many leading bytes Sniff looks at.
const SniffLen = 512

// magics are leading bytes; none is shorter than three bytes or plain text.
var magics = [...]struct {
	kind  Kind
	bytes string
}{
	{Zip, "PK\x03\x04"},
	{Gzip, "\x1f\x8b\x08"},
	{Xz, "\xfd7zXZ\x00"},
	{Zstd, "\x28\xb5\x2f\xfd"},
	{Ar, "!<arch>\n"},
	{Rar, "Rar!\x1a\x07\x00"},
	{Rar, "Rar!\x1a\x07\x01\x00"},
	{SevenZip, "7z\xbc\xaf\x27\x1c"},
}

// Sniff tells from the first bytes of a file whether it is an archive that Walk
// opens. The content decides, not the name, but for two formats whose content may
// begin with anything: a zip behind a prefix and a tar of before 1988, which the
// name must announce.
func Sniff(name string, head []byte) (Kind, bool) {
	if len(head) < 8 {
		return 0, false
	}
	switch head[0] { // nearly every file ends here
	case 'P', 0x1f, 0xfd, 0x28, '!', 'R', '7':
		for _, m := range magics {
			if len(head) >= len(m.bytes) && string(head[:len(m.bytes)]) == m.bytes {
				return m.kind, true
			}
		}
	case 'B':
		if isBzip2(head) {
			return Bzip2, true
		}
	}
	if isTar(head) {
		return Tar, true
	}
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 && len(name)-dot <= 6 {
		switch strings.ToLower(name[dot:]) {
		case ".zip", ".jar", ".war", ".ear", ".apk", ".ipa", ".whl", ".egg", ".docx", ".xlsx", ".pptx", ".pyz":
			return Zip, !printable(head)
		}
	}
	return 0, false
}

// isBzip2 wants the digit of the block size and the first block's mark, or the end
// mark of an empty file.
func isBzip2(head []byte) bool {
	return len(head) >= 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' &&
		(string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17\x72\x45\x38\x50\x90")
}

// isTar verifies the checksum of a first header block, which all tar formats have.
func isTar(head []byte) bool {
	if len(head) < 512 || head[0] == 0 {
		return false
	}
	want, ok := octal(head[148:156])
	if !ok {
		return false
	}
	sum := int64(8 * ' ')
	for i, c := range head[:512] {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	return sum == want
}

// octal reads a number between spaces and zero bytes.
func octal(field []byte) (v int64, ok bool) {
	for len(field) > 0 && field[0] == ' ' {
		field = field[1:]
	}
	for i, c := range field {
		switch {
		case c >= '0' && c <= '7':
			v, ok = v<<3|int64(c-'0'), true
		case c == ' ' || c == 0:
			return v, ok && i > 0
		default:
			return 0, false
		}
	}
	return v, ok
}

// printable reports whether b looks like text, so that a text file named x.zip is
// not searched for a directory of entries.
func printable(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) < 0
}
