package action

import (
	"context"
	"fmt"
	"strings"

	"github.com/rekeyhq/rekey/scanner/git"
)

// Plan says what an event asks to be scanned.
type Plan struct {
	// Nothing says why there is nothing to scan; empty otherwise.
	Nothing string
	// Whole asks for the whole history; otherwise Head without what Exclude reaches.
	Whole   bool
	Head    git.Oid
	Exclude []git.Oid
	// Config is the commit whose baseline and ignore files count; zero: none do.
	Config git.Oid
	// Trusted allows asking key services.
	Trusted bool
	// Stranger says that the code comes from a fork: what it says about itself, comments
	// that accept a key included, does not count.
	Stranger bool
	// Notes tell where the range is wider than what was asked for, and why.
	Notes []string
}

// Range is the plan in the notation of history.Options: object ids only, so nothing of
// an event's text is ever taken for a revision.
func (p *Plan) Range() string {
	var b strings.Builder
	for _, o := range p.Exclude {
		b.WriteString("^" + o.String() + " ")
	}
	return b.String() + p.Head.String()
}

// Missing is the error of NewPlan when the clone lacks a commit without which the range
// is not known.
type Missing struct{ What, ID string }

// Error names the commit.
func (m *Missing) Error() string {
	return fmt.Sprintf("%s, %s, is not in this clone", m.What, m.ID)
}

// NewPlan chooses the range of an event. It reads commits and refs of the clone, and
// decides by them, since payloads do not list all commits and may be forged.
func NewPlan(ctx context.Context, repo *git.Repository, e Event) (*Plan, error) {
	p := planner{ctx: ctx, repo: repo, event: &e, plan: &Plan{Trusted: e.trusted(), Stranger: e.fork()}}
	var err error
	switch {
	case e.Name == "push":
		err = p.push()
	case e.pull():
		err = p.pull()
	case e.Name == "merge_group":
		g := e.MergeGroup
		err = p.change("the merge group", g.HeadSHA, g.BaseSHA, strings.TrimPrefix(g.BaseRef, "refs/heads/"))
	default:
		p.whole()
	}
	if err != nil {
		return nil, err
	}
	return p.plan, nil
}

type planner struct {
	ctx   context.Context
	repo  *git.Repository
	event *Event
	plan  *Plan
}

func (p *planner) note(format string, args ...any) {
	p.plan.Notes = append(p.plan.Notes, fmt.Sprintf(format, args...))
}

func (p *planner) whole() {
	p.plan.Whole = true
	if head, ok := p.repo.Head(); ok && p.plan.Trusted {
		p.plan.Config = head.Oid
	} else if tip, ok := p.branch(p.event.Repository.DefaultBranch); ok {
		p.plan.Config = tip
	}
}

func (p *planner) push() error {
	e := p.event
	after, err := parse("after", e.After)
	if err != nil {
		return err
	}
	if e.Deleted || after.IsZero() {
		p.plan.Nothing = "the push deletes a ref: it brings no commits"
		return nil
	}
	if !p.repo.Has(after) && e.HeadCommit != nil {
		// checkout replaces an annotated tag by its commit.
		if o, err := git.ParseOid(e.HeadCommit.ID); err == nil && p.repo.Has(o) {
			p.note("object %s is not in this clone: its commit %s is scanned", after, o)
			after = o
		}
	}
	if !p.repo.Has(after) {
		return &Missing{"the pushed commit", after.String()}
	}
	p.plan.Head, p.plan.Config = after, after
	before, err := parse("before", e.Before)
	switch {
	case err != nil:
		return err
	case before.IsZero():
		p.new("the branch or tag is new")
	case p.repo.Has(before):
		p.plan.Exclude = []git.Oid{before}
		if tip, ok := p.otherDefault(); ok && e.Forced { // a rebase brings nothing of the branch it goes onto
			p.plan.Exclude = append(p.plan.Exclude, tip)
		}
	case p.shallow() && !e.Forced:
		return &Missing{"the commit before the push", before.String()}
	default:
		p.note("the commit before the push, %s, is not in this clone: a forced push replaced it", before)
		p.new("the branch was replaced")
	}
	return nil
}

