package detect_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/detect"
)

const acme = `
[service]
id = "acme"
name = "Acme"

[[rules]]
id = "acme-key"
title = "Acme key"
severity = "critical"
pattern = '''(?P<secret>acme_(?P<environment>live|test)_(?P<body>[0-9A-Za-z]{30}))'''
entropy = { over = "body", min = 3.0 }
match = ["acme_live_9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"]

[[rules]]
id = "acme-token"
title = "Acme token"
severity = "high"
pattern = '''(?P<secret>[0-9a-f]{32})'''
context = { any = ["acmecloud"], within = "3 lines" }
match = ["acmecloud 0f1e2d3c4b5a69788796a5b4c3d2e1f0"]

[[rules]]
id = "acme-pair"
title = "Acme pair"
severity = "high"
pattern = '''(?P<secret>acsec\.[0-9A-Za-z+/]{24})'''
parts = [{ name = "id", pattern = '''ACID[0-9]{8}''', within = "4 lines" }]
match = ["ACID12345678\nacsec.9fQ2mT7xLw0aBc3DeFgH5iJk"]

[[rules]]
id = "acme-generic"
title = "Anything"
severity = "low"
weak = true
pattern = '''(?i:api_key)["' ]{0,2}[:=]["' ]{0,2}(?P<secret>[0-9A-Za-z_]{20,60})'''
match = ["api_key=9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"]

[[rules]]
id = "acme-pem"
title = "Acme private key"
severity = "critical"
block = { begin = '''-----BEGIN ACME KEY-----''', end = '''-----END ACME KEY-----''', decode = "pem" }
match = ["-----BEGIN ACME KEY-----\n` + pemBody + `\n-----END ACME KEY-----"]
`

func parse(t testing.TB, toml string) rules.Service {
	t.Helper()
	svc, err := rules.Parse("acme.toml", []byte(toml))
	if err != nil {
		t.Fatal(err)
	}
	return *svc
}

