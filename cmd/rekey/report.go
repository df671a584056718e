package main

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rekeyhq/rekey/scanner/report"
)

func (a *app) reportCommand() *cobra.Command {
	var format, out string
	cmd := &cobra.Command{
		Use: "report FILE", Short: "Turn a report into another format", Args: cobra.ExactArgs(1),
		Long:    "Read a JSON report that `rekey scan --format json` wrote (- for standard input) and write it in another format.",
		Example: "  rekey report --format html keys.json > keys.html",
		RunE: func(_ *cobra.Command, args []string) error {
			in := io.Reader(a.sys.Stdin)
			if args[0] != "-" {
				f, err := os.Open(a.path(args[0]))
				if err != nil {
					return usage("%v", err)
				}
				defer f.Close()
				in = f
			}
			if !slices.Contains(report.Formats(), format) {
				return usage("unknown format %q: want %s", format, strings.Join(report.Formats(), ", "))
			}
			rep, err := report.Read(in)
			if err != nil {
				return usageHint("only reports written by `rekey scan --format json` can be read", "%s: %v", args[0], err)
			}
			o := outputOptions{format: format, severity: "low"}
			if out != "" {
				return a.writeFile(rep, o, format, a.path(out))
			}
			return report.Write(a.ui.out, format, rep, a.reportOptions(o, false, a.ui.out))
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT` to write: "+strings.Join(report.Formats(), ", "))
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to `FILE`")
	return cmd
}
