package report_test

import (
	"fmt"
	"io"
	"math/rand"
	"testing"

	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
)

func BenchmarkWrite(b *testing.B) {
	r := &report.Report{}
	rnd := rand.New(rand.NewSource(1))
	for i := range 20000 {
		key := fmt.Sprintf("acme_live_%016x%016x", rnd.Uint64(), rnd.Uint64())
		r.Findings = append(r.Findings, finding.Finding{
			Fingerprint: finding.KeyFingerprint("a", "b", []byte(key)), Rule: "r", Service: "s", Title: "t", Secret: secret(key), Public: 10,
			Occurrences: []finding.Occurrence{{Kind: "blob", Path: fmt.Sprintf("src/%d/config.yml", i), StartLine: 1, StartColumn: 1, Git: finding.Provenance{
				Commit: commit(i), Author: "Ada", Email: "a@example.org", Subject: "Add the client", Date: at(3)}}},
		})
	}
	for _, f := range report.Formats() {
		b.Run(f, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if err := report.Write(io.Discard, f, r, report.Options{Authors: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
