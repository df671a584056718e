package checksum

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
)

// maxAzure is the longest decoded key that a Marvin32 scheme reads, in bytes.
// Today's longest are 64.
const maxAzure = 128

// seed64 reads an 8-character seed as the number that Marvin32 starts from.
func seed64(s string) uint64 { return binary.BigEndian.Uint64([]byte(s)) }

// marvin32 is Microsoft's Marvin32 hash folded to 32 bits.
//
// Source: https://github.com/microsoft/security-utilities (read 2026-11-21).
func marvin32(data []byte, seed uint64) uint32 {
	lo, hi := uint32(seed), uint32(seed>>32)
	mix := func(word uint32) {
		lo += word
		hi ^= lo
		lo = bits.RotateLeft32(lo, 20) + hi
		hi = bits.RotateLeft32(hi, 9) ^ lo
		lo = bits.RotateLeft32(lo, 27) + hi
		hi = bits.RotateLeft32(hi, 19)
	}
	for ; len(data) >= 4; data = data[4:] {
		mix(binary.LittleEndian.Uint32(data))
	}
	var last [4]byte
	copy(last[:], data)
	last[len(data)] = 0x80
	mix(binary.LittleEndian.Uint32(last[:]))
	mix(0)
	return lo ^ hi
}

// decode64 decodes base64 of the standard alphabet, or of the URL's where text has
// one of its characters, padded or not, into buf. It returns the encoding met.
func decode64(buf, text []byte) ([]byte, *base64.Encoding, bool) {
	enc, padded := base64.RawStdEncoding, base64.StdEncoding
	if bytes.ContainsAny(text, "-_") {
		enc, padded = base64.RawURLEncoding, base64.URLEncoding
	}
	text = bytes.TrimRight(text, "=")
	if enc.DecodedLen(len(text)) > len(buf) || bytes.ContainsAny(text, "\r\n") {
		return nil, nil, false
	}
	n, err := enc.Decode(buf, text)
	return buf[:n], padded, err == nil
}

// checkHIS reports whether the last four bytes of a decoded Azure resource key are
// the Marvin32 sum of the others, little-endian, under one of the seeds. The fixed
// signature before them is the pattern's business.
func (s *Scheme) checkHIS(secret []byte) bool {
	var buf [maxAzure]byte
	raw, _, ok := decode64(buf[:], secret)
	if !ok || len(raw) < 8 {
		return false
	}
	head, sum := raw[:len(raw)-4], binary.LittleEndian.Uint32(raw[len(raw)-4:])
	for _, seed := range s.seeds {
		if marvin32(head, seed) == sum {
			return true
		}
	}
	return false
}

// makeHIS completes over to the key of six more characters and padding. Where the
// sum does not begin at a character's edge, its first character also carries bits
// of the data: they come from secret, or are zero.
func (s *Scheme) makeHIS(secret, over []byte) ([]byte, bool) {
	text := append(bytes.Clone(over), "AAAAAA"...)
	if len(secret) >= len(text) && bytes.HasPrefix(secret, over) {
		copy(text, secret)
	}
	var buf [maxAzure]byte
	raw, enc, ok := decode64(buf[:], text)
	if !ok || len(raw) < 8 {
		return nil, false
	}
	binary.LittleEndian.PutUint32(raw[len(raw)-4:], marvin32(raw[:len(raw)-4], s.seeds[0]))
	out := enc.EncodeToString(raw)
	if len(out) < len(over) || out[:len(over)] != string(over) {
		return nil, false // the sum reaches into over, or over is no canonical base64
	}
	tail := []byte(out[len(over):])
	return tail[:min(len(tail), s.digits)], true
}

const caskData = 80 // characters of a CASK key before its checksum

var caskSeed = seed64("Default0")

// checkCASK reports whether the characters after the 80th are the checksum of a
// common annotated security key: the Marvin32 sum of the first 60 bytes, as base62
// of the byte-swapped number, or in older keys as base64 of the sum. Keys of 84
// characters carry the first four characters of it.
//
// A Valid answer is good evidence. A Mismatch is none: of the public samples some
// fit neither form, and derived keys ("9D") use a further variant.
//
// Source: https://github.com/microsoft/security-utilities (read 2026-11-21).
func checkCASK(secret []byte) bool {
	if len(secret) != 84 && len(secret) != 88 {
		return false
	}
	var buf [caskData]byte
	raw, _, ok := decode64(buf[:], secret[:caskData])
	if !ok || len(raw) != 60 {
		return false
	}
	sum := marvin32(raw, caskSeed)
	tail := bytes.TrimRight(secret[caskData:], "=")
	var text [6]byte
	if len(tail) < 4 || len(tail) > len(text) {
		return false
	}
	caskText(&text, sum)
	if bytes.Equal(tail, text[:len(tail)]) {
		return true
	}
	var le [4]byte
	var b64 [8]byte
	binary.LittleEndian.PutUint32(le[:], sum)
	base64.StdEncoding.Encode(b64[:], le[:])
	return bytes.Equal(tail, b64[:len(tail)])
}

func makeCASK(over []byte) ([]byte, bool) {
	var buf [caskData]byte
	if len(over) != caskData {
		return nil, false
	}
	raw, _, ok := decode64(buf[:], over)
	if !ok || len(raw) != 60 {
		return nil, false
	}
	var text [6]byte
	caskText(&text, marvin32(raw, caskSeed))
	return bytes.Clone(text[:4]), true
}

// caskText writes the sum's bytes, lowest first, read as one number, in base62 and
// padded on the right.
func caskText(text *[6]byte, sum uint32) {
	encode(text[:], swap(sum), base62Upper)
	short := bytes.TrimLeft(text[:], "0")
	n := copy(text[:], short)
	for i := n; i < len(text); i++ {
		text[i] = '0'
	}
}

// entraAlphabet is the order of digits in an application secret's checksum.
const entraAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890.-_~"

var entraSeed = seed64("AadPwd00")

// checkEntra reports whether the last three characters of a Microsoft Entra
// application secret are the first three digits, highest first, of the Marvin32 sum
// of the text before them. Secrets of the older 7Q~ form carry no sum.
//
// The order of the digits is settled by the made-up example that Microsoft's own
// detector generates; samples in other projects have been altered.
//
// Source: https://github.com/microsoft/security-utilities (read 2026-11-21).
func checkEntra(secret []byte) bool {
	if len(secret) < 8 {
		return false
	}
	want := entraDigits(secret[:len(secret)-3])
	return bytes.Equal(want[:], secret[len(secret)-3:])
}

func makeEntra(over []byte) ([]byte, bool) {
	if len(over) < 5 {
		return nil, false
	}
	d := entraDigits(over)
	return d[:], true
}

func entraDigits(text []byte) (first [3]byte) {
	sum := marvin32(text, entraSeed)
	for sum >= 66*66*66 {
		sum /= 66
	}
	encode(first[:], sum, entraAlphabet)
	return first
}
