package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/rekeyhq/rekey/scanner/baseline"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
)

// hookVerdict says what blocks, and makes the exit status of a hook.
func (a *app) hookVerdict(ctx context.Context, h *hook) error {
	var stopped interrupted
	if errors.As(context.Cause(ctx), &stopped) {
		a.ui.warn("interrupted: nothing was decided")
		return exit(stopped.code())
	}
	a.sayHoles(h.res)
	if h.accepted > 0 {
		a.ui.note("%s accepted by a comment, a baseline or an allowlist", plural(h.accepted, "key"))
	}
	if len(h.res.Findings) > 0 {
		if err := a.sayBlocked(h); err != nil {
			return err
		}
		return exit(exitFound)
	}
	if h.unread() {
		return &failure{code: exitIncomplete, err: fmt.Errorf("%s: nothing was found, but not everything could be read: see above", h.kind),
			hint: "`git fsck` tells what is wrong with the repository"}
	}
	return nil
}

// blockedKey is what the messages say of a finding. It is read back from the JSON
// report, which has removed secrets from every field.
type blockedKey struct {
	Fingerprint string             `json:"fingerprint"`
	Title       string             `json:"title"`
	Service     string             `json:"service"`
	Secret      string             `json:"secret"`
	Checksum    finding.Checksum   `json:"checksum"`
	Confidence  finding.Confidence `json:"confidence"`
	Occurrences []struct {
		Kind        string `json:"kind"`
		Path        string `json:"path"`
		StartLine   int    `json:"start_line"`
		StartColumn int    `json:"start_column"`
		Commit      string `json:"commit"`
	} `json:"occurrences"`
}

func blockedKeys(h *hook) ([]blockedKey, error) {
	var text bytes.Buffer
	rep := newReport(h.res, &targetSet{}, nil)
	if err := report.Write(&text, "json", rep, report.Options{}); err != nil {
		return nil, usage("write report: %v", err)
	}
	var out struct {
		Findings []blockedKey `json:"findings"`
	}
	if err := json.Unmarshal(text.Bytes(), &out); err != nil {
		return nil, usage("write report: %v", err)
	}
	return out.Findings, nil
}

// maxHookPlaces bounds the places named of one key.
const maxHookPlaces = 5

// sayBlocked names what blocks, why, and what to do about it.
func (a *app) sayBlocked(h *hook) error {
	keys, err := blockedKeys(h)
	if err != nil {
		return err
	}
	what := map[string]string{"pre-commit": "commit", "pre-push": "push", "pre-receive": "push"}[h.kind]
	a.hookLine("rekey stopped this %s: it adds %s.", what, plural(len(keys), "key"))
	for i := range keys {
		a.hookLine("")
		a.sayKey(&keys[i])
	}
	a.hookLine("")
	a.hookLine("why    Whoever can read the repository can use a key in it, also after the line is gone.")
	switch h.kind {
	case "pre-commit":
		a.sayStagedFix(h, keys)
	case "pre-push":
		a.hookLine("fix    Nothing has left yet. Take the key out of the commits: `git commit --amend` for the")
		a.hookLine("       last one, `git rebase -i COMMIT^` for an older one; a later commit that deletes")
		a.hookLine("       it is not enough. Keep it in the environment or a secret store. If it was ever")
		a.hookLine("       pushed or shared anywhere: rotate it first, then purge it.")
	case "pre-receive":
		a.hookLine("fix    The key has left your machine: rotate it first%s. Then purge it from the commits", rotateAt(keys))
		a.hookLine("       (`git commit --amend`, `git rebase -i COMMIT^`) and push again. The push was refused.")
	}
	a.sayAllow(h, keys)
	return nil
}

func (a *app) sayKey(k *blockedKey) {
	for i, o := range k.Occurrences {
		if i == maxHookPlaces {
			a.hookLine("  and %s more", plural(len(k.Occurrences)-i, "place"))
			break
		}
		place := fmt.Sprintf("%s:%d:%d", o.Path, o.StartLine, o.StartColumn)
		switch {
		case o.Kind == finding.KindPath:
			place = "the file name " + o.Path
		case o.Path == "":
			place = fmt.Sprintf("the %s, line %d", strings.ReplaceAll(o.Kind, "-", " "), o.StartLine)
		}
		if o.Commit != "" {
			place += " in commit " + short(o.Commit)
		}
		a.hookLine("  %s", place)
	}
	sure := "the rule is rarely wrong"
	if k.Checksum == finding.ChecksumValid {
		sure = "its checksum is right"
	}
	a.hookLine("    %s  %s  (%s: %s)", k.Title, k.Secret, k.Confidence, sure)
}

func (a *app) sayStagedFix(h *hook, keys []blockedKey) {
	unstage := "git restore --staged --"
	if h.unborn {
		unstage = "git rm --cached --"
	}
	var files []string
	seen := map[string]bool{}
	for _, k := range keys {
		for _, o := range k.Occurrences {
			file, _, _ := strings.Cut(o.Path, "!")
			if !seen[file] && len(files) < maxHookPlaces {
				files = append(files, shellWord(file))
			}
			seen[file] = true
		}
	}
	a.hookLine("fix    Move the key to the environment or a secret store, and `git add` the file again;")
	a.hookLine("       or leave the file out: %s %s", unstage, strings.Join(files, " "))
	a.hookLine("       If the key was ever pushed or shared: rotate it first, then purge it.")
}

// sayAllow prints the one command that allows what was found.
func (a *app) sayAllow(h *hook, keys []blockedKey) {
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.Fingerprint)
	}
	file := ""
	if prefix := a.sys.Getenv("GIT_PREFIX"); prefix != "" { // git was called in a directory below
		file = "--file " + strings.Repeat("../", strings.Count(strings.TrimSuffix(prefix, "/"), "/")+1) + baseline.BaselineName + " "
	}
	a.hookLine("allow  rekey baseline add %s--reason 'WHY' %s", file, strings.Join(ids, " "))
	switch h.kind {
	case "pre-receive":
		a.hookLine("       counts when it is in %s of the server's default branch; so does the", baseline.BaselineName)
		a.hookLine("       comment `rekey:allow WHY` on the line itself, in the push.")
	default:
		a.hookLine("       or end the line with the comment `rekey:allow WHY`. Then try again.")
	}
}

// rotateAt names the services where keys are rotated.
func rotateAt(keys []blockedKey) string {
	var names []string
	for _, k := range keys {
		if k.Service != "" && !strings.Contains(strings.Join(names, ", "), k.Service) {
			names = append(names, k.Service)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// hookLine writes a line of results, with control bytes of foreign names made visible.
func (a *app) hookLine(format string, args ...any) {
	a.printf("%s\n", escape(fmt.Sprintf(format, args...)))
}

func short(id string) string { return id[:min(len(id), 10)] }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./+:@%=,-]+$`)

// shellWord quotes a word for a shell where it needs that.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
