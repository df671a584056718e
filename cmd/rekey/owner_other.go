//go:build !unix

package main

// ownedByUser reports whether the directory belongs to whoever runs rekey. Where
// owners cannot be compared, what the user names is taken to be the user's.
func ownedByUser(string) bool { return true }
