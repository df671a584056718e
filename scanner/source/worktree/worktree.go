// Package worktree is the source of files: a directory with all that lies below it,
// or single files. In a git work tree it reads tracked and untracked files and
// leaves out what git ignores.
//
// The tree is taken as an attacker's: nothing is followed out of it, only regular
// files are opened, and no file or directory can hold the scan up.
package worktree

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/sourcegraph/conc"

	"github.com/rekeyhq/rekey/scanner/archive"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
)

// Options say what of a tree is read. The zero value reads a whole directory as its
// repository's ignore rules have it, archives opened.
type Options struct {
	// Paths are files or directories below the root, with slashes; what is named here
	// is read even where it is ignored. Empty means the whole root.
	Paths []string
	// Repository is the repository that the root is in. nil: look for one; with
	// NoRepository the root is a plain directory.
	Repository   *git.Repository
	NoRepository bool
	// IndexFile replaces the repository's index (GIT_INDEX_FILE); "" is its own.
	IndexFile string
	// Ignored reads ignored files too.
	Ignored bool
	// UserIgnore is the text of the user's own core.excludesFile.
	UserIgnore []byte
	// FoldCase matches ignore rules in both cases (core.ignoreCase).
	FoldCase bool
	// CrossDevices walks into other file systems that are mounted in the tree (Linux).
	CrossDevices bool
	// NoArchives leaves archives closed; their bytes are still scanned as they are.
	NoArchives bool
	Archives   archive.Limits
	// OnNested is told every repository inside of the tree, from many goroutines; its
	// files are scanned here by its own rules, its history is the callee's business.
	// nil: it is a hole.
	OnNested func(Nested)
}

// Nested is a repository inside of the tree.
type Nested struct {
	Path string // of its work tree or, when bare, of itself; relative to the root
	Bare bool
	// Err says why it cannot be opened, such as a .git file that leads elsewhere.
	Err error
}

// Stats counts what was read, and what was passed over and is no hole.
type Stats struct {
	Files   atomic.Int64 // read
	Ignored atomic.Int64 // files and directories that ignore rules leave out
	Links   atomic.Int64 // symbolic links that stay inside of the root
}

// Source reads one directory. It is used once.
type Source struct {
	root  string
	opt   Options
	Stats Stats
}

// New returns the source of the files below root, an existing directory.
func New(root string, opt Options) *Source { return &Source{root: root, opt: opt} }

// Scan implements source.Source. Files are read in no particular order.
func (s *Source) Scan(ctx context.Context, run *source.Run) error {
	root, err := filepath.EvalSymlinks(s.root)
	if err == nil {
		root, err = filepath.Abs(root)
	}
	if err != nil {
		return fmt.Errorf("scan %s: %w", s.root, err)
	}
	tree, err := openTree(root, s.opt.CrossDevices)
	if err != nil {
		return fmt.Errorf("scan %s: %w", s.root, err)
	}
	defer tree.close()
	w := &walk{Source: s, run: run, root: root, tree: tree, queue: newQueue()}
	if err := w.begin(); err != nil {
		return fmt.Errorf("scan %s: %w", s.root, err)
	}
	stop := context.AfterFunc(ctx, w.queue.close)
	defer stop()
	var group conc.WaitGroup
	for range max(1, run.Workers) {
		group.Go(func() { w.work(ctx) })
	}
	group.Wait()
	if n := s.Stats.Ignored.Load(); n > 0 && s.Stats.Files.Load() == 0 && ctx.Err() == nil {
		// A repository further up may ignore all that the user asked for.
		run.Hole(source.Hole{Class: source.Policy, What: "directory", Name: s.root, Count: n,
			Reason: "nothing was read: git ignores all of it; --ignored scans it"})
	}
	return ctx.Err()
}

// walk is one run over the tree.
type walk struct {
	*Source
	run   *source.Run
	root  string // real and absolute
	tree  *tree
	queue *queue
	// refused: the root's own repository may not be opened.
	refused bool
}

// begin queues what the walk starts with.
func (w *walk) begin() error {
	top := dir{}
	w.enterRoot(&top)
	if len(w.opt.Paths) == 0 {
		w.queue.push(task{dir: top})
		return nil
	}
	for _, p := range w.opt.Paths {
		p = strings.Trim(filepath.ToSlash(filepath.Clean(p)), "/")
		if p == "." {
			w.queue.push(task{dir: top})
			continue
		}
		if !filepath.IsLocal(filepath.FromSlash(p)) {
			return fmt.Errorf("path %q leads out of the directory", p)
		}
		parent, name := split(p)
		w.queue.push(task{dir: w.descend(top, parent), files: []string{name}, named: true})
	}
	return nil
}

// split cuts a path into its directory and its name.
func split(p string) (parent, name string) {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i], p[i+1:]
	}
	return "", p
}

// work runs tasks until none is left.
func (w *walk) work(ctx context.Context) {
	r := &reader{walk: w, worker: w.run.Worker()}
	for {
		t, ok := w.queue.pop()
		if !ok {
			return
		}
		r.task(ctx, t)
		w.queue.done()
	}
}

// unreadable reports a file or directory that should have been read.
func (w *walk) unreadable(what, path string, err error) {
	class := source.Unreadable
	if errors.Is(err, errOtherDevice) {
		class = source.Policy
	}
	w.run.Hole(source.Hole{Class: class, What: what, Name: path, Reason: reason(err)})
}
