//go:build !linux

package worktree

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// noFollow is not known to every system; os.Root keeps links inside of the tree.
const noFollow = 0

// tree opens directories and files below its root and nothing else (os.Root).
type tree struct{ root *os.Root }

func openTree(root string, _ bool) (*tree, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	return &tree{r}, nil
}

func (t *tree) close() { _ = t.root.Close() }

// openDir opens a directory below the root.
func (t *tree) openDir(rel string) (*os.File, error) {
	if rel == "" {
		rel = "."
	}
	f, err := t.root.OpenFile(filepath.FromSlash(rel), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "list", Path: rel, Err: syscall.ENOTDIR}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// file is an open regular file.
type file struct {
	*os.File
	size   int64
	blocks int64 // bytes that it takes on the disk; here its size
}

// open opens the file rel, whose name is name.
func (t *tree) open(_ *os.File, rel, _ string) (file, error) {
	path := filepath.FromSlash(rel)
	if info, err := t.root.Lstat(path); err != nil {
		return file{}, err
	} else if !info.Mode().IsRegular() {
		return file{}, errNotRegular
	}
	f, err := t.root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return file{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return file{}, err
	}
	return file{File: f, size: info.Size(), blocks: info.Size()}, nil
}

func (f file) close() { f.File.Close() }
