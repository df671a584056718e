package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/detect/prebuilt"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
	"github.com/rekeyhq/rekey/scanner/source"
)

// scanOptions are the flags of rekey scan.
type scanOptions struct {
	target  targetOptions
	rules   ruleOptions
	output  outputOptions
	accept  acceptOptions
	verify  verifyOptions
	jobs    int
	maxFile string
}

// ruleOptions choose what is looked for.
type ruleOptions struct {
	only  []string
	skip  []string
	files []string
}

// outputOptions say how results are written and what makes the exit status.
type outputOptions struct {
	format      string
	reports     []string
	showSecrets string
	only        string
	severity    string
	failOn      string
	noAuthors   bool
	strict      bool
	allowHoles  []string
	noProgress  bool
	occurrences int
}

const scanLong = `Scan targets for keys: directories, files, git repositories, clone URLs, or - for
standard input. Without a target the current directory is scanned.

In a git repository the complete history is read (every object: all branches, tags,
stashes, notes, unreachable objects) and the working tree (tracked and untracked, not
ignored).`

const scanExample = `  rekey scan
  rekey scan --staged
  rekey scan --report json=keys.json --report sarif=keys.sarif ~/src/app
  kubectl get secret -o yaml | rekey scan -
  rekey scan --range origin/main..HEAD`

func (a *app) scanCommand() *cobra.Command {
	var opt scanOptions
	cmd := &cobra.Command{
		Use: "scan [TARGET...]", Short: "Scan directories, files, git repositories, clone URLs or standard input",
		Long: scanLong, Example: scanExample,
		RunE: func(cmd *cobra.Command, args []string) error { return a.scan(cmd.Context(), opt, args) },
	}
	f := cmd.Flags()
	opt.target.bind(f)
	opt.accept.bind(f)
	opt.verify.bind(f, true)
	f.StringSliceVar(&opt.rules.only, "rule", nil, "look only for rules whose id matches `GLOB` (may be repeated)")
	f.StringSliceVar(&opt.rules.skip, "skip-rule", nil, "leave out rules whose id matches `GLOB` (may be repeated)")
	f.StringArrayVar(&opt.rules.files, "rules", nil, "add the rules in `FILE` (TOML; may be repeated)")
	f.StringVar(&opt.output.format, "format", "text", "`FORMAT` of standard output: "+strings.Join(report.Formats(), ", "))
	f.StringArrayVar(&opt.output.reports, "report", nil, "also write `FORMAT=FILE` (may be repeated); FORMAT alone is standard output")
	f.StringVar(&opt.output.showSecrets, "show-secrets", "", "write keys in full, to a terminal or a file only readable by you; in CI only as --show-secrets=force")
	f.Lookup("show-secrets").NoOptDefVal = "yes"
	f.StringVar(&opt.output.only, "only", "", "show only findings of `STATUS`, or live")
	f.StringVar(&opt.output.severity, "severity", "low", "show only findings of `LEVEL` and above: low, medium, high, critical")
	f.StringVar(&opt.output.failOn, "fail-on", "low", "exit with 1 only for findings of `LEVEL` and above")
	f.BoolVar(&opt.output.noAuthors, "no-authors", false, "leave names and addresses of authors out of reports")
	f.BoolVar(&opt.output.strict, "strict", false, "exit with 2 also for what is out of policy, such as too large files")
	f.StringSliceVar(&opt.output.allowHoles, "allow-incomplete", nil, "kinds of holes that do not change the exit status: unreadable, absent, policy")
	f.BoolVar(&opt.output.noProgress, "no-progress", false, "draw no progress line")
	f.IntVar(&opt.output.occurrences, "max-occurrences", 0, "places kept per finding (default 1000)")
	f.IntVar(&opt.jobs, "jobs", 0, "workers (default: the number of processors)")
	f.StringVar(&opt.maxFile, "max-file", "256MB", "largest file that is scanned, such as 10MB")
	return cmd
}

