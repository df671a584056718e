package native

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// jwt reads a token's own expiry. Its signature is held against the keys that its
// issuer publishes only when the user listed the issuer's host.
type jwt struct{ noMadeUp }

func (jwt) Offline() {}

type jwtToken struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Issuer    string `json:"iss"`
	Expires   any    `json:"exp"`
	signed    string
	signature []byte
}

func readJWT(text string) (t jwtToken, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return t, false
	}
	for _, p := range parts[:2] {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(p, "="))
		if err != nil || json.Unmarshal(b, &t) != nil {
			return t, false
		}
	}
	sig, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[2], "="))
	t.signed, t.signature = parts[0]+"."+parts[1], sig
	return t, err == nil
}

func (jwt) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	t, ok := readJWT(string(k.Secret.Reveal()))
	if !ok {
		return unknown("it is no JSON Web Token")
	}
	exp, isNumber := t.Expires.(float64)
	var expires time.Time
	if isNumber && exp > 0 && exp < 1e11 {
		expires = time.Unix(int64(exp), 0).UTC()
	}
	v := unknown("only its issuer knows whether it still works")
	switch {
	case t.Expires != nil && expires.IsZero():
		return unknown("its expiry is no time")
	case !expires.IsZero() && expires.Add(5*time.Minute).Before(n.Now()):
		v = verdict(finding.Inactive, "expired")
	case t.Issuer != "":
		v = t.published(ctx, n)
	}
	v.ExpiresAt = expires
	return v
}

// published holds the signature against the issuer's keys (RFC 7517, OpenID Connect
// Discovery 1.0 section 4; read 2026-11-21).
func (t jwtToken) published(ctx context.Context, n keyservice.Network) finding.Verification {
	iss, err := url.Parse(t.Issuer)
	if err != nil || iss.Scheme != "https" || iss.Host == "" || !n.Listed(iss.Hostname(), 443) {
		return unknown("only its issuer knows whether it still works")
	}
	var conf struct {
		Keys string `json:"jwks_uri"`
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	for _, step := range []struct {
		address func() string
		into    any
	}{
		{func() string { return strings.TrimSuffix(t.Issuer, "/") + "/.well-known/openid-configuration" }, &conf},
		{func() string { return conf.Keys }, &set},
	} {
		a, err := n.Do(ctx, http.MethodGet, step.address(), nil, nil, nil)
		if err != nil {
			return keyservice.Unreached(err)
		}
		if a.Status != 200 || json.Unmarshal(a.Body, step.into) != nil {
			return unknown("its issuer publishes no keys")
		}
	}
	for _, key := range set.Keys {
		if key.KeyID != t.KeyID {
			continue
		}
		if key.verifies(t) {
			return verdict(finding.Active, "signed by its issuer and not expired; the issuer may have ended it all the same")
		}
		return unknown("it is not signed by the key that it names")
	}
	return unknown("the key that signed it is not published any more")
}

// jwk is a public key.
type jwk struct {
	Kind  string `json:"kty"`
	KeyID string `json:"kid"`
	N     string `json:"n"`
	E     string `json:"e"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

func (k jwk) verifies(t jwtToken) bool {
	hash, ok := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[t.Algorithm[max(0, len(t.Algorithm)-3):]]
	if !ok {
		return false
	}
	h := hash.New()
	h.Write([]byte(t.signed))
	num := func(s string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
		if err != nil || len(b) > 1024 {
			return new(big.Int)
		}
		return new(big.Int).SetBytes(b)
	}
	switch {
	case k.Kind == "RSA" && strings.HasPrefix(t.Algorithm, "RS"):
		n, e := num(k.N), num(k.E)
		if n.BitLen() < 1024 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return false
		}
		return rsa.VerifyPKCS1v15(&rsa.PublicKey{N: n, E: int(e.Int64())}, hash, h.Sum(nil), t.signature) == nil
	case k.Kind == "EC" && t.Algorithm == "ES256" && k.Curve == "P-256" && len(t.signature) == 64:
		x, y := num(k.X), num(k.Y)
		point := make([]byte, 65)
		point[0] = 4
		if x.BitLen() > 256 || y.BitLen() > 256 {
			return false
		}
		x.FillBytes(point[1:33])
		y.FillBytes(point[33:])
		pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return false
		}
		return ecdsa.Verify(pub, h.Sum(nil), new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:]))
	}
	return false
}
