package finding

import (
	"crypto/sha256"
	"encoding/hex"
	"io"

	"golang.org/x/crypto/scrypt"
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

// Fingerprint returns the "key:v1:" fingerprint of the secret for a service and kind;
// see KeyFingerprint. With both empty it tells equal secrets of different rules.
func (s Secret) Fingerprint(service, kind string) Fingerprint {
	return KeyFingerprint(service, kind, s.Reveal())
}

// GuessableFingerprint returns the fingerprint of a secret that can be guessed, such
// as a password: scrypt, so that nobody who sees it can try a dictionary cheaply. With
// the salt of a baseline it is "key:v1s:", without (nil) "key:v1p:", whose salt is
// fixed and which is not written to files that are committed. It costs about 0.1 s
// and 32 MiB.
func (s Secret) GuessableFingerprint(service, kind string, salt []byte) Fingerprint {
	form := "key:v1s:"
	if salt == nil {
		form, salt = "key:v1p:", []byte("rekey/key/v1")
	}
	var in []byte
	for _, part := range []string{"rekey/key/v1", service, kind} {
		in = append(append(in, part...), 0)
	}
	const n, r, p = 32768, 8, 1
	sum, err := scrypt.Key(append(in, s.Reveal()...), salt, n, r, p, 16)
	if err != nil {
		panic("scrypt refuses its own parameters: " + err.Error())
	}
	return Fingerprint(form + hex.EncodeToString(sum))
}
