package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Options say how a report is written. The zero value redacts every secret, leaves
// out authors, and uses neither colour nor more than 100 columns.
type Options struct {
	// ShowSecrets writes keys in full. The caller answers for where they go.
	ShowSecrets bool
	// Color allows ANSI colours in text.
	Color bool
	// Width is the number of columns for text; 0 means 100.
	Width int
	// Authors shows names and addresses of commit authors.
	Authors bool
	// Limit is the number of findings that text and markdown show in full before
	// they count the rest; 0 means 50, negative means all.
	Limit int
	// CanRotate says that the calling program offers `rekey rotate`, so that the
	// text may name it as the next step.
	CanRotate bool
}

// limit is Limit with its default; negative means all.
func (o Options) limit() int {
	if o.Limit == 0 {
		return 50
	}
	return o.Limit
}

// format is one way to write a report.
type format struct {
	name  string
	write func(w *bufio.Writer, v *view) error
}

// formats returns every format in the order in which help lists them.
func formats() []format {
	return []format{
		{"text", writeText},
		{"json", writeJSON},
		{"jsonl", writeJSONL},
		{"sarif", writeSARIF},
		{"html", writeHTML},
		{"csv", writeCSV},
		{"junit", writeJUnit},
		{"gitlab", writeGitLab},
		{"gitleaks", writeGitleaks},
		{"markdown", writeMarkdown},
	}
}

// Formats returns the names that Write takes.
func Formats() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	return names
}

// Write writes r in the format of that name. It neither changes nor sorts r: call Sort
// first. It is safe to write one report in several formats at the same time.
func Write(w io.Writer, name string, r *Report, opt Options) error {
	all := formats()
	i := slices.IndexFunc(all, func(f format) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("unknown report format %q: want one of %s", name, strings.Join(Formats(), ", "))
	}
	out := bufio.NewWriterSize(w, 64<<10)
	if err := all[i].write(out, newView(r, opt)); err != nil {
		return fmt.Errorf("write %s report: %w", name, err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write %s report: %w", name, err)
	}
	return nil
}
