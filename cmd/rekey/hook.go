package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// hookNames are the hooks of git that rekey can be.
var hookNames = []string{"pre-commit", "pre-push", "pre-receive"}

const hookLong = `Hooks stop keys where they would leave: at the commit, at the push, at the server.

Only what is added blocks, and only findings that are sure (confidence high or
certain). Removing a key never blocks. Hooks are offline: they ask no key service.`

func (a *app) hookCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hook", Short: "Block keys in git hooks: pre-commit, pre-push, pre-receive", Long: hookLong}
	cmd.AddCommand(a.hookInstall(), a.hookUninstall(), a.hookRun())
	return cmd
}

// hookRunOptions are the flags of rekey hook run.
type hookRunOptions struct {
	accept acceptOptions
	rules  []string
}

func (a *app) hookRun() *cobra.Command {
	var opt hookRunOptions
	cmd := &cobra.Command{
		Use: "run [" + strings.Join(hookNames, "|") + "] [ARG...]", Short: "Be a hook: git calls this",
		Long: `Be a hook of git: exit with 1 where a key is being added, with 2 where what is being
committed or pushed could not be read, with 0 otherwise.

pre-commit compares the index with HEAD; pre-push and pre-receive read from standard
input what git tells them. Without a name the pre-commit framework is asked for the
stage through its environment.`,
		Example: "  rekey hook run pre-commit\n  rekey hook run pre-push origin git@example.com:app.git < lines-from-git",
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name, args = args[0], args[1:]
			}
			return a.runHook(cmd.Context(), opt, name, args)
		},
	}
	opt.accept.bind(cmd.Flags())
	cmd.Flags().StringArrayVar(&opt.rules, "rules", nil, "add the rules in `FILE` (TOML; may be repeated)")
	return cmd
}

func (a *app) runHook(ctx context.Context, opt hookRunOptions, name string, args []string) error {
	var h *hook
	var err error
	switch name {
	case "pre-commit":
		h, err = a.preCommit(ctx, opt)
	case "pre-push":
		remote := ""
		if len(args) > 0 {
			remote = args[0]
		}
		h, err = a.prePush(ctx, opt, remote, a.sys.Stdin)
	case "pre-receive":
		h, err = a.preReceive(ctx, opt, a.sys.Stdin)
	case "":
		h, err = a.frameworkHook(ctx, opt)
	default:
		return hookNameError(name)
	}
	if err != nil || h == nil {
		return err
	}
	return a.hookVerdict(ctx, h)
}

// frameworkHook is the hook that the pre-commit framework runs. The framework reads
// git's standard input itself and hands the stage down in the environment.
//
// Source: pre_commit/commands/run.py of 4.x, read 2026-11-21.
func (a *app) frameworkHook(ctx context.Context, opt hookRunOptions) (*hook, error) {
	if a.sys.Getenv("PRE_COMMIT") == "" {
		return nil, usage("name a hook: %s", strings.Join(hookNames, ", "))
	}
	remote := a.sys.Getenv("PRE_COMMIT_REMOTE_NAME")
	to := a.sys.Getenv("PRE_COMMIT_TO_REF")
	switch {
	case to != "":
	case remote == "":
		return a.preCommit(ctx, opt)
	default: // the first push: the framework names no commits
		if to = a.sys.Getenv("PRE_COMMIT_LOCAL_BRANCH"); to == "" {
			to = "HEAD"
		}
	}
	return a.pushed(ctx, opt, remote, []refUpdate{{local: to, remote: a.sys.Getenv("PRE_COMMIT_FROM_REF")}})
}

func hookNameError(name string) error {
	return usage("hook %q: want %s", name, strings.Join(hookNames, ", "))
}

func checkHookNames(names []string) error {
	for _, n := range names {
		if !slices.Contains(hookNames, n) {
			return hookNameError(n)
		}
	}
	return nil
}
