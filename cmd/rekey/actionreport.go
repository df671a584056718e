package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/cmd/rekey/internal/action"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
)

// failsOn reports whether a finding that counts makes the step fail; nil checks the
// words only. Under live a key counts as live until a service says that it is not:
// nobody has proven it dead. Where no service was asked, the form has to be sure.
func failsOn(level string, f *finding.Finding) (bool, error) {
	switch level {
	case "never":
		return false, nil
	case "any":
		return true, nil
	case "live":
		if f == nil {
			return false, nil
		}
		status := f.Verification.Status
		return status.Live() || status == finding.Unknown || status == finding.Unchecked && f.Confidence >= finding.ConfidenceHigh, nil
	}
	least, err := finding.ParseSeverity(level)
	if err != nil {
		return false, usage("input fail-on %q: want any, low, medium, high, critical, live or never", level)
	}
	return f != nil && f.Severity >= least, nil
}

// annotation shows a finding on its line where HEAD has that line; otherwise the
// message names the commit. dir is where in the workspace the repository lies.
func annotation(f *finding.Finding, fails bool, dir string) action.Annotation {
	n := action.Annotation{Level: "warning", Title: f.Title}
	if fails {
		n.Level = "error"
	}
	var where string
	if len(f.Occurrences) > 0 {
		o := &f.Occurrences[0]
		for i := range f.Occurrences {
			if f.Occurrences[i].Git.InHead && f.Occurrences[i].Kind == finding.KindBlob {
				o = &f.Occurrences[i]
				break
			}
		}
		where = o.Kind
		if o.Kind == finding.KindBlob {
			where = o.Path
			if o.StartLine > 0 {
				where += ":" + strconv.Itoa(o.StartLine)
			}
			if o.Git.InHead {
				n.File, n.Line = path.Join(dir, o.Path), o.StartLine
			}
		}
		if o.Git.Commit != "" {
			where += ", commit " + o.Git.Commit
		}
	}
	shown := "…"
	if !f.LowEntropy {
		shown = f.Secret.Redacted(f.Public)
	}
	n.Message = fmt.Sprintf("%s %s (%s, %s): rotate it first, then purge it from the history. %s\nTo accept it: rekey baseline add --reason WHY %s",
		f.Severity, shown, f.Rule, f.Verification.Status, where, f.Fingerprint)
	return n
}

func headline(failing int, rep *report.Report) string {
	keys := "1 key"
	if failing != 1 {
		keys = strconv.Itoa(failing) + " keys"
	}
	text := keys + " found"
	if live := report.Summary(rep).Live; live > 0 {
		text += fmt.Sprintf(", %d of them live", live)
	}
	return text + ": a key that was pushed is known to others; deleting the line does not help"
}

// write writes the log, the reports and the step summary.
func (s *actionStep) write(out outputOptions) error {
	dir := s.opt.reportDir
	if dir == "" {
		dir = s.app.sys.Getenv("RUNNER_TEMP")
	} else if !filepath.IsAbs(dir) {
		dir = filepath.Join(s.app.sys.Getenv("GITHUB_WORKSPACE"), dir)
	}
	if dir != "" {
		dir = s.app.path(dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return usage("report directory: %v", err)
		}
		for _, format := range []string{"sarif", "json"} {
			file := filepath.Join(dir, "rekey."+format)
			out.reports = append(out.reports, format+"="+file)
			s.out[format+"-file"] = file
		}
	}
	return s.app.write(s.rep, out)
}

// maxSummary is what GitHub takes of a step's summary, with room to spare.
//
// Source: docs.github.com, "Workflow commands", limits of job summaries: 1 MiB a step,
// read 2026-11-21.
const maxSummary = 1 << 20 * 9 / 10

// finish writes what the runner reads after the step.
func (s *actionStep) finish(code int) error {
	getenv := s.app.sys.Getenv
	if file := getenv("GITHUB_STEP_SUMMARY"); file != "" {
		if err := action.Append(file, s.summary()); err != nil {
			return s.lost("write step summary", err)
		}
	}
	if file := getenv("GITHUB_OUTPUT"); file != "" {
		outputs := []action.Output{{Name: "exit", Value: strconv.Itoa(code)}}
		for _, name := range []string{"findings", "live", "sarif-file", "json-file"} {
			outputs = append(outputs, action.Output{Name: name, Value: s.out[name]})
		}
		if err := action.WriteOutputs(file, outputs); err != nil {
			return s.lost("write outputs", err)
		}
	}
	return nil
}

func (s *actionStep) lost(what string, err error) error {
	fmt.Fprintln(s.app.ui.out, action.Annotation{Level: "error", Title: "rekey", Message: fmt.Sprintf("%s: %v", what, err)})
	return err
}

// summary is the report for people who do not open the log.
func (s *actionStep) summary() []byte {
	var b bytes.Buffer
	if s.what != "" {
		fmt.Fprintf(&b, "rekey: %s\n\n", s.what)
	}
	if s.rep == nil {
		for _, n := range s.annotations {
			fmt.Fprintf(&b, "    %s\n", strings.Join(strings.Fields(n.Message), " ")) // indented: a code block, nothing in it is markup
		}
		b.WriteByte('\n')
		return b.Bytes()
	}
	for _, limit := range []int{0, 5} {
		n := b.Len()
		if err := report.Write(&b, "markdown", s.rep, report.Options{Limit: limit}); err == nil && b.Len() < maxSummary {
			return b.Bytes()
		}
		b.Truncate(n)
	}
	b.WriteString("The report is too long for a summary: see rekey.json and rekey.sarif.\n")
	return b.Bytes()
}
