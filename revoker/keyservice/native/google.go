package native

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// serviceAccount asks Google for a token with the key of a service account. The
// token's address in the file is ignored: it is scanned text.
type serviceAccount struct{}

func (serviceAccount) Hosts() []string { return []string{"oauth2.googleapis.com"} }

// serviceAccountFile is the JSON that Google gives out. The secret may be the file or
// its private key alone.
type serviceAccountFile struct {
	Email string `json:"client_email"`
	KeyID string `json:"private_key_id"`
	Key   string `json:"private_key"`
}

func readServiceAccount(k keyservice.Key) (f serviceAccountFile, key *rsa.PrivateKey, err error) {
	secret := string(k.Secret.Reveal())
	if json.Unmarshal([]byte(secret), &f) != nil || f.Key == "" {
		f = serviceAccountFile{Key: secret}
	}
	if f.Email == "" {
		f.Email = k.Values["client_email"]
	}
	if f.KeyID == "" {
		f.KeyID = k.Values["private_key_id"]
	}
	f.Key = strings.NewReplacer(`\n`, "\n", `\r`, "").Replace(f.Key)
	block, _ := pem.Decode([]byte(f.Key))
	if block == nil {
		return f, nil, errors.New("its private key cannot be read")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return f, nil, errors.New("its private key cannot be read")
	}
	return f, key, nil
}

// MadeUp returns another private key for the same account.
func (serviceAccount) MadeUp(k keyservice.Key) (keyservice.Key, string, bool) {
	f, _, err := readServiceAccount(k)
	if err != nil {
		return k, err.Error(), false
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return k, "no key could be made", false
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return k, "no key could be made", false
	}
	made := madeUp(k, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	made.Values = map[string]string{"client_email": f.Email, "private_key_id": sha(der)[:40]}
	return made, "", true
}

func (serviceAccount) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	f, key, err := readServiceAccount(k)
	if err != nil {
		return unchecked(err.Error())
	}
	if !strings.HasSuffix(f.Email, ".gserviceaccount.com") {
		return unchecked("its account's address was not found near it")
	}
	assertion, err := googleAssertion(f, key, n.Now())
	if err != nil {
		return unchecked("its private key cannot sign")
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	a, err := n.Do(ctx, http.MethodPost, "https://oauth2.googleapis.com/token", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()), nil)
	if err != nil {
		return keyservice.Unreached(err)
	}
	v := googleVerdict(a)
	v.KeyID = f.KeyID
	if v.Status != finding.Unknown {
		v.Owner = f.Email
	}
	return v
}

func googleAssertion(f serviceAccountFile, key *rsa.PrivateKey, now time.Time) (string, error) {
	enc := base64.RawURLEncoding
	head, _ := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": f.KeyID})
	claims, _ := json.Marshal(map[string]any{
		"iss": f.Email, "aud": "https://oauth2.googleapis.com/token", "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		"scope": "https://www.googleapis.com/auth/userinfo.email",
	})
	text := enc.EncodeToString(head) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + enc.EncodeToString(sig), nil
}

// googleVerdict: developers.google.com, "Using OAuth 2.0 for server to server
// applications", error table (recalled 2026-11-21). A deleted or disabled key gives
// "Invalid JWT Signature"; a deleted account "account not found".
func googleVerdict(a *keyservice.Answer) finding.Verification {
	var x struct {
		Token       string `json:"access_token"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if a.HTML || json.Unmarshal(a.Body, &x) != nil {
		return unknown(fmt.Sprintf("the answer is none of Google's (status %d)", a.Status))
	}
	d := strings.ToLower(x.Description)
	switch {
	case a.Status == 200 && x.Token != "":
		return verdict(finding.Active, "")
	case a.Status == 400 && x.Error == "invalid_grant" && (strings.Contains(d, "invalid jwt signature") || strings.Contains(d, "account not found")):
		return verdict(finding.Inactive, "")
	case a.Status == 401 && x.Error == "unauthorized_client":
		return verdict(finding.Restricted, "the key is known, but refused this request")
	}
	return unknown(fmt.Sprintf("the answer is none that rekey knows (status %d)", a.Status))
}
