package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner"
	"github.com/rekeyhq/rekey/scanner/baseline"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// acceptOptions say which findings are accepted and so do not count.
type acceptOptions struct {
	baselines  []string
	repoConfig string
}

func (o *acceptOptions) bind(f *pflag.FlagSet) {
	f.StringArrayVar(&o.baselines, "baseline", nil, "accept the findings listed in `FILE`, a baseline of rekey or gitleaks (may be repeated)")
	f.StringVar(&o.repoConfig, "repo-config", "", "`use` or ignore the baseline, ignore files and .rekey.toml of the scanned repository (default: use in your own, ignore in others)")
}

// acceptance is what accepts findings in a run.
type acceptance struct {
	set   *baseline.Set
	roots []rootConfig
	rules []string // .rekey.toml files whose rules are added
	// ignored says what of a stranger's files was passed over.
	ignored []string
}

// rootConfig is a scanned directory whose own files were read.
type rootConfig struct {
	dir     string
	trusted bool
}

var commentMarkers = baseline.CommentMarkers()

func comment(line []byte) (reason, by string, ok bool) { return baseline.Comment(line) }

// repoFiles are what a repository may bring to accept findings in it.
var repoFiles = []struct {
	name string
	add  func(s *baseline.Set, name, dir string, data []byte, trusted bool) error
}{
	{baseline.BaselineName, func(s *baseline.Set, name, _ string, d []byte, t bool) error { return s.AddBaseline(name, d, t) }},
	{baseline.IgnoreName, func(s *baseline.Set, name, dir string, d []byte, t bool) error { return s.AddIgnore(name, dir, d, t) }},
	{baseline.ConfigName, func(s *baseline.Set, name, _ string, d []byte, t bool) error { return s.AddConfig(name, d, t) }},
	{baseline.GitleaksIgnoreName, func(s *baseline.Set, name, _ string, d []byte, t bool) error { return s.AddGitleaksIgnore(name, d, t) }},
}

// acceptance reads the baselines that the user named and the files of the scanned
// directories. Those of a repository that is not the user's own are listed, not used.
func (a *app) acceptance(o acceptOptions, t *targetSet) (*acceptance, error) {
	switch o.repoConfig {
	case "", "use", "ignore":
	default:
		return nil, usage("--repo-config %q: want use or ignore", o.repoConfig)
	}
	acc := &acceptance{set: baseline.New(time.Now())}
	var mistakes baseline.Mistakes
	note := func(err error) error {
		var ms baseline.Mistakes
		if errors.As(err, &ms) {
			mistakes = append(mistakes, ms...)
			return nil
		}
		return err
	}
	for _, b := range o.baselines {
		data, err := os.ReadFile(a.path(b))
		if err != nil {
			return nil, usage("read baseline: %v", err)
		}
		add := acc.set.AddBaseline
		if first := bytes.TrimSpace(data); len(first) > 0 && (first[0] == '[' || first[0] == '{') {
			add = acc.set.AddGitleaksBaseline
		}
		if err := note(add(b, data, true)); err != nil {
			return nil, usage("%v", err)
		}
	}
	for _, root := range t.roots {
		trusted := o.repoConfig == "use" || o.repoConfig == "" && !t.foreign && ownedByUser(root)
		acc.roots = append(acc.roots, rootConfig{root, trusted})
		for _, f := range repoFiles {
			data, err := os.ReadFile(filepath.Join(root, f.name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = f.add(acc.set, f.name, "", data, trusted)
				if err != nil && !trusted { // a stranger's mistake must not stop the scan
					acc.ignored = append(acc.ignored, fmt.Sprintf("%s of the scanned repository was ignored: %v", f.name, err))
					err = nil
				} else if err != nil {
					err = note(err)
				}
			}
			if err != nil {
				return nil, usage("read %s: %v", filepath.Join(root, f.name), err)
			}
			if f.name == baseline.ConfigName && trusted {
				acc.rules = append(acc.rules, filepath.Join(root, f.name))
			}
		}
	}
	if len(mistakes) > 0 {
		return nil, usage("%v", mistakes)
	}
	return acc, nil
}

// suppressor returns what decides about findings.
func (acc *acceptance) suppressor() scanner.Suppressor { return acc.set }

// line returns what decides about the line that a secret stands on, or nil.
func (acc *acceptance) line() func(rule string, key finding.Fingerprint, path string, line []byte) *finding.Suppression {
	if !acc.set.HasLines() {
		return nil
	}
	return acc.set.Line
}

func (acc *acceptance) salt() []byte { return acc.set.Salt() }

// notices tells what was accepted through files of the repository, what was not, and
// what no longer does anything.
func (acc *acceptance) notices() []string {
	out := slices.Clone(acc.ignored)
	if n := len(acc.set.Untrusted()); n > 0 {
		out = append(out, fmt.Sprintf("%d entries of the scanned repository's own ignore files were not applied, since it is not yours: --repo-config=use applies them", n))
	}
	for _, e := range acc.set.Expired() {
		if e.Hits > 0 {
			out = append(out, fmt.Sprintf("%s accepted a finding until %s; that is over", e.Where(), e.Expires.Format(time.DateOnly)))
		}
	}
	if n := len(acc.set.Unused()); n > 0 {
		out = append(out, fmt.Sprintf("%d accepted entries match nothing any more: `rekey baseline explain` lists them", n))
	}
	return out
}

// repoRules reads the rules that trusted repositories add. They find things; they name
// no host, and what they find is never verified.
func (a *app) repoRules(files []string) ([]rules.Service, error) {
	var out []rules.Service
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, usage("read rules: %v", err)
		}
		svc, err := rules.ParseRepository(f, data)
		if err != nil {
			return nil, usage("%v", err)
		}
		if svc != nil {
			out = append(out, *svc)
		}
	}
	return out, nil
}
