//go:build !full

package history_test

// repositories is how many a plain go test makes; -tags=full makes them all.
const repositories = 5
