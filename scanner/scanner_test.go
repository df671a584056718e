package scanner_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source"
)

const ruleFile = `
[service]
id = "acme"
name = "Acme"

[[rules]]
id = "acme-key"
title = "Acme key"
severity = "critical"
pattern = '''acme_live_[0-9A-Za-z]{30}'''
match = ["acme_live_9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"]

[[rules]]
id = "acme-generic"
title = "Anything"
severity = "low"
weak = true
pattern = '''(?i:api_key)[ =:"']{1,4}(?P<secret>[0-9A-Za-z_]{20,60})'''
match = ["api_{cut}key=9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"]
`

const (
	keyA = "acme_live_" + "9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"
	keyB = "acme_live_" + "Zx8Yw7Vu6Ts5Rq4Po3Nm2Lk1Ji0HgF"
)

func detector(t *testing.T) *detect.Detector {
	t.Helper()
	svc, err := rules.Parse("acme.toml", []byte(ruleFile))
	if err != nil {
		t.Fatal(err)
	}
	d, err := detect.New([]rules.Service{*svc}, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sourceFunc is a source made of a function.
type sourceFunc func(ctx context.Context, run *source.Run) error

func (f sourceFunc) Scan(ctx context.Context, run *source.Run) error { return f(ctx, run) }

// items is a source that hands out items in a random order from several goroutines.
func items(seed uint64, list ...source.Item) source.Source {
	return sourceFunc(func(_ context.Context, run *source.Run) error {
		order := rand.New(rand.NewPCG(seed, 1)).Perm(len(list))
		var wg sync.WaitGroup
		for _, i := range order {
			wg.Go(func() { run.Worker().Scan(list[i]) })
		}
		wg.Wait()
		return nil
	})
}

func file(path, text string) source.Item {
	return source.Item{Kind: finding.KindWorktree, Path: path, Data: []byte(text)}
}

func scan(t *testing.T, opt scanner.Options, sources ...source.Source) *scanner.Result {
	t.Helper()
	opt.Detector, opt.Sources = detector(t), sources
	res, err := scanner.Scan(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestOneFindingPerSecret(t *testing.T) {
	var first string
	for seed := range uint64(20) {
		res := scan(t, scanner.Options{}, items(seed,
			file("b.txt", "x\n"+keyA+"\n"), file("a.txt", keyA+" "+keyB), file("a.txt", keyA+" "+keyB),
			file("c.txt", "api_key = q8Zx7Cv6"+"Bn5Mm4Kl3J2xW9"), file("d.txt", `api_key="`+keyA[:10]+keyA[10:]+`"`)))
		text := ""
		for _, f := range res.Findings {
			text += fmt.Sprintln(f.Fingerprint, f.Rule, f.Severity, f.Occurrences)
		}
		if first == "" {
			first = text
			if len(res.Findings) != 3 {
				t.Fatalf("%d findings, want 3:\n%s", len(res.Findings), text)
			}
			for _, f := range res.Findings {
				if f.Secret.Equal(finding.NewSecret([]byte(keyA))) && len(f.Occurrences) != 3 {
					t.Errorf("%d places of the first key, want 3: %v", len(f.Occurrences), f.Occurrences)
				}
			}
		}
		if text != first {
			t.Fatalf("seed %d gives another result:\n%s\nwant\n%s", seed, text, first)
		}
	}
}

// A generic rule's finding yields to that of a rule that knows the key, wherever each
// was found.
func TestGenericYields(t *testing.T) {
	res := scan(t, scanner.Options{}, items(1, file("a", keyA), file("b", "API_KEY="+keyA)))
	if len(res.Findings) != 1 || res.Findings[0].Rule != "acme-key" {
		t.Errorf("%v", res.Findings)
	}
}

// A file of the work tree that is the same in HEAD is one place, not two.
func TestWorkTreeRepeatsHead(t *testing.T) {
	head := source.Item{Kind: finding.KindBlob, Path: "a", Data: []byte(keyA), Provenance: finding.Provenance{InHead: true, Commit: "1"}}
	res := scan(t, scanner.Options{}, items(1, head, file("a", keyA), file("b", keyA)))
	if n := len(res.Findings[0].Occurrences); n != 2 {
		t.Errorf("%d places, want 2: %v", n, res.Findings[0].Occurrences)
	}
}

func TestOccurrencesAreCapped(t *testing.T) {
	var list []source.Item
	for i := range 50 {
		list = append(list, file(fmt.Sprintf("f%02d", i), keyA))
	}
	res := scan(t, scanner.Options{MaxOccurrences: 10}, items(1, list...))
	if f := res.Findings[0]; len(f.Occurrences) != 10 || f.Dropped != 40 || f.Occurrences[0].Path != "f00" {
		t.Errorf("%d kept, %d dropped, first %s", len(f.Occurrences), f.Dropped, f.Occurrences[0].Path)
	}
}

// A source that fails, or panics, fails alone and is said.
func TestFailedSources(t *testing.T) {
	res := scan(t, scanner.Options{},
		sourceFunc(func(context.Context, *source.Run) error { return errors.New("no such place") }),
		sourceFunc(func(context.Context, *source.Run) error { panic("a defect") }),
		items(1, file("a", keyA)))
	if len(res.Failed) != 2 || len(res.Findings) != 1 || res.Complete(false) {
		t.Errorf("failed %v, %d findings, complete %v", res.Failed, len(res.Findings), res.Complete(false))
	}
}

func TestHolesDecideCompleteness(t *testing.T) {
	hole := func(c source.Class) source.Source {
		return sourceFunc(func(_ context.Context, run *source.Run) error {
			run.Hole(source.Hole{Class: c, What: "file", Reason: "because"})
			run.Hole(source.Hole{Class: c, What: "file", Reason: "because"})
			return nil
		})
	}
	for class, want := range map[source.Class][2]bool{source.Unreadable: {false, false}, source.Absent: {false, false}, source.Policy: {true, false}} {
		res := scan(t, scanner.Options{}, hole(class))
		if res.Complete(false) != want[0] || res.Complete(true) != want[1] {
			t.Errorf("%s: complete %v, strictly %v", class, res.Complete(false), res.Complete(true))
		}
		if len(res.Holes) != 1 || res.Holes[0].Count != 2 {
			t.Errorf("%s: holes %v", class, res.Holes)
		}
	}
}

// accepting suppresses everything.
type accepting struct{}

func (accepting) Match(*finding.Finding) *finding.Suppression {
	return &finding.Suppression{By: "baseline", Reason: "old"}
}

// verdict is a verifier that gives every key one status.
type verdict finding.Status

func (v verdict) Verify(_ context.Context, fs []finding.Finding) error {
	for i := range fs {
		fs[i].Verification.Status = finding.Status(v)
	}
	return nil
}

func TestLiveKeysBreakThrough(t *testing.T) {
	for status, suppressed := range map[finding.Status]bool{finding.Active: false, finding.Grace: false, finding.Restricted: false, finding.Inactive: true, finding.Unknown: true, finding.Unchecked: true} {
		res := scan(t, scanner.Options{Suppress: accepting{}, Verifier: verdict(status)}, items(1, file("a", keyA)))
		if got := res.Findings[0].Suppressed != nil; got != suppressed {
			t.Errorf("%s: suppressed %v, want %v", status, got, suppressed)
		}
	}
}

func TestInterruptedScanKeepsWhatItFound(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	res, err := scanner.Scan(ctx, scanner.Options{Detector: detector(t), Sources: []source.Source{
		items(1, file("a", keyA)),
		sourceFunc(func(ctx context.Context, _ *source.Run) error { cancel(); return ctx.Err() }),
		items(1, file("b", keyB)),
	}, Verifier: verdict(finding.Active)})
	if err != nil {
		t.Fatal(err)
	}
	if !res.Interrupted || len(res.Findings) != 1 || res.Findings[0].Verification.Status != finding.Unchecked || res.Complete(false) {
		t.Errorf("interrupted %v, findings %v", res.Interrupted, res.Findings)
	}
}
