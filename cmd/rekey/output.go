package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
)

func (o *outputOptions) check(a *app) error {
	formats := append([]string{o.format}, o.reports...)
	for _, f := range formats {
		name, _, _ := strings.Cut(f, "=")
		if !slices.Contains(report.Formats(), name) {
			return usage("unknown format %q: want %s", name, strings.Join(report.Formats(), ", "))
		}
	}
	if _, err := finding.ParseSeverity(o.severity); err != nil {
		return usage("--severity: %v", err)
	}
	if _, err := finding.ParseSeverity(o.failOn); err != nil {
		return usage("--fail-on: %v", err)
	}
	if o.only != "" && o.only != "live" {
		if _, err := finding.ParseStatus(o.only); err != nil {
			return usage("--only: %v", err)
		}
	}
	for _, k := range o.allowHoles {
		if !slices.Contains([]string{"unreadable", "absent", "policy", "all"}, k) {
			return usage("--allow-incomplete %q: want unreadable, absent, policy or all", k)
		}
	}
	switch o.showSecrets {
	case "", "yes", "force":
	default:
		return usage("--show-secrets=%s: write --show-secrets, or --show-secrets=force in CI", o.showSecrets)
	}
	if o.showSecrets == "yes" && a.ui.ci() {
		return usage("--show-secrets is refused in CI, where logs are kept: write --show-secrets=force if you mean it")
	}
	return nil
}

// keep reports whether a finding passes --severity and --only.
func (o *outputOptions) keep(f *finding.Finding) bool {
	level, _ := finding.ParseSeverity(o.severity)
	if f.Severity < level {
		return false
	}
	status := f.Verification.Status
	switch o.only {
	case "":
		return true
	case "live": // unknown counts as failing: nobody has proven it dead
		return status.Live() || status == finding.Unknown
	}
	want, _ := finding.ParseStatus(o.only)
	return status == want
}

// write writes the report to stdout and to every --report.
func (a *app) write(rep *report.Report, o outputOptions) error {
	rep.Findings = slices.DeleteFunc(rep.Findings, func(f finding.Finding) bool { return !o.keep(&f) })
	stdout := o.format
	for _, r := range o.reports {
		name, file, toFile := strings.Cut(r, "=")
		if !toFile || file == "-" {
			stdout = name
			continue
		}
		if err := a.writeFile(rep, o, name, a.path(file)); err != nil {
			return err
		}
	}
	show := o.showSecrets != ""
	if show && !terminal(a.sys.Stdout) && o.showSecrets != "force" {
		return usageHint("--report "+stdout+"=FILE --show-secrets writes a file that only you can read", "--show-secrets writes keys to a terminal or to a file, not into a pipe")
	}
	if err := report.Write(a.ui.out, stdout, rep, a.reportOptions(o, show, a.ui.out)); err != nil {
		return usage("write report: %v", err)
	}
	return nil
}

func (a *app) reportOptions(o outputOptions, show bool, w io.Writer) report.Options {
	limit := 0
	if a.global.verbose {
		limit = -1
	}
	return report.Options{ShowSecrets: show, Color: a.ui.colored(w), Width: a.ui.columns(), Authors: !o.noAuthors, Limit: limit}
}

// writeFile writes a report so that a reader sees the old file or the whole new one;
// with secrets in it, only the user may read it.
func (a *app) writeFile(rep *report.Report, o outputOptions, format, path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".rekey-report-*")
	if err != nil {
		return usage("write report: %v", err)
	}
	defer os.Remove(tmp.Name())
	opt := a.reportOptions(o, o.showSecrets != "", nil)
	opt.Color, opt.Width, opt.Limit = false, 100, -1
	err = report.Write(tmp, format, rep, opt)
	if err == nil && o.showSecrets == "" {
		err = tmp.Chmod(0o644)
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return usage("write report %s: %v", path, err)
	}
	return nil
}

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.ui.out, format, args...) }
