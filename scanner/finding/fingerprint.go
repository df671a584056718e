package finding

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// Fingerprint names one key: the same in every file, commit, run and machine.
// It does not reveal the key: "key:v1:" is a truncated SHA-256 of a high-entropy
// secret, "key:v1s:" and "key:v1p:" are scrypt of a low-entropy one (design.md
// section 3).
type Fingerprint string

// KeyFingerprint returns the "key:v1:" fingerprint of a decoded secret: the hex of
// the first 16 bytes of SHA-256 over "rekey/key/v1", service, kind and secret,
// separated by zero bytes. It is for secrets that cannot be guessed; a password
// takes the scrypt form, which scanner/detect makes.
func KeyFingerprint(service, kind string, secret []byte) Fingerprint {
	h := sha256.New()
	for _, part := range []string{"rekey/key/v1", service, kind} {
		_, _ = io.WriteString(h, part)
		_, _ = h.Write([]byte{0})
	}
	_, _ = h.Write(secret)
	sum := h.Sum(nil)
	return Fingerprint("key:v1:" + hex.EncodeToString(sum[:16]))
}
