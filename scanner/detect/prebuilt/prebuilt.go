// Package prebuilt makes the detector of the built-in rules from tables that were
// worked out when the program was built: a process that starts for ten files, as a
// hook does, has no time to work them out again.
package prebuilt

import (
	_ "embed"

	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner/baseline"
	"github.com/rekeyhq/rekey/scanner/detect"
)

//go:generate go run gen.go

//go:embed zz_tables.bin
var tables string

// New returns the detector of the built-in rules. Comments that allow a secret are
// honoured as package baseline reads them, whatever opt says of them.
func New(opt detect.Options) (*detect.Detector, error) {
	opt.Comment, opt.CommentMarkers = baseline.Comment, baseline.CommentMarkers()
	return detect.Load(builtin.Services(), tables, opt)
}

// Tables works the tables out anew.
func Tables() ([]byte, error) {
	d, err := detect.New(builtin.Services(), detect.Options{Comment: baseline.Comment, CommentMarkers: baseline.CommentMarkers()})
	if err != nil {
		return nil, err
	}
	return d.Tables(), nil
}
