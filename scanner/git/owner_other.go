//go:build !unix

package git

// sameOwner cannot be told here; the back-pointer has to do.
func sameOwner(a, b string) bool { return true }
