package prebuilt_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner/baseline"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/detect/prebuilt"
)

func TestTablesAreCurrent(t *testing.T) {
	want, err := prebuilt.Tables()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("zz_tables.bin")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("zz_tables.bin is not current: run `go generate ./rules/builtin ./scanner/detect/prebuilt`")
	}
}

// The detector from the tables finds what one made from the rules finds, also where
// rules are left out.
func TestPrebuiltFindsTheSame(t *testing.T) {
	files, err := rules.LoadFS(builtin.Files, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, opt := range []detect.Options{{}, {HookOnly: true}, {Only: []string{"cloudnexus-*", "github-*"}}, {Skip: []string{"generic-*"}}} {
		loaded, err := prebuilt.New(opt)
		if err != nil {
			t.Fatal(err)
		}
		opt.Comment, opt.CommentMarkers = baseline.Comment, baseline.CommentMarkers()
		made, err := detect.New(builtin.Services(), opt)
		if err != nil {
			t.Fatal(err)
		}
		if loaded.Rules() != made.Rules() {
			t.Errorf("%d rules, want %d", loaded.Rules(), made.Rules())
		}
		a, b := loaded.NewScratch(), made.NewScratch()
		n := 0
		for _, s := range files {
			for _, r := range s.Rules {
				for _, e := range append(append([]string(nil), r.Match...), r.NoMatch...) {
					text := []byte(strings.ReplaceAll(e, "{cut}", "") + " # rekey:allow because of this test\n")
					want := show(made.Detect(b, text))
					n += len(want)
					if got := show(loaded.Detect(a, text)); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Fatalf("%+v: rule %s: %v, want %v", opt.Only, r.ID, got, want)
					}
				}
			}
		}
		if n == 0 {
			t.Error("nothing was found")
		}
	}
}

func show(ms []detect.Match) (out []string) {
	for _, m := range ms {
		out = append(out, fmt.Sprint(m.Rule.ID, m.Start, m.End, m.Key, m.Allowed != nil))
	}
	return out
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := prebuilt.New(detect.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
