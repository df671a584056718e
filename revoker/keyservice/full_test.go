//go:build full

package keyservice

import "testing"

const garbageCount = 5000

func TestPaceFull(t *testing.T) { pace(t, 10_000) }
