package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rekeyhq/rekey/cmd/rekey/internal/action"
	"github.com/rekeyhq/rekey/scanner"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/report"
)

// actionOptions are the inputs of the GitHub Action.
type actionOptions struct {
	path      string
	failOn    string
	verify    choice
	reportDir string
}

const actionLong = `Run as the step of a GitHub workflow: read what happened from the environment of the
runner, scan the commits that the event brings, and answer with annotations, a step
summary, outputs, and reports. See docs/action.md.

Flags take their values from the inputs of the action (REKEY_FAIL_ON, or INPUT_FAIL-ON
as the runner spells it). Nothing of an event is ever run, or written where the runner
would obey it.`

// fullDepth is the remedy for what a clone lacks.
const fullDepth = "give actions/checkout the input fetch-depth: 0, which fetches the whole history"

// maxAnnotations is how many errors of a step GitHub shows.
//
// Source: docs.github.com, "Workflow commands", limits of annotations, read 2026-11-21.
const maxAnnotations = 10

func (a *app) actionCommand() *cobra.Command {
	var opt actionOptions
	cmd := &cobra.Command{
		Use: "action", Short: "Scan what a GitHub Actions event brings", Long: actionLong, Args: cobra.NoArgs,
		Example: "  - uses: rekeyhq/rekey@COMMIT\n    with:\n      fail-on: high",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"path", "fail-on", "verify", "report-dir"} {
				if err := a.actionInput(cmd, name); err != nil {
					return err
				}
			}
			return a.action(cmd.Context(), opt)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.path, "path", ".", "the repository, from the workspace")
	f.StringVar(&opt.failOn, "fail-on", "any", "fail for findings of `LEVEL` and above: any, low, medium, high, critical; live; or never")
	f.Var(&opt.verify, "verify", "ask the key services which keys are live, where the event can be trusted (default true)")
	f.StringVar(&opt.reportDir, "report-dir", "", "`DIRECTORY` for rekey.sarif and rekey.json (default: the runner's temporary one)")
	return cmd
}

// actionInput gives a flag that nothing else set the value of an input.
func (a *app) actionInput(cmd *cobra.Command, name string) error {
	if cmd.Flags().Changed(name) {
		return nil
	}
	upper := strings.ToUpper(name)
	for _, env := range []string{"INPUT_" + upper, "INPUT_" + strings.ReplaceAll(upper, "-", "_")} {
		if v := a.sys.Getenv(env); v != "" {
			if err := cmd.Flags().Set(name, v); err != nil {
				return usage("input %s: %v", name, err)
			}
			return nil
		}
	}
	return nil
}

// action runs the step. Everything goes to stdout, behind a fence where foreign text
// may be in it; errors become annotations.
func (a *app) action(ctx context.Context, opt actionOptions) error {
	a.ui.err = a.ui.out
	fence := action.NewFence(a.ui.out)
	fence.Close()
	s := &actionStep{app: a, opt: opt, out: map[string]string{"findings": "0", "live": "0"}}
	err := s.run(ctx)
	fence.Open()
	code := 0
	if err != nil {
		code = exitUsage
		var f *failure
		if errors.As(err, &f) {
			code = f.code
		}
		if text := err.Error(); text != "" {
			if f != nil && f.hint != "" {
				text += "\n" + f.hint
			}
			s.annotations = append([]action.Annotation{{Level: "error", Title: "rekey", Message: text}}, s.annotations...)
		}
	}
	for _, n := range s.annotations {
		fmt.Fprintln(a.ui.out, n)
	}
	if e := s.finish(code); e != nil && code == 0 {
		code = exitUsage
	}
	return exit(code)
}

// actionStep is one run of the action.
type actionStep struct {
	app         *app
	opt         actionOptions
	plan        *action.Plan
	rep         *report.Report
	what        string // was scanned
	inside      string // the workspace: where the repository lies
	out         map[string]string
	annotations []action.Annotation
}

func (s *actionStep) say(level, format string, args ...any) {
	s.annotations = append(s.annotations, action.Annotation{Level: level, Title: "rekey", Message: fmt.Sprintf(format, args...)})
}

func (s *actionStep) run(ctx context.Context) error {
	if _, err := failsOn(s.opt.failOn, nil); err != nil {
		return err
	}
	event, err := s.event()
	if err != nil {
		return err
	}
	dir := s.opt.path
	if !filepath.IsAbs(dir) {
		workspace := s.app.sys.Getenv("GITHUB_WORKSPACE")
		dir = s.app.path(filepath.Join(workspace, dir))
	}
	repo, err := git.Open(dir, git.Options{AllowOutside: true})
	if err != nil {
		return usageHint("run actions/checkout with fetch-depth: 0 before this step", "repository %s: %v", s.opt.path, err)
	}
	defer repo.Close()
	s.inside = s.insideWorkspace(repo)
	s.plan, err = action.NewPlan(ctx, repo, event)
	var missing *action.Missing
	switch {
	case errors.As(err, &missing):
		return usageHint(fullDepth, "%v: which commits to scan is not known", err)
	case err != nil:
		return usage("%v", err)
	}
	for _, n := range s.plan.Notes {
		s.say("notice", "%s", n)
	}
	if s.plan.Nothing != "" {
		s.say("notice", "%s", s.plan.Nothing)
		s.what = s.plan.Nothing
		return nil
	}
	return s.scan(ctx, repo)
}

