package worktree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/rekeyhq/rekey/scanner/archive"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source"
)

// whole is the size up to which a file is read in one piece; larger ones are read in
// windows.
const whole = 8 << 20

// reader scans files for one goroutine.
type reader struct {
	*walk
	worker *source.Worker
	buf    []byte // the file
	entry  []byte // an archive's entry
	names  []byte // of a directory, each with a line break
}

// file reads and scans one file of the directory f.
func (r *reader) file(ctx context.Context, f *os.File, d dir, name string) {
	path := d.path(name)
	in, err := r.open(ctx, f, path, name)
	switch {
	case errors.Is(err, errNotRegular):
		r.run.Hole(source.Hole{Class: source.Policy, What: "file", Name: path, Reason: reason(err)})
		return
	case errors.Is(err, syscall.ENOENT):
		return // gone since the directory was listed
	case err != nil:
		r.unreadable("file", path, err)
		return
	}
	defer in.close()
	r.run.Counts.Files.Add(1)
	r.Stats.Files.Add(1)
	switch {
	case r.run.MaxFile > 0 && in.size > r.run.MaxFile:
		r.tooLarge(path, in.size)
	case in.size > 1<<30 && in.blocks < in.size/8:
		r.run.Hole(source.Hole{Class: source.Policy, What: "file", Name: path,
			Reason: fmt.Sprintf("a sparse file: %d bytes long, %d on the disk", in.size, in.blocks)})
	case in.size > whole:
		r.large(ctx, in, path)
	case in.size > 0:
		r.small(ctx, in, path)
	}
}

// open opens a file, waiting for a moment while all descriptors are in use.
func (r *reader) open(ctx context.Context, f *os.File, path, name string) (in file, err error) {
	for wait := time.Millisecond; wait < time.Second; wait *= 2 {
		in, err = r.tree.open(f, path, name)
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			break
		}
		select {
		case <-ctx.Done():
			return in, ctx.Err()
		case <-time.After(wait):
		}
	}
	return in, err
}

// small scans a file that is read in one piece. What it grows by while it is read is
// the next scan's.
func (r *reader) small(ctx context.Context, in file, path string) {
	if int64(cap(r.buf)) < in.size {
		r.buf = make([]byte, max(in.size, min(whole, 2*int64(cap(r.buf))), 64<<10))
	}
	data := r.buf[:in.size]
	n, err := in.ReadAt(data, 0)
	data = data[:n]
	if err != nil && !errors.Is(err, io.EOF) {
		r.unreadable("file", path, err)
	}
	r.worker.Scan(source.Item{Kind: finding.KindWorktree, Path: path, Data: data})
	if bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/spec/")) && len(data) < 1024 {
		r.run.Hole(source.Hole{Class: source.Absent, What: "file", Name: path, FullHistoryOnly: true,
			Reason: "an LFS pointer: the content was not fetched; git lfs pull brings it"})
	}
	if _, ok := archive.Sniff(path, data[:min(len(data), archive.SniffLen)]); ok {
		r.archive(ctx, path, bytes.NewReader(data), int64(len(data)))
	}
}

// large scans a file in windows.
func (r *reader) large(ctx context.Context, in file, path string) {
	it := source.Item{Kind: finding.KindWorktree, Path: path}
	_, err := r.worker.ScanReader(it, &ending{ctx, io.NewSectionReader(in, 0, in.size)})
	if err != nil && ctx.Err() == nil {
		r.unreadable("file", path, errors.Unwrap(err))
	}
	r.archive(ctx, path, in, in.size)
}

// ending is a reader that ends with its context.
type ending struct {
	ctx context.Context
	r   io.Reader
}

func (e *ending) Read(b []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(b)
}

// archive scans what is in an archive, and nothing if the file is none.
func (r *reader) archive(ctx context.Context, path string, data io.ReaderAt, size int64) {
	if r.opt.NoArchives {
		return
	}
	holes, err := archive.Walk(ctx, path, data, size, r.opt.Archives, func(e archive.Entry) error {
		r.archiveEntry(e)
		return ctx.Err()
	})
	if err != nil && ctx.Err() == nil {
		r.unreadable("archive", path, err)
	}
	for _, h := range holes {
		r.run.Hole(source.Hole{Class: source.Policy, What: "archive entry", Name: h.Name, Reason: h.Reason})
	}
}

// archiveEntry scans one entry. Its read errors are among the holes of the archive.
func (r *reader) archiveEntry(e archive.Entry) {
	if r.entry == nil {
		r.entry = make([]byte, 1<<20)
	}
	it := source.Item{Kind: finding.KindWorktree, Path: e.Name}
	n, err := io.ReadFull(e.Reader, r.entry)
	if err != nil {
		it.Data = r.entry[:n]
		r.worker.Scan(it)
		return
	}
	_, _ = r.worker.ScanReader(it, io.MultiReader(bytes.NewReader(r.entry), e.Reader))
}
