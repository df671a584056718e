//go:build ignore

// gen writes zz_table.go from the TOML files of this folder.
package main

import (
	"fmt"
	"os"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/table"
)

func main() {
	services, err := rules.LoadFS(os.DirFS("."), ".")
	if err == nil {
		var src []byte
		if src, err = table.Source("builtin", services); err == nil {
			err = os.WriteFile("zz_table.go", src, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
