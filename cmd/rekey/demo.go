package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rekeyhq/rekey/revoker/emulator"
	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// demoOptions are the flags of rekey demo.
type demoOptions struct {
	keep bool
}

func (a *app) demoCommand() *cobra.Command {
	var opt demoOptions
	cmd := &cobra.Command{
		Use: "demo", Short: "A guided run on this machine alone: leak keys, find them, ask about them", Args: cobra.NoArgs,
		Long: `Start emulators of five key services, make a git repository that leaks their keys, find
the keys and ask the services about them. Everything happens on loopback and in a
temporary directory that is removed at the end; no key is printed. On a terminal each
step waits for Enter.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), opt) },
	}
	cmd.Flags().BoolVar(&opt.keep, "keep", false, "keep the repository, to look at it")
	return cmd
}

// demo is one guided run.
type demo struct {
	*app
	step    int
	lines   chan struct{} // Enter was pressed; nil: nobody is asked
	dir     string
	servers map[string]*emulator.Server
	leaks   []leak
	found   []finding.Finding
}

func (a *app) demo(ctx context.Context, opt demoOptions) error {
	dir, err := os.MkdirTemp("", "rekey-demo-")
	if err != nil {
		return usage("make a temporary directory: %v", err)
	}
	d := &demo{app: a, dir: dir, servers: map[string]*emulator.Server{}}
	if terminal(a.sys.Stdin) && terminal(a.sys.Stdout) {
		d.lines = enterPressed(a)
	}
	defer func() {
		for _, s := range d.servers {
			s.Close()
		}
		if opt.keep {
			a.ui.note("the repository is kept: %s", dir)
		} else {
			os.RemoveAll(dir)
		}
	}()
	for _, part := range []func(context.Context) error{d.start, d.leak, d.scan, d.verify, d.revoke, d.close} {
		err := part(ctx)
		if ctx.Err() != nil {
			a.ui.warn("interrupted")
			return interruption(ctx)
		}
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

// interruption is the exit status of a command that a signal ended.
func interruption(ctx context.Context) error {
	if stopped, ok := context.Cause(ctx).(interrupted); ok {
		return exit(stopped.code())
	}
	return ctx.Err()
}

// enterPressed tells of every line on standard input. The reader ends with the process:
// nothing can interrupt a read from a terminal.
func enterPressed(a *app) chan struct{} {
	lines := make(chan struct{})
	go func() {
		in := bufio.NewScanner(a.sys.Stdin)
		for in.Scan() {
			lines <- struct{}{}
		}
		close(lines)
	}()
	return lines
}

// say opens a step and explains it.
func (d *demo) say(ctx context.Context, title, text string) {
	if d.step > 0 && d.lines != nil {
		d.printf("\n[Enter] ")
		select {
		case <-d.lines:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return
	}
	d.step++
	d.printf("\n%d. %s\n\n%s\n\n", d.step, title, text)
}

// demoServices are the emulators that the demo starts.
var demoServices = [...]string{"cloudnexus", "nexosis", "clore", "nexqloud", "github"}

func (d *demo) start(ctx context.Context) error {
	d.say(ctx, "Five key services, all on this machine", `These emulators speak as the services do. They listen on loopback only, and their keys
open nothing elsewhere.`)
	for _, id := range demoServices {
		s, err := emulator.Start(ctx, emulator.Options{Service: id})
		if err != nil {
			return err
		}
		d.servers[id] = s
		d.printf("  %-12s %s\n", id, s.URL())
	}
	return nil
}

func (d *demo) leak(ctx context.Context) error {
	d.say(ctx, "A repository that leaks", `A team made this repository. Some keys were removed again, but git forgets nothing.`)
	if err := d.issueLeaks(); err != nil {
		return err
	}
	if err := makeLeakyRepository(d.dir, d.leaks); err != nil {
		return err
	}
	for _, l := range d.leaks {
		d.printf("  %s\n", l.story)
	}
	return nil
}

func (d *demo) scan(ctx context.Context) error {
	d.say(ctx, "rekey scan: every object of the history, and the working tree", `This is what "rekey scan" does: it reads commits, the stash and files that git does not
track, and undoes base64. It asks nobody yet, so a finding says only: this looks like a
key. Keys are shown shortened.`)
	targets, err := d.targets(ctx, targetOptions{}, []string{d.dir})
	if err != nil {
		return err
	}
	defer targets.close()
	det, err := detect.New(builtin.Services(), detect.Options{})
	if err != nil {
		return err
	}
	res, err := scanner.Scan(ctx, scanner.Options{Sources: targets.sources, Detector: det})
	if err != nil {
		return err
	}
	if len(res.Findings) != len(d.leaks) && ctx.Err() == nil {
		return fmt.Errorf("%d findings for %d leaked keys: please report this", len(res.Findings), len(d.leaks))
	}
	d.found = res.Findings
	w := tabwriter.NewWriter(d.ui.out, 2, 0, 2, ' ', 0)
	for i := range d.found {
		f := &d.found[i]
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", f.Severity, f.Title, f.Secret.Redacted(f.Public), whereFound(f))
	}
	return w.Flush()
}

// whereFound says in a few words where the first occurrence of a key stands.
func whereFound(f *finding.Finding) string {
	if len(f.Occurrences) == 0 {
		return ""
	}
	o := f.Occurrences[0]
	text := fmt.Sprintf("%s:%d", o.Path, o.StartLine)
	switch {
	case o.Kind == finding.KindCommitMessage:
		text = "a commit message"
	case o.Kind == finding.KindWorktree:
		text += ", not tracked"
	case len(o.Git.Refs) == 1 && strings.Contains(o.Git.Refs[0], "stash"): // no branch reaches it
		text += ", in the stash"
	case !o.Git.InHead:
		text += ", in the history only"
	}
	if len(o.Decoded) > 0 {
		text += ", behind " + strings.Join(o.Decoded, ", ")
	}
	return text
}

// ask asks the emulators about findings, as one run of rekey does.
func (d *demo) ask(ctx context.Context, found []finding.Finding) error {
	bases := map[string]keyservice.Base{}
	for id, s := range d.servers {
		bases[id] = keyservice.Base{URL: s.URL()}
	}
	client, err := keyservice.New(keyservice.Options{Services: builtin.Services(), Bases: bases, Version: toolVersion()})
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Verify(ctx, found)
}

func (d *demo) verify(ctx context.Context) error {
	d.say(ctx, "rekey verify: ask the key's own service", `Each service is asked once about each of its keys, slowly enough for it, and once about
a made-up key: a service that takes that too would not be believed. (Some services allow
one request a second; this takes a moment.)`)
	if err := d.ask(ctx, d.found); err != nil {
		return err
	}
	w := tabwriter.NewWriter(d.ui.out, 2, 0, 2, ' ', 0)
	for i := range d.found {
		f := &d.found[i]
		fmt.Fprintf(w, "  %s\t%s\t%s\n", f.Verification.Status, f.Title, meaning(f))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	requests, writes, inURL := 0, 0, 0
	for _, s := range d.servers {
		c := s.Counters()
		requests, writes, inURL = requests+c.Requests, writes+c.Writes, inURL+c.InURL
	}
	d.printf("\n  The services' own logs: %d requests for %d keys and made-up ones, %d that change\n  anything, %d with a key in the address.\n", requests, len(d.found), writes, inURL)
	return nil
}

// meaning explains a verdict.
func meaning(f *finding.Finding) string {
	v := &f.Verification
	switch v.Status {
	case finding.Active:
		if v.Owner != "" {
			return "works now; belongs to " + v.Owner
		}
		return "works now: replace it"
	case finding.Restricted:
		return "lives, but may not do what was asked: replace it"
	case finding.Inactive:
		return "refused by its service: nothing is left to do"
	}
	return v.Reason
}

func (d *demo) revoke(ctx context.Context) error {
	d.say(ctx, "The owner revokes one key", `Taking a key out of the code does not help: it is in every clone. Only its service can
end it. The owner of the CloudNexus production key revokes it; "rekey rules show
cloudnexus" names the calls and the steps. Then the service is asked again.`)
	if err := d.servers["cloudnexus"].Event(d.leaks[0].id, "revoked"); err != nil {
		return err
	}
	live := 0
	for i := range d.found {
		f := &d.found[i]
		if f.Rule == "cloudnexus-api-key" {
			if err := d.ask(ctx, d.found[i:i+1]); err != nil {
				return err
			}
			d.printf("  %s  %s: %s\n", f.Verification.Status, f.Title, meaning(f))
		}
		if f.Verification.Status.Live() {
			live++
		}
	}
	d.printf("  %d of %d leaked keys still work.\n", live, len(d.found))
	return nil
}

func (d *demo) close(ctx context.Context) error {
	d.say(ctx, "Your turn", `In a repository of yours:

    rekey scan                      find keys in all history and the working tree
    rekey rules hosts               see every host that rekey could ever ask
    rekey emulate cloudnexus        play with a service of your own`)
	return nil
}
