package worktree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/ignore"
)

var (
	errNotRegular  = errors.New("not a regular file")
	errOtherDevice = errors.New("on another file system, which is not entered")
)

// reason says in words what the system said, without the path that it repeats.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err.Error()
}

// batch is how many files of a directory one task reads: a large directory keeps all
// workers busy.
const batch = 64

// task runs one task. A panic while a file is scanned costs that file, not the run.
func (r *reader) task(ctx context.Context, t task) {
	next := 0
	defer func() {
		if recover() == nil {
			return
		}
		r.worker = r.run.Worker()
		hole := source.Hole{Class: source.Unreadable, What: "directory", Name: orDot(t.dir.rel), Reason: "rekey broke down while scanning it; please report this"}
		if next > 0 {
			hole.What, hole.Name = "file", t.dir.path(t.files[next-1])
			if next < len(t.files) {
				r.queue.push(task{dir: t.dir, files: t.files[next:]})
			}
		}
		r.run.Hole(hole)
	}()
	f, err := r.openDir(ctx, t.dir.rel)
	switch {
	case err == nil:
	case ctx.Err() != nil, errors.Is(err, fs.ErrNotExist) && t.dir.rel != "" && !t.named:
		return // gone since its parent was listed
	default:
		r.unreadable("directory", orDot(t.dir.rel), err)
		return
	}
	defer f.Close()
	if t.named {
		r.openNamed(f, t)
		return
	}
	if t.files == nil {
		t.files = r.list(f, &t.dir)
	}
	for _, name := range t.files {
		if ctx.Err() != nil {
			return
		}
		next++
		r.file(ctx, f, t.dir, name)
	}
}

func orDot(rel string) string {
	if rel == "" {
		return "."
	}
	return rel
}

// openDir opens a directory, waiting for a moment while all descriptors are in use.
func (r *reader) openDir(ctx context.Context, rel string) (f *os.File, err error) {
	for wait := time.Millisecond; wait < time.Second; wait *= 2 {
		f, err = r.tree.openDir(rel)
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
	return f, err
}

// openNamed queues what the user named in directory f: a file, or a directory with
// all that is in it.
func (r *reader) openNamed(f *os.File, t task) {
	name := t.files[0]
	rel := t.dir.path(name)
	info, err := r.tree.root.Lstat(filepath.FromSlash(rel))
	switch {
	case err != nil:
		r.unreadable("file", rel, err)
	case info.IsDir():
		r.queue.push(task{dir: r.child(f, t.dir, name, true)})
	default:
		r.queue.push(task{dir: t.dir, files: []string{name}})
	}
}

// descend returns the directory rel as the walk from top would reach it; what stands
// on the way counts as not ignored, since the user named it.
func (w *walk) descend(top dir, rel string) dir {
	d := top
	if rel == "" {
		return d
	}
	for _, name := range strings.Split(rel, "/") {
		f, err := w.tree.openDir(d.rel)
		if err != nil {
			d.rel = d.path(name)
			continue
		}
		d = w.child(f, d, name, true)
		f.Close()
	}
	return d
}

// child returns the subdirectory name of d, whose own ignore file is read when it is
// listed. named says that it is walked even if it is ignored.
func (w *walk) child(f *os.File, d dir, name string, named bool) dir {
	if named { // d was not listed: see now what a listing would have shown
		if _, err := w.tree.root.Lstat(filepath.FromSlash(d.path(".git"))); err == nil && d.rel != "" && !w.opt.NoRepository {
			w.enter(&d)
		}
		w.readRules(f, &d)
	}
	d.rel = d.path(name)
	return d
}

// readRules adds the ignore file of the listed directory to its rules.
func (w *walk) readRules(f *os.File, d *dir) {
	if d.repo == nil || w.opt.Ignored {
		return
	}
	in, err := w.tree.open(f, d.path(".gitignore"), ".gitignore")
	if err != nil {
		return
	}
	defer in.close()
	if in.size > ignore.MaxFileSize {
		return
	}
	data := make([]byte, in.size)
	n, err := in.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return
	}
	d.rules = d.rules.With(ignore.Parse(data[:n], strings.TrimSuffix(d.repo.path(d.path("")), "/"), w.opt.FoldCase))
}

