//go:build ignore

// gen writes zz_tables.bin from the built-in rules.
package main

import (
	"fmt"
	"os"

	"github.com/rekeyhq/rekey/scanner/detect/prebuilt"
)

func main() {
	tables, err := prebuilt.Tables()
	if err == nil {
		err = os.WriteFile("zz_tables.bin", tables, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
