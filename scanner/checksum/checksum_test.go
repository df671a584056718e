package checksum_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/checksum"
)

// newScheme compiles a scheme with the alphabet and seeds that its kind asks for.
func newScheme(t testing.TB, kind string) *checksum.Scheme {
	t.Helper()
	alphabet, seeds := "", []string(nil)
	switch kind {
	case "crc32-base62":
		alphabet = checksum.UpperFirst
	case "marvin32":
		seeds = []string{"Default0", "AbAcct00"}
	}
	s, err := checksum.New(kind, alphabet, 0, seeds)
	if err != nil {
		t.Fatalf("New(%q): %v", kind, err)
	}
	return s
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name, kind, alphabet string
		digits               int
		seeds                []string
		want                 string
	}{
		{"unknown_kind", "crc31", "", 0, nil, "kind: "},
		{"alphabet_missing", "crc32-base62", "", 6, nil, "alphabet: "},
		{"alphabet_unknown", "crc32-base62", "a-z", 6, nil, "alphabet: "},
		{"alphabet_superfluous", "crc32-hex", checksum.UpperFirst, 8, nil, "alphabet: "},
		{"too_few_digits_for_32_bits", "crc32-base62", checksum.UpperFirst, 5, nil, "digits: "},
		{"too_many_digits", "crc32-base36", "", 17, nil, "digits: "},
		{"negative_digits", "crc32-hex", "", -8, nil, "digits: "},
		{"digits_of_a_structure", "jwt", "", 3, nil, "digits: "},
		{"seed_missing", "marvin32", "", 0, nil, "seeds: "},
		{"seed_short", "marvin32", "", 0, []string{"Default"}, "seeds: "},
		{"seed_superfluous", "crc32-hex", "", 0, []string{"Default0"}, "seeds: "},
		{"reference_empty", "sha256-base64url", "", 0, []string{""}, "seeds: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := checksum.New(tt.kind, tt.alphabet, tt.digits, tt.seeds)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("New error = %v, want one that begins %q", err, tt.want)
			}
		})
	}
}

// TestCRC32Spellings holds each spelling against a plain one from the library.
func TestCRC32Spellings(t *testing.T) {
	const upper = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	// math/big spells base62 with the lower case first.
	swapCase := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r - 'a' + 'A'
			}
			if r >= 'A' && r <= 'Z' {
				return r - 'A' + 'a'
			}
			return r
		}, s)
	}
	pad := func(s string, n int) string { return strings.Repeat("0", n-len(s)) + s }
	le := func(sum uint32) []byte { return binary.LittleEndian.AppendUint32(nil, sum) }
	tests := []struct {
		kind, alphabet string
		want           func(uint32) string
	}{
		{"crc32-base62", checksum.LowerFirst, func(n uint32) string { return pad(big.NewInt(int64(n)).Text(62), 6) }},
		{"crc32-base62", checksum.UpperFirst, func(n uint32) string { return pad(swapCase(big.NewInt(int64(n)).Text(62)), 6) }},
		{"crc32-base36", "", func(n uint32) string { return pad(strconv.FormatUint(uint64(n), 36), 7) }},
		{"crc32-hex", "", func(n uint32) string { return fmt.Sprintf("%08x", n) }},
		{"crc32-hex-upper", "", func(n uint32) string { return fmt.Sprintf("%08X", n) }},
		{"crc32-hex-le", "", func(n uint32) string { return fmt.Sprintf("%x", le(n)) }},
		{"crc32-base64-le", "", func(n uint32) string { return base64.StdEncoding.EncodeToString(le(n))[:6] }},
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, tt := range tests {
		t.Run(tt.kind+"_"+tt.alphabet, func(t *testing.T) {
			s, err := checksum.New(tt.kind, tt.alphabet, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 2000 {
				body := make([]byte, rnd.IntN(70))
				for i := range body {
					body[i] = upper[rnd.IntN(62)]
				}
				want := tt.want(crc32.ChecksumIEEE(body))
				got, ok := s.Make(nil, body)
				if !ok || string(got) != want {
					t.Fatalf("Make(%q) = %q, %v, want %q", body, got, ok, want)
				}
				if r := s.Check(nil, body, got); r != checksum.Valid {
					t.Fatalf("Check(%q, %q) = %v", body, got, r)
				}
				got[rnd.IntN(len(got))] ^= 1
				if r := s.Check(nil, body, got); r != checksum.Mismatch {
					t.Fatalf("Check(%q, %q) = %v after a flipped bit", body, got, r)
				}
			}
		})
	}
}

func TestCRC32Base62(t *testing.T) {
	const body = "9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs" // its sum has a leading zero
	tests := []struct {
		name   string
		digits string
		want   checksum.Result
	}{
		{"good", "0h0nKd", checksum.Valid},
		{"last_digit_off", "0h0nKe", checksum.Mismatch},
		{"case_swapped", "0H0nKd", checksum.Mismatch},
		{"padding_missing", "h0nKd", checksum.Mismatch},
		{"above_2_to_the_32", "zzzzzz", checksum.Mismatch},
		{"empty", "", checksum.Mismatch},
	}
	s := newScheme(t, "crc32-base62")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.Check(nil, []byte(body), []byte(tt.digits)); got != tt.want {
				t.Errorf("Check(%q, %q) = %v, want %v", body, tt.digits, got, tt.want)
			}
		})
	}
}