func compile(t testing.TB, toml string) *detect.Detector {
	t.Helper()
	d, err := detect.New([]rules.Service{parse(t, toml)}, detect.Options{
		Comment: func(line []byte) (string, string, bool) {
			return "fixture", "here", strings.Contains(string(line), "rekey:allow")
		},
		CommentMarkers: []string{"rekey:allow"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const (
	pemBody = "MC4CAQAwBQYDK2Vw" + "BCIEIJ+DYvh6SEqVTm50DFtMDoQikTmi" + "CqirVv9mWG9qfSnF"
	body    = "9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"
	body2   = "Zx8Yw7Vu6Ts5Rq4Po3Nm2Lk1Ji0HgF"
)

func TestWhereKeysStand(t *testing.T) {
	key, key2 := "acme_live_"+body, "acme_test_"+body2
	b64 := base64.StdEncoding.EncodeToString
	pem := "-----BEGIN ACME KEY-----\n" + pemBody + "\n-----END ACME KEY-----"
	utf16be := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			b.WriteString("\x00" + s[i:i+1])
		}
		return b.String()
	}
	tests := []struct {
		name string
		text string
		want string // rule ids found, in order
	}{
		{"alone", key, "acme-key"},
		{"in_quotes", `k = "` + key + `"`, "acme-key"},
		{"end_of_sentence", "The key is " + key + ".", "acme-key"},
		{"sixteen_spaces", "                " + key + "\n", "acme-key"},
		{"part_of_an_identifier", "MY_" + key, ""},
		{"before_an_identifier", key + "_old", ""},
		{"emphasis", "the __" + key + "__ and _" + key2 + "_", "acme-key acme-key"},
		{"after_a_letter", "x" + key, ""},
		{"after_a_digit", "7" + key, ""},
		{"after_percent_escape", "token%3D" + key, "acme-key"},
		{"after_newline_escape", `"a\n` + key + `\n"`, "acme-key"},
		{"after_unicode_escape", `\u003d` + key, "acme-key"},
		{"after_terminal_colour", "\x1b[1;31m" + key + "\x1b[0m", "acme-key"},
		{"one_character_more", key + "x", ""},
		{"one_character_less", key[:len(key)-1], ""},
		{"two_next_to_each_other", key + "," + key2, "acme-key acme-key"},
		{"two_glued", key + key2, "acme-key acme-key"},
		{"before_a_percent_escape", key + "%26x=1", "acme-key"},
		{"placeholder", "acme_live_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ""},
		{"counted_placeholder", "acme_live_abcdefghijklmnopqrstuvwxyz0123", ""},
		{"low_entropy", "acme_live_ababacababacababacababacababab", ""},
		{"base64_of_the_key", b64([]byte(key)), "acme-key"},
		{"base64_one_before", b64([]byte("=" + key)), "acme-key"},
		{"base64_two_before", b64([]byte(":=" + key + "\n")), "acme-key"},
		{"base64_named", "data: API_KEY: " + b64([]byte(key)), "acme-key"},
		{"base64_glued_to_a_name", "key_" + b64([]byte(key)), "acme-key"},
		{"base64_url", base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe\xfd " + key + " \xff\xff")), "acme-key"},
		{"base64_wrapped", wrap(b64([]byte(strings.Repeat("lorem ipsum ", 9)+key+strings.Repeat(" dolor sit", 9))), 76), "acme-key"},
		{"hex_of_the_key", hex.EncodeToString([]byte(key)), "acme-key"},
		{"hex_upper_case", strings.ToUpper(hex.EncodeToString([]byte("k=" + key + ";"))), "acme-key"},
		{"utf16_big_endian", "\xfe\xff" + utf16be("say "+key+"\n"), "acme-key"},
		{"percent_encoded_part", "ACID12345678 acsec.9fQ2mT7xLw0aBc3%2BeFgH5iJk", "acme-pair"},
		{"json_escaped_part", `ACID12345678 "acsec.9fQ2mT7xLw0aBc3\/eFgH5iJk"`, "acme-pair"},
		{"pair_without_its_id", "acsec.9fQ2mT7xLw0aBc3DeFgH5iJk", ""},
		{"pair_too_far_apart", "ACID12345678\n\n\n\n\n\nacsec.9fQ2mT7xLw0aBc3DeFgH5iJk", ""},
		{"context_near", "AcmeCloud:\n\n token: 0f1e2d3c4b5a69788796a5b4c3d2e1f0", "acme-token"},
		{"context_far", "AcmeCloud:\n\n\n\n\n token: 0f1e2d3c4b5a69788796a5b4c3d2e1f0", ""},
		{"context_but_longer_hex", "acmecloud 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c", ""},
		{"context_inside_base64", b64([]byte("acmecloud token 0f1e2d3c4b5a69788796a5b4c3d2e1f0")), "acme-token"},
		{"specific_wins_over_weak", "api_key = " + key, "acme-key"},
		{"weak_alone", "api_key = 'q8Zx7Cv6" + "Bn5Mm4Kl3Jh2Gf'", "acme-generic"},
		{"pem", pem, "acme-pem"},
		{"pem_in_a_json_string", `{"k":"` + strings.ReplaceAll(pem, "\n", `\n`) + `"}`, "acme-pem"},
		{"pem_indented", strings.ReplaceAll(pem, "\n", "\n    "), "acme-pem"},
		{"pem_commented", "# " + strings.ReplaceAll(pem, "\n", "\n# "), "acme-pem"},
		{"pem_concatenated", `"` + strings.ReplaceAll(pem, "\n", "\\n\" +\n  \"") + `"`, "acme-pem"},
		{"pem_in_base64", b64([]byte(pem)), "acme-pem"},
		{"pem_cut_off", pem[:60], ""},
		{"pem_placeholder", "-----BEGIN ACME KEY-----\n...\n-----END ACME KEY-----", ""},
		{"behind_nul_bytes", "\x00\x00\x00" + key + "\x00", "acme-key"},
	}
	d := compile(t, acme)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, m := range d.Detect(d.NewScratch(), []byte(tt.text)) {
				got = append(got, m.Rule.ID)
				if m.Start < 0 || m.End > len(tt.text) || m.Start >= m.End {
					t.Errorf("%s at [%d, %d) of %d bytes", m.Rule.ID, m.Start, m.End, len(tt.text))
				}
			}
			if g := strings.Join(got, " "); g != tt.want {
				steps, _ := d.Explain([]byte(tt.text))
				t.Errorf("found %q, want %q; steps: %v", g, tt.want, steps)
			}
		})
	}
}

func wrap(s string, n int) string {
	var b strings.Builder
	for len(s) > n {
		b.WriteString(s[:n] + "\n")
		s = s[n:]
	}
	return b.String() + s
}

// The position of a secret that was decoded is that of the run that encodes it.
func TestPositionsOfDecodedSecrets(t *testing.T) {
	key := "acme_live_" + body
	d := compile(t, acme)
	for _, tt := range []struct{ name, text, want, layers string }{
		{"plain", "ab " + key + " cd", key, ""},
		{"hex", "ab " + hex.EncodeToString([]byte("x="+key+"!")) + " cd", hex.EncodeToString([]byte(key)), "hex"},
		{"percent", "u=" + url.QueryEscape("ACID12345678&acsec.9fQ2mT7xLw0aBc3+eFgH5iJk") + "&b", "acsec.9fQ2mT7xLw0aBc3%2BeFgH5iJk", "percent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ms := d.Detect(d.NewScratch(), []byte(tt.text))
			if len(ms) != 1 {
				t.Fatalf("%d matches", len(ms))
			}
			if got := tt.text[ms[0].Start:ms[0].End]; got != tt.want {
				t.Errorf("position shows %q, want %q", got, tt.want)
			}
			if got := strings.Join(ms[0].Decoded, ","); got != tt.layers {
				t.Errorf("layers %q, want %q", got, tt.layers)
			}
		})
	}
	for pad := range 7 { // base64: the characters that hold any bit of the secret
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", pad) + key + "  "))
		ms := d.Detect(d.NewScratch(), []byte(text))
		if len(ms) != 1 || ms[0].Start != pad*8/6 || ms[0].End != ((pad+len(key))*8-1)/6+1 {
			t.Errorf("pad %d: %v", pad, ms)
		}
	}
}

