package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/rekeyhq/rekey/scanner/baseline"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source/history"
)

// refUpdate is one ref that a push moves, as object ids: what it is to become, and
// what the other side has. All zeros, or nothing, where there is none.
type refUpdate struct{ local, remote string }

// maxRefLine is more than any name of a ref and two ids need.
const maxRefLine = 1 << 20

// readUpdates reads the lines that git hands to a hook. local and remote are the
// fields that hold the ids: githooks(5), read 2026-11-21.
func readUpdates(r io.Reader, fields, local, remote int) (out []refUpdate, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxRefLine)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) == 0 {
			continue
		}
		if len(f) != fields {
			return nil, usage("standard input: %d fields in a line, want the %d that git writes to this hook", len(f), fields)
		}
		out = append(out, refUpdate{f[local], f[remote]})
	}
	if err := s.Err(); err != nil {
		return nil, usage("read standard input: %v", err)
	}
	return out, nil
}

// prePush scans what a push brings that the remote does not have.
func (a *app) prePush(ctx context.Context, opt hookRunOptions, remote string, in io.Reader) (*hook, error) {
	updates, err := readUpdates(in, 4, 1, 3)
	if err != nil {
		return nil, err
	}
	return a.pushed(ctx, opt, remote, updates)
}

func (a *app) pushed(ctx context.Context, opt hookRunOptions, remote string, updates []refUpdate) (*hook, error) {
	if !anyPushed(updates) {
		return nil, nil // refs are only deleted, or nothing is pushed
	}
	h, err := a.openHook("pre-push", opt)
	if err != nil {
		return nil, err
	}
	defer h.repo.Close()
	known := map[string]bool{}
	if remote != "" && !strings.ContainsAny(remote, ":") { // not an address: then nothing is known of it
		refs, _ := h.repo.Refs()
		for _, ref := range refs {
			if strings.HasPrefix(ref.Name, "refs/remotes/"+remote+"/") {
				known[ref.Oid.String()] = !ref.Oid.IsZero()
			}
		}
	}
	for _, u := range updates {
		known[u.remote] = true
	}
	spec := h.revisions(updates, known)
	src, err := history.New(h.repo, history.Options{Range: strings.Join(spec, " ")})
	if err != nil {
		return nil, usage("pre-push: %v", err)
	}
	if err := h.scan(ctx, src); err != nil {
		return nil, err
	}
	return h, h.dropKnown(ctx, spec)
}

func anyPushed(updates []refUpdate) bool {
	for _, u := range updates {
		if !noObject(u.local) {
			return true
		}
	}
	return false
}

func noObject(id string) bool { return strings.Trim(id, "0") == "" }

// revisions asks for what the updates bring and excludes what is known.
func (h *hook) revisions(updates []refUpdate, known map[string]bool) (spec []string) {
	for _, u := range updates {
		if !noObject(u.local) {
			spec = append(spec, u.local)
		}
	}
	for id, is := range known {
		if !is || noObject(id) {
			continue
		}
		if o, err := h.repo.Resolve(id); err == nil && h.repo.Has(o) { // else it was never fetched
			spec = append(spec, "^"+o.String())
		}
	}
	return spec
}

// preReceive scans what a push brought into the quarantine of the server.
func (a *app) preReceive(ctx context.Context, opt hookRunOptions, in io.Reader) (*hook, error) {
	updates, err := readUpdates(in, 3, 1, 0)
	if err != nil || !anyPushed(updates) {
		return nil, err
	}
	var dirs []string
	quarantine := a.sys.Getenv("GIT_QUARANTINE_PATH")
	if quarantine == "" && a.sys.Getenv("GIT_ALTERNATE_OBJECT_DIRECTORIES") != "" {
		quarantine = a.sys.Getenv("GIT_OBJECT_DIRECTORY")
	}
	if quarantine != "" {
		dirs = []string{a.path(quarantine)}
	}
	h, err := a.openHook("pre-receive", opt, dirs...)
	if err != nil {
		return nil, err
	}
	defer h.repo.Close()
	if h.root == "" {
		if err := h.serverBaseline(); err != nil {
			return nil, err
		}
	}
	known := map[string]bool{}
	refs, _ := h.repo.Refs()
	for _, ref := range refs {
		known[ref.Oid.String()] = !ref.Oid.IsZero()
	}
	spec := h.revisions(updates, known)
	o := history.Options{Quarantined: quarantine != ""}
	if !o.Quarantined {
		o.Range = strings.Join(spec, " ")
	}
	src, err := history.New(h.repo, o)
	if err != nil {
		return nil, usage("pre-receive: %v", err)
	}
	if err := h.scan(ctx, src); err != nil {
		return nil, err
	}
	if err := a.dropStored(h); err != nil {
		return nil, err
	}
	return h, h.dropKnown(ctx, spec)
}

