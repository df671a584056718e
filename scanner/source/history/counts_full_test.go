//go:build full

package history_test

// repositories is how many -tags=full makes.
const repositories = 2000
