// Command rekey finds exposed keys, proves which are live, and replaces them.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	os.Exit(Main(os.Args[1:], system()))
}

// System is what a command may touch of the world around the process. Tests replace
// parts of it; nothing below cmd sees it.
type System struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Dir    string // working directory
}

func system() System {
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	return System{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Dir: dir}
}

// Main runs one command line and returns its exit status (design.md section 4).
func Main(args []string, sys System) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		if s, ok := <-signals; ok {
			cancel(interrupted{s})
			if s, ok := <-signals; ok { // a second one does not wait for reports
				os.Exit(interrupted{s}.code())
			}
		}
	}()
	a := &app{sys: sys, ui: newUI(sys)}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(sys.Stdin)
	root.SetOut(sys.Stdout)
	root.SetErr(sys.Stderr)
	return a.finish(root.ExecuteContext(ctx))
}

// interrupted is the cause with which a signal ends the context.
type interrupted struct{ signal os.Signal }

func (i interrupted) Error() string { return i.signal.String() }

func (i interrupted) code() int {
	if i.signal == syscall.SIGTERM {
		return 143
	}
	return 130
}

// version is that of the module where Go knows it, or what the release build set.
var version = ""

func toolVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