// TestMadeKeysOfServices computes whole made-up keys as the services spell them.
// They were computed apart from this code, by a script in another language.
func TestMadeKeysOfServices(t *testing.T) {
	run := func(c string, n int) string { return strings.Repeat(c, n) }
	tests := []struct {
		name, kind, alphabet, over, want string
	}{
		{"github", "crc32-base62", checksum.UpperFirst, run("A", 30), "0uCPlr"},
		{"github_refresh", "crc32-base62", checksum.UpperFirst, run("B", 70), "0xQsOP"},
		{"npm", "crc32-base62", checksum.UpperFirst, run("C", 30), "48bxyY"},
		{"vercel", "crc32-base62", checksum.UpperFirst, run("D", 50), "0RQkZR"},
		{"apify", "crc32-base62", checksum.LowerFirst, "apify_" + "api_" + run("E", 30), "4aEMQV"},
		{"gitlab", "gitlab-routable", "", "gl" + "pat-" + run("A", 21) + "G86MQp1OjE.01.0v", "191hntg"},
		{"grafana", "crc32-hex-le", "", "gl" + "sa_" + run("F", 32), "bead5849"},
		{"atlassian", "crc32-hex-upper", "", "ATA" + "TT3" + run("G", 20) + "=", "1D871A29"},
		{"cloudflare", "crc32-hex", "", run("H", 40), "bbc9f7cf"},
		{"zuplo", "crc32-hex", "", run("0", 32), "a0f292d0"},
		{"confluent", "crc32-base64-le", "", run("I", 54), "Winsdg"},
		{"supabase_self_hosted", "sha256-base64url", "", "sb_" + "secret_" + run("J", 22), "kDTF-qWz"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := checksum.New(tt.kind, tt.alphabet, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := s.Make(nil, []byte(tt.over))
			if !ok || string(got) != tt.want {
				t.Errorf("Make(%q) = %q, %v, want %q", tt.over, got, ok, tt.want)
			}
			if r := s.Check(nil, []byte(tt.over), got); r != checksum.Valid {
				t.Errorf("Check of what was made = %v", r)
			}
		})
	}
}

func TestZeroSchemeIsNotApplicable(t *testing.T) {
	var none *checksum.Scheme
	for _, s := range []*checksum.Scheme{none, {}} {
		if got := s.Check([]byte("a"), []byte("a"), nil); got != checksum.NotApplicable {
			t.Errorf("Check = %v, want not-applicable", got)
		}
		if _, ok := s.Make(nil, []byte("a")); ok {
			t.Error("Make is ok")
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	body := []byte(strings.Repeat("x", 80))
	for _, kind := range checksum.Kinds() {
		switch kind {
		case "jwt", "base64-json", "pypi":
			continue
		}
		s := newScheme(t, kind)
		secret := append([]byte(strings.Repeat("a", 84)), "AAA="...)
		if kind == "azure-devops" {
			secret = secret[:52]
		}
		if n := testing.AllocsPerRun(100, func() { s.Check(secret, body, body[:8]) }); n != 0 {
			t.Errorf("%s: Check allocates %v times", kind, n)
		}
	}
}

// FuzzScheme: no bytes panic, and Check accepts whatever Make has made.
func FuzzScheme(f *testing.F) {
	f.Add([]byte(strings.Repeat("a", 88)), []byte(strings.Repeat("a", 80)), []byte("0h0nKd"))
	f.Add([]byte(strings.Repeat("a", 52)), []byte("gl"+"pat-AAAA.01.04"), []byte(""))
	f.Add([]byte("pypi-AgEIcHlwaS5vcmcC"), []byte(""), []byte("===="))
	f.Add([]byte("e30.e30.e30"), []byte("eyJhIjoxfQ=="), []byte("aaaaaaaa"))
	f.Fuzz(func(t *testing.T, secret, over, digits []byte) {
		for _, kind := range checksum.Kinds() {
			s := newScheme(t, kind)
			s.Check(secret, over, digits)
			s.CheckRef(digits, over, digits)
			made, ok := s.Make(secret, over)
			if !ok {
				continue
			}
			whole := append(append([]byte(nil), over...), made...)
			if s.Whole() {
				whole = made
			}
			if got := s.Check(whole, over, made); got != checksum.Valid {
				t.Errorf("%s: Check(%q) = %v after Make(%q, %q) = %q", kind, whole, got, secret, over, made)
			}
		}
	})
}
