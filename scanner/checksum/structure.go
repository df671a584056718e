package checksum

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

// maxStructure bounds what is decoded: a longer text is no key.
const maxStructure = 64 << 10

// gitlabLengthFits reports whether over, a routable GitLab token up to its
// checksum, ends in "." and two base36 digits that count the payload, which stands
// between the prefix and the first dot. Administrators may change the prefix, so its
// end is known only from that count.
//
// Source: GitLab handbook, cells routable tokens (read 2026-11-21).
func gitlabLengthFits(over []byte) bool {
	dot := bytes.IndexByte(over, '.')
	if dot < 0 {
		return false
	}
	count := over[dot+1:]
	count = bytes.TrimPrefix(count, []byte("01.")) // earlier tokens name no version
	if len(count) != 2 {
		return false
	}
	n := 0
	for _, c := range count {
		switch {
		case c >= '0' && c <= '9':
			n = n*36 + int(c-'0')
		case c >= 'a' && c <= 'z':
			n = n*36 + int(c-'a') + 10
		default:
			return false
		}
	}
	return n > 0 && n <= dot
}

// selfHosted stands for the project reference in keys of self-hosted Supabase.
const selfHosted = "supabase-self-hosted"

// CheckRef is Check for sha256-base64url where the project reference that the key
// may belong to is known, for example from a host name near by. Valid binds the key
// to that project; Mismatch says that it belongs to another one.
func (s *Scheme) CheckRef(ref, over, digits []byte) Result {
	if s == nil || s.kind != "sha256-base64url" || len(ref) == 0 {
		return NotApplicable
	}
	want := refDigits(ref, over)
	return result(len(digits) == s.digits && bytes.Equal(want[:s.digits], digits))
}

// checkRefs tries the references of the scheme. None fitting proves nothing: the
// key's own project is not among them.
func (s *Scheme) checkRefs(over, digits []byte) Result {
	for _, ref := range s.refs {
		want := refDigits([]byte(ref), over)
		if len(digits) == s.digits && bytes.Equal(want[:s.digits], digits) {
			return Valid
		}
	}
	return NotApplicable
}

// refDigits returns the unpadded base64url of SHA-256 over "ref|over".
func refDigits(ref, over []byte) (out [43]byte) {
	var buf [256]byte
	text := append(append(append(buf[:0], ref...), '|'), over...)
	sum := sha256.Sum256(text)
	base64.RawURLEncoding.Encode(out[:], sum[:])
	return out
}

// decodeAny decodes base64 of either alphabet, padded or not.
func decodeAny(text []byte) ([]byte, bool) {
	text = bytes.TrimRight(text, "=")
	if len(text) == 0 || len(text) > maxStructure || bytes.ContainsAny(text, "\r\n") {
		return nil, false
	}
	enc := base64.RawURLEncoding
	if bytes.ContainsAny(text, "+/") {
		enc = base64.RawStdEncoding
	}
	out := make([]byte, enc.DecodedLen(len(text)))
	n, err := enc.Decode(out, text)
	return out[:n], err == nil
}

// isBase64JSON reports whether text is base64 of a JSON object.
func isBase64JSON(text []byte) bool {
	raw, ok := decodeAny(text)
	return ok && len(raw) > 1 && raw[0] == '{' && json.Valid(raw)
}

// isJWT reports whether text is a signed JSON Web Token: a header that is a JSON
// object naming its algorithm, a payload that is a JSON object, and a signature.
// A token with an empty signature or the algorithm "none" opens nothing.
func isJWT(text []byte) bool {
	head, rest, ok1 := bytes.Cut(text, []byte{'.'})
	body, signature, ok2 := bytes.Cut(rest, []byte{'.'})
	if !ok1 || !ok2 || !isBase64JSON(body) {
		return false
	}
	raw, ok := decodeAny(head)
	if !ok {
		return false
	}
	var header struct {
		Alg string `json:"alg"`
	}
	if err := json.Unmarshal(raw, &header); err != nil || header.Alg == "" || header.Alg == "none" {
		return false
	}
	_, ok = decodeAny(signature)
	return ok
}

// isPyPI reports whether text, with or without its "pypi-", is a macaroon of version
// 2: location, identifier, caveats and a signature of 32 bytes.
//
// Source: https://github.com/rescrv/libmacaroons, doc/format.txt (read 2026-11-21).
func isPyPI(text []byte) bool {
	raw, ok := decodeAny(bytes.TrimPrefix(text, []byte("pypi-")))
	if !ok || len(raw) == 0 || raw[0] != 2 {
		return false
	}
	m := macaroon{rest: raw[1:]}
	if location := m.field(1); len(location) == 0 {
		return false
	}
	if identifier := m.field(2); len(identifier) == 0 {
		return false
	}
	m.end()
	for !m.bad && !m.end() { // caveats, closed by an empty section
		m.field(1)
		if m.field(2) == nil {
			return false
		}
		m.field(4)
		if !m.end() {
			return false
		}
	}
	return len(m.field(6)) == sha256.Size && len(m.rest) == 0 && !m.bad
}

// macaroon reads the fields of a version 2 macaroon one after the other.
type macaroon struct {
	rest []byte
	bad  bool
}

// field returns the next field if it is of type t, and nil otherwise.
func (m *macaroon) field(t byte) []byte {
	if m.bad || len(m.rest) < 2 || m.rest[0] != t {
		return nil
	}
	n, shift, i := 0, 0, 1
	for ; i < len(m.rest) && shift <= 14; i++ {
		n |= int(m.rest[i]&0x7f) << shift
		shift += 7
		if m.rest[i] < 0x80 {
			i++
			if n > len(m.rest)-i {
				break
			}
			value := m.rest[i : i+n : i+n]
			m.rest = m.rest[i+n:]
			return value
		}
	}
	m.bad = true
	return nil
}

// end takes the mark that closes a section, if it comes next.
func (m *macaroon) end() bool {
	if m.bad || len(m.rest) == 0 || m.rest[0] != 0 {
		return false
	}
	m.rest = m.rest[1:]
	return true
}
