package checksum

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func TestGitLabRoutable(t *testing.T) {
	s, err := New("gitlab-routable", "", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload := strings.Repeat("Ab-_", 8) // 32 characters: "0w" in base36
	tests := []struct {
		name, over string
		ok         bool
	}{
		{"personal", "gl" + "pat-" + payload + ".01.0w", true},
		{"without_version", "gl" + "pat-" + payload + ".0w", true},
		{"runner_type", "gl" + "rt-t1_" + payload + ".01.0w", true},
		{"instance_prefix", "acme" + payload + ".01.0w", true},
		{"longer_than_the_text", "gl" + "pat-" + payload + ".01.zz", false},
		{"length_zero", "gl" + "pat-" + payload + ".01.00", false},
		{"length_of_one_digit", "gl" + "pat-" + payload + ".01.w", false},
		{"no_length", "gl" + "pat-" + payload, false},
		{"unknown_version", "gl" + "pat-" + payload + ".02.0w", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			digits, ok := s.Make(nil, []byte(tt.over))
			if ok != tt.ok {
				t.Fatalf("Make(%q) is ok = %v, want %v", tt.over, ok, tt.ok)
			}
			if !ok {
				return
			}
			if got := s.Check(nil, []byte(tt.over), digits); got != Valid {
				t.Errorf("Check = %v", got)
			}
			digits[6] ^= 1
			if got := s.Check(nil, []byte(tt.over), digits); got != Mismatch {
				t.Errorf("Check with the last digit off = %v", got)
			}
		})
	}
}

func TestSupabase(t *testing.T) {
	s, err := New("sha256-base64url", "", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Made up and computed apart from this code.
	over, ref := []byte("sb_"+"secret_"+strings.Repeat("J", 22)), []byte("abcdefghijklmnopqrst")
	tests := []struct {
		name string
		got  Result
		want Result
	}{
		{"own_project", s.CheckRef(ref, over, []byte("QtlpxoAF")), Valid},
		{"other_project", s.CheckRef([]byte("bbcdefghijklmnopqrst"), over, []byte("QtlpxoAF")), Mismatch},
		{"no_project", s.CheckRef(nil, over, []byte("QtlpxoAF")), NotApplicable},
		{"project_unknown_to_check", s.Check(nil, over, []byte("QtlpxoAF")), NotApplicable},
		{"self_hosted", s.Check(nil, over, []byte("kDTF-qWz")), Valid},
		{"digits_cut", s.CheckRef(ref, over, []byte("Qtlp")), Mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		})
	}
}

func TestStructures(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString
	padded := base64.StdEncoding.EncodeToString
	head, none := b64([]byte(`{"alg":"RS256"}`)), b64([]byte(`{"alg":"none"}`))
	body, sig := b64([]byte(`{"sub":"1"}`)), b64([]byte("signature"))

	field := func(t byte, data string) string { return string([]byte{t, byte(len(data))}) + data }
	signature := field(6, strings.Repeat("s", 32))
	start := "\x02" + field(1, "index.example") + field(2, "id") + "\x00"
	caveat := field(2, `{"v":1}`) + "\x00"
	long := "\x02\xac\x02" + strings.Repeat("c", 300) + "\x00" // its length takes two bytes

	tests := []struct {
		name, kind, text string
		want             Result
	}{
		{"jwt", "jwt", head + "." + body + "." + sig, Valid},
		{"jwt_unsigned", "jwt", none + "." + body + "." + sig, Mismatch},
		{"jwt_without_signature", "jwt", head + "." + body + ".", Mismatch},
		{"jwt_of_two_parts", "jwt", head + "." + body, Mismatch},
		{"jwt_of_five_parts", "jwt", strings.Join([]string{head, body, sig, sig, sig}, "."), Mismatch},
		{"jwt_without_algorithm", "jwt", b64([]byte(`{}`)) + "." + body + "." + sig, Mismatch},
		{"jwt_header_no_json", "jwt", b64([]byte("alg")) + "." + body + "." + sig, Mismatch},
		{"jwt_body_no_json", "jwt", head + "." + b64([]byte("sub")) + "." + sig, Mismatch},
		{"json_object", "base64-json", body, Valid},
		{"json_padded", "base64-json", padded([]byte(`{"a": "??>>"}`)), Valid},
		{"json_number", "base64-json", b64([]byte("17")), Mismatch},
		{"json_cut", "base64-json", b64([]byte(`{"a":`)), Mismatch},
		{"json_empty", "base64-json", "", Mismatch},
		{"json_line_break", "base64-json", body[:4] + "\n" + body[4:], Mismatch},
		{"json_huge", "base64-json", strings.Repeat("A", maxStructure+1), Mismatch},
		{"pypi", "pypi", "pypi-" + b64([]byte(start+"\x00"+signature)), Valid},
		{"pypi_one_caveat", "pypi", "pypi-" + b64([]byte(start+caveat+"\x00"+signature)), Valid},
		{"pypi_long_caveat", "pypi", "pypi-" + b64([]byte(start+long+"\x00"+signature)), Valid},
		{"pypi_two_caveats", "pypi", "pypi-" + b64([]byte(start+caveat+caveat+"\x00"+signature)), Valid},
		{"pypi_signature_cut", "pypi", "pypi-" + b64([]byte(start+"\x00"+signature[:20])), Mismatch},
		{"pypi_other_version", "pypi", "pypi-" + b64([]byte("\x01"+start[1:]+"\x00"+signature)), Mismatch},
		{"pypi_no_identifier", "pypi", "pypi-" + b64([]byte("\x02"+field(1, "x")+"\x00\x00"+signature)), Mismatch},
		{"pypi_trailing_bytes", "pypi", "pypi-" + b64([]byte(start+"\x00"+signature+"x")), Mismatch},
		{"pypi_length_beyond_the_end", "pypi", "pypi-" + b64([]byte("\x02\x01\xff\xff\xff\xff\xff")), Mismatch},
		{"pypi_placeholder", "pypi", "pypi-your-token", Mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(tt.kind, "", 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			text := []byte(tt.text)
			before := bytes.Clone(text)
			if got := s.Check(text, nil, nil); got != tt.want {
				t.Errorf("Check = %v, want %v", got, tt.want)
			}
			if !bytes.Equal(text, before) {
				t.Error("Check changed its argument")
			}
			if _, ok := s.Make(text, text); ok {
				t.Error("Make is ok for a structure")
			}
		})
	}
}
