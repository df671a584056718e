package git

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// directory is one directory of a repository. Nothing is opened outside of it:
// symbolic links that leave it are errors (os.Root).
type directory struct {
	root *os.Root
	path string // real path
}

func openDirectory(path string) (*directory, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, err
	}
	return &directory{root: root, path: real}, nil
}

func (d *directory) close() error { return d.root.Close() }

// open opens a regular file. FIFOs, sockets and devices are errors and never block.
func (d *directory) open(name string) (*os.File, int64, error) {
	f, err := d.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, fi.Size(), nil
}

// read returns a whole regular file of at most limit bytes.
func (d *directory) read(name string, limit int64) ([]byte, error) {
	f, size, err := d.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, fmt.Errorf("%s has %d bytes: %w of %d", name, size, ErrLimit, limit)
	}
	b := make([]byte, size)
	n, err := io.ReadFull(f, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // shrank between stat and read: what is there is what there is
	}
	return b[:n], err
}

// list returns the entries of a directory inside d, in no order.
func (d *directory) list(name string) ([]fs.DirEntry, error) {
	f, err := d.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// isFile reports whether name is a regular file inside d.
func (d *directory) isFile(name string) bool {
	fi, err := d.root.Stat(filepath.FromSlash(name))
	return err == nil && fi.Mode().IsRegular()
}

// absent reports whether err says that a file is not there at all.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

// inside reports whether path is dir or below it; both must be real paths.
func inside(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
