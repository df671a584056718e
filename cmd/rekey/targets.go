package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/report"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/history"
	"github.com/rekeyhq/rekey/scanner/source/staged"
	"github.com/rekeyhq/rekey/scanner/source/stdin"
	"github.com/rekeyhq/rekey/scanner/source/worktree"
)

// targetOptions narrow or widen what is scanned.
type targetOptions struct {
	noHistory    bool
	noWorktree   bool
	staged       bool
	ignored      bool
	noArchives   bool
	ranges       string
	since        string
	refs         []string
	all          bool
	outside      bool
	stdinName    string
	plainHistory bool
}

func (o *targetOptions) bind(f *pflag.FlagSet) {
	f.BoolVar(&o.noHistory, "no-history", false, "leave the git history out")
	f.BoolVar(&o.noWorktree, "no-worktree", false, "leave the working tree out")
	f.BoolVar(&o.staged, "staged", false, "scan only what is staged for the next commit")
	f.BoolVar(&o.ignored, "ignored", false, "scan files that git ignores, too")
	f.BoolVar(&o.noArchives, "no-archives", false, "do not open archives")
	f.StringVar(&o.ranges, "range", "", "scan only objects that `A..B` brings")
	f.StringVar(&o.since, "since", "", "scan only commits made since `DATE` (2006-01-02 or RFC 3339)")
	f.StringSliceVar(&o.refs, "refs", nil, "scan only what refs that match `GLOB` reach (may be repeated)")
	f.BoolVar(&o.all, "all-occurrences", false, "report every commit and path that holds a key, not one for each path")
	f.BoolVar(&o.outside, "allow-outside", false, "follow .git files, alternates and links out of the repository")
	f.StringVar(&o.stdinName, "stdin-name", "", "`NAME` to report standard input under")
	f.BoolVar(&o.plainHistory, "plain-history", false, "read history with the simple reader that the fast one is tested against")
	_ = f.MarkHidden("plain-history")
}

// targetSet is what a command line asks to be scanned.
type targetSet struct {
	target  report.Target
	sources []source.Source
	repos   []*git.Repository
	roots   []string // directories whose ignore files and baselines count
	foreign bool     // cloned for this scan: its configuration is not trusted
	temp    []string
}

func (t *targetSet) close() {
	for _, r := range t.repos {
		_ = r.Close()
	}
	for _, d := range t.temp {
		os.RemoveAll(d)
	}
}

