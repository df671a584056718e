// Package source is the seam between where bytes come from and what looks at them.
// A Source walks its target and hands every piece to a Worker of the Run, which
// detects and reports; the Run collects counts, holes and hits. Kinds of source are
// the packages below this one.
package source

import (
	"context"
	"sync/atomic"

	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// Source is one target, or one part of it, that can be walked once.
type Source interface {
	// Scan hands every piece of the target to workers of run and returns when all
	// was scanned, ctx ended (then with its error) or nothing more can be read. What
	// could not be read is told to run.Hole and is not an error; an error means that
	// the source as a whole could not be used.
	Scan(ctx context.Context, run *Run) error
}

// Class says what a hole means for the exit status (design.md section 10, "Holes").
type Class string

// Classes of holes.
const (
	Unreadable Class = "unreadable" // corrupt, missing, permission: never silently green
	Absent     Class = "absent"     // by choice: shallow, partial, LFS pointer, submodule
	Policy     Class = "policy"     // over a budget, encrypted: listed
)

// Hole is something that was not read.
type Hole struct {
	Class  Class
	What   string // kind in words: "object", "file", "archive entry", "directory"
	Name   string // which: path, object id; escaped when shown
	Reason string // why, with a remedy where there is one; holds no secret
	Count  int64  // how many it stands for; 0 means 1
	// FullHistoryOnly marks an absence that matters only where the whole history was
	// asked for.
	FullHistoryOnly bool
}

// Counts is what a run has read so far. Fields are atomics: read with Load.
type Counts struct {
	Objects, Blobs, Commits, Files atomic.Int64
	BytesLogical, BytesScanned     atomic.Int64
	ExpectedUnits, DoneUnits       atomic.Int64 // progress: whatever unit the source counts
}

// Hit is one match at one place.
type Hit struct {
	Match      detect.Match
	Occurrence finding.Occurrence
}

// Run is one scan as its sources see it. Its fields are set before the first source
// starts and not changed after; its methods are safe for concurrent use.
type Run struct {
	Detector *detect.Detector
	Workers  int // goroutines a source may use; at least 1
	// MaxFile is the size in bytes above which a file is out of policy; 0: no limit.
	MaxFile int64
	Counts  Counts
	// OnHit and OnHole receive what is found and what is not read. They are called
	// from many goroutines and must be safe for that.
	OnHit  func(Hit)
	OnHole func(Hole)
	// Line tells whether the line that a secret stands on accepts it; nil: none does.
	Line func(rule string, key finding.Fingerprint, path string, line []byte) *finding.Suppression
}

// Accept asks Line about a match in data and notes its answer in the match. Sources
// that report matches themselves call it while the data is at hand.
func (r *Run) Accept(m *detect.Match, path string, data []byte) {
	if r.Line != nil && m.Allowed == nil {
		m.Allowed = r.Line(m.Rule.ID, m.Key, path, detect.LineOf(data, m.Start))
	}
}

// Hole reports something that was not read.
func (r *Run) Hole(h Hole) {
	if h.Count == 0 {
		h.Count = 1
	}
	if r.OnHole != nil {
		r.OnHole(h)
	}
}

// Report reports a match at a place whose position is already known.
func (r *Run) Report(m detect.Match, occ finding.Occurrence) {
	if r.OnHit != nil && m.Rule.LooksIn(occ.Path) {
		r.OnHit(Hit{m, occ})
	}
}

// Worker returns a worker for one goroutine.
func (r *Run) Worker() *Worker {
	return &Worker{run: r, scratch: r.Detector.NewScratch()}
}
