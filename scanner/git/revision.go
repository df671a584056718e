package git

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Resolve finds the object that a revision names: a ref (whole or short, as git looks
// them up), an object id of at least four digits, each followed by any number of ~N,
// ^N, ^{} and ^{commit}. An unknown one is an error that names it and the remedy and
// wraps ErrNotFound.
func (r *Repository) Resolve(revision string) (Oid, error) {
	end := strings.IndexAny(revision, "~^")
	if end < 0 {
		end = len(revision)
	}
	o, err := r.resolveName(revision[:end])
	if err != nil {
		return Oid{}, fmt.Errorf("revision %q: %w", revision, err)
	}
	for rest := revision[end:]; rest != ""; {
		var step string
		step, rest = cutStep(rest)
		if o, err = r.step(o, step); err != nil {
			return Oid{}, fmt.Errorf("revision %q: %w", revision, err)
		}
	}
	return o, nil
}

// cutStep cuts the first of the steps ~N, ^N, ^{…} off s.
func cutStep(s string) (step, rest string) {
	if strings.HasPrefix(s, "^{") {
		if i := strings.IndexByte(s, '}'); i >= 0 {
			return s[:i+1], s[i+1:]
		}
		return s, ""
	}
	i := 1
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i == 1 && len(s) > 1 && s[1] != '~' && s[1] != '^' {
		return s, "" // no step at all
	}
	return s[:i], s[i:]
}

func (r *Repository) step(o Oid, step string) (Oid, error) {
	if step == "^{}" {
		return r.peel(o)
	}
	o, err := r.peelToCommit(o)
	if err != nil || step == "^{commit}" {
		return o, err
	}
	n := 1
	if step[1:] != "" {
		if n, err = strconv.Atoi(step[1:]); err != nil {
			return Oid{}, fmt.Errorf("%q is no step: want ~N, ^N or ^{}", step)
		}
	}
	if step[0] == '~' {
		for ; n > 0; n-- {
			if o, err = r.parent(o, 1); err != nil {
				return Oid{}, err
			}
		}
		return o, nil
	}
	if n == 0 {
		return o, nil
	}
	return r.parent(o, n)
}

func (r *Repository) parent(o Oid, n int) (Oid, error) {
	c, err := r.commit(o)
	if err != nil {
		return Oid{}, err
	}
	if n > len(c.Parents) || !r.Has(c.Parents[n-1]) {
		if r.shallow[o] {
			return Oid{}, fmt.Errorf("commit %s is the border of a shallow clone; git fetch --unshallow brings its parents: %w", o, ErrNotFound)
		}
		if n <= len(c.Parents) {
			return Oid{}, fmt.Errorf("commit %s, parent of %s: %w", c.Parents[n-1], o, ErrNotFound)
		}
		return Oid{}, fmt.Errorf("commit %s has %d parents: %w", o, len(c.Parents), ErrNotFound)
	}
	return c.Parents[n-1], nil
}

func (r *Repository) commit(o Oid) (CommitInfo, error) {
	t, data, err := r.Read(o)
	if err != nil {
		return CommitInfo{}, err
	}
	if t != Commit {
		return CommitInfo{}, fmt.Errorf("object %s is a %s, want a commit", o, t)
	}
	return ParseCommit(data, r.format)
}

// peel follows annotated tags.
func (r *Repository) peel(o Oid) (Oid, error) {
	for i := 0; i < 100; i++ {
		t, data, err := r.Read(o)
		if err != nil || t != Tag {
			return o, err
		}
		tag, err := ParseTag(data, r.format)
		if err != nil {
			return Oid{}, err
		}
		o = tag.Object
	}
	return Oid{}, errors.New("chain of tags is too long")
}

func (r *Repository) peelToCommit(o Oid) (Oid, error) {
	end, err := r.peel(o)
	if err == nil {
		_, err = r.commit(end)
	}
	return end, err
}

const findRefs = "git log --all --oneline and git branch -a list what there is"

// resolveName finds a ref or object id.
func (r *Repository) resolveName(name string) (Oid, error) {
	if name == "" || name == "@" {
		name = "HEAD"
	}
	// A whole id is that object, whatever refs are named like it, as git has it.
	if o, err := ParseOid(name); err == nil && o.f == r.format {
		if !r.Has(o) {
			return Oid{}, fmt.Errorf("no object has this id; if it was pushed, fetch it first: %w", ErrNotFound)
		}
		return o, nil
	}
	refs, _ := r.Refs()
	at := make(map[string]Ref, len(refs))
	for _, ref := range refs {
		at[ref.Name] = ref
	}
	var here string // of a linked worktree: its own HEAD comes first
	if r.GitDir != r.CommonDir {
		here = "worktrees/" + path.Base(r.GitDir) + "/" + name
	}
	for _, full := range []string{here, name, "refs/" + name, "refs/tags/" + name, "refs/heads/" + name,
		"refs/remotes/" + name, "refs/remotes/" + name + "/HEAD"} {
		if ref, ok := at[full]; ok {
			if ref.Oid.IsZero() {
				return Oid{}, fmt.Errorf("%s has no commits yet: %w", full, ErrNotFound)
			}
			return ref.Oid, nil
		}
	}
	return r.resolveShort(name)
}

// resolveShort finds the one object whose id begins with the digits; where several
// do, the one commit among them.
func (r *Repository) resolveShort(digits string) (Oid, error) {
	unknown := fmt.Errorf("no ref and no object has this name; %s: %w", findRefs, ErrNotFound)
	full := 2 * r.format.Size()
	if len(digits) < 4 || len(digits) > full {
		return Oid{}, unknown
	}
	low, err := ParseOid(digits + strings.Repeat("0", full-len(digits)))
	if err != nil {
		return Oid{}, unknown
	}
	high, _ := ParseOid(digits + strings.Repeat("f", full-len(digits)))
	c := r.catalog()
	n, _ := c.findID(low.b[:r.format.Size()])
	var all, commits []Oid
	for ; int(n) < c.len() && bytes.Compare(c.name(n), high.b[:r.format.Size()]) <= 0 && len(all) < 1000; n++ {
		o := c.oid(n)
		all = append(all, o)
		if t, _, err := r.Read(o); err == nil && t == Commit {
			commits = append(commits, o)
		}
	}
	switch {
	case len(all) == 1:
		return all[0], nil
	case len(commits) == 1:
		return commits[0], nil
	case len(all) > 1:
		return Oid{}, fmt.Errorf("%d objects begin with these digits: give more of them: %w", len(all), ErrNotFound)
	}
	return Oid{}, unknown
}
