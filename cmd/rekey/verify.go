package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/stdin"
)

const verifyLong = `Ask the key's own service whether a key is live.

Without an argument one key is read from standard input (from a terminal without
echo). Its service is recognised by its form; where the form alone does not tell, name
the service with --service ID. Values that the service needs beside the key follow as
NAME=VALUE, one a line: account=, id=, host=, email= and the like.

With an argument the findings of an earlier report (JSON) are asked about. A report
holds no keys: they are read again from the places that it names.

Exit status for one key: 0 it is inactive; 1 it is live; 2 unknown. For a report: as
rekey scan.`

const verifyExample = `  rekey verify < key.txt
  printf '%s\nid=%s\n' "$SECRET" "$ID" | rekey verify --service aws
  rekey verify --service postgres=db.internal:5432 < database-url.txt
  rekey verify keys.json --format json`

// verifyCommandOptions are the flags of rekey verify.
type verifyCommandOptions struct {
	verifyOptions
	rules  ruleOptions
	output outputOptions
}

func (a *app) verifyCommand() *cobra.Command {
	opt := verifyCommandOptions{output: outputOptions{severity: "low", failOn: "low"}}
	cmd := &cobra.Command{
		Use: "verify [REPORT]", Short: "Ask the key's own service whether it is live", Long: verifyLong, Example: verifyExample,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opt.output.check(a); err != nil {
				return err
			}
			if len(args) == 1 {
				return a.verifyReport(cmd.Context(), opt, args[0])
			}
			return a.verifyOne(cmd.Context(), opt)
		},
	}
	f := cmd.Flags()
	opt.bind(f, false)
	f.StringArrayVar(&opt.rules.files, "rules", nil, "add the rules in `FILE` (TOML; may be repeated)")
	f.StringVar(&opt.output.format, "format", "text", "`FORMAT` of standard output: "+strings.Join(report.Formats(), ", "))
	return cmd
}

// maxKey is the longest key with its values that is read from standard input.
const maxKey = 64 << 10

// readKey reads a key from standard input, from a terminal without echo. An interrupt
// ends the wait and leaves the terminal as it was.
func (a *app) readKey(ctx context.Context) ([]byte, error) {
	type input struct {
		key []byte
		err error
	}
	done := make(chan input, 1)
	restore := func() {}
	if f, ok := a.sys.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if state, err := term.GetState(int(f.Fd())); err == nil {
			restore = func() { _ = term.Restore(int(f.Fd()), state) }
		}
		fmt.Fprint(a.ui.err, "Key (not shown): ")
		go func() {
			key, err := term.ReadPassword(int(f.Fd()))
			fmt.Fprintln(a.ui.err)
			done <- input{key, err}
		}()
	} else {
		go func() {
			key, err := io.ReadAll(io.LimitReader(a.sys.Stdin, maxKey+1))
			done <- input{key, err}
		}()
	}
	var in input
	select {
	case in = <-done:
	case <-ctx.Done():
		restore()
		return nil, a.interruptedVerify(ctx)
	}
	switch {
	case in.err != nil:
		return nil, usage("read the key: %v", in.err)
	case len(in.key) > maxKey:
		return nil, usageHint("scan files with `rekey scan`", "standard input holds more than one key")
	case len(bytes.TrimSpace(in.key)) == 0:
		return nil, usageHint("printf %s \"$KEY\" | rekey verify", "no key on standard input")
	}
	return bytes.TrimSpace(in.key), nil
}

func (a *app) verifyOne(ctx context.Context, opt verifyCommandOptions) error {
	services, err := a.services(opt.rules.files)
	if err != nil {
		return err
	}
	text, err := a.readKey(ctx)
	if err != nil {
		return err
	}
	found, err := a.recognise(ctx, opt, services, text)
	if err != nil {
		return err
	}
	opt.noCache = true // a person who asks wants to know how it is now
	v, err := a.newVerifier(opt.verifyOptions, services)
	if err != nil {
		return err
	}
	err = v.Verify(ctx, found)
	v.close(a)
	if err != nil {
		return a.interruptedVerify(ctx)
	}
	best := mostTelling(found)
	if err := a.writeVerdict(best, services, opt.output); err != nil {
		return err
	}
	switch s := best.Verification.Status; {
	case s == finding.Inactive:
		return nil
	case s.Live():
		return exit(exitFound)
	}
	return exit(exitIncomplete)
}

func (a *app) interruptedVerify(ctx context.Context) error {
	var stopped interrupted
	if errors.As(context.Cause(ctx), &stopped) {
		a.ui.warn("interrupted")
		return exit(stopped.code())
	}
	return usage("verification ended: %v", ctx.Err())
}

