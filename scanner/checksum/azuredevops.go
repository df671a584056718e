package checksum

import (
	"bytes"
	"encoding/base32"
	"hash/crc32"
)

// azureDevOpsMagic marks the two issuers of tokens: users and applications.
var azureDevOpsMagic = [...]uint32{0xE0B9692D, 0x1019F92E}

// azureDevOpsSum returns the CRC-32 of the 28 random bytes of a decoded token, and
// the sum that it carries in bytes 2, 7, 8 and 22. It walks the table itself, since
// crc32.ChecksumIEEE would move its argument to the heap.
func azureDevOpsSum(raw *[32]byte) (sum, carried uint32) {
	sum = ^uint32(0)
	for i, b := range raw {
		switch i {
		case 2, 7, 8, 22:
			carried = carried<<8 | uint32(b)
		default:
			sum = crc32.IEEETable[byte(sum)^b] ^ sum>>8
		}
	}
	return ^sum, carried
}

// checkAzureDevOps reports whether secret is an older Azure DevOps personal access
// token: 52 characters of base32 in lower case whose 32 bytes carry the CRC-32 of
// 28 of them, combined with a constant. The shape has no prefix, so a Mismatch
// drops the candidate.
//
// Source: https://github.com/microsoft/security-utilities (read 2026-11-21).
func checkAzureDevOps(secret []byte) bool {
	raw, ok := azureDevOpsBytes(secret)
	if !ok {
		return false
	}
	sum, carried := azureDevOpsSum(&raw)
	return carried == sum^azureDevOpsMagic[0] || carried == sum^azureDevOpsMagic[1]
}

func makeAzureDevOps(secret []byte) ([]byte, bool) {
	raw, ok := azureDevOpsBytes(secret)
	if !ok {
		return nil, false
	}
	sum, _ := azureDevOpsSum(&raw)
	sum ^= azureDevOpsMagic[0]
	raw[2], raw[7], raw[8], raw[22] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	out := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])
	return bytes.ToLower([]byte(out)), true
}

// azureDevOpsBytes decodes without encoding/base32, which would need a copy in
// upper case for every candidate of this frequent shape.
func azureDevOpsBytes(secret []byte) (raw [32]byte, ok bool) {
	if len(secret) != 52 {
		return raw, false
	}
	var acc uint32
	var have, n int
	for _, c := range secret {
		var v byte
		switch {
		case c >= 'a' && c <= 'z':
			v = c - 'a'
		case c >= '2' && c <= '7':
			v = c - '2' + 26
		default:
			return raw, false
		}
		acc, have = acc<<5|uint32(v), have+5
		if have >= 8 {
			have -= 8
			raw[n] = byte(acc >> have)
			n++
		}
	}
	return raw, true
}
