package git

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// RangeSpec says which part of a history is asked for. All parts work together: what
// Revisions and Refs reach, but for what is excluded or older than Since.
type RangeSpec struct {
	// Revisions are A..B, B and ^A, in the forms of Repository.Resolve; an empty side
	// of A..B is HEAD.
	Revisions []string
	// Refs are globs over refs, as git's --glob: heads/*, refs/tags/v*.
	Refs []string
	// Since excludes commits made before it, and all that they reach. Zero: no bound.
	// Without Revisions and Refs, it starts from all refs and HEAD.
	Since time.Time
	// Exact also excludes what any excluded commit ever held, however long ago, at the
	// price of reading all their trees. Without it only the excluded commits at the
	// border count, as in git rev-list --objects: something that was removed before
	// the range and came back in it is part of the range.
	Exact bool
}

// Range is a part of a history.
type Range struct {
	*Set           // the objects: commits, tags, trees, blobs
	Commits []Oid  // the commits, newest first
	Holes   []Hole // what the range needs and is not there
}

// Range finds the objects of a part of the history. A revision that is not known is
// an error that names it.
func (r *Repository) Range(ctx context.Context, spec RangeSpec) (*Range, error) {
	w := r.newRangeWalk(ctx, spec)
	if err := w.start(spec); err != nil {
		return nil, err
	}
	commits, err := w.commits()
	if err != nil {
		return nil, err
	}
	if err := w.objects(commits, spec.Exact); err != nil {
		return nil, err
	}
	return &Range{Set: w.out.minus(w.not), Commits: commits, Holes: w.holes.all()}, nil
}

type paint uint8

const (
	painted  paint = 1 << iota // reached from what is asked for
	excluded                   // reached from what is not
)

type rangeCommit struct {
	tree    Oid
	parents []Oid
	date    int64
}

type rangeWalk struct {
	ctx   context.Context
	repo  *Repository
	cat   *catalog
	since time.Time
	queue rangeQueue
	flags map[Oid]paint
	info  map[Oid]rangeCommit
	out   *Set
	not   *Set
	holes holes
}

// start paints what the spec names.
func (w *rangeWalk) start(spec RangeSpec) error {
	name := func(revision string, p paint) error {
		o, err := w.repo.Resolve(revision)
		if err != nil {
			return err
		}
		return w.name(o, p)
	}
	for _, rev := range spec.Revisions {
		if strings.Contains(rev, "...") {
			return fmt.Errorf("range %q: three dots are not supported: use A..B, or B and ^A", rev)
		}
		var err error
		if a, b, ok := strings.Cut(rev, ".."); ok {
			err = errors.Join(name(a, excluded), name(b, painted))
		} else if a, ok := strings.CutPrefix(rev, "^"); ok {
			err = name(a, excluded)
		} else {
			err = name(rev, painted)
		}
		if err != nil {
			return err
		}
	}
	globs := spec.Refs
	if len(spec.Revisions)+len(globs) == 0 {
		globs = []string{"refs/*"}
		if head, ok := w.repo.Head(); ok {
			if err := w.name(head.Oid, painted); err != nil {
				return err
			}
		}
	}
	refs, holes := w.repo.Refs()
	for _, h := range holes {
		w.holes.add(h)
	}
	for _, glob := range globs {
		n := 0
		for _, ref := range refs {
			if ref.Kind == NormalRef && !ref.Oid.IsZero() && MatchRef(glob, ref.Name) {
				n++
				if err := w.name(ref.Oid, painted); err != nil {
					w.holes.add(holeFor(err, "ref", ref.Name, ref.Oid, -1))
				}
			}
		}
		if n == 0 && len(spec.Refs) > 0 {
			return fmt.Errorf("no ref matches %q; %s: %w", glob, findRefs, ErrNotFound)
		}
	}
	return nil
}

// CheckRange says what of a spec makes no sense, without walking the history.
func (r *Repository) CheckRange(spec RangeSpec) error {
	w := r.newRangeWalk(context.Background(), spec)
	return w.start(spec)
}

func (r *Repository) newRangeWalk(ctx context.Context, spec RangeSpec) *rangeWalk {
	w := &rangeWalk{ctx: ctx, repo: r, cat: r.catalog(), flags: map[Oid]paint{}, info: map[Oid]rangeCommit{}, since: spec.Since}
	w.out, w.not = newSet(w.cat), newSet(w.cat)
	return w
}

// MatchRef reports whether a glob matches a ref, as git's --glob does: refs/ may be
// left out, a glob without ?, * or [ stands for all below it, and * matches slashes.
func MatchRef(glob, ref string) bool {
	if !strings.HasPrefix(glob, "refs/") {
		glob = "refs/" + glob
	}
	if !strings.ContainsAny(glob, "?*[") {
		return ref == glob || strings.HasPrefix(ref, strings.TrimSuffix(glob, "/")+"/")
	}
	const slash = "\x00" // path.Match keeps * within slashes
	ok, err := path.Match(strings.ReplaceAll(glob, "/", slash), strings.ReplaceAll(ref, "/", slash))
	return ok && err == nil
}

