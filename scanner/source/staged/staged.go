// Package staged is the source of what the next commit will bring: the blobs of the
// index that differ from HEAD. It reads the index and the object database, never the
// work tree, so partial staging is seen as it will be committed.
package staged

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rekeyhq/rekey/scanner/archive"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/gitindex"
)

// Options say what is compared with what.
type Options struct {
	// IndexFile is the index to read; "" is the repository's own. git commit -a and
	// git commit PATH name theirs in GIT_INDEX_FILE.
	IndexFile string
	// Against is the commit that the index is compared with: zero means HEAD, and
	// nothing where HEAD is unborn. --amend wants HEAD's parent.
	Against git.Oid
	// AddedOnly reports only what stands, in whole or in part, on lines that Against
	// does not have: removing or keeping a key is no finding.
	AddedOnly bool
	// Read reads an object; nil is the repository's own Read.
	Read       func(git.Oid) (git.Type, []byte, error)
	NoArchives bool
	Archives   archive.Limits
}

// Source reads one index. It is used once.
type Source struct {
	repo *git.Repository
	opt  Options
}

// New returns the source of what is staged in repo, which must stay open meanwhile.
func New(repo *git.Repository, opt Options) *Source {
	if opt.Read == nil {
		opt.Read = repo.Read
	}
	return &Source{repo, opt}
}

// Scan implements source.Source.
func (s *Source) Scan(ctx context.Context, run *source.Run) error {
	changes, holes, err := s.Changes(ctx)
	if err != nil {
		return err
	}
	for _, h := range holes {
		run.Hole(h)
	}
	w := run.Worker()
	run.Counts.ExpectedUnits.Add(int64(len(changes)))
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.scan(ctx, run, w, c)
		run.Counts.DoneUnits.Add(1)
	}
	return ctx.Err()
}

// Change is one staged file that differs from HEAD.
type Change struct {
	Path string
	Blob git.Oid
	// Old is the blob at the same path in HEAD, zero where there is none. A file that
	// was only moved is no change.
	Old git.Oid
	// Stage is 0, or 1 to 3 for a path in conflict.
	Stage uint8
}

// Changes lists what is staged, in the order of the index, and what could not be
// compared: such files count as changed as a whole.
func (s *Source) Changes(ctx context.Context) ([]Change, []source.Hole, error) {
	path := s.opt.IndexFile
	if path == "" {
		path = filepath.Join(s.repo.GitDir, "index")
	}
	x, err := gitindex.Read(path, s.repo.GitDir, s.repo.Format())
	if err != nil {
		return nil, nil, fmt.Errorf("scan staged files: %w", err)
	}
	d := &comparison{ctx: ctx, source: s, index: x}
	tree, ok, err := s.against()
	if err != nil {
		d.hole("commit", "HEAD", err)
	}
	d.directory("", tree, ok, x.Entries)
	return d.withoutMoves(), d.holes, ctx.Err()
}

// against returns the tree of the commit that the index is compared with.
func (s *Source) against() (tree git.Oid, ok bool, err error) {
	commit := s.opt.Against
	if commit.IsZero() {
		head, ok := s.repo.Head()
		if !ok {
			return tree, false, nil
		}
		commit = head.Oid
	}
	t, data, err := s.opt.Read(commit)
	if err != nil {
		return tree, false, err
	}
	if t != git.Commit {
		return tree, false, fmt.Errorf("%s is a %s, not a commit", commit, t)
	}
	c, err := git.ParseCommit(data, s.repo.Format())
	if err != nil {
		return tree, false, fmt.Errorf("commit %s: %w", commit, err)
	}
	return c.Tree, true, nil
}

// scan scans one changed blob.
func (s *Source) scan(ctx context.Context, run *source.Run, w *source.Worker, c Change) {
	data, err := s.blob(c.Blob)
	if err != nil {
		class := source.Unreadable
		if errors.Is(err, git.ErrNotFound) && s.repo.Promisor() {
			class = source.Absent
		}
		if errors.Is(err, git.ErrLimit) {
			class = source.Policy
		}
		run.Hole(source.Hole{Class: class, What: "staged file", Name: c.Path, Reason: err.Error()})
		return
	}
	run.Counts.Files.Add(1)
	run.Counts.Blobs.Add(1)
	if run.MaxFile > 0 && int64(len(data)) > run.MaxFile {
		run.Hole(source.Hole{Class: source.Policy, What: "staged file", Name: c.Path,
			Reason: fmt.Sprintf("%d bytes are more than the limit of %d", len(data), run.MaxFile)})
		return
	}
	if c.Old.IsZero() { // the name is new too
		for _, m := range w.Detect([]byte(c.Path)) {
			run.Accept(&m, c.Path, []byte(c.Path))
			run.Report(m, finding.Occurrence{Kind: finding.KindPath, Path: c.Path, StartLine: 1, StartColumn: m.Start + 1,
				EndLine: 1, EndColumn: max(m.Start+1, m.End), Decoded: m.Decoded, Versions: 1})
		}
	}
	it := source.Item{Kind: finding.KindStaged, Path: c.Path, Data: data, Provenance: finding.Provenance{Blob: c.Blob.String()}}
	if c.Old.IsZero() || !s.opt.AddedOnly {
		w.Scan(it)
	} else {
		s.added(run, w, it, c)
	}
	if s.opt.NoArchives {
		return
	}
	holes, err := archive.Walk(ctx, c.Path, bytes.NewReader(data), int64(len(data)), s.opt.Archives, func(e archive.Entry) error {
		inner := it
		inner.Path = e.Name
		_, _ = w.ScanReader(inner, e.Reader) // read errors are among the holes
		return ctx.Err()
	})
	if err != nil && ctx.Err() == nil {
		run.Hole(source.Hole{Class: source.Unreadable, What: "archive", Name: c.Path, Reason: err.Error()})
	}
	for _, h := range holes {
		run.Hole(source.Hole{Class: source.Policy, What: "archive entry", Name: h.Name, Reason: h.Reason})
	}
}

// added reports the matches that touch an added line. The old blob is only read when
// there is a match at all.
func (s *Source) added(run *source.Run, w *source.Worker, it source.Item, c Change) {
	run.Counts.BytesLogical.Add(int64(len(it.Data)))
	run.Counts.BytesScanned.Add(int64(len(it.Data)))
	matches := w.Detect(it.Data)
	if len(matches) == 0 {
		return
	}
	old, err := s.blob(c.Old)
	if err != nil { // what is new cannot be told: all of it counts
		run.Hole(source.Hole{Class: source.Unreadable, What: "staged file", Name: c.Path, Reason: "its version in HEAD: " + err.Error()})
	}
	lines := AddedLines(old, it.Data)
	loc := source.NewLocator(it.Data)
	for _, m := range matches {
		if occ := loc.Occurrence(it, m); touches(lines, occ) {
			run.Accept(&m, it.Path, it.Data)
			run.Report(m, occ)
		}
	}
}

// touches reports whether a match stands on an added line. A part of a multi-part
// credential that is added does not make its secret added.
func touches(lines []LineRange, occ finding.Occurrence) bool {
	for _, l := range lines {
		if l.First <= occ.EndLine && occ.StartLine <= l.Last {
			return true
		}
	}
	return false
}

func (s *Source) blob(o git.Oid) ([]byte, error) {
	t, data, err := s.opt.Read(o)
	if err == nil && t != git.Blob {
		err = fmt.Errorf("%s is a %s, not a blob", o, t)
	}
	return data, err
}
