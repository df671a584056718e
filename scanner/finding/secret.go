package finding

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret holds one key. No fmt verb, slog handler, JSON, TOML or text encoder
// prints it: they all see the word "[redacted]". fmt prints unexported fields by
// walking memory, so the bytes live in a closure, which it shows as an address.
//
// The zero Secret is empty. A Secret is immutable and safe for concurrent use.
type Secret struct {
	reveal func() []byte
}

const redacted = "[redacted]"

// NewSecret returns a Secret with a copy of key.
func NewSecret(key []byte) Secret {
	own := append([]byte(nil), key...)
	return Secret{reveal: func() []byte { return own }}
}

// Reveal returns the key itself. The caller must not change the bytes.
//
// Only revoker, the packages below it and one call site in scanner/report (under
// --show-secrets) may call it; a test in cmd/rekey lists the call sites.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Len returns the length of the key in bytes.
func (s Secret) Len() int { return len(s.Reveal()) }

// IsZero reports whether the Secret holds nothing.
func (s Secret) IsZero() bool { return s.Len() == 0 }

// Equal reports whether two Secrets hold the same bytes.
func (s Secret) Equal(t Secret) bool { return string(s.Reveal()) == string(t.Reveal()) }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (s Secret) GoString() string { return redacted }

// Format prints "[redacted]" for every verb and flag.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, redacted) }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]"; encoding/json and TOML encoders use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Redacted returns what may be shown of the key: its public literal, an ellipsis
// and the last four characters, and those four only where at least 20 unknown
// characters remain hidden; else nothing but the ellipsis (design.md section 10).
// public is the number of leading bytes that are the same in every key of the rule.
// Bytes that are not printable ASCII are never shown.
func (s Secret) Redacted(public int) string {
	key := s.Reveal()
	if public < 0 || public > len(key) {
		public = 0
	}
	const tail, hidden = 4, 20
	if len(key)-public-tail < hidden || !printable(key[:public]) || !printable(key[len(key)-tail:]) {
		return "…"
	}
	if last := key[len(key)-tail:]; last[0] == last[1] && last[1] == last[2] && last[2] == last[3] {
		return "…" // the dashes of a PEM block tell nothing
	}
	return string(key[:public]) + "…" + string(key[len(key)-tail:])
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return true
}