// dropStored drops what lies in contents that the server has outside of the quarantine
// too: git completes a thin pack with such objects, and nobody pushed them.
func (a *app) dropStored(h *hook) error {
	if len(h.res.Findings) == 0 {
		return nil
	}
	stored, err := git.Open(h.repo.GitDir, git.Options{AllowOutside: true})
	if err != nil {
		return usage("pre-receive: %v", err)
	}
	defer stored.Close()
	h.res.Findings = keepPlaces(h.res.Findings, func(_ *finding.Finding, o *finding.Occurrence) bool {
		id, err := git.ParseOid(o.Git.Blob)
		return err != nil || !stored.Has(id)
	})
	return nil
}

// serverBaseline accepts what the baseline of the server's own HEAD lists: it was
// pushed and reviewed before; that of the push itself does not count.
func (h *hook) serverBaseline() error {
	head, ok := h.head()
	if !ok {
		return nil
	}
	tree, err := h.treeOf(head)
	if err != nil {
		return nil
	}
	data, ok := h.fileAt(tree, baseline.BaselineName)
	if !ok {
		return nil
	}
	if err := h.accept.set.AddBaseline("HEAD:"+baseline.BaselineName, data, true); err != nil {
		return usage("%v", err)
	}
	return nil
}

// dropKnown drops keys that stood in the same file before: a commit that keeps or
// removes one brings a new version of its file, but not the key.
func (h *hook) dropKnown(ctx context.Context, spec []string) error {
	if len(h.res.Findings) == 0 {
		return nil
	}
	before, err := h.border(ctx, spec)
	if err != nil {
		return err
	}
	scratch := h.det.NewScratch()
	seen := map[string]map[finding.Fingerprint]bool{} // by path: keys that stood there
	keysAt := func(path string) map[finding.Fingerprint]bool {
		if keys, ok := seen[path]; ok {
			return keys
		}
		keys := map[finding.Fingerprint]bool{}
		seen[path] = keys
		for _, tree := range before {
			if data, ok := h.fileAt(tree, path); ok {
				for _, m := range h.det.Detect(scratch, data) {
					keys[m.Key] = true
				}
			}
		}
		return keys
	}
	h.res.Findings = keepPlaces(h.res.Findings, func(f *finding.Finding, o *finding.Occurrence) bool {
		return o.Kind != finding.KindBlob || !keysAt(o.Path)[f.Secret.Fingerprint(f.Service, f.Kind)]
	})
	return nil
}

// border returns the trees of the commits that the range begins at: parents of its
// commits that are not in it.
func (h *hook) border(ctx context.Context, spec []string) ([]git.Oid, error) {
	r, err := h.repo.Range(ctx, git.RangeSpec{Revisions: spec})
	if err != nil {
		return nil, usage("%s: %v", h.kind, err)
	}
	inside := map[git.Oid]bool{}
	for _, o := range r.Commits {
		inside[o] = true
	}
	var trees []git.Oid
	for _, o := range r.Commits {
		c, err := h.commit(o)
		if err != nil {
			continue // a hole of the scan
		}
		for _, p := range c.Parents {
			if inside[p] {
				continue
			}
			inside[p] = true
			if tree, err := h.treeOf(p); err == nil {
				trees = append(trees, tree)
			}
		}
	}
	return trees, nil
}

func (h *hook) commit(o git.Oid) (git.CommitInfo, error) {
	t, data, err := h.repo.Read(o)
	if err == nil && t != git.Commit {
		err = fmt.Errorf("%s is a %s, not a commit", o, t)
	}
	if err != nil {
		return git.CommitInfo{}, err
	}
	return git.ParseCommit(data, h.repo.Format())
}

func (h *hook) treeOf(commit git.Oid) (git.Oid, error) {
	c, err := h.commit(commit)
	return c.Tree, err
}

// fileAt returns a file of a tree; of an archive, the archive is not looked into.
func (h *hook) fileAt(tree git.Oid, path string) ([]byte, bool) {
	for {
		name, rest, deeper := strings.Cut(path, "/")
		t, data, err := h.repo.Read(tree)
		if err != nil || t != git.Tree {
			return nil, false
		}
		found := false
		for it := git.NewTreeIter(data, h.repo.Format()); !found; {
			e, ok, err := it.Next()
			if !ok || err != nil {
				return nil, false
			}
			if string(e.Name) == name && e.IsTree() == deeper && !e.IsGitlink() {
				tree, found = e.Oid(), true
			}
		}
		if !deeper {
			t, data, err := h.repo.Read(tree)
			return data, err == nil && t == git.Blob
		}
		path = rest
	}
}
