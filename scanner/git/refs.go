package git

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// RefKind says what sort of ref names an object.
type RefKind uint8

// Kinds of refs.
const (
	NormalRef RefKind = iota // below refs/
	PseudoRef                // HEAD, FETCH_HEAD, ORIG_HEAD, of any worktree
)

// Ref is a name for an object. Names are bytes out of the repository.
type Ref struct {
	// Name is whole: refs/heads/main, HEAD, worktrees/NAME/HEAD.
	Name string
	Kind RefKind
	// Oid is what the ref names in the end; zero where a symbolic ref is unborn.
	Oid Oid
	// Symbolic is the ref that this one stands for, or empty.
	Symbolic string
}

// IsHead reports whether the ref is the HEAD of a worktree.
func (r Ref) IsHead() bool {
	return r.Name == "HEAD" || strings.HasSuffix(r.Name, "/HEAD") && r.Kind == PseudoRef
}

// maxRefFile bounds one file of refs: about 100 million packed refs.
const maxRefFile = 8 << 30

// Refs returns all refs of the repository and of all its worktrees, sorted by name,
// and the holes met on the way. Reading is our own, not go-git's, which refuses
// SHA-256 and partial clones and stops at the first damaged ref.
func (r *Repository) Refs() ([]Ref, []Hole) {
	s := refScan{repo: r, byName: map[string]Ref{}}
	if r.reftable || r.common.isFile("reftable/tables.list") {
		s.holes.add(Hole{Kind: Unreadable, What: "ref", Path: "reftable", Offset: -1,
			Reason: "refs are kept as reftable, which is not read: all objects are, but not which refs reach them"})
	}
	if b, err := r.common.read("packed-refs", maxRefFile); err == nil {
		bad := ParsePackedRefs(b, r.format, func(name string, o, _ Oid) { s.byName[name] = Ref{Name: name, Oid: o} })
		if bad > 0 {
			s.holes.add(Hole{Kind: Unreadable, What: "ref", Path: "packed-refs", Offset: -1, Count: bad,
				Reason: "lines that are no refs"})
		}
	} else if !absent(err) {
		s.holes.add(holeFor(err, "ref", "packed-refs", Oid{}, -1))
	}
	s.tree(r.common, "refs")
	s.pseudo(r.common, ".", "")
	for _, name := range r.worktrees() {
		dir := "worktrees/" + name
		s.tree(r.common, dir+"/refs")
		s.pseudo(r.common, dir, dir+"/")
	}
	return s.resolve(), s.holes.all()
}

// Head returns what the HEAD of this work tree names; ok is false while it is unborn
// or cannot be read.
func (r *Repository) Head() (ref Ref, ok bool) {
	name := "HEAD"
	if r.GitDir != r.CommonDir {
		name = "worktrees/" + path.Base(r.GitDir) + "/HEAD"
	}
	refs, _ := r.Refs()
	for _, ref := range refs {
		if ref.Name == name {
			return ref, !ref.Oid.IsZero()
		}
	}
	return Ref{}, false
}

func (r *Repository) worktrees() []string {
	entries, err := r.common.list("worktrees")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// ParsePackedRefs calls fn for each ref of a packed-refs file, with what an annotated
// tag names in the end, or zero. It returns how many lines make no sense.
func ParsePackedRefs(b []byte, f Format, fn func(name string, o, peeled Oid)) (bad int) {
	var name string
	var oid Oid
	flush := func(peeled Oid) {
		if name != "" {
			fn(name, oid, peeled)
			name = ""
		}
	}
	hex := 2 * f.Size()
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		switch {
		case len(line) == 0 || line[0] == '#':
		case line[0] == '^':
			peeled, err := ParseOid(line[1:])
			if err != nil || peeled.f != f || name == "" {
				bad++
				continue
			}
			flush(peeled)
		default:
			flush(Oid{})
			if len(line) < hex+2 || line[hex] != ' ' {
				bad++
				continue
			}
			o, err := ParseOid(line[:hex])
			if err != nil {
				bad++
				continue
			}
			name, oid = string(line[hex+1:]), o
		}
	}
	flush(Oid{})
	return bad
}

type refScan struct {
	repo   *Repository
	byName map[string]Ref
	holes  holes
}

