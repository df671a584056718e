//go:build full

package git_test

// randomRepositories is how many -tags=full makes.
const randomRepositories = 2000
