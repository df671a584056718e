package main

import (
	"github.com/spf13/cobra"
)

// app is what all commands share.
type app struct {
	sys    System
	ui     *ui
	config *config
	global struct {
		configFile string
		quiet      bool
		verbose    bool
		color      string
	}
}

const rootLong = `rekey finds exposed keys in code and git history, proves which of them are live,
and replaces them.

    rekey scan                  scan this repository: all history and the working tree
    rekey scan DIR FILE -       scan directories, files, standard input
    rekey scan --staged         scan what is about to be committed
    rekey rules list            what rekey looks for

Exit status: 0 nothing found; 1 something found; 2 wrong usage, or nothing found but
not everything could be read; 130 interrupted.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "rekey",
		Short:         "Find exposed keys, prove which are live, replace them",
		Long:          rootLong,
		Version:       toolVersion(),
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.configure(cmd); err != nil {
				return err
			}
			a.ui.quiet, a.ui.color = a.global.quiet, a.global.color
			switch a.global.color {
			case "auto", "always", "never":
			default:
				return usage("--color %q: want auto, always or never", a.global.color)
			}
			return nil
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	f := root.PersistentFlags()
	f.StringVar(&a.global.configFile, "config", "", "configuration `FILE` instead of the user's rekey.toml")
	f.BoolVarP(&a.global.quiet, "quiet", "q", false, "say nothing but results and errors")
	f.BoolVarP(&a.global.verbose, "verbose", "v", false, "say more about what was not read")
	f.StringVar(&a.global.color, "color", "auto", "`WHEN` to colour: auto, always or never")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageHint("see `"+cmd.CommandPath()+" --help`", "%v", err)
	})
	root.AddCommand(a.scanCommand(), a.rulesCommand(), a.reportCommand(), a.baselineCommand())
	root.AddCommand(a.verifyCommand(), a.emulateCommand(), a.demoCommand())
	root.AddCommand(a.hookCommand())
	root.AddCommand(a.actionCommand())
	return root
}
