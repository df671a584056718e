//go:build !amd64 || purego

package literal

// machine returns the filters that this machine can run, the best last.
func machine() []kind { return []kind{narrow} }

func (f *wideFilter) scanBlocks(*candidates, []byte, int) (n, done int) {
	return 0, 0 // never called
}