// targets turns the arguments into sources. No argument means the repository, or the
// directory, that the command runs in.
func (a *app) targets(ctx context.Context, opt targetOptions, args []string) (*targetSet, error) {
	if err := opt.check(args); err != nil {
		return nil, err
	}
	t := &targetSet{}
	if len(args) == 0 {
		args = []string{"."}
	}
	t.target.Location = strings.Join(args, " ")
	for _, arg := range args {
		var err error
		switch {
		case arg == "-":
			t.add("stdin", stdin.New(stdinName(opt.stdinName), a.sys.Stdin, stdin.Options{NoArchives: opt.noArchives}))
		case isURL(arg):
			err = a.cloneTarget(ctx, t, opt, arg)
		default:
			err = a.pathTarget(t, opt, arg)
		}
		if err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

func (o *targetOptions) check(args []string) error {
	if o.staged && (o.ranges != "" || o.since != "" || len(o.refs) > 0 || o.noWorktree || o.noHistory) {
		return usage("--staged scans the index alone: leave out --range, --since, --refs, --no-history and --no-worktree")
	}
	if o.noHistory && o.noWorktree {
		return usage("--no-history and --no-worktree together leave nothing to scan")
	}
	if o.noHistory && (o.ranges != "" || o.since != "" || len(o.refs) > 0) {
		return usage("--no-history excludes --range, --since and --refs")
	}
	stdin := 0
	for _, a := range args {
		if a == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return usage("standard input can be scanned once")
	}
	if o.stdinName != "" && stdin == 0 {
		return usageHint("add - to the targets", "--stdin-name without standard input as a target")
	}
	return nil
}

// narrowed reports whether only a part of the history was asked for.
func (o *targetOptions) narrowed() bool {
	return o.ranges != "" || o.since != "" || len(o.refs) > 0
}

func (t *targetSet) add(kind string, s source.Source) {
	if t.target.Kind != "" && t.target.Kind != kind {
		kind = "several"
	}
	t.target.Kind = kind
	t.sources = append(t.sources, s)
}

// pathTarget adds a directory or file.
func (a *app) pathTarget(t *targetSet, opt targetOptions, arg string) error {
	path := a.path(arg)
	info, err := os.Stat(path)
	if err != nil {
		return usageHint("name an existing directory or file, a clone URL, or - for standard input", "target %s: %v", arg, errors.Unwrap(err))
	}
	if !info.IsDir() {
		if opt.staged {
			return usage("--staged needs a repository: %s is a file", arg)
		}
		t.add("file", worktree.New(filepath.Dir(path), worktree.Options{Paths: []string{filepath.Base(path)}, NoRepository: true, NoArchives: opt.noArchives}))
		return nil
	}
	repo, err := git.Open(path, git.Options{AllowOutside: opt.outside})
	switch {
	case errors.Is(err, git.ErrNotRepository):
		if opt.staged || opt.narrowed() || opt.noWorktree {
			return usage("target %s is not in a git repository", arg)
		}
		t.addTree(a, path, nil, opt)
		return nil
	case err != nil:
		return usage("target %s: %v", arg, err)
	}
	t.repos = append(t.repos, repo)
	return a.repositoryTarget(t, repo, opt, arg, path)
}

func (a *app) repositoryTarget(t *targetSet, repo *git.Repository, opt targetOptions, arg, path string) error {
	if ref, ok := repo.Head(); ok {
		t.target.Head = ref.Oid.String()
	}
	root := repo.WorkTree
	if root != "" {
		t.roots = append(t.roots, root)
	}
	if opt.staged {
		if root == "" {
			return usage("--staged needs a working tree: %s is a bare repository", arg)
		}
		t.add("staged", staged.New(repo, staged.Options{IndexFile: a.sys.Getenv("GIT_INDEX_FILE")}))
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return usage("target %s: %v", arg, err)
	}
	if root != "" && real != root && arg != "." && !strings.HasPrefix(real, repo.GitDir) {
		a.ui.note("%s is part of the repository %s: scanning its files; scan the repository itself for its history", arg, root)
		t.addTree(a, path, nil, opt)
		return nil
	}
	if !opt.noHistory {
		h, err := historySource(repo, opt)
		if err != nil {
			return usage("target %s: %v", arg, err)
		}
		t.add("repository", h)
	}
	if root != "" && !opt.noWorktree && !opt.narrowed() {
		t.addTree(a, root, repo, opt)
	}
	return nil
}

// addTree adds the files below root, and the history of repositories inside of it.
func (t *targetSet) addTree(a *app, root string, repo *git.Repository, opt targetOptions) {
	kind := "directory"
	if repo != nil {
		kind = "repository"
	}
	n := &nestedRepositories{root: root, opt: opt, seen: map[string]bool{}}
	t.add(kind, worktree.New(root, worktree.Options{
		Repository: repo, NoRepository: false, IndexFile: "", Ignored: opt.ignored,
		UserIgnore: a.userIgnore(), NoArchives: opt.noArchives, OnNested: n.found,
	}))
	if !opt.noHistory {
		t.sources = append(t.sources, n)
	}
	if repo == nil {
		t.roots = append(t.roots, root)
	}
}

// userIgnore reads the user's own excludes file where git keeps it by default.
func (a *app) userIgnore() []byte {
	dir := a.sys.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(a.sys.Getenv("HOME"), ".config")
	}
	data, err := os.ReadFile(filepath.Join(dir, "git", "ignore"))
	if err != nil {
		return nil
	}
	return data
}

// nestedRepositories scans the history of repositories that a walk met.
type nestedRepositories struct {
	root string
	opt  targetOptions
	mu   sync.Mutex
	list []worktree.Nested
	seen map[string]bool
}

func (n *nestedRepositories) found(r worktree.Nested) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.seen[r.Path] {
		n.seen[r.Path] = true
		n.list = append(n.list, r)
	}
}

// Scan implements source.Source; it runs after the walk.
func (n *nestedRepositories) Scan(ctx context.Context, run *source.Run) error {
	for _, r := range n.list {
		err := r.Err
		var repo *git.Repository
		if err == nil {
			repo, err = git.Open(filepath.Join(n.root, filepath.FromSlash(r.Path)), git.Options{AllowOutside: n.opt.outside})
		}
		if err != nil {
			run.Hole(source.Hole{Class: source.Unreadable, What: "nested repository", Name: r.Path, Reason: err.Error()})
			continue
		}
		h, err := historySource(repo, n.opt)
		if err == nil {
			err = h.Scan(ctx, prefixed(run, r.Path))
		}
		_ = repo.Close()
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			run.Hole(source.Hole{Class: source.Unreadable, What: "nested repository", Name: r.Path, Reason: err.Error()})
		}
	}
	return nil
}

// prefixed returns a run that reports paths below dir.
func prefixed(run *source.Run, dir string) *source.Run {
	return &source.Run{
		Detector: run.Detector, Workers: run.Workers, MaxFile: run.MaxFile, OnHole: run.OnHole,
		OnHit: func(h source.Hit) {
			h.Occurrence.Path = dir + "/" + h.Occurrence.Path
			run.OnHit(h)
		},
	}
}

func historySource(repo *git.Repository, opt targetOptions) (source.Source, error) {
	return history.New(repo, history.Options{
		Range: opt.ranges, Since: opt.since, Refs: opt.refs, AllOccurrences: opt.all, Plain: opt.plainHistory,
	})
}

func stdinName(name string) string {
	if name == "" {
		return "stdin"
	}
	return name
}
