package builtin_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/rules/table"
)

func TestTableIsCurrent(t *testing.T) {
	services, err := rules.LoadFS(builtin.Files, ".")
	if err != nil {
		t.Fatal(err)
	}
	want, err := table.Source("builtin", services)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("zz_table.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("zz_table.go is not current: run `go generate ./rules/builtin`")
	}
	if len(builtin.Services()) != len(services) {
		t.Errorf("table has %d services, files have %d", len(builtin.Services()), len(services))
	}
}
