// Package git reads git's own formats: objects, packs, indexes of packs, refs and
// reflogs. It never runs git, never acts on a repository's configuration and treats
// every byte of a repository as written by an attacker. What it cannot read it
// returns as a Hole; it never reads less in silence.
//
// The reader here is the plain one: sequential, the standard library's inflate,
// every object's id checked against its content. It is the reference that faster
// readers are held against.
package git

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
)

// Format is a repository's object format: which hash names its objects. The zero
// value is SHA1.
type Format uint8

// Object formats (gitformat-pack, hash-function-transition; git 2.39).
const (
	SHA1 Format = iota
	SHA256
)

// Size returns the number of bytes of an object id.
func (f Format) Size() int {
	if f == SHA256 {
		return sha256.Size
	}
	return sha1.Size
}

// New returns a hash of this format.
func (f Format) New() hash.Hash {
	if f == SHA256 {
		return sha256.New()
	}
	return sha1.New()
}

func (f Format) String() string {
	if f == SHA256 {
		return "sha256"
	}
	return "sha1"
}

// Oid names an object. It is comparable and may be a map key. The zero value is the
// null id of SHA-1.
type Oid struct {
	b [32]byte
	f Format
}

// NewOid makes an id of the first f.Size() bytes of b, which must be that long.
func NewOid(f Format, b []byte) Oid {
	o := Oid{f: f}
	copy(o.b[:f.Size()], b)
	return o
}

// ParseOid reads a whole id of 40 or 64 hexadecimal digits.
func ParseOid[T string | []byte](s T) (Oid, error) {
	var o Oid
	switch len(s) {
	case 2 * sha1.Size:
	case 2 * sha256.Size:
		o.f = SHA256
	default:
		return Oid{}, fmt.Errorf("object id of %d digits: want 40 or 64", len(s))
	}
	if _, err := hex.Decode(o.b[:], []byte(s)); err != nil {
		return Oid{}, fmt.Errorf("object id %.64q: not hexadecimal", string(s))
	}
	return o, nil
}

// Format returns the id's object format.
func (o Oid) Format() Format { return o.f }

// IsZero reports whether o is the null id of its format.
func (o Oid) IsZero() bool { return o.b == [32]byte{} }

// Append appends the id's 20 or 32 bytes to b.
func (o Oid) Append(b []byte) []byte { return append(b, o.b[:o.f.Size()]...) }

// Compare orders ids by their bytes.
func (o Oid) Compare(p Oid) int { return bytes.Compare(o.b[:], p.b[:]) }

// Prefix returns the first eight bytes as a big-endian number: ids in increasing
// order have prefixes that do not decrease.
func (o Oid) Prefix() uint64 { return binary.BigEndian.Uint64(o.b[:8]) }

// String returns the id in hexadecimal.
func (o Oid) String() string { return hex.EncodeToString(o.b[:o.f.Size()]) }

// HashObject returns the id of an object of this type and content.
func HashObject(f Format, t Type, data []byte) Oid {
	h := newObjectHash(f, t, int64(len(data)))
	h.Write(data)
	return sumOid(f, h)
}

func newObjectHash(f Format, t Type, size int64) hash.Hash {
	h := f.New()
	fmt.Fprintf(h, "%s %d\x00", t, size)
	return h
}

func sumOid(f Format, h hash.Hash) Oid {
	o := Oid{f: f}
	h.Sum(o.b[:0])
	return o
}

// Type is the kind of an object, numbered as in packs. The zero value is no type.
type Type uint8

// Types of objects, and the two kinds of delta that stand for them in packs.
const (
	Commit   Type = 1
	Tree     Type = 2
	Blob     Type = 3
	Tag      Type = 4
	OfsDelta Type = 6
	RefDelta Type = 7
)

// String returns the type's name as in loose object headers.
func (t Type) String() string {
	switch t {
	case Commit:
		return "commit"
	case Tree:
		return "tree"
	case Blob:
		return "blob"
	case Tag:
		return "tag"
	case OfsDelta:
		return "ofs-delta"
	case RefDelta:
		return "ref-delta"
	}
	return fmt.Sprintf("type-%d", uint8(t))
}

// ParseType reads the name of an object's type.
func ParseType(s string) (Type, error) {
	for t := Commit; t <= Tag; t++ {
		if t.String() == s {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown object type %.16q", s)
}
