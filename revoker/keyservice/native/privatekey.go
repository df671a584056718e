package native

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// privateKey reads SSH and TLS private keys and names their public half, by which
// their owner finds out where they are trusted. Nobody is asked.
type privateKey struct{ noMadeUp }

func (privateKey) Offline() {}

func (privateKey) Verify(_ context.Context, k keyservice.Key, _ keyservice.Network) finding.Verification {
	pub, encrypted := publicHalf(k.Secret.Reveal())
	switch {
	case encrypted:
		return unknown("it has a passphrase; where its public half is trusted is not known")
	case pub == nil:
		return unknown("it cannot be read as a private key, or is of a kind that rekey does not know")
	}
	v := unknown("where its public half is trusted is not known")
	v.Extra = map[string]string{}
	if s, err := ssh.NewPublicKey(pub); err == nil {
		v.KeyID = ssh.FingerprintSHA256(s)
		v.Extra["type"] = s.Type()
	}
	if der, err := x509.MarshalPKIXPublicKey(pub); err == nil {
		// As certificate transparency logs and HPKP name it.
		sum := sha256.Sum256(der)
		v.Extra["spki_sha256"] = base64.StdEncoding.EncodeToString(sum[:])
		if v.KeyID == "" {
			v.KeyID = "spki:" + v.Extra["spki_sha256"]
		}
	}
	return v
}

// publicHalf derives the public key of a private one, in PEM, OpenSSH's form or bare
// base64 DER.
func publicHalf(secret []byte) (pub crypto.PublicKey, encrypted bool) {
	text := strings.TrimSpace(string(secret))
	if strings.Contains(text, `\n`) && !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, `\r`, ""), `\n`, "\n")
	}
	if block, _ := pem.Decode([]byte(text)); block != nil {
		raw, err := ssh.ParseRawPrivateKey([]byte(text))
		if _, missing := err.(*ssh.PassphraseMissingError); missing || strings.Contains(block.Type, "ENCRYPTED") {
			return nil, true
		}
		return half(raw), false
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, false
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return half(key), false
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return half(key), false
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return half(key), false
	}
	return nil, false
}

func half(key any) crypto.PublicKey {
	if s, ok := key.(interface{ Public() crypto.PublicKey }); ok {
		return s.Public()
	}
	return nil
}
