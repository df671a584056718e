// Package scanner scans sources with a detector and gathers what they hold into
// findings: one per distinct secret, with all its occurrences, in an order that does
// not depend on timing.
//
// The journey of one key: a source (scanner/source/...) yields bytes, the detector
// (scanner/detect) yields matches, and Scan makes them findings, applies baselines
// and allowlists, and asks a Verifier. Nothing here sends a secret anywhere.
package scanner

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source"
)

// Verifier asks key services about findings and fills in their Verification. It is
// implemented above this package; scanner itself never sends a secret.
type Verifier interface {
	Verify(ctx context.Context, findings []finding.Finding) error
}

// Suppressor tells whether a finding is accepted and why: nil where it is not. It may
// remove occurrences that are covered where others are not.
type Suppressor interface {
	Match(f *finding.Finding) *finding.Suppression
}

// Options say what to scan and how. Detector and Sources are required.
type Options struct {
	Sources  []source.Source
	Detector *detect.Detector
	Workers  int   // 0: as many as there are processors
	MaxFile  int64 // files above this many bytes are out of policy; 0: no limit
	// MaxOccurrences caps the occurrences kept per finding; 0 means 1000. What is
	// dropped is counted.
	MaxOccurrences int
	Suppress       Suppressor // nil: nothing is suppressed
	// Line tells whether the line that a secret stands on accepts it; nil: none does.
	Line     func(rule string, key finding.Fingerprint, path string, line []byte) *finding.Suppression
	Verifier Verifier // nil: findings stay unchecked
	// Salt is that of the baseline, for fingerprints of secrets that can be guessed;
	// nil: the fixed salt.
	Salt []byte
	// Started receives the run when it begins, to read its Counts from while it lasts.
	Started func(*source.Run)
	// Scanned is called when all sources were scanned and before services are asked.
	Scanned func()
}

// Result is what a scan found and what it did not read.
type Result struct {
	Findings []finding.Finding
	Holes    []source.Hole
	Counts   *source.Counts
	Started  time.Time
	Finished time.Time
	Rules    int
	Digest   string
	// Interrupted says that the context ended before everything was scanned.
	Interrupted bool
	// Failed are sources that could not be used as a whole.
	Failed []error
	// VerifyErr is why verification did not complete.
	VerifyErr error
	// BrokeThrough counts accepted findings whose keys turned out to be live.
	BrokeThrough int
}

// Scan runs every source and returns what was found, also when ctx ends early or a
// source fails: then the result says so. The error is for wrong Options only.
func Scan(ctx context.Context, opt Options) (*Result, error) {
	if opt.Detector == nil || len(opt.Sources) == 0 {
		return nil, errors.New("scan: no detector or no source")
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.MaxOccurrences <= 0 {
		opt.MaxOccurrences = 1000
	}
	c := newCollector()
	run := &source.Run{
		Detector: opt.Detector, Workers: opt.Workers, MaxFile: opt.MaxFile,
		OnHit: c.hit, OnHole: c.hole, Line: opt.Line,
	}
	res := &Result{Started: time.Now(), Rules: opt.Detector.Rules(), Digest: opt.Detector.Digest(), Counts: &run.Counts}
	if opt.Started != nil {
		opt.Started(run)
	}
	for _, src := range opt.Sources {
		if err := scanOne(ctx, src, run); err != nil && ctx.Err() == nil {
			res.Failed = append(res.Failed, err)
		}
		if ctx.Err() != nil {
			res.Interrupted = true
			break
		}
	}
	res.Findings = c.findings(opt)
	res.Holes = c.holesByKind()
	if opt.Suppress != nil {
		suppress(res, opt.Suppress)
	}
	if opt.Scanned != nil {
		opt.Scanned()
	}
	if opt.Verifier != nil && !res.Interrupted && len(res.Findings) > 0 {
		res.VerifyErr = opt.Verifier.Verify(ctx, res.Findings)
		res.Interrupted = ctx.Err() != nil
		res.BrokeThrough = breakThrough(res.Findings)
	}
	res.Finished = time.Now()
	return res, nil
}

// scanOne runs a source; a panic inside it, which hostile bytes must not be able to
// cause but a defect might, fails that source alone and loudly.
func scanOne(ctx context.Context, src source.Source, run *source.Run) (err error) {
	var catcher panics.Catcher
	catcher.Try(func() { err = src.Scan(ctx, run) })
	if r := catcher.Recovered(); r != nil {
		return fmt.Errorf("scan stopped by a defect, please report it: %v\n%s", r.Value, r.Stack)
	}
	return err
}

// suppress asks the suppressor about each finding and drops findings that have no
// occurrence left.
func suppress(res *Result, s Suppressor) {
	kept := res.Findings[:0]
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Suppressed == nil {
			f.Suppressed = s.Match(f)
		}
		if len(f.Occurrences) > 0 {
			kept = append(kept, *f)
		}
	}
	res.Findings = kept
}

// breakThrough undoes the suppression of keys that are live: whatever was accepted
// once, a key that works is a leak. It returns how many.
func breakThrough(findings []finding.Finding) (n int) {
	for i := range findings {
		if f := &findings[i]; f.Suppressed != nil && f.Verification.Status.Live() {
			f.Suppressed = nil
			n++
		}
	}
	return n
}

// Complete reports whether everything that was asked for was read. Holes that are out
// of policy do not count unless strict.
func (r *Result) Complete(strict bool) bool {
	if r.Interrupted || len(r.Failed) > 0 {
		return false
	}
	for _, h := range r.Holes {
		if h.Class != source.Policy || strict {
			return false
		}
	}
	return true
}