// name begins at an object: tags on the way belong to the range too.
func (w *rangeWalk) name(o Oid, p paint) error {
	for i := 0; i < 100; i++ {
		t, data, err := w.repo.Read(o)
		if err != nil {
			return err
		}
		if n, ok := w.cat.find(o); ok && (t == Tag || t == Blob) {
			w.set(p).add(n)
		}
		switch t {
		case Commit:
			w.push(o, p)
			return nil
		case Tag:
			tag, err := ParseTag(data, w.cat.format)
			if err != nil {
				return err
			}
			o = tag.Object
		default:
			if t == Tree {
				w.tree(o, w.set(p), nil, o)
			}
			return nil
		}
	}
	return errors.New("chain of tags is too long")
}

func (w *rangeWalk) set(p paint) *Set {
	if p == excluded {
		return w.not
	}
	return w.out
}

// push paints a commit and puts it in the queue when that is news.
func (w *rangeWalk) push(o Oid, p paint) {
	if w.flags[o]&p == p {
		return
	}
	if _, ok := w.info[o]; !ok {
		c, err := w.read(o)
		if err != nil {
			if p&excluded == 0 {
				w.missing(o, Commit, err)
			}
			w.flags[o] |= p | excluded
			return
		}
		w.info[o] = c
	}
	if !w.since.IsZero() && w.info[o].date < w.since.Unix() {
		p |= excluded
	}
	w.flags[o] |= p
	heap.Push(&w.queue, queued{o, w.info[o].date})
}

func (w *rangeWalk) read(o Oid) (rangeCommit, error) {
	t, data, err := w.repo.Read(o)
	if err != nil {
		return rangeCommit{}, err
	}
	if t != Commit {
		return rangeCommit{}, fmt.Errorf("is a %s, want a commit", t)
	}
	c, err := ParseCommit(data, w.cat.format)
	return rangeCommit{c.Tree, c.Parents, ParseIdent(c.Committer.Of(data)).Unix}, err
}

// dateSlop is how far commits may be dated before their parents. Past it an excluded
// commit may be taken for a part of the range; none is ever left out.
const dateSlop = 30 * 24 * 60 * 60

// commits walks back from what was named, newest first, until only excluded commits
// are left that are older than all others, and returns those painted and not excluded.
func (w *rangeWalk) commits() ([]Oid, error) {
	var order []Oid
	seen := map[Oid]bool{}
	oldest := int64(maxUnix)
	open := func() bool {
		if w.queue[0].date > oldest-dateSlop {
			return true
		}
		for _, q := range w.queue {
			if w.flags[q.oid]&excluded == 0 {
				return true
			}
		}
		return false
	}
	for n := 0; len(w.queue) > 0; n++ {
		if n%256 == 0 && w.ctx.Err() != nil {
			return nil, w.ctx.Err()
		}
		top := w.queue[0]
		if w.flags[top.oid]&excluded != 0 && (n%64 == 0 || len(w.queue) < 64) && !open() {
			break
		}
		heap.Pop(&w.queue)
		if !seen[top.oid] {
			seen[top.oid] = true
			if w.flags[top.oid]&excluded == 0 {
				oldest = min(oldest, top.date)
			}
			order = append(order, top.oid)
		}
		for _, p := range w.info[top.oid].parents {
			if w.repo.shallow[top.oid] && !w.repo.Has(p) {
				if w.flags[top.oid]&excluded == 0 {
					w.holes.add(Hole{Kind: AbsentByChoice, What: "shallow", Oid: top.oid, Offset: -1,
						Reason: "the range reaches the border of a shallow clone; git fetch --unshallow brings the rest"})
				}
				continue
			}
			w.push(p, w.flags[top.oid])
		}
	}
	out := order[:0]
	for _, o := range order {
		if w.flags[o] == painted {
			out = append(out, o)
		}
	}
	return out, nil
}

type queued struct {
	oid  Oid
	date int64
}

// rangeQueue is a heap, newest commit first.
type rangeQueue []queued

func (q rangeQueue) Len() int { return len(q) }
func (q rangeQueue) Less(i, j int) bool {
	if q[i].date != q[j].date {
		return q[i].date > q[j].date
	}
	return q[i].oid.Compare(q[j].oid) < 0
}
func (q rangeQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *rangeQueue) Push(x any)   { *q = append(*q, x.(queued)) }
func (q *rangeQueue) Pop() any {
	x := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return x
}
