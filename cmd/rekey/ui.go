package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// ui is the only way in which commands write: results to stdout, everything else to
// stderr behind "rekey:". It is safe for concurrent use.
type ui struct {
	mu     sync.Mutex
	out    io.Writer
	err    io.Writer
	quiet  bool
	color  string // auto, always, never
	getenv func(string) string
	bar    *progress // drawn on the last line of stderr, if any
}

func newUI(sys System) *ui {
	return &ui{out: sys.Stdout, err: sys.Stderr, color: "auto", getenv: sys.Getenv}
}

// note says something that is neither result nor error. Quiet silences it.
func (u *ui) note(format string, args ...any) {
	if !u.quiet {
		u.line("rekey: ", fmt.Sprintf(format, args...))
	}
}

// warn says something the user must know even when quiet.
func (u *ui) warn(format string, args ...any) { u.line("rekey: ", fmt.Sprintf(format, args...)) }

// hint names the next step.
func (u *ui) hint(format string, args ...any) { u.line("rekey: hint: ", fmt.Sprintf(format, args...)) }

func (u *ui) line(prefix, text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bar != nil {
		u.bar.clear()
	}
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintf(u.err, "%s%s\n", prefix, escape(l))
	}
}

// escape makes control bytes of foreign text visible, so that a file name cannot
// write to the terminal.
func escape(s string) string {
	clean := true
	for _, r := range s {
		if r < 0x20 && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u202e' || r == '\u202d' || r == 0xfffd {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r == '\u202e' || r == '\u202d':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (u *ui) ci() bool { return u.getenv("CI") != "" && u.getenv("CI") != "false" }

// colored reports whether w takes colours: the flag, then NO_COLOR and
// CLICOLOR_FORCE, then whether it is a terminal that knows any.
func (u *ui) colored(w any) bool {
	switch {
	case u.color == "always":
		return true
	case u.color == "never" || u.getenv("NO_COLOR") != "":
		return false
	case u.getenv("CLICOLOR_FORCE") != "" && u.getenv("CLICOLOR_FORCE") != "0":
		return true
	}
	return terminal(w) && u.getenv("TERM") != "dumb"
}

func (u *ui) columns() int {
	if f, ok := u.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			return min(w, 160)
		}
	}
	return 100
}

// Exit statuses (design.md section 4).
const (
	exitFound      = 1
	exitUsage      = 2
	exitIncomplete = 2
	exitUnfinished = 3
)

// failure is an error with an exit status and, where there is one, the next step.
// An empty message means that everything has been said.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

func usage(format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func usageHint(hint, format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

func exit(code int) error {
	if code == 0 {
		return nil
	}
	return &failure{code: code}
}

// finish says what went wrong and returns the exit status.
func (a *app) finish(err error) int {
	if err == nil {
		return 0
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{code: exitUsage, err: err}
		if msg := err.Error(); strings.HasPrefix(msg, "unknown") || strings.HasPrefix(msg, "invalid argument") || strings.HasPrefix(msg, "accepts") || strings.HasPrefix(msg, "requires") {
			f.hint = "see `rekey --help`"
		}
	}
	if f.err != nil {
		a.ui.warn("%v", f.err)
	}
	if f.hint != "" {
		a.ui.hint("%s", f.hint)
	}
	return f.code
}