// recognise finds out what kind of key the text holds: as a scan would, or, where the
// user named services, by the form of their keys.
func (a *app) recognise(ctx context.Context, opt verifyCommandOptions, services []rules.Service, text []byte) ([]finding.Finding, error) {
	var named []string
	for _, s := range opt.services {
		id, _, _ := strings.Cut(s, "=")
		named = append(named, id)
	}
	det, err := a.detector(services, opt.rules)
	if err != nil {
		return nil, err
	}
	res, err := scanner.Scan(ctx, scanner.Options{Sources: []source.Source{stdin.New("standard input", bytes.NewReader(text), stdin.Options{NoArchives: true})}, Detector: det, Workers: 1})
	if err != nil {
		return nil, usage("%v", err)
	}
	lines := strings.Split(string(text), "\n")
	values := keyValues(lines[1:])
	var out []finding.Finding
	for _, f := range res.Findings {
		if len(named) == 0 || slices.Contains(named, f.Service) {
			out = append(out, withValues(f, values))
		}
	}
	if len(out) == 0 {
		key := []byte(strings.TrimSpace(lines[0]))
		for i := range services {
			s := &services[i]
			if slices.Contains(named, s.ID) {
				out = append(out, byForm(s, key, values)...)
			}
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case len(named) > 0:
		return nil, usageHint("`rekey rules list` shows the services and their rules", "this is no key of %s", strings.Join(named, ", "))
	}
	return nil, usageHint("name its service with --service ID, or add a line that names it", "no rule knows this as a key")
}

// byForm makes findings of a bare key for each of the service's rules that it fits.
func byForm(s *rules.Service, key []byte, values map[string]string) []finding.Finding {
	var out []finding.Finding
	for _, r := range keyservice.Fits(s, key) {
		secret := finding.NewSecret(key)
		out = append(out, withValues(finding.Finding{
			Rule: r.ID, Service: s.ID, Kind: r.Kind, Title: r.Title, Severity: r.Severity, Confidence: finding.ConfidenceMedium,
			Secret: secret, LowEntropy: r.LowEntropy, Checksum: finding.ChecksumNone, Fingerprint: secret.Fingerprint(s.ID, r.Kind+" "+r.ID),
			Occurrences: []finding.Occurrence{{Kind: finding.KindStdin, Path: "standard input", StartLine: 1, StartColumn: 1, EndLine: 1, EndColumn: len(key)}},
		}, values))
	}
	return out
}

// keyValues reads NAME=VALUE lines.
func keyValues(lines []string) map[string]string {
	out := map[string]string{}
	for _, l := range lines {
		if k, v, ok := strings.Cut(strings.TrimSpace(l), "="); ok && k != "" && len(k) < 40 && !strings.ContainsAny(k, " \t\"'") {
			out[strings.ToLower(k)] = strings.TrimSpace(v)
		}
	}
	return out
}

func withValues(f finding.Finding, values map[string]string) finding.Finding {
	for k, v := range values {
		if !slices.ContainsFunc(f.Parts, func(p finding.Part) bool { return p.Name == k }) {
			f.Parts = append(f.Parts, finding.Part{Name: k, Value: finding.NewSecret([]byte(v))})
		}
	}
	return f
}

// mostTelling chooses among the ways to read one key: what is live, then what is dead,
// then what was asked.
func mostTelling(found []finding.Finding) *finding.Finding {
	rank := func(f *finding.Finding) int {
		switch s := f.Verification.Status; {
		case s.Live():
			return 0
		case s == finding.Canary, s == finding.Example:
			return 1
		case s == finding.Inactive:
			return 2
		case s == finding.Unknown:
			return 3
		}
		return 4
	}
	best := &found[0]
	for i := range found {
		if rank(&found[i]) < rank(best) {
			best = &found[i]
		}
	}
	return best
}

// writeVerdict writes the verdict on one key.
func (a *app) writeVerdict(f *finding.Finding, services []rules.Service, out outputOptions) error {
	if out.format != "text" {
		annotate(f, services)
		rep := &report.Report{Schema: report.Schema, Tool: report.Tool{Name: "rekey", Version: toolVersion()}, Target: report.Target{Kind: "stdin", Location: "-"}, Findings: []finding.Finding{*f}}
		rep.Started, rep.Finished = f.Verification.CheckedAt, f.Verification.CheckedAt
		rep.Coverage.Complete = true
		return a.write(rep, out)
	}
	v := &f.Verification
	public := f.Public
	shown := f.Secret.Redacted(public)
	if f.LowEntropy {
		shown = "…"
	}
	a.printf("%s  %s  %s\n", v.Status, escape(f.Title), escape(shown))
	line := func(name, value string) {
		if value != "" {
			a.printf("  %-9s %s\n", name, escape(value))
		}
	}
	line("reason", v.Reason)
	line("owner", v.Owner)
	line("key id", v.KeyID)
	line("scopes", strings.Join(v.Scopes, " "))
	if !v.ExpiresAt.IsZero() {
		line("expires", v.ExpiresAt.Format("2006-01-02 15:04:05Z"))
	}
	names := make([]string, 0, len(v.Extra))
	for n := range v.Extra {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		line(n, v.Extra[n])
	}
	return nil
}
