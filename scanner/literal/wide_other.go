//go:build !amd64 || purego

package literal

// hasWide reports that there is no wideFilter.scan for this machine.
func hasWide() bool { return false }

func (f *wideFilter) scanBlocks(*candidates, []byte, int) (n, done int) {
	return 0, 0 // never called
}
