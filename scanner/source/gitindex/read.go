package gitindex

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rekeyhq/rekey/scanner/git"
)

// MaxSize is the largest index file that is read: some ten million entries.
const MaxSize = 1 << 30

// Read reads the index file at path, and from gitDir the shared part of a split one.
// A missing file is an empty index, as it is for git.
func Read(path, gitDir string, f git.Format) (*Index, error) {
	data, err := readRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Index{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	x, err := Parse(data, f)
	if err != nil {
		return nil, fmt.Errorf("read index %s: %w", path, err)
	}
	name := x.Shared()
	if name == "" {
		x.link = nil
		return x, nil
	}
	if data, err = readRegular(filepath.Join(gitDir, name)); err != nil {
		return nil, fmt.Errorf("read shared index of %s: %w", path, err)
	}
	shared, err := Parse(data, f)
	if err == nil {
		err = x.Join(shared)
	}
	if err != nil {
		return nil, fmt.Errorf("read shared index %s: %w", name, err)
	}
	return x, nil
}

// readRegular reads a file that must be a regular one: not a FIFO that never answers.
func readRegular(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxSize {
		return nil, fmt.Errorf("%s: not a regular file of at most %d bytes", path, MaxSize)
	}
	return io.ReadAll(io.LimitReader(file, MaxSize))
}
