package stdin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/stdin"
)

// The key of the tests is made of parts: no scanner should stop at this file.
var key = "acme_" + "live_9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"

const acme = `
[service]
id = "acme"
name = "Acme"

[[rules]]
id = "acme-key"
title = "Acme key"
severity = "critical"
pattern = '''(?P<secret>acme_live_(?P<body>[0-9A-Za-z]{30}))'''
match = ["acme_{cut}live_9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"]
`

func scan(t *testing.T, r io.Reader, maxFile int64) (places []finding.Occurrence, holes []source.Hole) {
	t.Helper()
	svc, err := rules.Parse("acme.toml", []byte(acme))
	if err != nil {
		t.Fatal(err)
	}
	d, err := detect.New([]rules.Service{*svc}, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run := source.Run{Detector: d, Workers: 1, MaxFile: maxFile,
		OnHit:  func(h source.Hit) { places = append(places, h.Occurrence) },
		OnHole: func(h source.Hole) { holes = append(holes, h) }}
	if err := stdin.New("in.txt", r, stdin.Options{}).Scan(context.Background(), &run); err != nil {
		t.Fatal(err)
	}
	return places, holes
}

func TestScan(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, "\n\n"+key); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the pipe broke")
	tests := []struct {
		name string
		r    io.Reader
		max  int64
		path string // of the occurrence; "" wants none
		line int
		hole string
	}{
		{"short", strings.NewReader("a\n" + key), 0, "in.txt", 2, ""},
		{"one_byte_at_a_time", iotest.OneByteReader(strings.NewReader("a\n" + key)), 0, "in.txt", 2, ""},
		{"empty", strings.NewReader(""), 0, "", 0, ""},
		{"longer_than_a_window", io.MultiReader(strings.NewReader(strings.Repeat("0123456789abcde\n", 4<<20)), strings.NewReader(key)), 0, "in.txt", 4<<20 + 1, ""},
		{"archive", &packed, 0, "in.txt!in", 3, ""},
		{"at_the_limit", strings.NewReader(key), int64(len(key)), "in.txt", 1, ""},
		{"over_the_limit", strings.NewReader(key + "x"), int64(len(key)), "in.txt", 1, "limit"},
		{"read_error_after_the_key", io.MultiReader(strings.NewReader(key), iotest.ErrReader(broken)), 0, "in.txt", 1, "broke"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			places, holes := scan(t, tt.r, tt.max)
			if len(places) > 1 || (len(places) == 1) != (tt.path != "") || len(places) == 1 && (places[0].Path != tt.path || places[0].StartLine != tt.line || places[0].Kind != finding.KindStdin) {
				t.Errorf("found %+v, want %q line %d", places, tt.path, tt.line)
			}
			if (tt.hole == "") != (len(holes) == 0) || len(holes) > 0 && !strings.Contains(holes[0].Reason, tt.hole) {
				t.Errorf("holes %+v, want %q", holes, tt.hole)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d, err := detect.New(nil, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := stdin.New("in", strings.NewReader("x"), stdin.Options{}).Scan(ctx, &source.Run{Detector: d}); !errors.Is(err, context.Canceled) {
		t.Errorf("Scan = %v, want context.Canceled", err)
	}
}
