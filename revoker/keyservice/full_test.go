//go:build full

package keyservice

import "testing"

func TestPaceFull(t *testing.T) { pace(t, 10_000) }
