package checksum

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestMarvin32 uses the algorithm's published vectors, whose two halves are folded.
func TestMarvin32(t *testing.T) {
	const seed = 0x004fb61a001bdbcc
	tests := []struct {
		name string
		data []byte
		want uint64
	}{
		{"empty", nil, 0x30ed35c100cd3c7d},
		{"one_byte", []byte{0xaf}, 0x48e73fc77d75ddc1},
		{"two_bytes", []byte{0xe7, 0x0f}, 0xb5f6e1fc485dbff8},
		{"three_bytes", []byte{0x37, 0xf4, 0x95}, 0xf0b07c789b8cf7e8},
		{"one_word", []byte{0x86, 0x42, 0xdc, 0x59}, 0x7008f2e87e9cf556},
		{"a_word_and_one", []byte{0x15, 0x3f, 0xb7, 0x98, 0x26}, 0xe6c08c6da2afa997},
		{"a_word_and_two", []byte{0x09, 0x32, 0xe6, 0x24, 0x6c, 0x47}, 0x6f04bf1a5ea24060},
		{"a_word_and_three", []byte{0xab, 0x42, 0x7e, 0xa8, 0xd1, 0x0f, 0xc7}, 0xe11847e4f0678c41},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := uint32(tt.want>>32) ^ uint32(tt.want)
			if got := marvin32(tt.data, seed); got != want {
				t.Errorf("marvin32(%x) = %08x, want %08x", tt.data, got, want)
			}
		})
	}
}

func TestHIS(t *testing.T) {
	// Made up and computed apart from this code.
	over := strings.Repeat("a", 76) + "+A" + "St"
	s, err := New("marvin32", "", 8, []string{"AbAcct00", "Default0"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, secret string
		want         Result
	}{
		{"second_seed", over + "5mnCaw==", Valid},
		{"padding_left_out", over + "5mnCaw", Valid},
		{"last_digit_off", over + "5mnCbw==", Mismatch},
		{"body_changed", "b" + over[1:] + "5mnCaw==", Mismatch},
		{"no_base64", over[:70] + "!" + over[71:] + "5mnCaw==", Mismatch},
		{"line_break_inside", over + "5mn\nCaw==", Mismatch},
		{"too_short", "5mnCaw==", Mismatch},
		{"too_long", strings.Repeat("a", 4000), Mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.Check([]byte(tt.secret), nil, nil); got != tt.want {
				t.Errorf("Check = %v, want %v", got, tt.want)
			}
		})
	}
	other, _ := New("marvin32", "", 0, []string{"AbAcct00"})
	if got := other.Check([]byte(over+"5mnCaw=="), nil, nil); got != Mismatch {
		t.Errorf("Check under the seed of another service = %v", got)
	}
}

