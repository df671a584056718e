//go:build unix

package main

import (
	"os"
	"syscall"
)

// ownedByUser reports whether the directory belongs to whoever runs rekey.
func ownedByUser(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
