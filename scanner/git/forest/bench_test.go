//go:build unix

package forest_test

import (
	"context"
	"flag"
	"syscall"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/forest"
)

// go test -run xxx -bench Walk ./scanner/git/forest -args -repo DIR
// walks all packs of a bare repository; without it, of a small one made here.
var repoFlag = flag.String("repo", "", "bare repository that BenchmarkWalk reads")

func BenchmarkWalk(b *testing.B) {
	dir := *repoFlag
	if dir == "" {
		needGit(b)
		dir = newRepository(b, git.SHA1)
		runGit(b, dir, history(1, 300), "fast-import", "--quiet")
		runGit(b, dir, nil, "repack", "-adq")
	}
	for _, bm := range []struct {
		name string
		opts forest.Options
	}{
		{"all", forest.Options{}},
		{"one_worker", forest.Options{Workers: 1}},
		{"blobs_and_commits", forest.Options{Types: []git.Type{git.Blob, git.Commit, git.Tag}}},
		{"blobs", forest.Options{Types: []git.Type{git.Blob}}},
		{"none", forest.Options{Types: []git.Type{git.Tag}}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			packs := openPacks(b, dir, git.SHA1)
			var res forest.Result
			start := cpu(b)
			for b.Loop() {
				var err error
				if res, err = forest.Walk(context.Background(), packs, bm.opts, func(int) forest.Visitor[struct{}] { return ignore{} }); err != nil || len(res.Holes) > 0 {
					b.Fatal(err, res.Holes)
				}
			}
			b.ReportMetric((cpu(b)-start).Seconds()/float64(b.N), "user-s/op")
			b.ReportMetric(float64(res.Bytes), "content-B")
			b.ReportMetric(float64(res.PeakBytes), "peak-B")
			b.ReportMetric(float64(res.Objects), "objects")
			b.Logf("%+v", res.Stats)
		})
	}
}

func cpu(b *testing.B) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano())
}
