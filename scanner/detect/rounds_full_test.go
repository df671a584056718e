//go:build full

package detect_test

const deriveRounds = 1000
