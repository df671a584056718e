// Package history is the source of a repository's history: every object in its
// object database, whatever refers to it, or those of a range. Contents of files,
// messages and people of commits and tags, names of files and refs, and reflogs are
// scanned; where something was found, its commits, paths and refs are looked up.
package history

import (
	"context"
	"fmt"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
)

// Options narrow what is scanned. The zero value scans everything.
type Options struct {
	// Range is A..B, B or ^A, or several of them separated by spaces.
	Range string
	// Since is a date, 2006-01-02 (local time) or RFC 3339: commits made since then.
	Since string
	// Refs are globs over refs: what they reach.
	Refs []string
	// Quarantined scans only the objects that git.Options.ObjectDirs brings.
	Quarantined bool
	// AllOccurrences reports every commit and path that holds a key; otherwise there
	// is one occurrence for each path.
	AllOccurrences bool
	// Plain uses the plain reader, which the fast one is tested against.
	Plain bool
}

// Source scans the history of one repository. It is used once.
type Source struct {
	repo *git.Repository
	opt  Options
	spec *git.RangeSpec // nil: everything
}

// New returns the source of repo's history. A revision or date that makes no sense,
// and a glob that no ref matches, are errors that say so.
func New(repo *git.Repository, opt Options) (*Source, error) {
	s := &Source{repo: repo, opt: opt}
	if opt.Range == "" && opt.Since == "" && len(opt.Refs) == 0 {
		return s, nil
	}
	spec := git.RangeSpec{Refs: opt.Refs}
	if opt.Range != "" {
		spec.Revisions = splitRevisions(opt.Range)
	}
	if opt.Since != "" {
		var err error
		if spec.Since, err = parseDate(opt.Since); err != nil {
			return nil, err
		}
	}
	if err := repo.CheckRange(spec); err != nil {
		return nil, err
	}
	s.spec = &spec
	return s, nil
}

func parseDate(s string) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("date %q: want 2006-01-02 or 2006-01-02T15:04:05Z", s)
	}
	return t, nil
}

// Scan implements source.Source.
func (s *Source) Scan(ctx context.Context, run *source.Run) error {
	sc := &scan{ctx: ctx, run: run, repo: s.repo, opt: s.opt, whole: s.spec == nil && !s.opt.Quarantined, names: newNameSet()}
	if s.spec != nil {
		r, err := s.repo.Range(ctx, *s.spec)
		if err != nil {
			return fmt.Errorf("history of %s: %w", s.repo.GitDir, err)
		}
		for _, h := range r.Holes {
			sc.hole(h, false)
		}
		sc.only = r.Set
	}
	if s.opt.Quarantined {
		sc.only = s.repo.Quarantined()
	}
	if sc.whole {
		sc.graph = s.repo.NewGraph()
		run.Counts.ExpectedUnits.Add(int64(s.repo.Len()))
		sc.refNames()
	} else {
		run.Counts.ExpectedUnits.Add(int64(sc.only.Len()))
	}
	err := sc.read()
	// What was found before an interruption is reported too, without its provenance.
	if e := sc.report(ctx, err == nil); err == nil {
		err = e
	}
	if err == nil && sc.treesLeft { // nothing that was found could stand in a tree
		if err = sc.readTrees(ctx, nil); err == nil && len(sc.found) > 0 {
			err = sc.report(ctx, true)
		}
	}
	sc.settle()
	if err != nil {
		return fmt.Errorf("history of %s: %w", s.repo.GitDir, err)
	}
	return nil
}

// scan is one pass of a Source.
type scan struct {
	ctx   context.Context
	run   *source.Run
	repo  *git.Repository
	opt   Options
	whole bool
	only  *git.Set   // nil: all objects
	graph *git.Graph // nil: made when it is needed

	names *nameSet
	found []objectHits
	// treesLeft says that the trees of packs were not read yet; links, of a whole scan
	// by the fast reader, is told what objects refer to.
	treesLeft bool
	links     *git.Links
	reflogged bool // reflogs were scanned
}

func (s *scan) wants(o git.Oid) bool { return s.only == nil || s.only.Has(o) }

// read scans all objects.
func (s *scan) read() error {
	if s.opt.Plain {
		return s.readPlain()
	}
	return s.readFast()
}

// hole passes a hole of the repository on.
func (s *scan) hole(h git.Hole, whole bool) {
	out := source.Hole{What: h.What, Name: h.Path, Reason: h.Reason, Count: int64(h.Count)}
	if !h.Oid.IsZero() {
		out.Name = h.Oid.String()
	}
	switch h.Kind {
	case git.Unreadable:
		out.Class = source.Unreadable
	case git.AbsentByChoice:
		out.Class, out.FullHistoryOnly = source.Absent, whole
	case git.OutOfPolicy:
		out.Class = source.Policy
	}
	s.run.Hole(out)
}

// refNames scans the names of all refs, and passes on the holes met.
func (s *scan) refNames() {
	w := s.run.Worker()
	refs, holes := s.repo.Refs()
	for _, h := range holes {
		s.hole(h, true)
	}
	for _, ref := range refs {
		matches := w.Detect([]byte(ref.Name))
		if len(matches) == 0 {
			continue
		}
		it := source.Item{Kind: finding.KindRefName, Path: hide(ref.Name, matches)}
		it.Provenance = finding.Provenance{Refs: []string{it.Path}, Reachable: true}
		if !ref.Oid.IsZero() {
			it.Provenance.Commit = ref.Oid.String()
		}
		loc := source.NewLocator([]byte(ref.Name))
		for _, m := range matches {
			s.run.Report(m, loc.Occurrence(it, m))
		}
	}
}
