package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// hookMark is the second line of every hook that rekey writes: by it they are told
// from others.
const hookMark = "# Written by `rekey hook install`; `rekey hook uninstall` removes it."

// chained is what a hook that was there before is renamed to. It stays in its
// directory, where it may look for others.
const chained = ".before-rekey"

type hookInstallOptions struct{ shared bool }

func (a *app) hookInstall() *cobra.Command {
	var opt hookInstallOptions
	cmd := &cobra.Command{
		Use: "install [" + strings.Join(hookNames, "|") + "]...", Short: "Install hooks into this repository",
		Long: `Install hooks where git looks for them (core.hooksPath counts). Without a name:
pre-commit and pre-push, in a bare repository pre-receive. A hook that is there is kept
and called first. With husky or lefthook, what to add to their files is printed instead.`,
		Example: "  rekey hook install\n  rekey hook install pre-receive      # on a server, in the bare repository",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.installHooks(cmd.Context(), opt, args)
		},
	}
	cmd.Flags().BoolVar(&opt.shared, "shared", false, "install also into a directory of hooks that serves other repositories, too")
	return cmd
}

func (a *app) hookUninstall() *cobra.Command {
	return &cobra.Command{
		Use: "uninstall [" + strings.Join(hookNames, "|") + "]...", Short: "Remove rekey's hooks and restore those that were there before",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.uninstallHooks(cmd.Context(), args)
		},
	}
}

// hookPlace is where git looks for the hooks of a repository.
type hookPlace struct {
	dir    string // the hooks
	common string // the git directory that all worktrees share
	top    string // of the work tree; empty in a bare repository
}

// hookPlace asks git itself: only git knows all the configuration that decides it.
// These commands are meant for the user's own repository, where git runs anyhow;
// nothing else in rekey executes git in a repository.
func (a *app) hookPlace(ctx context.Context) (*hookPlace, error) {
	dir := a.sys.Dir
	ask := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"rev-parse"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) && len(failed.Stderr) > 0 {
			err = errors.New(strings.TrimSpace(string(failed.Stderr)))
		}
		return strings.TrimSuffix(string(out), "\n"), err
	}
	p := &hookPlace{}
	if top, err := ask("--show-toplevel"); err == nil {
		p.top = filepath.FromSlash(top)
		dir = p.top // a relative core.hooksPath counts from there
	}
	var err error
	if p.dir, err = ask("--git-path", "hooks"); err != nil {
		return nil, usageHint("run it inside of the repository", "ask git for its hooks: %v", err)
	}
	if p.common, err = ask("--git-common-dir"); err != nil {
		return nil, usage("ask git for its directory: %v", err)
	}
	for _, path := range []*string{&p.dir, &p.common} {
		if *path = filepath.FromSlash(*path); !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	return p, nil
}

// names returns the hooks that are meant where none is named.
func (p *hookPlace) names(args []string) ([]string, error) {
	if len(args) > 0 {
		return args, checkHookNames(args)
	}
	if p.top == "" {
		return []string{"pre-receive"}, nil
	}
	return []string{"pre-commit", "pre-push"}, nil
}

// own reports whether the hooks serve this repository alone.
func (p *hookPlace) own() bool { return below(p.dir, p.common) || p.top != "" && below(p.dir, p.top) }

