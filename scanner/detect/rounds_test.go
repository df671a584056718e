//go:build !full

package detect_test

// deriveRounds is how many chains of deltas TestDeriveEqualsDetect makes; -tags=full
// makes more.
const deriveRounds = 12