func (a *app) scan(ctx context.Context, opt scanOptions, args []string) error {
	if err := opt.output.check(a); err != nil {
		return err
	}
	s, err := a.runScan(ctx, opt, args)
	if err != nil {
		return err
	}
	rep := newReport(s.res, s.targets, s.accept.notices())
	if n := s.res.BrokeThrough; n > 0 {
		rep.Notices = append(rep.Notices, fmt.Sprintf("%d accepted keys are live: whatever was accepted, a key that works is reported", n))
	}
	if err := a.write(rep, opt.output); err != nil {
		return err
	}
	a.sayHoles(s.res)
	return a.verdict(ctx, s.res, rep, opt.output)
}

// scanned is what one run of a scan leaves.
type scanned struct {
	res     *scanner.Result
	targets *targetSet
	accept  *acceptance
}

// runScan scans the targets and asks the key services. The targets are closed when it
// returns.
func (a *app) runScan(ctx context.Context, opt scanOptions, args []string) (*scanned, error) {
	maxFile, err := parseSize(opt.maxFile)
	if err != nil {
		return nil, usage("--max-file %v", err)
	}
	services, err := a.services(opt.rules.files)
	if err != nil {
		return nil, err
	}
	targets, err := a.targets(ctx, opt.target, args)
	if err != nil {
		return nil, err
	}
	defer targets.close()
	accept, err := a.acceptance(opt.accept, targets)
	if err != nil {
		return nil, err
	}
	own, err := a.repoRules(accept.rules)
	if err != nil {
		return nil, err
	}
	verifier, done, err := scanVerifier(a, opt.verify, !opt.target.staged, services)
	if err != nil {
		return nil, err
	}
	defer done()
	if len(own) > 0 { // they find things; what they find is never sent
		services = rules.Merge(services, own)
	}
	det, err := a.detector(services, opt.rules)
	if err != nil {
		return nil, err
	}
	stop := func() {}
	res, err := scanner.Scan(ctx, scanner.Options{
		Sources: targets.sources, Detector: det, Workers: opt.jobs, MaxFile: maxFile, Verifier: verifier,
		MaxOccurrences: opt.output.occurrences, Suppress: accept.suppressor(), Line: accept.line(), Salt: accept.salt(),
		Started: func(r *source.Run) {
			if !opt.output.noProgress {
				stop = a.ui.startProgress(&r.Counts)
			}
		},
		Scanned: func() { stop() },
	})
	if err != nil {
		return nil, usage("%v", err)
	}
	for i := range res.Findings {
		annotate(&res.Findings[i], services)
	}
	return &scanned{res, targets, accept}, nil
}

// services returns the built-in services with the user's rule files laid over them.
func (a *app) services(files []string) ([]rules.Service, error) {
	services := builtin.Services()
	if len(files) == 0 {
		return services, nil
	}
	user, err := a.readRules(files)
	if err != nil {
		return nil, err
	}
	return rules.Merge(services, user), nil
}

func (a *app) detector(services []rules.Service, opt ruleOptions) (*detect.Detector, error) {
	o := detect.Options{Only: opt.only, Skip: opt.skip, Comment: comment, CommentMarkers: commentMarkers}
	det, err := prebuilt.New(o)
	if !sameServices(services, builtin.Services()) {
		det, err = detect.New(services, o)
	}
	if err != nil {
		return nil, usage("%v", err)
	}
	if det.Rules() == 0 {
		return nil, usageHint("`rekey rules list` shows the ids", "--rule %s: no rule has such an id", strings.Join(opt.only, ","))
	}
	return det, nil
}

// sameServices reports whether a is b itself: then its tables are there already.
func sameServices(a, b []rules.Service) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// annotate adds what the rule and its service say to a finding.
func annotate(f *finding.Finding, services []rules.Service) {
	for i := range services {
		if s := &services[i]; s.ID == f.Service {
			f.Docs = s.Docs
			ops := s.Operations()
			if len(ops.Regenerate) > 0 {
				f.Actions = append(f.Actions, "rotate")
			}
			if len(ops.Revoke) > 0 {
				f.Actions = append(f.Actions, "revoke")
			}
			return
		}
	}
}

