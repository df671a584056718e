package action

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// Annotation is a workflow command that shows a message on a line of a file.
type Annotation struct {
	Level   string // error, warning or notice
	File    string // empty: on no file
	Line    int
	Title   string
	Message string
}

// String formats the command. Whatever stands in its fields, it is one command on one
// line.
//
// Source: docs.github.com/en/actions/reference/workflow-commands-for-github-actions and
// the escapes of actions/toolkit, packages/core/src/command.ts, read 2026-11-21.
func (a Annotation) String() string {
	var props []string
	add := func(name, value string) {
		if value != "" {
			props = append(props, name+"="+property.Replace(visible(value)))
		}
	}
	add("file", a.File)
	if a.File != "" && a.Line > 0 {
		add("line", fmt.Sprint(a.Line))
	}
	add("title", a.Title)
	head := "::" + a.Level
	if len(props) > 0 {
		head += " " + strings.Join(props, ",")
	}
	return head + "::" + data.Replace(visible(a.Message))
}

var (
	data     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// visible replaces what would steer a terminal or turn text around.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return r
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029:
			return '\ufffd'
		}
		return r
	}, s)
}

// Fence keeps the runner from taking foreign text for commands: between Close and Open
// it obeys nothing. All output has to go through one stream, as the runner promises no
// order between two.
type Fence struct {
	out   io.Writer
	token string
}

// NewFence returns an open fence.
func NewFence(out io.Writer) *Fence { return &Fence{out: out} }

// Close makes the runner ignore commands.
func (f *Fence) Close() {
	if f.token == "" {
		f.token = random()
		fmt.Fprintf(f.out, "::stop-commands::%s\n", f.token)
	}
}

// Open makes it obey again.
func (f *Fence) Open() {
	if f.token != "" {
		fmt.Fprintf(f.out, "\n::%s::\n", f.token)
		f.token = ""
	}
}

// Output is a named result of a step.
type Output struct{ Name, Value string }

// WriteOutputs appends results to the file that GITHUB_OUTPUT names, each between
// delimiters that nobody can guess.
func WriteOutputs(path string, outputs []Output) error {
	var b strings.Builder
	for _, o := range outputs {
		end := random()
		fmt.Fprintf(&b, "%s<<%s\n%s\n%s\n", o.Name, end, o.Value, end)
	}
	return Append(path, []byte(b.String()))
}

// Append appends to a file of the runner's.
func Append(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func random() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return "rekey_" + hex.EncodeToString(b[:])
}
