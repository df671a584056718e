package worktree

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/gitindex"
	"github.com/rekeyhq/rekey/scanner/source/ignore"
)

// dir is one directory of the walk and what is known of it from above.
type dir struct {
	rel     string // relative to the root of the walk; "" is the root
	repo    *repo  // nil outside of repositories
	rules   *ignore.Rules
	ignored bool // inside of an ignored directory: only tracked files count
}

// path returns the path of a name in the directory.
func (d dir) path(name string) string {
	if d.rel == "" {
		return name
	}
	return d.rel + "/" + name
}

// repo is a repository whose work tree the walk is in.
type repo struct {
	at      string // its top, relative to the root of the walk; "" for the root's own
	above   string // where the root of the walk lies in it: "a/b/", or ""
	place   *git.Repository
	read    sync.Once // the index is read when the first ignored path is met
	entries []gitindex.Entry
}

// path turns a path relative to the root of the walk into one relative to the top of
// the repository.
func (r *repo) path(rel string) string {
	if r.above != "" {
		return r.above + rel
	}
	if r.at != "" {
		return rel[len(r.at)+1:]
	}
	return rel
}

// tracked reports whether the index names the file or, with below, any file in it.
func (w *walk) tracked(r *repo, rel string, below bool) bool {
	r.read.Do(func() { w.readIndex(r) })
	name := r.path(rel)
	if below {
		name += "/"
	}
	i := sort.Search(len(r.entries), func(i int) bool { return r.entries[i].Name >= name })
	if i == len(r.entries) {
		return false
	}
	return r.entries[i].Name == name || below && strings.HasPrefix(r.entries[i].Name, name)
}

func (w *walk) readIndex(r *repo) {
	path := filepath.Join(r.place.GitDir, "index")
	if r.at == "" && w.opt.IndexFile != "" {
		path = w.opt.IndexFile
	}
	x, err := gitindex.Read(path, r.place.GitDir, r.place.Format())
	if err != nil {
		w.run.Hole(source.Hole{Class: source.Unreadable, What: "index", Name: path,
			Reason: "tracked files that are ignored were not scanned: " + err.Error() + "; --ignored scans all"})
		return
	}
	r.entries = x.Entries
}

// enterRoot finds the repository that the root is in, and the rules that hold there.
func (w *walk) enterRoot(top *dir) {
	if w.opt.NoRepository {
		return
	}
	place := w.opt.Repository
	if place == nil {
		var err error
		place, err = git.Open(w.root, git.Options{})
		switch {
		case errors.Is(err, git.ErrNotRepository):
			return
		case err != nil:
			w.refused = true
			w.nested(Nested{Err: err})
			return
		}
		defer closeRepository(place)
	}
	if place.WorkTree == "" {
		return
	}
	above, err := filepath.Rel(place.WorkTree, w.root)
	if err != nil || !filepath.IsLocal(above) {
		return // the repository's work tree is elsewhere: a plain directory
	}
	r := &repo{place: place}
	if above != "." {
		r.above = filepath.ToSlash(above) + "/"
	}
	top.repo = r
	top.rules = w.shared(r)
	// The ignore files above the root; its own is read when it is listed.
	for i, c := range r.above {
		if c == '/' {
			up, _ := split(r.above[:i])
			data, err := readSmall(filepath.Join(place.WorkTree, filepath.FromSlash(up), ".gitignore"))
			if err == nil {
				top.rules = top.rules.With(ignore.Parse(data, up, w.opt.FoldCase))
			}
		}
	}
}

// closeRepository lets go of a repository of which only the place is needed.
func closeRepository(r *git.Repository) { _ = r.Close() }

// shared are the rules that hold in the whole repository: the user's, then those of
// info/exclude.
func (w *walk) shared(r *repo) *ignore.Rules {
	rules := (*ignore.Rules)(nil).With(ignore.Parse(w.opt.UserIgnore, "", w.opt.FoldCase))
	if data, err := readSmall(filepath.Join(r.place.CommonDir, "info", "exclude")); err == nil {
		rules = rules.With(ignore.Parse(data, "", w.opt.FoldCase))
	}
	return rules
}

// enter changes d to the repository whose top it is. ok is false when its .git is no
// repository that may be opened.
func (w *walk) enter(d *dir) (ok bool) {
	place, err := git.Open(filepath.Join(w.root, filepath.FromSlash(d.rel)), git.Options{})
	if err == nil {
		defer closeRepository(place)
		if place.WorkTree != filepath.Join(w.root, filepath.FromSlash(d.rel)) {
			err = git.ErrNotRepository // found further up: this .git is not one
		}
	}
	if errors.Is(err, git.ErrNotRepository) {
		return false
	}
	w.nested(Nested{Path: d.rel, Err: err})
	d.repo, d.rules, d.ignored = nil, nil, false
	if err == nil {
		d.repo = &repo{at: d.rel, place: place}
		d.rules = w.shared(d.repo)
	}
	return true
}

func (w *walk) nested(n Nested) {
	switch {
	case w.opt.OnNested != nil:
		w.opt.OnNested(n)
	case n.Err != nil:
		w.run.Hole(source.Hole{Class: source.Unreadable, What: "repository", Name: n.Path, Reason: n.Err.Error()})
	default:
		w.run.Hole(source.Hole{Class: source.Absent, What: "repository", Name: n.Path, FullHistoryOnly: true,
			Reason: "its history was not scanned; name it as a target of its own"})
	}
}

// readSmall reads a regular file of the size of an ignore file. A link is not
// followed, as git does not either.
func readSmall(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > ignore.MaxFileSize {
		return nil, errors.New("not a regular file of a sensible size")
	}
	return io.ReadAll(io.LimitReader(f, ignore.MaxFileSize))
}