func newReport(res *scanner.Result, t *targetSet, notices []string) *report.Report {
	c := res.Counts
	rep := &report.Report{
		Schema: report.Schema,
		Tool:   report.Tool{Name: "rekey", Version: toolVersion(), RulesDigest: res.Digest},
		Target: t.target, Started: res.Started, Finished: res.Finished,
		Findings: res.Findings, Notices: notices, Interrupted: res.Interrupted,
		Coverage: report.Coverage{
			Objects: c.Objects.Load(), Blobs: c.Blobs.Load(), Commits: c.Commits.Load(), Files: c.Files.Load(),
			BytesLogical: c.BytesLogical.Load(), BytesScanned: c.BytesScanned.Load(),
			Complete: res.Complete(false), RulesCount: res.Rules, Duration: res.Finished.Sub(res.Started),
		},
	}
	for _, h := range res.Holes {
		rep.Coverage.Skipped = append(rep.Coverage.Skipped, report.Skip{What: h.What, Reason: h.Reason, Count: h.Count, Class: string(h.Class)})
	}
	for _, err := range res.Failed {
		rep.Coverage.Skipped = append(rep.Coverage.Skipped, report.Skip{What: "source", Reason: err.Error(), Count: 1, Class: string(source.Unreadable)})
	}
	report.Sort(rep)
	return rep
}

// sayHoles names on stderr what was not read; the report lists it too.
func (a *app) sayHoles(res *scanner.Result) {
	for _, err := range res.Failed {
		a.ui.warn("%v", err)
	}
	for _, h := range res.Holes {
		if h.Class == source.Policy && !a.global.verbose {
			continue
		}
		text := fmt.Sprintf("not read: %d × %s: %s", h.Count, h.What, h.Reason)
		if h.Name != "" {
			text += " (" + h.Name + ")"
		}
		a.ui.warn("%s", text)
	}
}

// verdict makes the exit status of a scan.
func (a *app) verdict(ctx context.Context, res *scanner.Result, rep *report.Report, opt outputOptions) error {
	var stopped interrupted
	if errors.As(context.Cause(ctx), &stopped) {
		a.ui.warn("interrupted: the results cover only what is listed above")
		return exit(stopped.code())
	}
	threshold, err := finding.ParseSeverity(opt.failOn)
	if err != nil {
		return usage("--fail-on: %v", err)
	}
	for i := range rep.Findings {
		if f := &rep.Findings[i]; counts(f) && f.Severity >= threshold {
			if !complete(res, opt) {
				a.ui.warn("the scan is incomplete: see what was not read")
			}
			return exit(exitFound)
		}
	}
	if !complete(res, opt) {
		a.ui.warn("nothing found, but the scan is incomplete: see what was not read")
		return exit(exitIncomplete)
	}
	return nil
}

// counts reports whether a finding makes a scan fail: suppressed findings, published
// examples and canaries do not.
func counts(f *finding.Finding) bool {
	return f.Suppressed == nil && f.Verification.Status != finding.Example && f.Verification.Status != finding.Canary
}

func complete(res *scanner.Result, opt outputOptions) bool {
	if res.Interrupted || len(res.Failed) > 0 {
		return false
	}
	for _, h := range res.Holes {
		allowed := h.Class == source.Policy && !opt.strict
		for _, k := range opt.allowHoles {
			allowed = allowed || k == string(h.Class) || k == "all"
		}
		if !allowed {
			return false
		}
	}
	return true
}

func parseSize(s string) (int64, error) {
	units := map[string]int64{"": 1, "B": 1, "K": 1000, "KB": 1000, "M": 1e6, "MB": 1e6, "G": 1e9, "GB": 1e9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
	text := strings.ToUpper(strings.TrimSpace(s))
	i := 0
	for i < len(text) && (text[i] >= '0' && text[i] <= '9' || text[i] == '.') {
		i++
	}
	var n float64
	if _, err := fmt.Sscanf(text[:i], "%f", &n); err != nil {
		return 0, fmt.Errorf("%q: want a size such as 10MB", s)
	}
	unit, ok := units[strings.TrimSpace(text[i:])]
	if !ok {
		return 0, fmt.Errorf("%q: want a size such as 10MB", s)
	}
	return int64(n * float64(unit)), nil
}

func (a *app) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(a.sys.Dir, p)
}