// below reports whether path is dir or lies in it, links followed.
func below(path, dir string) bool {
	if real, err := filepath.EvalSymlinks(path); err == nil { // else it is not there yet
		path = real
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func (a *app) installHooks(ctx context.Context, opt hookInstallOptions, args []string) error {
	p, err := a.hookPlace(ctx)
	if err != nil {
		return err
	}
	names, err := p.names(args)
	if err != nil {
		return err
	}
	if a.sayManager(p, names) {
		return exit(exitUsage)
	}
	if !p.own() && !opt.shared {
		return usageHint("--shared installs there all the same; `git config core.hooksPath .git/hooks` gives this repository its own",
			"core.hooksPath names %s, which serves other repositories, too", p.dir)
	}
	program, err := os.Executable()
	if err != nil {
		return usage("find this program: %v", err)
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return usage("make directory of hooks: %v", err)
	}
	for _, name := range names {
		chain, err := keepOther(p.dir, name)
		if err != nil {
			return err
		}
		if err := writeHook(p.dir, name, hookScript(name, program, chain)); err != nil {
			return err
		}
		also := ""
		if chain {
			also = ", after the hook that was there"
		}
		a.printf("%s installed in %s%s\n", name, p.dir, also)
	}
	if p.top != "" && below(p.dir, p.top) && !below(p.dir, p.common) {
		a.ui.note("%s is part of the work tree: whoever gets it gets these hooks, with the path of your rekey, or theirs in PATH", p.dir)
	}
	return nil
}

// keepOther renames a hook of somebody else's out of the way; chain says that there is
// one to call.
func keepOther(dir, name string) (chain bool, err error) {
	path := filepath.Join(dir, name)
	_, err = os.Lstat(path + chained)
	kept := err == nil
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil { // a link to nowhere is no hook
			return kept, usage("%s is a link that leads nowhere: remove it first", path)
		}
		return kept, nil
	case err != nil:
		return kept, usage("read hook: %v", err)
	case isOurs(data):
		return kept, nil
	case kept:
		return kept, usageHint("remove one of them", "%s replaced rekey's hook, and %s was kept before: one of them must go", path, path+chained)
	}
	if err := os.Rename(path, path+chained); err != nil {
		return false, usage("keep the hook that is there: %v", err)
	}
	return true, nil
}

func isOurs(script []byte) bool {
	lines := strings.SplitN(string(script), "\n", 3)
	return len(lines) > 1 && strings.TrimRight(lines[1], "\r") == hookMark
}

// writeHook replaces a hook in one step.
func writeHook(dir, name, script string) error {
	tmp, err := os.CreateTemp(dir, ".rekey-*")
	if err != nil {
		return usage("write hook: %v", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(script)
	if err == nil {
		err = tmp.Chmod(0o755)
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return usage("write hook %s: %v", name, err)
	}
	return nil
}

// hookScript is the hook: plain sh, which git brings along on every system. Without a
// hook to call first it is one exec. A hook that reads standard input gets a copy.
func hookScript(name, program string, chain bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n%s\n", hookMark)
	fmt.Fprintf(&b, "rekey=%s\n", quoteShell(filepath.ToSlash(program)))
	b.WriteString("[ -x \"$rekey\" ] || rekey=$(command -v rekey) || {\n" +
		"\techo \"rekey: the program is gone. Install it again, or remove this hook: $0\" >&2\n\texit 2\n}\n")
	run := fmt.Sprintf("\"$rekey\" hook run %s \"$@\"", name)
	switch {
	case !chain:
		b.WriteString("exec " + run + "\n")
	case name == "pre-commit":
		fmt.Fprintf(&b, "if [ -x \"$0%s\" ]; then \"$0%s\" \"$@\" || exit; fi\nexec %s\n", chained, chained, run)
	default:
		fmt.Fprintf(&b, "input=$(cat)\nif [ -x \"$0%s\" ]; then printf '%%s\\n' \"$input\" | \"$0%s\" \"$@\" || exit; fi\n", chained, chained)
		fmt.Fprintf(&b, "printf '%%s\\n' \"$input\" | %s\n", run)
	}
	return b.String()
}

// quoteShell quotes a word for a shell in any case.
func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (a *app) uninstallHooks(ctx context.Context, args []string) error {
	p, err := a.hookPlace(ctx)
	if err != nil {
		return err
	}
	names := hookNames
	if len(args) > 0 {
		if err := checkHookNames(args); err != nil {
			return err
		}
		names = args
	}
	removed := 0
	for _, name := range names {
		path := filepath.Join(p.dir, name)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return usage("read hook: %v", err)
		}
		if !isOurs(data) {
			if strings.Contains(string(data), "rekey hook run") || len(args) > 0 {
				a.ui.note("%s was not written by rekey: edit it by hand", path)
			}
			continue
		}
		also := ""
		if _, err := os.Lstat(path + chained); err == nil {
			err = os.Rename(path+chained, path) // replaces ours in one step
			also = "; the hook that was there before is back"
			if err != nil {
				return usage("restore hook: %v", err)
			}
		} else if err := os.Remove(path); err != nil {
			return usage("remove hook: %v", err)
		}
		removed++
		a.printf("%s removed from %s%s\n", name, p.dir, also)
	}
	if removed == 0 {
		a.printf("no hook of rekey's in %s\n", p.dir)
	}
	return nil
}
