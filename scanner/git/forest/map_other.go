//go:build !unix

package forest

import (
	"fmt"
	"io"
	"os"
)

// Map returns the bytes of an open file of this size, read-only, and a function that
// gives them up. There is no mapping on this system yet: the file is read.
func Map(f *os.File, size int64) ([]byte, func() error, error) {
	if int64(int(size)) != size {
		return nil, nil, fmt.Errorf("read %s: %d bytes do not fit into memory", f.Name(), size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), b); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return b, func() error { return nil }, nil
}