// TestHISMakesEveryLength covers the four lengths of keys; in two of them the sum
// begins inside a character.
func TestHISMakesEveryLength(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	s, err := New("marvin32", "", 8, []string{"Default0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{37, 46, 48, 80} {
		for i := range 400 {
			alphabet, encoding := base62Upper+"+/", base64.StdEncoding
			if i%2 == 1 { // function keys
				alphabet, encoding = base62Upper+"-_", base64.URLEncoding
			}
			key := make([]byte, n+6)
			for j := range key {
				key[j] = alphabet[rnd.IntN(64)]
			}
			key[0] = alphabet[63] // tells which alphabet it is
			made, ok := s.Make(key, key[:n])
			if !ok {
				t.Fatalf("Make of %d characters is not ok", n)
			}
			whole := string(key[:n]) + string(made)
			if len(whole)%4 != 0 {
				t.Fatalf("made %d characters: no whole base64", len(whole))
			}
			raw, err := encoding.DecodeString(whole)
			if err != nil {
				t.Fatal(err)
			}
			sum := marvin32(raw[:len(raw)-4], seed64("Default0"))
			if !bytes.Equal(raw[len(raw)-4:], binary.LittleEndian.AppendUint32(nil, sum)) {
				t.Fatalf("%d characters: the key does not end in its sum", n)
			}
			if got := s.Check([]byte(whole), nil, nil); got != Valid {
				t.Fatalf("%d characters: Check = %v", n, got)
			}
		}
	}
}

func TestCASK(t *testing.T) {
	s, err := New("cask", "", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	over := []byte(strings.Repeat("k", 52) + "JQQJ99" + strings.Repeat("B", 18) + "AZDO")
	raw, err := base64.StdEncoding.DecodeString(string(over))
	if err != nil {
		t.Fatal(err)
	}
	sum := binary.LittleEndian.AppendUint32(nil, marvin32(raw, seed64("Default0")))
	// The reference: math/big's base62 has the lower case first.
	text := []byte(new(big.Int).SetBytes(sum).Text(62))
	for i, c := range text {
		text[i] = base62Upper[strings.IndexByte(base62Lower, c)]
	}
	text = append(text, "000000"...)[:6]
	b64 := base64.StdEncoding.EncodeToString(sum)
	tests := []struct {
		name, tail string
		want       Result
	}{
		{"base62_of_84", string(text[:4]), Valid},
		{"base64_of_84", b64[:4], Valid},
		{"base64_of_88", b64, Valid},
		{"last_digit_off", string(text[:3]) + "!", Mismatch},
		{"no_digits", "====", Mismatch},
		{"eight_digits", "AAAAAAAA", Mismatch},
		{"short", string(text[:3]), Mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.Check([]byte(string(over)+tt.tail), nil, nil); got != tt.want {
				t.Errorf("Check(%q) = %v, want %v", tt.tail, got, tt.want)
			}
		})
	}
	if got, ok := s.Make(nil, over); !ok || !bytes.Equal(got, text[:4]) {
		t.Errorf("Make = %q, %v, want %q", got, ok, text[:4])
	}
}

func TestEntra(t *testing.T) {
	s, err := New("entra", "", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	// All z: its sum was computed apart from this code.
	body := "zzz" + "8Q~" + strings.Repeat("z", 31)
	tests := []struct {
		name, secret string
		want         Result
	}{
		{"good", body + "blP", Valid},
		{"digits_reversed", body + "Plb", Mismatch},
		{"last_digit_off", body + "blQ", Mismatch},
		{"short", "blP", Mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.Check([]byte(tt.secret), nil, nil); got != tt.want {
				t.Errorf("Check(%q) = %v, want %v", tt.secret, got, tt.want)
			}
		})
	}
}

func TestAzureDevOps(t *testing.T) {
	s, err := New("azure-devops", "", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The reference places the sum as the format's description reads.
	make52 := func(random []byte, magic uint32) string {
		sum := crc32.ChecksumIEEE(random) ^ magic
		var raw []byte
		raw = append(raw, random[0:2]...)
		raw = append(raw, byte(sum>>24))
		raw = append(raw, random[2:6]...)
		raw = append(raw, byte(sum>>16), byte(sum>>8))
		raw = append(raw, random[6:19]...)
		raw = append(raw, byte(sum))
		raw = append(raw, random[19:28]...)
		return strings.ToLower(strings.TrimRight(base32.StdEncoding.EncodeToString(raw), "="))
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		random := make([]byte, 28)
		for i := range random {
			random[i] = byte(rnd.Uint32())
		}
		user, app := make52(random, 0xE0B9692D), make52(random, 0x1019F92E)
		for _, key := range []string{user, app} {
			if got := s.Check([]byte(key), nil, nil); got != Valid {
				t.Fatalf("Check(%q) = %v", key, got)
			}
		}
		if made, ok := s.Make([]byte(user), nil); !ok || string(made) != user {
			t.Fatalf("Make(%q) = %q, %v", user, made, ok)
		}
		for name, bad := range map[string]string{
			"upper_case": strings.ToUpper(user),
			"one_short":  user[:51],
			"foreign":    user[:10] + "1" + user[11:],
			"other_sum":  make52(random, 0),
		} {
			if got := s.Check([]byte(bad), nil, nil); got != Mismatch {
				t.Fatalf("%s: Check(%q) = %v", name, bad, got)
			}
		}
	}
	if !s.Whole() {
		t.Error("Whole is false: its digits are scattered")
	}
}
