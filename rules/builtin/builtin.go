// Package builtin holds the key services that rekey knows: one TOML file each,
// compiled into zz_table.go by go generate. A new service is a new file and one
// `go generate ./rules/builtin`; a test fails when the table is not current.
package builtin

import "embed"

//go:generate go run gen.go

// Files are the TOML files as they were written, for `rekey rules show`.
//
//go:embed *.toml
var Files embed.FS
