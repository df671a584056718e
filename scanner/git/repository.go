package git

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
)

// Options say what a repository may lead to and how much memory reading may take.
// The zero value trusts nothing outside of the repository.
type Options struct {
	// AllowOutside follows .git files, commondir, alternates and links wherever they
	// lead. For repositories that the user trusts.
	AllowOutside bool
	// TrustedRoots are directories in which alternates may lie, besides the
	// repository itself.
	TrustedRoots []string
	// ObjectDirs are further object directories that the caller names, such as the
	// quarantine of a push (GIT_QUARANTINE_PATH). Their objects come first.
	ObjectDirs []string
	Limits     Limits
}

// Limits bound the memory of one reader. Zero fields take the values named.
type Limits struct {
	Large int64 // objects above it come as a stream: 256 MiB
	Delta int64 // largest result of a delta, and largest object as base: 512 MiB
	Depth int   // longest chain of deltas: 10,000 (git makes 50, at most 4,095)
	Cache int64 // bytes of bases kept between entries: 64 MiB
}

func (l Limits) orDefaults() Limits {
	if l.Large <= 0 {
		l.Large = 256 << 20
	}
	if l.Delta <= 0 {
		l.Delta = 512 << 20
	}
	if l.Depth <= 0 {
		l.Depth = 10_000
	}
	if l.Cache <= 0 {
		l.Cache = 64 << 20
	}
	return l
}

// Repository is an open repository. It is not safe for concurrent use; the packs and
// indexes that it hands out are.
type Repository struct {
	place
	format   Format
	limits   Limits
	gitDir   *directory
	common   *directory // the same as gitDir except in linked worktrees
	objects  []*objectDir
	shallow  map[Oid]bool
	promisor bool
	reftable bool
	found    holes // what opening found

	cat    *catalog
	reader *reader
}

// objectDir is one directory of objects.
type objectDir struct {
	*directory
	extra bool // named by Options.ObjectDirs
}

// Open finds the repository that path is in, as git does: a work tree (path may be
// below its top), a bare repository, a git directory, or a worktree or submodule
// whose .git file may be followed. It writes nothing and runs nothing.
//
// The error wraps ErrNotRepository, ErrDamaged or ErrRefused where that is the reason.
func Open(path string, opts Options) (*Repository, error) {
	at, err := discover(path, opts)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", path, err)
	}
	r := &Repository{place: at, limits: opts.Limits.orDefaults(), shallow: map[Oid]bool{}}
	if err := r.open(opts); err != nil {
		r.Close()
		return nil, fmt.Errorf("open repository %s: %w", path, err)
	}
	return r, nil
}

func (r *Repository) open(opts Options) (err error) {
	if r.gitDir, err = openDirectory(r.GitDir); err != nil {
		return err
	}
	r.common = r.gitDir
	if r.CommonDir != r.GitDir {
		if r.common, err = openDirectory(r.CommonDir); err != nil {
			return err
		}
	}
	if err := r.readConfig(); err != nil {
		return err
	}
	if err := r.openObjects(opts); err != nil {
		return err
	}
	r.readShallow()
	if r.common.isFile("info/grafts") {
		r.found.add(Hole{Kind: OutOfPolicy, What: "grafts", Path: "info/grafts", Offset: -1,
			Reason: "ignored: commits keep the parents that they were made with"})
	}
	return nil
}

// Close closes all files.
func (r *Repository) Close() error {
	var errs []error
	if r.reader != nil {
		errs = append(errs, r.reader.close())
	}
	for _, d := range r.objects {
		errs = append(errs, d.close())
	}
	if r.gitDir != nil {
		errs = append(errs, r.gitDir.close())
	}
	if r.common != nil && r.common != r.gitDir {
		errs = append(errs, r.common.close())
	}
	return errors.Join(errs...)
}

// Format returns the repository's object format.
func (r *Repository) Format() Format { return r.format }

// Shallow reports whether o is a commit at the border of a shallow clone: its
// parents were never fetched.
func (r *Repository) Shallow(o Oid) bool { return r.shallow[o] }

// Promisor reports whether the repository is a partial clone, whose missing objects
// may have been left out by choice.
func (r *Repository) Promisor() bool { return r.promisor }

