//go:build unix

package git

import (
	"os"
	"syscall"
)

// sameOwner reports whether two files belong to the same user.
func sameOwner(a, b string) bool {
	fa, err := os.Stat(a)
	if err != nil {
		return false
	}
	fb, err := os.Stat(b)
	if err != nil {
		return false
	}
	sa, okA := fa.Sys().(*syscall.Stat_t)
	sb, okB := fb.Sys().(*syscall.Stat_t)
	return okA && okB && sa.Uid == sb.Uid
}