// insideWorkspace returns where in the workspace the repository lies, as annotations
// need it: "" at its top, and where it lies elsewhere.
func (s *actionStep) insideWorkspace(repo *git.Repository) string {
	workspace, err := filepath.EvalSymlinks(s.app.path(s.app.sys.Getenv("GITHUB_WORKSPACE")))
	if err != nil || repo.WorkTree == "" {
		return ""
	}
	rel, err := filepath.Rel(workspace, repo.WorkTree)
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	return filepath.ToSlash(rel)
}

// event reads what happened.
func (s *actionStep) event() (action.Event, error) {
	getenv := s.app.sys.Getenv
	name := getenv("GITHUB_EVENT_NAME")
	if name == "" {
		return action.Event{}, usageHint("elsewhere use `rekey scan --range A..B`", "GITHUB_EVENT_NAME is not set: this is no GitHub workflow")
	}
	var payload []byte
	if path := getenv("GITHUB_EVENT_PATH"); path != "" {
		var err error
		if payload, err = os.ReadFile(path); err != nil {
			return action.Event{}, usage("read event: %v", err)
		}
	}
	e, err := action.ParseEvent(name, getenv("GITHUB_SHA"), payload)
	if err != nil {
		return action.Event{}, usage("%v", err)
	}
	return e, nil
}

// scan scans the planned range as rekey scan would, with the configuration of the
// commit that the plan trusts.
func (s *actionStep) scan(ctx context.Context, repo *git.Repository) error {
	view, err := os.MkdirTemp("", "rekey-action-")
	if err == nil {
		defer os.RemoveAll(view)
		view, err = filepath.EvalSymlinks(view)
	}
	if err != nil {
		return usage("temporary directory: %v", err)
	}
	var names []string
	for _, f := range repoFiles {
		names = append(names, f.name)
	}
	if _, err := action.View(repo, s.plan.Config, view, names); err != nil {
		return usage("%v", err)
	}
	opt := scanOptions{maxFile: "256MB", output: outputOptions{format: "text", severity: "low", failOn: "low", noProgress: true}}
	opt.target = targetOptions{noWorktree: true, outside: true}
	opt.accept.repoConfig = "use"
	s.what = "the whole history"
	if !s.plan.Whole {
		opt.target.ranges = s.plan.Range()
		s.what = "the commits of " + opt.target.ranges
	}
	opt.verify = verifyOptions{timeout: 10 * time.Second, verify: choice{true, true}}
	if opt.verify.noVerify = !s.plan.Trusted || s.opt.verify.given && !s.opt.verify.on; opt.verify.noVerify && s.opt.verify.on {
		s.say("notice", "key services are not asked on the event %s: strangers can send code in", s.app.sys.Getenv("GITHUB_EVENT_NAME"))
	}
	done, err := s.app.runScan(ctx, opt, []string{view})
	if err != nil {
		return err
	}
	if s.plan.Stranger {
		s.distrustComments(done.res)
	}
	s.rep = newReport(done.res, done.targets, done.accept.notices())
	s.rep.Target.Location = s.opt.path
	s.rep.Notices = append(s.rep.Notices, s.plan.Notes...)
	if err := s.write(opt.output); err != nil {
		return err
	}
	s.app.sayHoles(done.res)
	return s.verdict(ctx, done.res, opt.output)
}

// distrustComments makes findings count that only a comment in a stranger's own code
// accepts.
func (s *actionStep) distrustComments(res *scanner.Result) {
	n := 0
	for i := range res.Findings {
		if f := &res.Findings[i]; f.Suppressed != nil && f.Suppressed.By == "comment" {
			f.Suppressed = nil
			n++
		}
	}
	if n > 0 {
		s.say("notice", "%d findings are accepted by comments in the code of a fork: they count until the base branch has them in its baseline", n)
	}
}

// verdict makes the exit status and the annotations.
func (s *actionStep) verdict(ctx context.Context, res *scanner.Result, out outputOptions) error {
	var stopped interrupted
	if errors.As(context.Cause(ctx), &stopped) {
		s.say("error", "interrupted: the results are partial")
		return exit(stopped.code())
	}
	c := report.Summary(s.rep)
	s.out["findings"], s.out["live"] = strconv.Itoa(c.Findings), strconv.Itoa(c.Live)
	whole := complete(res, out)
	code := 0
	if !whole {
		code = exitIncomplete
		text := "not everything that was asked for could be read; the log of this step says what"
		if slices.ContainsFunc(s.rep.Coverage.Skipped, func(k report.Skip) bool { return k.What == "shallow" }) {
			text += "\nthe clone is shallow: " + fullDepth
		}
		s.say("error", "%s", text)
	}
	failing, shown := 0, 0
	for i := range s.rep.Findings {
		f := &s.rep.Findings[i]
		if !counts(f) {
			continue
		}
		fails, _ := failsOn(s.opt.failOn, f)
		if fails {
			failing++
			code = exitFound
		}
		if shown < maxAnnotations {
			shown++
			s.annotations = append(s.annotations, annotation(f, fails, s.inside))
		}
	}
	if more := c.Findings - shown; more > 0 && shown == maxAnnotations {
		s.say("notice", "%d more findings are in the step summary and in the reports", more)
	}
	if code == exitFound {
		s.say("error", "%s", headline(failing, s.rep))
	}
	return exit(code)
}
