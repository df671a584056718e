package main

import (
	"github.com/spf13/pflag"

	"github.com/rekeyhq/rekey/scanner"
)

// acceptOptions say which findings are accepted and so do not count.
type acceptOptions struct {
	baselines  []string
	repoConfig string
}

func (o *acceptOptions) bind(f *pflag.FlagSet) {
	f.StringArrayVar(&o.baselines, "baseline", nil, "accept the findings listed in `FILE` (may be repeated)")
	f.StringVar(&o.repoConfig, "repo-config", "", "`use` or `ignore` the baseline and ignore files of the scanned repository")
}

type acceptance struct{}

func (a *app) acceptance(o acceptOptions, t *targetSet) (*acceptance, error) {
	return &acceptance{}, nil
}
func (*acceptance) suppressor() scanner.Suppressor { return nil }
func (*acceptance) salt() []byte                   { return nil }
func (*acceptance) notices() []string              { return nil }

var commentMarkers = []string{"rekey:allow"}

func comment(line []byte) (reason, by string, ok bool) { return "", "", false }
