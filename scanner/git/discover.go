package git

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// place is where a repository's parts lie: real paths.
type place struct {
	// GitDir holds HEAD and the index; CommonDir holds objects and refs. They differ
	// in linked worktrees only.
	GitDir, CommonDir string
	// WorkTree is the top of the work tree; empty for bare repositories.
	WorkTree string
}

// discover looks for a repository at path and above it, as git does.
func discover(path string, opts Options) (place, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return place{}, err
	}
	start, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return place{}, err
	}
	for dir := start; ; {
		at, found, err := lookIn(dir, opts)
		if found || err != nil && dir == start {
			return at, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return place{}, ErrNotRepository
		}
		dir = parent
	}
}

// lookIn looks for a repository whose work tree or git directory is dir.
func lookIn(dir string, opts Options) (at place, found bool, err error) {
	dotgit := filepath.Join(dir, ".git")
	fi, err := os.Lstat(dotgit)
	switch {
	case err == nil && fi.IsDir():
		if err := checkGitDir(dotgit); err != nil {
			if remains(dotgit) {
				return place{}, true, fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			return place{}, false, ErrNotRepository
		}
		at, err := withCommon(place{GitDir: dotgit, WorkTree: dir}, opts)
		return at, true, err
	case err == nil && fi.Mode().IsRegular():
		at, err := followGitFile(dir, opts)
		return at, true, err
	case err == nil && fi.Mode()&fs.ModeSymlink != 0:
		real, err := filepath.EvalSymlinks(dotgit)
		if err != nil {
			return place{}, true, err
		}
		if !opts.AllowOutside && !inside(real, dir) {
			return place{}, true, fmt.Errorf("%w: .git is a link to %s, outside of the work tree; --allow-outside follows it", ErrRefused, real)
		}
		if err := checkGitDir(real); err != nil {
			return place{}, true, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		at, err := withCommon(place{GitDir: real, WorkTree: dir}, opts)
		return at, true, err
	}
	if checkGitDir(dir) != nil {
		return place{}, false, nil
	}
	at = place{GitDir: dir}
	if filepath.Base(dir) == ".git" {
		at.WorkTree = filepath.Dir(dir)
	}
	at, err = withCommon(at, opts)
	return at, true, err
}

// checkGitDir says what dir lacks to be a git directory.
func checkGitDir(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, "HEAD")); err != nil {
		return fmt.Errorf("%s has no HEAD", dir)
	}
	if fi, err := os.Lstat(filepath.Join(dir, "commondir")); err == nil && fi.Mode().IsRegular() {
		return nil // objects and refs lie there
	}
	if fi, err := os.Stat(filepath.Join(dir, "objects")); err != nil || !fi.IsDir() {
		return fmt.Errorf("%s has no objects directory", dir)
	}
	if _, err := os.Lstat(filepath.Join(dir, "refs")); err != nil {
		return fmt.Errorf("%s has no refs", dir)
	}
	return nil
}

// remains reports whether a directory that is no git directory looks like one that
// lost something: git makes these, and a directory of another purpose has none.
func remains(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "packed-refs"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// withCommon fills in CommonDir. A commondir file is believed where it has the form
// that git worktree writes: the git directory is one of the common one's worktrees.
func withCommon(at place, opts Options) (place, error) {
	text, err := readLine(filepath.Join(at.GitDir, "commondir"))
	if errors.Is(err, fs.ErrNotExist) {
		at.CommonDir = at.GitDir
		return at, nil
	}
	if err != nil {
		return place{}, fmt.Errorf("read commondir: %w", err)
	}
	real, err := realFrom(at.GitDir, text)
	if err != nil {
		return place{}, fmt.Errorf("commondir: %w", err)
	}
	if !opts.AllowOutside && filepath.Dir(at.GitDir) != filepath.Join(real, "worktrees") {
		return place{}, fmt.Errorf("%w: commondir leads to %s, of which this is no worktree; --allow-outside follows it", ErrRefused, real)
	}
	if err := checkGitDir(real); err != nil {
		return place{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	at.CommonDir = real
	return at, nil
}

// followGitFile follows a .git file: of a linked worktree when the git directory
// points back to it and has the same owner; of a submodule when the git directory
// lies among the superproject's modules. All else is refused, as a repository out of
// a stranger's hands could name anybody's.
func followGitFile(dir string, opts Options) (place, error) {
	text, err := readLine(filepath.Join(dir, ".git"))
	if err != nil {
		return place{}, fmt.Errorf("read .git file: %w", err)
	}
	target, ok := strings.CutPrefix(text, "gitdir: ")
	if !ok {
		return place{}, fmt.Errorf("%w: .git file does not begin with gitdir", ErrDamaged)
	}
	real, err := realFrom(dir, target)
	if err != nil {
		return place{}, fmt.Errorf(".git file: %w", err)
	}
	if err := checkGitDir(real); err != nil {
		return place{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if !opts.AllowOutside && !pointsBack(real, dir) && !amongModules(real, dir) {
		return place{}, fmt.Errorf("%w: .git file names %s, which does not point back here and is no submodule of the repository around; --allow-outside follows it", ErrRefused, real)
	}
	return withCommon(place{GitDir: real, WorkTree: dir}, opts)
}

// pointsBack reports whether gitDir is the git directory of the linked worktree dir.
func pointsBack(gitDir, dir string) bool {
	text, err := readLine(filepath.Join(gitDir, "gitdir"))
	if err != nil || filepath.Base(text) != ".git" {
		return false
	}
	back, err := realFrom(gitDir, filepath.Dir(text))
	return err == nil && back == dir && sameOwner(gitDir, dir)
}

// amongModules reports whether gitDir lies in the modules of a repository around dir.
func amongModules(gitDir, dir string) bool {
	for up := filepath.Dir(dir); ; up = filepath.Dir(up) {
		super, found, err := lookIn(up, Options{})
		if found && err == nil {
			return inside(gitDir, filepath.Join(super.GitDir, "modules")) ||
				inside(gitDir, filepath.Join(super.CommonDir, "modules"))
		}
		if filepath.Dir(up) == up {
			return false
		}
	}
}

// realFrom resolves a path that was written in a file of dir.
func realFrom(dir, path string) (string, error) {
	path = filepath.FromSlash(path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.EvalSymlinks(path)
}

// readLine reads a file that holds one short line.
func readLine(path string) (string, error) {
	d, err := openDirectory(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	defer d.close()
	b, err := d.read(filepath.Base(path), 16<<10)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
