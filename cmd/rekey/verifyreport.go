package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
)

// verifyReport asks about the findings of an earlier report.
func (a *app) verifyReport(ctx context.Context, opt verifyCommandOptions, name string) error {
	rep, err := a.readReport(name)
	if err != nil {
		return err
	}
	services, err := a.services(opt.rules.files)
	if err != nil {
		return err
	}
	if err := a.findAgain(ctx, opt, rep, services); err != nil {
		return err
	}
	v, err := a.newVerifier(opt.verifyOptions, services)
	if err != nil {
		return err
	}
	var asked []finding.Finding
	var at []int
	for i := range rep.Findings {
		if !rep.Findings[i].Secret.IsZero() {
			asked, at = append(asked, rep.Findings[i]), append(at, i)
		}
	}
	err = v.Verify(ctx, asked)
	v.close(a)
	for j, i := range at {
		// What was learned goes into the report; parts that were read again do not.
		rep.Findings[i].Verification = asked[j].Verification
	}
	if werr := a.write(rep, opt.output); werr != nil {
		return werr
	}
	if err != nil {
		return a.interruptedVerify(ctx)
	}
	for i := range rep.Findings {
		if f := &rep.Findings[i]; counts(f) && f.Verification.Status != finding.Inactive {
			return exit(exitFound)
		}
	}
	return nil
}

func (a *app) readReport(name string) (*report.Report, error) {
	in := io.Reader(a.sys.Stdin)
	if name != "-" {
		f, err := os.Open(a.path(name))
		if err != nil {
			return nil, usage("%v", err)
		}
		defer f.Close()
		in = f
	}
	rep, err := report.Read(in)
	if err != nil {
		return nil, usageHint("only reports written by `rekey scan --format json` can be read", "%s: %v", name, err)
	}
	return rep, nil
}

// findAgain reads the keys of a report anew from where it found them: a report holds
// none. What is not there any more keeps its place in the report, with the reason.
func (a *app) findAgain(ctx context.Context, opt verifyCommandOptions, rep *report.Report, services []rules.Service) error {
	missing := map[finding.Fingerprint]int{}
	for i := range rep.Findings {
		missing[rep.Findings[i].Fingerprint] = i
	}
	if len(missing) == 0 {
		return nil
	}
	why := a.cannotReread(rep)
	if why == "" {
		places := []string{rep.Target.Location}
		if _, err := os.Stat(a.path(rep.Target.Location)); err != nil {
			places = strings.Fields(rep.Target.Location) // several targets stand in one line
		}
		targets, err := a.targets(ctx, targetOptions{}, places)
		if err != nil {
			why = fmt.Sprintf("%s cannot be read: %v", rep.Target.Location, err)
		} else {
			defer targets.close()
			det, err := a.detector(services, opt.rules)
			if err != nil {
				return err
			}
			res, err := scanner.Scan(ctx, scanner.Options{Sources: targets.sources, Detector: det})
			if err != nil {
				return usage("%v", err)
			}
			for i := range res.Findings {
				f := &res.Findings[i]
				if j, ok := missing[f.Fingerprint]; ok {
					rep.Findings[j].Secret, rep.Findings[j].Parts, rep.Findings[j].Public = f.Secret, f.Parts, f.Public
					rep.Findings[j].LowEntropy = f.LowEntropy
					delete(missing, f.Fingerprint)
				}
			}
			why = "not found again in " + rep.Target.Location
		}
	}
	n := 0
	for _, i := range missing {
		f := &rep.Findings[i]
		if f.Secret.IsZero() {
			f.Verification.Status, f.Verification.Reason = finding.Unchecked, why
			n++
		}
	}
	if n > 0 {
		a.ui.warn("%d of %d findings cannot be asked about: %s", n, len(rep.Findings), why)
	}
	return nil
}

// cannotReread says why the places of a report cannot be read again.
func (a *app) cannotReread(rep *report.Report) string {
	switch {
	case rep.Target.Kind == "stdin" || rep.Target.Location == "-" || rep.Target.Location == "":
		return "the report is of standard input, which cannot be read again"
	case rep.Target.Kind == "staged":
		return "the report is of an index, which has changed since"
	case isURL(rep.Target.Location):
		return "the report is of a clone; scan it again with --verify"
	}
	return ""
}
