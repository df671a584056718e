package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rekeyhq/rekey/scanner/baseline"
	"github.com/rekeyhq/rekey/scanner/finding"
)

func (a *app) baselineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "baseline", Short: "Accept findings, and keep what was accepted tidy",
		Long: `A baseline lists keys that were looked at and accepted: one line per key, named by its
fingerprint, so that it survives moves and rewrites. It stands in .rekey-baseline at
the top of the repository. A key that is verified to be live breaks through it.`,
	}
	cmd.AddCommand(a.baselineAdd(), a.baselinePrune(), a.baselineExplain())
	return cmd
}

// baselineOptions are what the three commands share.
type baselineOptions struct {
	file   string
	all    bool
	reason string
	who    string
	until  string
}

func (a *app) baselineAdd() *cobra.Command {
	var opt baselineOptions
	cmd := &cobra.Command{
		Use: "add --reason TEXT FINGERPRINT... | --all", Short: "Accept findings by the id that the report shows",
		Example: "  rekey baseline add --reason 'test fixture' key:v1:78f61698d9bcfa28348d13c83ebf810e\n  rekey baseline add --all --reason 'before we began' --until 2027-01-31",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.addToBaseline(cmd.Context(), opt, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.reason, "reason", "", "why these keys are accepted (required)")
	f.StringVar(&opt.who, "who", "", "who accepts them (default: your user name)")
	f.StringVar(&opt.until, "until", "", "first `DATE` on which they are no longer accepted")
	f.BoolVar(&opt.all, "all", false, "accept everything that a scan finds now")
	f.StringVar(&opt.file, "file", baseline.BaselineName, "the baseline `FILE`")
	return cmd
}

func (a *app) addToBaseline(ctx context.Context, opt baselineOptions, ids []string) error {
	if opt.reason == "" {
		return usage("--reason is missing: say why these keys are accepted")
	}
	if opt.all == (len(ids) > 0) {
		return usage("name fingerprints, or write --all")
	}
	var until time.Time
	if opt.until != "" {
		var err error
		if until, err = time.Parse(time.DateOnly, opt.until); err != nil {
			return usage("--until %q: want a date such as 2027-01-31", opt.until)
		}
	}
	file, err := a.readBaseline(opt.file)
	if err != nil {
		return err
	}
	if file.Salt == nil {
		file.Salt = baseline.NewSalt()
	}
	s, err := a.scanForBaseline(ctx)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	who := opt.who
	if u, err := user.Current(); who == "" && err == nil {
		who = u.Username
	}
	added := 0
	for i := range s.res.Findings {
		f := &s.res.Findings[i]
		id := f.Fingerprint
		if f.LowEntropy { // a fixed salt must not be written down
			id = f.Secret.GuessableFingerprint(f.Service, f.Kind, file.Salt)
		}
		if !opt.all && !wanted[string(f.Fingerprint)] && !wanted[string(id)] || opt.all && f.Suppressed != nil {
			continue
		}
		delete(wanted, string(f.Fingerprint))
		delete(wanted, string(id))
		file.Accept(baseline.Accepted{Fingerprint: id, Rule: f.Rule, Date: time.Now(), Who: who, Expires: until, Reason: opt.reason})
		added++
	}
	if added > 0 {
		if err := baseline.Save(a.path(opt.file), file); err != nil {
			return usage("%v", err)
		}
	}
	a.printf("%d keys accepted in %s\n", added, opt.file)
	for id := range wanted {
		a.ui.warn("%s: a scan of this directory does not find it", id)
	}
	if len(wanted) > 0 {
		return exit(exitUsage)
	}
	return nil
}

func (a *app) readBaseline(name string) (*baseline.File, error) {
	data, err := os.ReadFile(a.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return &baseline.File{}, nil
	}
	if err != nil {
		return nil, usage("read baseline: %v", err)
	}
	f, err := baseline.ParseFile(name, data)
	if err != nil {
		return nil, usage("%v", err)
	}
	return f, nil
}

// scanForBaseline scans the current directory as `rekey scan --no-verify` does.
func (a *app) scanForBaseline(ctx context.Context) (*scanned, error) {
	opt := scanOptions{maxFile: "256MB", verify: verifyOptions{noVerify: true, timeout: time.Second}}
	s, err := a.runScan(ctx, opt, nil)
	if err != nil {
		return nil, err
	}
	a.sayHoles(s.res)
	if s.res.Interrupted {
		return nil, &failure{code: 130, err: errors.New("interrupted: the baseline was not changed")}
	}
	return s, nil
}

func (a *app) baselinePrune() *cobra.Command {
	var opt baselineOptions
	cmd := &cobra.Command{
		Use: "prune", Short: "Drop entries whose key is gone or whose time is over", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := a.readBaseline(opt.file)
			if err != nil {
				return err
			}
			s, err := a.scanForBaseline(cmd.Context())
			if err != nil {
				return err
			}
			if !s.res.Complete(false) {
				return usageHint("see what was not read", "the scan is incomplete: a key that is missing from it may still be there")
			}
			dropped := 0
			for _, e := range append(s.accept.set.Unused(), s.accept.set.Expired()...) {
				if e.File == filepath.Base(opt.file) && file.Remove(finding.Fingerprint(e.Text)) {
					dropped++
				}
			}
			if dropped > 0 {
				if err := baseline.Save(a.path(opt.file), file); err != nil {
					return usage("%v", err)
				}
			}
			a.printf("%d entries dropped, %d kept in %s\n", dropped, len(file.Entries), opt.file)
			return nil
		},
	}
	cmd.Flags().StringVar(&opt.file, "file", baseline.BaselineName, "the baseline `FILE`")
	return cmd
}

func (a *app) baselineExplain() *cobra.Command {
	return &cobra.Command{
		Use: "explain", Short: "List what accepts findings here, and what each entry does", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.scanForBaseline(cmd.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.ui.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "WHERE\tACCEPTS\tPLACES\tSTATE\tREASON")
			for _, e := range s.accept.set.Entries() {
				state := "used"
				switch {
				case !e.Trusted:
					state = "not applied: not your repository"
				case !e.Expires.IsZero() && !time.Now().Before(e.Expires):
					state = "over since " + e.Expires.Format(time.DateOnly)
				case e.Hits == 0:
					state = "matches nothing"
				}
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", escape(e.Where()), escape(e.Text), e.Hits, state, escape(strings.TrimSpace(e.Reason)))
			}
			return w.Flush()
		},
	}
}
