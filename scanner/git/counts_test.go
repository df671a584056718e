//go:build !full

package git_test

// randomRepositories is how many a plain go test makes; -tags=full makes them all.
const randomRepositories = 6
