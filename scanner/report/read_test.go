package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
)

func read(t *testing.T, text string) *report.Report {
	t.Helper()
	r, err := report.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What Read returns writes the same report again, redacted or not, in every format.
func TestReadAndWriteAgain(t *testing.T) {
	for _, format := range []string{"json", "jsonl"} {
		for _, show := range []bool{false, true} {
			opt := report.Options{Authors: true, ShowSecrets: show}
			first := write(t, format, sample(), opt)
			r := read(t, first)
			if again := write(t, format, r, opt); again != first {
				t.Errorf("%s, ShowSecrets %v: %s", format, show, firstDifference(again, first))
			}
			if !show {
				for _, f := range r.Findings {
					if !f.Secret.IsZero() {
						t.Errorf("%s: a redacted report gave a secret of %d bytes", format, f.Secret.Len())
					}
				}
				second := read(t, write(t, "json", r, opt)) // bytes that are not UTF-8 are lost once
				for _, f := range report.Formats() {
					if got, want := write(t, f, second, opt), write(t, f, r, opt); got != want {
						t.Errorf("%s to %s: %s", format, f, firstDifference(got, want))
					}
				}
			}
		}
	}
}

func TestReadGivesShownSecretsBack(t *testing.T) {
	want := sample()
	got := read(t, write(t, "json", want, report.Options{ShowSecrets: true}))
	for i := range want.Findings {
		if !got.Findings[i].Secret.Equal(want.Findings[i].Secret) || got.Findings[i].Public != want.Findings[i].Public {
			t.Errorf("finding %d: secret differs", i)
		}
	}
	// And they are redacted again when written so.
	if out := write(t, "json", got, report.Options{}); strings.Contains(out, cloudKey) {
		t.Error("a secret that was read is written in clear")
	}
}

func TestReadRefuses(t *testing.T) {
	whole := write(t, "json", sample(), report.Options{})
	lines := write(t, "jsonl", sample(), report.Options{})
	head := `{"schema":"rekey.report/v1","findings":[`
	tests := []struct{ name, text, want string }{
		{"empty", "", "EOF"},
		{"not_json", "hello", "invalid character"},
		{"array", "[]", "not a report with schema"},
		{"other_schema", `{"schema":"rekey.report/v2"}`, `schema is "rekey.report/v2"`},
		{"no_schema", `{"findings":[]}`, `schema is ""`},
		{"cut_json", whole[:len(whole)/2], "unexpected EOF"},
		{"cut_jsonl", lines[:strings.LastIndex(strings.TrimSpace(lines), "\n")+1], "no summary"},
		{"two_reports", whole + whole, "more follows"},
		{"lines_after_summary", lines + lines, "more follows"},
		{"other_type", `{"type":"incident"}`, `type is "incident"`},
		{"no_fingerprint", head + `{"rule":"a"}]}`, "finding 1: no fingerprint"},
		{"unknown_severity", head + `{"rule":"a","fingerprint":"b","severity":"awful"}]}`, `unknown severity "awful"`},
		{"unknown_status", head + `{"rule":"a","fingerprint":"b","verification":{"status":"dead"}}]}`, `unknown verification status "dead"`},
		{"bad_base64", head + `{"rule":"a","fingerprint":"b","redacted":false,"secret_base64":"*"}]}`, "secret_base64"},
		{"bad_path", head + `{"rule":"a","fingerprint":"b","occurrences":[{"path_base64":"*"}]}]}`, "occurrence 1: path_base64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := report.Read(strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Read = %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := report.Read(strings.NewReader(`{"schema":"x"}`)); !errors.Is(err, report.ErrSchema) {
		t.Errorf("Read of another schema = %v, want ErrSchema", err)
	}
}

func TestReadIgnoresUnknownFields(t *testing.T) {
	text := `{"schema":"rekey.report/v1","colour":1,"findings":[{"fingerprint":"key:v1:a","rule":"r","secret":"ab…","mood":[]}]}`
	r := read(t, text)
	if len(r.Findings) != 1 || !r.Findings[0].Secret.IsZero() {
		t.Errorf("Read = %+v; a secret without \"redacted\": false must not be taken for a key", r.Findings)
	}
	if out := write(t, "text", r, report.Options{}); !strings.Contains(out, "ab…") {
		t.Errorf("the redacted text is lost:\n%s", out)
	}
}

// The schema describes every field that is written, and nothing written breaks it.
func TestSchema(t *testing.T) {
	b, err := os.ReadFile("../../docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	forbidUnknown(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem:report", doc); err != nil {
		t.Fatal(err)
	}
	whole, err := c.Compile("mem:report")
	if err != nil {
		t.Fatal(err)
	}
	line, err := c.Compile("mem:report#/$defs/line")
	if err != nil {
		t.Fatal(err)
	}
	reports := map[string]*report.Report{"sample": sample(), "empty": {}, "wild_times": wildTimes()}
	for name, r := range reports {
		for _, opt := range []report.Options{{}, {Authors: true}, {ShowSecrets: true, Authors: true}} {
			check(t, whole, name, write(t, "json", r, opt))
			for _, l := range strings.Split(strings.TrimSpace(write(t, "jsonl", r, opt)), "\n") {
				check(t, line, name+" line", l)
			}
		}
	}
}

func check(t *testing.T, s *jsonschema.Schema, name, text string) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func forbidUnknown(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["properties"].(map[string]any); ok && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, e := range v {
			forbidUnknown(e)
		}
	case []any:
		for _, e := range v {
			forbidUnknown(e)
		}
	}
}

// wildTimes holds dates that a commit may claim and JSON cannot write.
func wildTimes() *report.Report {
	r := sample()
	for i, t := range []time.Time{time.Unix(1<<60, 0), time.Unix(-1<<60, 0), time.Unix(1<<38, 0), time.Unix(-1<<37, 0)} {
		r.Findings[i].Occurrences[0].Git.Date = t
		r.Findings[i].Verification.ExpiresAt = t
	}
	return r
}

func TestWildTimesStopNoFormat(t *testing.T) {
	for _, f := range report.Formats() {
		write(t, f, wildTimes(), report.Options{Authors: true})
	}
}

func TestMerge(t *testing.T) {
	one, two := sample(), sample()
	both := report.Merge(one, read(t, write(t, "json", two, report.Options{Authors: true})))
	if n := len(both.Findings); n != len(one.Findings) {
		t.Fatalf("merging a report with itself gives %d findings, want %d", n, len(one.Findings))
	}
	byRule := func(r *report.Report, fp finding.Fingerprint) *finding.Finding {
		i := slices.IndexFunc(r.Findings, func(f finding.Finding) bool { return f.Fingerprint == fp })
		return &r.Findings[i]
	}
	plain := finding.KeyFingerprint("aws", "secret-key", []byte(partKey))
	if f := byRule(both, plain); len(f.Occurrences) != 1 || f.Secret.IsZero() || f.Suppressed == nil {
		t.Errorf("merged finding = %+v", f)
	}
	if both.Coverage.Objects != 2*one.Coverage.Objects || both.Coverage.Complete {
		t.Errorf("merged coverage = %+v", both.Coverage)
	}
	live := sample()
	f := byRule(live, plain)
	f.Suppressed = nil
	f.Verification = finding.Verification{Status: finding.Active, CheckedAt: at(21)}
	f.Occurrences[0].Path = "other"
	f = byRule(report.Merge(one, live), plain)
	if f.Suppressed != nil || f.Verification.Status != finding.Active || len(f.Occurrences) != 2 {
		t.Errorf("merged with a live one = %+v", f)
	}
	if f := byRule(one, plain); f.Suppressed == nil || len(f.Occurrences) != 1 {
		t.Error("Merge changed its argument")
	}
}

// Whatever Read accepts can be written in every format, and read back from json.
func FuzzRead(f *testing.F) {
	for _, format := range []string{"json", "jsonl"} {
		for _, show := range []bool{false, true} {
			var b bytes.Buffer
			if err := report.Write(&b, format, sample(), report.Options{ShowSecrets: show}); err != nil {
				f.Fatal(err)
			}
			f.Add(b.Bytes())
		}
	}
	f.Add([]byte(`{"schema":"rekey.report/v1","findings":[{"fingerprint":"a","rule":"b","parts":{"x":"y"},"occurrences":[{}]}]}`))
	f.Add([]byte(`{"schema":"rekey.report/v1","coverage":{"seconds":1e308},"started":"9999-12-31T23:59:59-23:00"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := report.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		report.Sort(r)
		for _, format := range report.Formats() {
			if err := report.Write(io.Discard, format, r, report.Options{Authors: true}); err != nil {
				t.Errorf("%s: %v", format, err)
			}
		}
		var out bytes.Buffer
		if err := report.Write(&out, "json", r, report.Options{}); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(out.Bytes()) {
			t.Fatal("json is not valid")
		}
		if _, err := report.Read(&out); err != nil {
			t.Errorf("read again: %v", err)
		}
	})
}
