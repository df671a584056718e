package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/detect/prebuilt"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/staged"
)

// hook is one run of a hook: what it looks with and what it found.
type hook struct {
	kind     string // pre-commit, ...
	repo     *git.Repository
	root     string // top of the work tree; empty where there is none
	accept   *acceptance
	services []rules.Service
	det      *detect.Detector
	res      *scanner.Result
	unborn   bool // there is no commit yet
	accepted int  // keys that block but for a comment, baseline or allowlist
	packs    *packSearch
}

// openHook opens the repository that git runs the hook in. Git has trusted it
// already, and so objects borrowed from elsewhere are followed.
func (a *app) openHook(kind string, opt hookRunOptions, objectDirs ...string) (*hook, error) {
	at := a.sys.Dir
	if d := a.sys.Getenv("GIT_DIR"); d != "" {
		at = a.path(d)
	}
	repo, err := git.Open(at, git.Options{AllowOutside: true, ObjectDirs: objectDirs})
	if err != nil {
		return nil, usage("%s: %v", kind, err)
	}
	h := &hook{kind: kind, repo: repo, root: repo.WorkTree}
	if h.root == "" && kind == "pre-commit" { // git starts it at the top of the work tree
		h.root = a.sys.Dir
	}
	if err := a.equipHook(h, opt); err != nil {
		_ = repo.Close()
		return nil, err
	}
	return h, nil
}

// equipHook reads what accepts findings and makes the detector.
func (a *app) equipHook(h *hook, opt hookRunOptions) (err error) {
	t := &targetSet{}
	if h.root != "" {
		t.roots = []string{h.root}
	}
	if h.accept, err = a.acceptance(opt.accept, t); err != nil {
		return err
	}
	if h.services, err = a.services(opt.rules); err != nil {
		return err
	}
	own, err := a.repoRules(h.accept.rules)
	if err != nil {
		return err
	}
	if len(own) > 0 {
		h.services = rules.Merge(h.services, own)
	}
	o := detect.Options{HookOnly: true, Comment: comment, CommentMarkers: commentMarkers}
	if sameServices(h.services, builtin.Services()) {
		h.det, err = prebuilt.New(o)
	} else {
		h.det, err = detect.New(h.services, o)
	}
	if err != nil {
		return usage("%v", err)
	}
	return nil
}

// hookMaxFile is the size above which a file is passed over, and said.
const hookMaxFile = 256 << 20

// scan scans one source and keeps what blocks.
func (h *hook) scan(ctx context.Context, src source.Source) error {
	res, err := scanner.Scan(ctx, scanner.Options{
		Sources: []source.Source{src}, Detector: h.det, MaxFile: hookMaxFile,
		Suppress: h.accept.suppressor(), Line: h.accept.line(), Salt: h.accept.salt(),
	})
	if err != nil {
		return usage("%v", err)
	}
	h.accepted = 0
	res.Findings = slices.DeleteFunc(res.Findings, func(f finding.Finding) bool {
		if f.Suppressed != nil {
			h.accepted++
		}
		return !h.blocks(&f)
	})
	h.res = res
	return nil
}

// blocks reports whether a finding stops a commit or push: it is not accepted, no
// published example, and sure, unless its rule says that it blocks in any case.
func (h *hook) blocks(f *finding.Finding) bool {
	if !counts(f) {
		return false
	}
	return f.Confidence >= finding.ConfidenceHigh || h.always(f.Rule)
}

func (h *hook) always(id string) bool {
	for i := range h.services {
		for j := range h.services[i].Rules {
			if r := &h.services[i].Rules[j]; r.ID == id {
				return r.Hook != nil && *r.Hook
			}
		}
	}
	return false
}

// preCommit compares the index with HEAD. With --amend the replaced commit counts as
// there: it met the hook itself.
func (a *app) preCommit(ctx context.Context, opt hookRunOptions) (*hook, error) {
	// A process of some milliseconds and megabytes need not collect any of them: 16 MB
	// come before the first collection instead of 4.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	h, err := a.openHook("pre-commit", opt)
	if err != nil {
		return nil, err
	}
	defer h.close()
	o := staged.Options{AddedOnly: true, Read: h.readObject}
	if x := a.sys.Getenv("GIT_INDEX_FILE"); x != "" { // git commit -a, git commit PATH
		o.IndexFile = a.path(x)
	}
	head, ok := h.head()
	h.unborn = !ok
	o.Against = head
	if err := h.scan(ctx, staged.New(h.repo, o)); err != nil {
		return nil, err
	}
	return h, h.dropMerged(ctx, o)
}

// dropMerged drops what a commit that is being merged has already: a merge adds only
// what none of its parents holds.
func (h *hook) dropMerged(ctx context.Context, o staged.Options) error {
	if len(h.res.Findings) == 0 {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(h.repo.GitDir, "MERGE_HEAD"))
	if err != nil {
		return nil // no merge
	}
	for _, line := range bytes.Fields(data) {
		oid, err := git.ParseOid(line)
		if err != nil {
			continue
		}
		first, accepted := h.res, h.accepted
		o.Against = oid
		if err := h.scan(ctx, staged.New(h.repo, o)); err != nil {
			return err
		}
		first.Findings = inBoth(first.Findings, h.res.Findings)
		h.res, h.accepted = first, accepted
	}
	return nil
}

// inBoth returns the findings of a with only those places that b has too.
func inBoth(a, b []finding.Finding) []finding.Finding {
	type place struct {
		key  finding.Fingerprint
		path string
		line int
	}
	there := map[place]bool{}
	for i := range b {
		for _, o := range b[i].Occurrences {
			there[place{b[i].Fingerprint, o.Path, o.StartLine}] = true
		}
	}
	return keepPlaces(a, func(f *finding.Finding, o *finding.Occurrence) bool {
		return there[place{f.Fingerprint, o.Path, o.StartLine}]
	})
}

// keepPlaces drops occurrences, and findings that have none left.
func keepPlaces(list []finding.Finding, keep func(*finding.Finding, *finding.Occurrence) bool) []finding.Finding {
	kept := list[:0]
	for i := range list {
		f := list[i]
		f.Occurrences = slices.DeleteFunc(f.Occurrences, func(o finding.Occurrence) bool { return !keep(&f, &o) })
		if len(f.Occurrences) > 0 {
			kept = append(kept, f)
		}
	}
	return kept
}

// unread reports whether something of what is being committed or pushed itself could
// not be read. Other holes are only said: where HEAD cannot be compared with, all that
// is staged counts as added.
func (h *hook) unread() bool {
	for _, hole := range h.res.Holes {
		if hole.Class != source.Unreadable {
			continue
		}
		switch hole.What {
		case "alternates", "reflog", "ref", "archive": // what they lead to has holes of its own
			continue
		case "commit":
			if h.kind == "pre-commit" {
				continue
			}
		case "directory":
			if strings.HasPrefix(hole.Name, "HEAD:") {
				continue
			}
		}
		return true
	}
	return len(h.res.Failed) > 0
}
