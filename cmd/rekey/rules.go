package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rekeyhq/rekey/revoker/keyservice/native"
	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/rules/examples"
	"github.com/rekeyhq/rekey/scanner/detect"
)

func (a *app) rulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rules", Short: "Show, check and explain the rules by which keys are found",
		Long: `A rule describes one kind of key; a key service is one TOML file with its rules and
what can be asked of the service. See docs/rules.md for how to write one.`,
	}
	cmd.AddCommand(a.rulesList(), a.rulesShow(), a.rulesCheck(), a.rulesTest(), a.rulesExplain(), a.rulesHosts())
	return cmd
}

// ruleLine is one rule in `rules list --format json`.
type ruleLine struct {
	ID         string `json:"id"`
	Service    string `json:"service"`
	Title      string `json:"title"`
	Severity   string `json:"severity"`
	Checksum   string `json:"checksum"`
	Verify     bool   `json:"verify"`
	Revoke     bool   `json:"revoke"`
	Regenerate bool   `json:"regenerate"`
}

func ruleLines(services []rules.Service) []ruleLine {
	out := []ruleLine{}
	for i := range services {
		s := &services[i]
		ops := s.Operations()
		for _, r := range s.Rules {
			l := ruleLine{ID: r.ID, Service: s.ID, Title: r.Title, Severity: r.Severity.String(), Verify: offers(ops.Verify, r.ID), Revoke: offers(ops.Revoke, r.ID), Regenerate: offers(ops.Regenerate, r.ID)}
			if r.Checksum != nil {
				l.Checksum = r.Checksum.Kind
			}
			out = append(out, l)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

func offers(ops []rules.Operation, id string) bool {
	for _, op := range ops {
		if len(op.Manual) > 0 && op.Driver == "" && op.Request.Path == "" && op.Request.URL == "" {
			continue // a person does it
		}
		for _, g := range op.Rules {
			if ok, _ := path.Match(g, id); ok {
				return true
			}
		}
	}
	return false
}

func (a *app) rulesList() *cobra.Command {
	var format string
	var files []string
	cmd := &cobra.Command{
		Use: "list", Short: "List all rules", Args: cobra.NoArgs,
		Example: "  rekey rules list\n  rekey rules list --format json",
		RunE: func(*cobra.Command, []string) error {
			services, err := a.services(files)
			if err != nil {
				return err
			}
			lines := ruleLines(services)
			if format == "json" {
				enc := json.NewEncoder(a.ui.out)
				enc.SetIndent("", "  ")
				return enc.Encode(lines)
			} else if format != "text" {
				return usage("unknown format %q: want text or json", format)
			}
			w := tabwriter.NewWriter(a.ui.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "RULE\tSEVERITY\tCHECKSUM\tVERIFY\tREVOKE\tREGENERATE\tTITLE")
			for _, l := range lines {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, l.Severity, dash(l.Checksum), yesNo(l.Verify), yesNo(l.Revoke), yesNo(l.Regenerate), l.Title)
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT`: text or json")
	cmd.Flags().StringArrayVar(&files, "rules", nil, "add the rules in `FILE`")
	return cmd
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

func (a *app) rulesShow() *cobra.Command {
	return &cobra.Command{
		Use: "show RULE|SERVICE", Short: "Show the TOML file of a rule or service", Args: cobra.ExactArgs(1),
		Example: "  rekey rules show cloudnexus",
		RunE: func(_ *cobra.Command, args []string) error {
			for _, s := range builtin.Services() {
				for _, r := range s.Rules {
					if r.ID == args[0] || s.ID == args[0] {
						data, err := builtin.Files.ReadFile(s.File)
						if err != nil {
							return err
						}
						_, err = a.ui.out.Write(data)
						return err
					}
				}
			}
			return usageHint("`rekey rules list` shows the ids", "no rule or service %q", args[0])
		},
	}
}

// readRules parses the user's rule files; every mistake in every file is said.
func (a *app) readRules(files []string) ([]rules.Service, error) {
	var out []rules.Service
	var problems rules.Problems
	for _, f := range files {
		data, err := os.ReadFile(a.path(f))
		if err != nil {
			return nil, usage("read rules: %v", err)
		}
		svc, err := rules.Parse(f, data)
		var ps rules.Problems
		if errors.As(err, &ps) {
			problems = append(problems, ps...)
			continue
		} else if err != nil {
			return nil, usage("%v", err)
		}
		out = append(out, *svc)
	}
	if len(problems) > 0 {
		return nil, usageHint("`rekey rules show cloudnexus` prints a complete example", "%v", problems)
	}
	return out, nil
}

func (a *app) rulesCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE...", Short: "Check rule files and run their examples", Args: cobra.MinimumNArgs(1),
		Long: `Check that rule files are well formed and that every rule finds its match examples,
wherever they stand in a file, and none of its no_match examples. All mistakes are
said at once.`,
		RunE: func(_ *cobra.Command, args []string) error {
			services, err := a.readRules(args)
			if err != nil {
				return err
			}
			return a.runExamples(services)
		},
	}
}

func (a *app) rulesTest() *cobra.Command {
	return &cobra.Command{
		Use: "test [RULE...]", Short: "Run the examples of the built-in rules",
		RunE: func(_ *cobra.Command, args []string) error {
			var picked []rules.Service
			files, err := rules.LoadFS(builtin.Files, ".") // the table has no examples
			if err != nil {
				return err
			}
			for _, s := range files {
				var rs []rules.Rule
				for _, r := range s.Rules {
					keep := len(args) == 0
					for _, g := range args {
						ok, err := path.Match(g, r.ID)
						if err != nil {
							return usage("rule %q: %v", g, err)
						}
						keep = keep || ok || g == s.ID
					}
					if keep {
						rs = append(rs, r)
					}
				}
				if s.Rules = rs; len(rs) > 0 {
					picked = append(picked, s)
				}
			}
			if len(picked) == 0 {
				return usageHint("`rekey rules list` shows the ids", "no rule %s", strings.Join(args, ", "))
			}
			return a.runExamples(picked)
		},
	}
}

func (a *app) runExamples(services []rules.Service) error {
	failures, err := examples.Check(services)
	if err != nil {
		return usage("%v", err)
	}
	rulesCount, count := 0, 0
	for _, s := range services {
		rulesCount += len(s.Rules)
		for _, r := range s.Rules {
			count += len(r.Match) + len(r.NoMatch)
		}
	}
	for _, f := range failures {
		a.printf("%s\n", f.Error())
	}
	a.printf("%d rules, %d examples, %d failed\n", rulesCount, count, len(failures))
	if len(failures) > 0 {
		return exit(exitUsage)
	}
	return nil
}

func (a *app) rulesExplain() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use: "explain [FILE]", Short: "Say step by step why text was or was not found", Args: cobra.MaximumNArgs(1),
		Long:    "Read text from FILE or standard input and say, for each rule whose literals it holds, what became of it.",
		Example: "  grep -n key app.env | rekey rules explain",
		RunE: func(_ *cobra.Command, args []string) error {
			in := a.sys.Stdin
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(a.path(args[0]))
				if err != nil {
					return usage("%v", err)
				}
				defer f.Close()
				in = f
			}
			text, err := io.ReadAll(io.LimitReader(in, 16<<20))
			if err != nil {
				return usage("read: %v", err)
			}
			services, err := a.services(files)
			if err != nil {
				return err
			}
			return a.explain(services, text)
		},
	}
	cmd.Flags().StringArrayVar(&files, "rules", nil, "add the rules in `FILE`")
	return cmd
}

func (a *app) explain(services []rules.Service, text []byte) error {
	det, err := detect.New(services, detect.Options{Comment: comment, CommentMarkers: commentMarkers})
	if err != nil {
		return usage("%v", err)
	}
	steps, matches := det.Explain(text)
	if len(steps) == 0 {
		a.printf("no rule's literal stands in the text, so none was tried\n")
		return nil
	}
	for _, s := range steps {
		line := 1 + bytes.Count(text[:min(s.Pos, len(text))], []byte{'\n'})
		a.printf("line %d, offset %d: %s: %s\n", line, s.Pos, s.Rule, s.Text)
	}
	for _, m := range matches {
		state := "reported"
		if m.Example {
			state = "reported as a published example"
		}
		if m.Allowed != nil {
			state = "allowed by a comment"
		}
		a.printf("offsets %d to %d: %s (%s confidence): %s\n", m.Start, m.End, m.Rule.ID, m.Confidence, state)
	}
	return nil
}

func (a *app) rulesHosts() *cobra.Command {
	return &cobra.Command{
		Use: "hosts", Short: "Print every host that rekey could contact to verify or replace a key", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w := tabwriter.NewWriter(a.ui.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "SERVICE\tTRUST\tHOST")
			for _, s := range builtin.Services() {
				for _, h := range hostsOf(&s) {
					fmt.Fprintf(w, "%s\t%s\t%s\n", s.ID, s.Trust, h)
				}
			}
			return w.Flush()
		},
	}
}

// hostsOf lists the hosts of a service: its base URL's, those of requests with a URL
// of their own, and the suffixes that a host taken from a credential must match.
func hostsOf(s *rules.Service) []string {
	set := map[string]bool{}
	add := func(url string) {
		if _, rest, ok := strings.Cut(url, "://"); ok {
			host, _, _ := strings.Cut(rest, "/")
			set[host] = true
		}
	}
	add(s.BaseURL)
	ops := s.Operations()
	for _, list := range [][]rules.Operation{ops.Verify, ops.Whoami, ops.List, ops.Regenerate, ops.Revoke, ops.Disable, ops.Enable} {
		for _, op := range list {
			add(op.Request.URL)
			for _, b := range op.Before {
				add(b.Request.URL)
			}
		}
	}
	for _, h := range s.Hosts {
		if strings.HasPrefix(h, ".") {
			h = "*" + h
		}
		set[h] = true
	}
	drivers := native.All()
	for _, op := range ops.Verify {
		if d := drivers[op.Driver]; d != nil {
			for _, h := range d.Hosts() {
				set[h] = true
			}
		}
	}
	out := make([]string, 0, len(set))
	for h := range set {
		out = append(out, h)
	}
	sort.Strings(out)
	return out
}