// new excludes what the default branch has.
func (p *planner) new(why string) {
	tip, ok := p.otherDefault()
	switch {
	case ok:
		p.plan.Exclude = []git.Oid{tip}
	case p.event.Ref == "refs/heads/"+p.event.Repository.DefaultBranch:
		p.note("%s and is the default branch: all its commits are scanned", why)
	default:
		p.note("%s and the default branch is not in this clone: all commits are scanned", why)
	}
}

// otherDefault is the tip of the default branch where that is not what was pushed.
func (p *planner) otherDefault() (git.Oid, bool) {
	name := p.event.Repository.DefaultBranch
	if p.event.Ref == "refs/heads/"+name {
		return git.Oid{}, false
	}
	return p.branch(name)
}

func (p *planner) pull() error {
	r := p.event.PullRequest
	return p.change("the pull request", r.Head.SHA, r.Base.SHA, r.Base.Ref)
}

// change plans what head brings to the branch base.
func (p *planner) change(what, headID, baseID, base string) error {
	head, err := parse("head sha", headID)
	if err != nil {
		return err
	}
	old, err := parse("base sha", baseID)
	if err != nil {
		return err
	}
	if !p.repo.Has(head) {
		return &Missing{"the head of " + what, head.String()}
	}
	p.plan.Head = head
	if p.repo.Has(old) {
		p.plan.Exclude, p.plan.Config = append(p.plan.Exclude, old), old
	}
	// The base may have moved on since the payload was made. Where the change has merged
	// it, its newer commits are no part of the change.
	if first, ok := p.mergedOnto(head); ok {
		p.plan.Exclude, p.plan.Config = append(p.plan.Exclude, first), first
	}
	if tip, ok := p.branch(base); ok {
		p.plan.Config = tip
		contained, err := p.contains(tip, head)
		if err != nil {
			return err
		}
		if !contained { // else it was merged already: the branch it went into tells nothing
			p.plan.Exclude = append(p.plan.Exclude, tip)
		}
	}
	if len(p.plan.Exclude) == 0 {
		return &Missing{"the base of " + what, old.String()}
	}
	if !p.repo.Has(old) {
		p.note("the base %s is not in this clone: the base branch as it is now stands for it", old)
	}
	return nil
}

// mergedOnto returns the first parent of the merge that the service made for trying,
// where GITHUB_SHA is the merge of head.
func (p *planner) mergedOnto(head git.Oid) (git.Oid, bool) {
	o, err := git.ParseOid(p.event.SHA)
	if err != nil || !p.event.pull() {
		return git.Oid{}, false
	}
	t, data, err := p.repo.Read(o)
	if err != nil || t != git.Commit {
		return git.Oid{}, false
	}
	c, err := git.ParseCommit(data, p.repo.Format())
	if err != nil || len(c.Parents) != 2 || c.Parents[1] != head || !p.repo.Has(c.Parents[0]) {
		return git.Oid{}, false
	}
	return c.Parents[0], true
}

func (p *planner) contains(tip, head git.Oid) (bool, error) {
	r, err := p.repo.Range(p.ctx, git.RangeSpec{Revisions: []string{"^" + tip.String(), head.String()}})
	if err != nil {
		return false, fmt.Errorf("compare %s with %s: %w", head, tip, err)
	}
	return len(r.Commits) == 0, nil
}

// branch finds a branch as checkout leaves it, by its whole name: a name is never taken
// for a revision.
func (p *planner) branch(name string) (git.Oid, bool) {
	if name == "" {
		return git.Oid{}, false
	}
	refs, _ := p.repo.Refs()
	for _, full := range []string{"refs/remotes/origin/" + name, "refs/heads/" + name} {
		for _, r := range refs {
			if r.Name == full && !r.Oid.IsZero() && p.repo.Has(r.Oid) {
				return r.Oid, true
			}
		}
	}
	return git.Oid{}, false
}

// shallow reports whether the clone lacks a part of the history by choice.
func (p *planner) shallow() bool {
	for _, h := range p.repo.Holes() {
		if h.Kind == git.AbsentByChoice && h.What == "shallow" {
			return true
		}
	}
	return false
}

func parse(field, id string) (git.Oid, error) {
	o, err := git.ParseOid(id)
	if err != nil {
		return git.Oid{}, fmt.Errorf("payload: %s %.80q is no object id", field, id)
	}
	return o, nil
}