// tree reads the loose refs below dir, under the names of their files.
func (s *refScan) tree(d *directory, dir string) {
	stack := []string{dir}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		entries, err := d.list(at)
		if err != nil {
			if !absent(err) {
				s.holes.add(holeFor(err, "ref", at, Oid{}, -1))
			}
			continue
		}
		for _, e := range entries {
			full := at + "/" + e.Name()
			switch {
			case e.IsDir():
				stack = append(stack, full)
			case strings.HasSuffix(full, ".lock"):
			default:
				s.loose(d, full, Ref{Name: full})
			}
		}
	}
}

// loose reads one file that holds a ref.
func (s *refScan) loose(d *directory, file string, ref Ref) {
	b, err := d.read(file, 1<<20)
	if err != nil {
		if !absent(err) {
			s.holes.add(holeFor(err, "ref", file, Oid{}, -1))
		}
		return
	}
	text := bytes.TrimSpace(b)
	if target, ok := bytes.CutPrefix(text, []byte("ref:")); ok {
		ref.Symbolic = string(bytes.TrimSpace(target))
		s.byName[ref.Name] = ref
		return
	}
	if ref.Oid, err = s.oid(text); err != nil {
		s.holes.add(holeFor(errors.New("file holds no object id"), "ref", file, Oid{}, -1))
		return
	}
	s.byName[ref.Name] = ref
}

func (s *refScan) oid(text []byte) (Oid, error) {
	n := 2 * s.repo.format.Size()
	if len(text) < n || len(text) > n && !bytes.ContainsAny(text[n:n+1], " \t\n") {
		return Oid{}, errors.New("no object id")
	}
	return ParseOid(text[:n])
}

// stateFiles hold ids while git is in the middle of something.
var stateFiles = [...]string{"AUTO_MERGE", "MERGE_AUTOSTASH", "BISECT_EXPECTED_REV",
	"rebase-merge/orig-head", "rebase-merge/onto", "rebase-merge/autostash", "rebase-merge/stopped-sha",
	"rebase-apply/orig-head", "rebase-apply/autostash"}

// pseudo reads HEAD and its like in a git directory.
func (s *refScan) pseudo(d *directory, dir, prefix string) {
	entries, err := d.list(dir)
	if err != nil {
		if !absent(err) {
			s.holes.add(holeFor(err, "ref", dir, Oid{}, -1))
		}
		return
	}
	for _, e := range entries {
		switch {
		case e.Name() == "HEAD":
			s.loose(d, path.Join(dir, "HEAD"), Ref{Name: prefix + "HEAD", Kind: PseudoRef})
		case strings.HasSuffix(e.Name(), "_HEAD"):
			s.lines(d, path.Join(dir, e.Name()), prefix+e.Name())
		}
	}
	for _, name := range stateFiles {
		s.lines(d, path.Join(dir, name), prefix+name)
	}
}

// lines reads a file with an object id at the start of each line: FETCH_HEAD,
// MERGE_HEAD.
func (s *refScan) lines(d *directory, file, name string) {
	b, err := d.read(file, maxListFile)
	if err != nil {
		if !absent(err) {
			s.holes.add(holeFor(err, "ref", file, Oid{}, -1))
		}
		return
	}
	n := 0
	for _, line := range bytes.Split(b, []byte("\n")) {
		if o, err := s.oid(line); err == nil {
			unique := name
			if n > 0 {
				unique = fmt.Sprintf("%s:%d", name, n)
			}
			s.byName[unique] = Ref{Name: unique, Kind: PseudoRef, Oid: o}
			n++
		}
	}
}

// maxSymbolic is git's own limit (SYMREF_MAXDEPTH, git 2.39).
const maxSymbolic = 5

// resolve follows symbolic refs and sorts.
func (s *refScan) resolve() []Ref {
	refs := make([]Ref, 0, len(s.byName))
	for _, ref := range s.byName {
		to := ref
		for i := 0; to.Symbolic != "" && i < maxSymbolic; i++ {
			to = s.byName[to.Symbolic]
		}
		ref.Oid = to.Oid
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b Ref) int { return strings.Compare(a.Name, b.Name) })
	return refs
}
