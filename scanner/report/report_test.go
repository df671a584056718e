package report_test

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata/report")

const goldenDir = "../../testdata/report"

func write(t *testing.T, format string, r *report.Report, opt report.Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, format, r, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	type golden struct {
		name, format string
		report       *report.Report
		opt          report.Options
	}
	empty := &report.Report{Coverage: report.Coverage{Complete: true, RulesCount: 250}, Tool: report.Tool{Name: "rekey"}}
	var tests []golden
	for _, f := range report.Formats() {
		tests = append(tests,
			golden{"sample." + f, f, sample(), report.Options{Authors: true}},
			golden{"empty." + f, f, empty, report.Options{}})
	}
	tests = append(tests,
		golden{"narrow.text", "text", sample(), report.Options{Width: 60, Limit: 2}},
		golden{"color.text", "text", sample(), report.Options{Color: true, Authors: true, CanRotate: true, Limit: 3}},
	)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := write(t, tt.format, tt.report, tt.opt)
			name := filepath.Join(goldenDir, tt.name)
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs from what is written; run with -update and read the difference\n%s", name, firstDifference(got, string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d:\n got %.300q\nwant %.300q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

// disguises are the forms in which a key must not be in any output.
func disguises(key string) map[string]string {
	reversed := []byte(key)
	slices.Reverse(reversed)
	forms := map[string]string{
		"clear": key, "hex": hex.EncodeToString([]byte(key)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(key))),
		"base64": base64.RawStdEncoding.EncodeToString([]byte(key)), "base64url": base64.RawURLEncoding.EncodeToString([]byte(key)),
		"base32":  strings.TrimRight(base32.StdEncoding.EncodeToString([]byte(key)), "="),
		"percent": url.QueryEscape(key), "path": url.PathEscape(key), "html": html.EscapeString(key), "reversed": string(reversed),
		"go": strings.Trim(fmt.Sprintf("%q", key), `"`), "bytes": fmt.Sprint([]byte(key)),
	}
	full := ""
	for _, c := range []byte(key) {
		full += fmt.Sprintf("%%%02X", c)
	}
	forms["percent_all"] = full
	if len(key) >= 16 { // the hidden part alone
		mid := key[10 : len(key)-4]
		forms["middle"], forms["middle_hex"] = mid, hex.EncodeToString([]byte(mid))
		// Digits of the middle that do not depend on what surrounds them.
		for skip := range 3 {
			enc := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + mid))
			forms[fmt.Sprintf("middle_base64_%d", skip)] = enc[4 : len(enc)-4]
		}
	}
	return forms
}

func keys() []string {
	list := []string{acmeKey, otherKey, cloudKey, partKey, password, binaryKey}
	for s := finding.Unchecked; s <= finding.Canary; s++ {
		list = append(list, fmt.Sprintf("%s%c", acmeKey, 'A'+rune(s)))
	}
	return list
}

func TestNoFormatShowsASecret(t *testing.T) {
	r := sample()
	for _, f := range report.Formats() {
		for _, opt := range []report.Options{{}, {Authors: true, Color: true, Limit: -1}, {CanRotate: true, Width: 40}} {
			out := write(t, f, r, opt)
			for _, key := range keys() {
				for name, form := range disguises(key) {
					if len(form) > 6 && strings.Contains(out, form) {
						t.Errorf("%s %+v: shows a secret (%s) as %q", f, opt, name, form)
					}
				}
			}
		}
	}
}

func TestShowSecretsShowsThem(t *testing.T) {
	for _, f := range []string{"text", "json", "jsonl", "sarif", "gitleaks"} {
		if out := write(t, f, sample(), report.Options{ShowSecrets: true, Limit: -1}); !strings.Contains(out, cloudKey) {
			t.Errorf("%s: the key is not shown", f)
		}
	}
}

func TestAuthorsAreLeftOut(t *testing.T) {
	for _, f := range report.Formats() {
		out := write(t, f, sample(), report.Options{Limit: -1})
		for _, bad := range []string{"Lovelace", "ada@example.org"} {
			if strings.Contains(out, bad) {
				t.Errorf("%s without Authors shows %q", f, bad)
			}
		}
	}
}

// No byte that a terminal would act on, and nothing that reorders text, in formats
// that people print.
func TestOutputIsInert(t *testing.T) {
	for _, f := range report.Formats() {
		for i, r := range write(t, f, sample(), report.Options{Authors: true, Limit: -1}) {
			if r != '\n' && (r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x202e || r == 0x202c || r == 0x200b || r == 0x2028 || r == 0xfeff || r == 0xfffd) {
				t.Errorf("%s: %U at byte %d", f, r, i)
				break
			}
		}
	}
}

func TestTwoWritesAreEqual(t *testing.T) {
	for _, f := range report.Formats() {
		a := sample()
		b := sample()
		slices.Reverse(b.Findings)
		for i := range b.Findings {
			slices.Reverse(b.Findings[i].Occurrences)
		}
		slices.Reverse(b.Coverage.Skipped)
		report.Sort(b)
		if x, y := write(t, f, a, report.Options{}), write(t, f, b, report.Options{}); x != y {
			t.Errorf("%s: order of the input shows: %s", f, firstDifference(x, y))
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	err := report.Write(&bytes.Buffer{}, "yaml", sample(), report.Options{})
	if err == nil || !strings.Contains(err.Error(), `unknown report format "yaml"`) {
		t.Errorf("Write = %v", err)
	}
}

type brokenPipe struct{ left int }

func (w *brokenPipe) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, os.ErrClosed
	}
	return len(p), nil
}

func TestWriteErrorIsReturned(t *testing.T) {
	for _, f := range report.Formats() {
		if err := report.Write(&brokenPipe{}, f, sample(), report.Options{}); err == nil {
			t.Errorf("%s: a failing writer goes unnoticed", f)
		}
	}
}
