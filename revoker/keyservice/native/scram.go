package native

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"
)

// scram is the client's side of SCRAM (RFC 5802, RFC 7677). The password never
// crosses the wire, and the server proves that it knows the user's verifier.
type scram struct {
	hash                func() hash.Hash
	user, password      string
	nonce, first, bound string
	serverSignature     []byte
}

// maxIterations bounds the work that a server may ask for.
const maxIterations = 1_000_000

func newSCRAM256(user, password string) *scram {
	return &scram{hash: sha256.New, user: user, password: password, nonce: random(24)}
}

// newSCRAM1 is for MongoDB's SCRAM-SHA-1, whose password is a digest that the caller
// made.
func newSCRAM1(user, password string) *scram {
	return &scram{hash: func() hash.Hash { return sha1.New() }, user: user, password: password, nonce: random(24)}
}

func (s *scram) clientFirst() []byte {
	user := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.user)
	s.first = "n=" + user + ",r=" + s.nonce
	return []byte("n,," + s.first)
}

func (s *scram) clientFinal(serverFirst []byte) ([]byte, error) {
	bad := errors.New("the server's SCRAM message is none")
	f := scramFields(string(serverFirst))
	salt, err := base64.StdEncoding.DecodeString(f["s"])
	iterations, err2 := strconv.Atoi(f["i"])
	if err != nil || err2 != nil || !strings.HasPrefix(f["r"], s.nonce) || len(f["r"]) == len(s.nonce) || len(salt) == 0 || iterations < 1 || iterations > maxIterations {
		return nil, bad
	}
	salted, err := pbkdf2.Key(s.hash, s.password, salt, iterations, s.hash().Size())
	if err != nil {
		return nil, bad
	}
	clientKey := s.mac(salted, "Client Key")
	h := s.hash()
	h.Write(clientKey)
	s.bound = "c=biws,r=" + f["r"]
	message := s.first + "," + string(serverFirst) + "," + s.bound
	proof := s.mac(h.Sum(nil), message)
	subtle.XORBytes(proof, proof, clientKey)
	s.serverSignature = s.mac(s.mac(salted, "Server Key"), message)
	return []byte(s.bound + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// proven reports whether the server's last message proves that it knows the user.
func (s *scram) proven(serverFinal []byte) bool {
	v, err := base64.StdEncoding.DecodeString(scramFields(string(serverFinal))["v"])
	return err == nil && s.serverSignature != nil && hmac.Equal(v, s.serverSignature)
}

func (s *scram) mac(key []byte, text string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func scramFields(text string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(text, ",") {
		if k, v, ok := strings.Cut(part, "="); ok {
			out[k] = v
		}
	}
	return out
}
