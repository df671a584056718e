//go:build !amd64 || purego

package literal

func hasWide() bool { return false }

// scanWide exists on machines for which hasWide is true.
func (f *filter) scanWide(*candidates, []byte, int, uint32) (n, done int) { return 0, 0 }