func (r *Repository) readShallow() {
	b, err := r.common.read("shallow", maxListFile)
	if absent(err) {
		return
	}
	if err != nil {
		r.found.add(holeFor(err, "shallow", "shallow", Oid{}, -1))
		return
	}
	for _, line := range bytes.Split(b, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if o, err := ParseOid(line); err == nil {
			r.shallow[o] = true
		}
	}
	if len(r.shallow) > 0 {
		r.found.add(Hole{Kind: AbsentByChoice, What: "shallow", Path: "shallow", Offset: -1, Count: len(r.shallow),
			Reason: "shallow clone: history before these commits was not fetched; git fetch --unshallow brings it"})
	}
}

// maxListFile bounds files that list ids or paths: shallow, alternates.
const maxListFile = 64 << 20

// openObjects opens the repository's own object directory and those it leads to.
func (r *Repository) openObjects(opts Options) error {
	for _, path := range opts.ObjectDirs {
		d, err := openDirectory(path)
		if err != nil {
			return fmt.Errorf("open object directory %s: %w", path, err)
		}
		r.objects = append(r.objects, &objectDir{directory: d, extra: true})
	}
	trusted := []string{r.common.path, r.gitDir.path}
	if r.WorkTree != "" {
		trusted = append(trusted, r.WorkTree)
	}
	for _, t := range opts.TrustedRoots {
		real, err := filepath.EvalSymlinks(t)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			return fmt.Errorf("trusted root %s: %w", t, err)
		}
		trusted = append(trusted, real)
	}
	own, err := filepath.EvalSymlinks(filepath.Join(r.common.path, "objects"))
	if err != nil {
		return err
	}
	if !opts.AllowOutside && !inside(own, r.common.path) {
		return fmt.Errorf("%w: objects leads to %s, outside of the repository; --allow-outside follows it", ErrRefused, own)
	}
	d, err := openDirectory(own)
	if err != nil {
		return err
	}
	main := &objectDir{directory: d}
	r.objects = append(r.objects, main)
	a := alternates{repo: r, trusted: trusted, all: opts.AllowOutside}
	a.follow(main, 1)
	return nil
}

// maxAlternateDepth is git's own limit (object-file.c, git 2.39).
const maxAlternateDepth = 5

// maxAlternates bounds how many object directories one repository may lead to.
const maxAlternates = 100

type alternates struct {
	repo    *Repository
	trusted []string
	all     bool
}

// follow adds the object directories that d borrows from.
func (a *alternates) follow(d *objectDir, depth int) {
	r := a.repo
	refuse := func(kind HoleKind, reason string) {
		r.found.add(Hole{Kind: kind, What: "alternates", Path: "objects/info/alternates", Offset: -1, Reason: reason})
	}
	b, err := d.read("info/alternates", maxListFile)
	if absent(err) {
		return
	}
	if err != nil {
		refuse(Unreadable, err.Error())
		return
	}
	for _, line := range bytes.Split(b, []byte("\n")) {
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		path := filepath.FromSlash(string(line))
		if !filepath.IsAbs(path) {
			path = filepath.Join(d.path, path)
		}
		switch real, err := filepath.EvalSymlinks(path); {
		case err != nil:
			refuse(Unreadable, fmt.Sprintf("objects borrowed from %q: %v", line, err))
		case a.has(real):
		case !a.trusts(real):
			refuse(Unreadable, fmt.Sprintf("objects borrowed from %q lie outside of the repository; --allow-outside reads them", real))
		case depth > maxAlternateDepth || len(r.objects) > maxAlternates:
			refuse(Unreadable, fmt.Sprintf("objects borrowed from %q: chain of alternates is too long", real))
		default:
			od, err := openDirectory(real)
			if err != nil {
				refuse(Unreadable, err.Error())
				continue
			}
			next := &objectDir{directory: od}
			r.objects = append(r.objects, next)
			a.follow(next, depth+1)
		}
	}
}

func (a *alternates) has(real string) bool {
	for _, d := range a.repo.objects {
		if d.path == real {
			return true
		}
	}
	return false
}

func (a *alternates) trusts(real string) bool {
	if a.all {
		return true
	}
	for _, t := range a.trusted {
		if inside(real, t) {
			return true
		}
	}
	return false
}