// list reads a directory: subdirectories and batches of files beyond the first are
// queued, the first batch is returned.
func (r *reader) list(f *os.File, d *dir) []string {
	entries, err := f.ReadDir(-1)
	if err != nil {
		r.unreadable("directory", orDot(d.rel), err)
	}
	var dotgit, rules, bare bool
	for _, e := range entries {
		switch e.Name() {
		case ".git":
			dotgit = true
		case ".gitignore":
			rules = true
		case "HEAD":
			bare = true
		}
	}
	if dotgit && !r.opt.NoRepository { // a .git that is no repository is a directory like any other
		if d.rel == "" {
			dotgit = d.repo != nil || r.refused
		} else {
			dotgit = r.enter(d)
		}
	}
	if bare && !dotgit && d.rel != "" && isBare(entries) {
		r.nested(Nested{Path: d.rel, Bare: true})
	}
	if rules {
		r.readRules(f, d)
	}
	files := make([]string, 0, min(len(entries), batch))
	var tasks []task
	for _, e := range entries {
		name := e.Name()
		if name == ".git" && dotgit || r.leaveOut(*d, e) {
			continue
		}
		if e.IsDir() {
			sub := r.child(f, *d, name, false)
			sub.ignored = sub.ignored || r.isIgnored(*d, name, true)
			tasks = append(tasks, task{dir: sub})
			continue
		}
		if len(files) == batch {
			tasks = append(tasks, task{dir: *d, files: files})
			files = make([]string, 0, batch)
		}
		files = append(files, name)
	}
	r.scanNames(*d, entries)
	r.queue.push(tasks...)
	return files
}

// isBare reports whether a listing is that of a bare repository.
func isBare(entries []fs.DirEntry) bool {
	found := 0
	for _, e := range entries {
		if e.IsDir() && (e.Name() == "objects" || e.Name() == "refs") {
			found++
		}
	}
	return found == 2
}

func (w *walk) isIgnored(d dir, name string, isDir bool) bool {
	return !w.opt.Ignored && d.repo != nil && (d.ignored || d.rules.Match(d.repo.path(d.path(name)), isDir) == ignore.Ignored)
}

// leaveOut reports whether an entry is not walked, and tells why where that matters.
func (r *reader) leaveOut(d dir, e fs.DirEntry) bool {
	name := e.Name()
	kind := e.Type()
	if kind&(fs.ModeType&^fs.ModeDir&^fs.ModeSymlink) != 0 {
		r.run.Hole(source.Hole{Class: source.Policy, What: "file", Name: d.path(name), Reason: "not a regular file but a " + kindName(kind)})
		return true
	}
	if kind&fs.ModeSymlink != 0 {
		r.link(d, name)
		return true
	}
	if r.isIgnored(d, name, e.IsDir()) && !r.tracked(d.repo, d.path(name), e.IsDir()) {
		r.Stats.Ignored.Add(1)
		return true
	}
	return false
}

func kindName(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// link reports a symbolic link that leads out of the tree; what lies inside of it is
// scanned where it lies.
func (r *reader) link(d dir, name string) {
	rel := d.path(name)
	target, err := os.Readlink(filepath.Join(r.root, filepath.FromSlash(rel)))
	if err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(r.root, filepath.FromSlash(d.rel), target)
		}
		if inside, err := filepath.Rel(r.root, filepath.Clean(target)); err == nil && filepath.IsLocal(inside) {
			r.Stats.Links.Add(1)
			return
		}
	}
	r.run.Hole(source.Hole{Class: source.Policy, What: "link", Name: rel, Reason: "a symbolic link out of the directory is not followed"})
}

// scanNames looks for secrets in the names of a directory's entries.
func (r *reader) scanNames(d dir, entries []fs.DirEntry) {
	r.names = r.names[:0]
	for _, e := range entries {
		r.names = append(append(r.names, e.Name()...), '\n')
	}
	for _, m := range r.worker.Detect(r.names) {
		start, end := m.Start, m.Start
		for start > 0 && r.names[start-1] != '\n' {
			start--
		}
		for end < len(r.names) && r.names[end] != '\n' {
			end++
		}
		name := string(r.names[start:end])
		if m.End > end || r.isIgnored(d, name, false) {
			continue
		}
		r.run.Report(m, finding.Occurrence{
			Kind: finding.KindPath, Path: d.path(name), StartLine: 1, StartColumn: m.Start - start + 1,
			EndLine: 1, EndColumn: max(m.Start-start+1, m.End-start), Decoded: m.Decoded, Versions: 1,
		})
	}
}

func (r *reader) tooLarge(path string, size int64) {
	r.run.Hole(source.Hole{Class: source.Policy, What: "file", Name: path,
		Reason: fmt.Sprintf("%d bytes are more than the limit of %d", size, r.run.MaxFile)})
}
