//go:build unix

package verifycache

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// private returns an error where a file belongs to somebody else or others may read
// or write it.
func private(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if info.Mode().Perm()&0o077 != 0 || ok && int(st.Uid) != os.Getuid() {
		return errors.New("not private")
	}
	return nil
}
