//go:build unix

package forest_test

import (
	"context"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/forest"
)

// go test -run RealRepository ./scanner/git/forest -args -repo DIR hashes every
// object of a bare repository.
func TestWalkReadsARealRepository(t *testing.T) {
	if *repoFlag == "" {
		t.Skip("no -repo given")
	}
	packs := openPacks(t, *repoFlag, git.SHA1)
	for _, memory := range []int64{0, 4 << 20} {
		res, err := forest.Walk(context.Background(), packs, forest.Options{Verify: true, Memory: memory},
			func(int) forest.Visitor[struct{}] { return ignore{} })
		if err != nil || len(res.Holes) > 0 || len(res.Large) > 0 {
			t.Errorf("holes %v, large %v, %v", res.Holes, res.Large, err)
		}
		t.Logf("%+v", res.Stats)
	}
}