func TestCommentAllows(t *testing.T) {
	d := compile(t, acme)
	key := "acme_live_" + body
	ms := d.Detect(d.NewScratch(), []byte("a "+key+" # rekey:allow fixture\nb acme_test_"+body2+"\n"))
	if len(ms) != 2 || ms[0].Allowed == nil || ms[1].Allowed != nil {
		t.Fatalf("got %v", ms)
	}
}

func TestCleanBytesDoNotAllocate(t *testing.T) {
	d := compile(t, acme)
	s := d.NewScratch()
	data := []byte(strings.Repeat("nothing to see here, move along; 0123456789 abcdef\n", 2000))
	d.Detect(s, data)
	if n := testing.AllocsPerRun(50, func() { d.Detect(s, data) }); n != 0 {
		t.Errorf("%v allocations on bytes without a literal", n)
	}
}

func FuzzDetect(f *testing.F) {
	d := compile(f, acme)
	for _, s := range []string{"acme_live_" + body, base64.StdEncoding.EncodeToString([]byte("k=acme_live_" + body)), "-----BEGIN ACME KEY-----\n", "%61cme_live_" + body, "a\x00c\x00m\x00e\x00_\x00", `\u0061cme_live_`, "acmecloud 0f1e2d3c4b5a69788796a5b4c3d2e1f0"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := d.NewScratch()
		first := fmt.Sprint(places(d.Detect(s, data)))
		for _, m := range d.Detect(s, data) {
			if m.Start < 0 || m.End > len(data) || m.Start >= m.End {
				t.Fatalf("match at [%d, %d) of %d", m.Start, m.End, len(data))
			}
		}
		if again := fmt.Sprint(places(d.Detect(s, data))); again != first {
			t.Fatalf("second run differs: %s, %s", first, again)
		}
	})
}

func places(ms []detect.Match) (out []string) {
	for _, m := range ms {
		out = append(out, fmt.Sprint(m.Rule.ID, m.Start, m.End, m.Key))
	}
	return out
}
