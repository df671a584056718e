package finding_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// Every way in which a struct that holds a Secret may end up in an output.
func TestSecretIsNeverPrinted(t *testing.T) {
	const key = "acme_live_0123456789abcdefghij"
	type holder struct {
		Name   string
		Secret finding.Secret
		Ptr    *finding.Secret
		List   []finding.Secret
	}
	s := finding.NewSecret([]byte(key))
	h := holder{"n", s, &s, []finding.Secret{s}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%c", "%U", "%T", "%10s", "%-40.5q"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", &h)
	}
	js, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(js)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "s", s, "h", h)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "s", s, "h", h)
	for _, bad := range []string{key, key[10:], fmt.Sprintf("%x", key), fmt.Sprintf("%X", key), fmt.Sprint([]byte(key))} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("output shows the secret as %q", bad)
		}
	}
	if got := string(s.Reveal()); got != key {
		t.Errorf("Reveal() = %q", got)
	}
}

func TestRedacted(t *testing.T) {
	tests := []struct {
		name   string
		key    string
		public int
		want   string
	}{
		{"long_key", "cnx_prod_" + strings.Repeat("a", 26) + "wXyZ", 9, "cnx_prod_…wXyZ"},
		{"twenty_hidden", "ab_" + strings.Repeat("x", 20) + "1234", 3, "ab_…1234"},
		{"nineteen_hidden", "ab_" + strings.Repeat("x", 19) + "1234", 3, "…"},
		{"control_bytes", strings.Repeat("x", 30) + "\x1b[0m", 0, "…"},
		{"public_beyond_the_end", "abc", 9, "…"},
		{"empty", "", 0, "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := finding.NewSecret([]byte(tt.key)).Redacted(tt.public); got != tt.want {
				t.Errorf("Redacted(%d) = %q, want %q", tt.public, got, tt.want)
			}
		})
	}
}

func TestKeyFingerprint(t *testing.T) {
	a := finding.KeyFingerprint("acme", "api-key", []byte("k"))
	// printf 'rekey/key/v1\0acme\0api-key\0k' | sha256sum | head -c 32
	if want := finding.Fingerprint("key:v1:78f61698d9bcfa28348d13c83ebf810e"); a != want {
		t.Errorf("KeyFingerprint = %q, want %q", a, want)
	}
	if a == finding.KeyFingerprint("acme", "api-keyk", nil) || a == finding.KeyFingerprint("acm", "eapi-key", []byte("k")) {
		t.Error("fields run into each other")
	}
}
