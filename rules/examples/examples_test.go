package examples_test

import (
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/rules/examples"
)

func TestBuiltinRulesLiveUpToTheirExamples(t *testing.T) {
	services, err := rules.LoadFS(builtin.Files, ".")
	if err != nil {
		t.Fatal(err)
	}
	failures, err := examples.Check(services)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range failures {
		t.Error(f)
	}
	n := 0
	for _, s := range services {
		for _, r := range s.Rules {
			n += len(r.Match) + len(r.NoMatch)
		}
	}
	t.Logf("%d services, %d examples", len(services), n)
}
