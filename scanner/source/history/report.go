package history

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
)

// report looks up where hits stand in the history and reports them. Without lookup,
// after an interruption, occurrences name their objects only.
func (s *scan) report(ctx context.Context, lookup bool) (failed error) {
	r := s.gather()
	var traces []git.Trace
	if lookup && len(r.objects)+len(r.nameList) > 0 {
		req := git.Request{Objects: r.objects, Names: r.nameList, Graph: s.graph}
		if s.opt.AllOccurrences {
			req.Every = r.every
		}
		if !s.opt.Plain {
			req.Trees = s.readTrees
		}
		var err error
		if traces, err = s.repo.Provenance(ctx, req); err == nil && s.opt.AllOccurrences {
			err = r.traceCommits(ctx)
		}
		if err != nil { // what was found is still reported
			defer func() { failed = errors.Join(failed, err) }()
			lookup = false
		}
	}
	if !lookup {
		traces = make([]git.Trace, len(r.objects)+len(r.nameList))
	}
	r.contents(traces)
	r.texts(traces)
	r.paths(traces[len(r.objects):])
	if s.whole && lookup && !s.reflogged {
		s.reflogged = true
		r.reflogs()
	}
	if len(s.found) > 0 && ctx.Err() == nil { // names that came up while trees were read
		return s.report(ctx, lookup)
	}
	return ctx.Err()
}

// reporter turns hits into occurrences.
type reporter struct {
	*scan
	w        *source.Worker
	objects  []git.Oid
	hits     [][]hit // by object
	nameList []string
	nameHits map[string][]hit

	people map[git.Oid]finding.Provenance // by commit
	all    []occurrence                   // of Every
	commit map[git.Oid]git.Place          // where Every's commits stand
	cut    int
}

// occurrence is one commit and path of an object.
type occurrence struct {
	object int
	commit git.Oid
	path   string
}

// maxEvery bounds how many commits and paths are kept for --all-occurrences.
const maxEvery = 2_000_000

func (s *scan) gather() *reporter {
	r := &reporter{scan: s, w: s.run.Worker(), nameHits: map[string][]hit{}, people: map[git.Oid]finding.Provenance{}, commit: map[git.Oid]git.Place{}}
	byOid := map[git.Oid][]hit{}
	for _, f := range s.found {
		if f.oid == (git.Oid{}) {
			r.nameHits[f.name] = f.hits
		} else {
			byOid[f.oid] = append(byOid[f.oid], f.hits...)
		}
	}
	s.found = nil
	r.objects = slices.SortedFunc(maps.Keys(byOid), git.Oid.Compare)
	for _, o := range r.objects {
		r.hits = append(r.hits, byOid[o])
	}
	r.nameList = slices.Sorted(maps.Keys(r.nameHits))
	return r
}

func (r *reporter) every(i int, commit git.Oid, path string) error {
	if i >= len(r.objects) { // a name: its place is where it stands
		return nil
	}
	if len(r.all) >= maxEvery {
		r.cut++
		return nil
	}
	r.all = append(r.all, occurrence{i, commit, path})
	return nil
}

// traceCommits finds the refs of the commits that Every told of.
func (r *reporter) traceCommits(ctx context.Context) error {
	var commits []git.Oid
	for _, o := range r.all {
		if _, ok := r.commit[o.commit]; !ok {
			r.commit[o.commit] = git.Place{}
			commits = append(commits, o.commit)
		}
	}
	traces, err := r.repo.Provenance(ctx, git.Request{Objects: commits, Graph: r.graph})
	for i, t := range traces {
		if len(t.Places) > 0 {
			r.commit[commits[i]] = t.Places[0]
		}
	}
	return err
}

// version is a blob that holds a secret at a path.
type version struct {
	object int
	place  git.Place
}

// contents reports the hits in blobs: one occurrence for each secret, path and line,
// as the path's first blob has them, and those of HEAD where they stand elsewhere.
func (r *reporter) contents(traces []git.Trace) {
	type group struct {
		key  finding.Fingerprint
		path string
	}
	groups := map[group][]version{}
	var order []group
	for i := range r.objects {
		if !isBlob(r.hits[i]) {
			continue
		}
		if len(traces[i].Places) == 0 {
			for _, h := range r.hits[i] {
				r.emit(h, finding.Provenance{Blob: r.objects[i].String()}, "", 1)
			}
			continue
		}
		for _, key := range keysOf(r.hits[i]) {
			for _, p := range traces[i].Places {
				g := group{key, p.Path}
				if groups[g] == nil {
					order = append(order, g)
				}
				groups[g] = append(groups[g], version{i, p})
			}
		}
	}
	if r.opt.AllOccurrences && len(r.all) > 0 {
		r.everyContent(traces)
		return
	}
	for _, g := range order {
		r.path(g.key, groups[g])
	}
}

func isBlob(hits []hit) bool { return hits[0].at.Kind == finding.KindBlob }

func keysOf(hits []hit) []finding.Fingerprint {
	var keys []finding.Fingerprint
	for _, h := range hits {
		if !slices.Contains(keys, h.match.Key) {
			keys = append(keys, h.match.Key)
		}
	}
	return keys
}

// path reports one secret at one path.
func (r *reporter) path(key finding.Fingerprint, versions []version) {
	first, head := versions[0], -1
	blobs := map[int]bool{}
	for i, v := range versions {
		blobs[v.object] = true
		if v.place.Rank < first.place.Rank {
			first = v
		}
		if v.place.InHead {
			head = i
		}
	}
	type spot struct{ line, column int }
	inHead := map[spot]hit{}
	if head >= 0 {
		for _, h := range r.hits[versions[head].object] {
			if h.match.Key == key {
				inHead[spot{h.at.StartLine, h.at.StartColumn}] = h
			}
		}
	}
	emit := func(h hit, v version, here bool) {
		p := r.provenance(v.place)
		p.Blob, p.InHead = r.objects[v.object].String(), here
		r.emit(h, p, v.place.Path, len(blobs))
	}
	for _, h := range r.hits[first.object] {
		if h.match.Key != key {
			continue
		}
		at := spot{h.at.StartLine, h.at.StartColumn}
		_, here := inHead[at]
		delete(inHead, at)
		emit(h, first, here)
	}
	if head < 0 {
		return
	}
	for _, h := range r.hits[versions[head].object] {
		if _, left := inHead[spot{h.at.StartLine, h.at.StartColumn}]; left && h.match.Key == key {
			emit(h, versions[head], true)
		}
	}
}

// everyContent reports every commit and path of every hit in a blob.
func (r *reporter) everyContent(traces []git.Trace) {
	inHead := map[occurrence]bool{}
	told := map[int]bool{}
	for i := range r.objects {
		for _, p := range traces[i].Places {
			inHead[occurrence{object: i, path: p.Path}] = p.InHead
		}
	}
	for _, o := range r.all {
		if !isBlob(r.hits[o.object]) {
			continue
		}
		told[o.object] = true
		p := r.provenance(r.commit[o.commit])
		p.Blob, p.InHead = r.objects[o.object].String(), inHead[occurrence{object: o.object, path: o.path}]
		for _, h := range r.hits[o.object] {
			r.emit(h, p, o.path, 1)
		}
	}
	for i := range r.objects { // what no commit holds
		if told[i] || !isBlob(r.hits[i]) {
			continue
		}
		for _, place := range traces[i].Places {
			p := r.provenance(place)
			p.Blob = r.objects[i].String()
			for _, h := range r.hits[i] {
				r.emit(h, p, place.Path, 1)
			}
		}
	}
	if r.cut > 0 {
		r.run.Hole(source.Hole{Class: source.Policy, What: "occurrences", Count: int64(r.cut), Reason: "more commits and paths than are listed"})
	}
}

// texts reports the hits in commits and tags.
func (r *reporter) texts(traces []git.Trace) {
	for i, o := range r.objects {
		if isBlob(r.hits[i]) {
			continue
		}
		place := git.Place{}
		if len(traces[i].Places) > 0 {
			place = traces[i].Places[0]
		}
		p := r.provenance(place)
		if t, data, err := r.repo.Read(o); err == nil && t == git.Tag {
			if tag, err := git.ParseTag(data, o.Format()); err == nil {
				r.describe(&p, git.ParseIdent(tag.Tagger.Of(data)), tag.Message.Of(data))
			}
		} else if p.Commit == "" {
			p.Commit = o.String()
		}
		p.InHead = place.InHead
		for _, h := range r.hits[i] {
			r.emit(h, p, "", 1)
		}
	}
}

// paths reports the hits in names of files and directories.
func (r *reporter) paths(traces []git.Trace) {
	for i, name := range r.nameList {
		places := traces[i].Places
		if len(places) == 0 {
			places = []git.Place{{Path: name}}
		}
		for _, place := range places {
			p := r.provenance(place)
			p.InHead = place.InHead
			for _, h := range r.nameHits[name] {
				r.emit(h, p, place.Path, 1)
			}
		}
	}
}

// reflogs scans the reflogs' own words, and reports what stands nowhere else: mostly
// they repeat the subjects of commits.
func (r *reporter) reflogs() {
	known := map[finding.Fingerprint]bool{}
	for _, hits := range r.hits {
		for _, h := range hits {
			known[h.match.Key] = true
		}
	}
	logs, holes := r.repo.Reflogs()
	for _, h := range holes {
		r.hole(h, true)
	}
	for _, e := range logs {
		text := []byte(e.Who + "\t" + e.Message)
		loc := source.NewLocator(text)
		for _, m := range r.w.Detect(text) {
			if known[m.Key] {
				continue
			}
			known[m.Key] = true
			p := finding.Provenance{Commit: e.New.String(), Refs: []string{r.show(e.Ref)}}
			r.run.Report(m, loc.Occurrence(source.Item{Kind: finding.KindCommitMessage, Provenance: p}, m))
		}
	}
}

// emit reports one hit at one place.
func (r *reporter) emit(h hit, p finding.Provenance, path string, versions int) {
	h.at.Path, h.at.Git, h.at.Versions = r.show(path), p, versions
	r.run.Report(h.match, h.at)
}

// provenance describes a place's commit.
func (r *reporter) provenance(place git.Place) finding.Provenance {
	p := finding.Provenance{Refs: place.Refs, Reachable: place.Reachable}
	for i, ref := range p.Refs {
		if shown := r.show(ref); shown != ref {
			p.Refs = slices.Clone(p.Refs)
			p.Refs[i] = shown
		}
	}
	if place.Commit.IsZero() {
		return p
	}
	d, ok := r.people[place.Commit]
	if !ok {
		if t, data, err := r.repo.Read(place.Commit); err == nil && t == git.Commit {
			c, _ := git.ParseCommit(data, place.Commit.Format())
			r.describe(&d, git.ParseIdent(c.Author.Of(data)), c.Message.Of(data))
		}
		r.people[place.Commit] = d
	}
	p.Commit, p.Author, p.Email, p.Date, p.Subject = place.Commit.String(), d.Author, d.Email, d.Date, d.Subject
	return p
}

// maxSubject is how much of a commit's subject is kept.
const maxSubject = 200

// describe fills in who did something and what they say of it, with every secret in
// it hidden.
func (r *reporter) describe(p *finding.Provenance, who git.Ident, message []byte) {
	p.Author, p.Email = r.show(string(who.Name)), r.show(string(who.Email))
	p.Date = who.Time()
	subject, _, _ := bytes.Cut(bytes.TrimLeft(message, "\n"), []byte("\n"))
	text := r.showIn(message, subject)
	if len(text) > maxSubject {
		text = strings.ToValidUTF8(text[:maxSubject], "") + "…"
	}
	p.Subject = text
}

// show hides secrets in a name that is shown.
func (r *reporter) show(s string) string {
	if s == "" {
		return s
	}
	return hide(s, r.w.Detect([]byte(s)))
}

// showIn hides secrets in a part of a text: they are looked for in all of it, as what
// makes them secrets may stand on another line.
func (r *reporter) showIn(whole, part []byte) string {
	from := bytes.Index(whole, part)
	var in []detect.Match
	for _, m := range r.w.Detect(whole) {
		if m.Start < from+len(part) && m.End > from {
			m.Start, m.End = max(m.Start-from, 0), min(m.End-from, len(part))
			in = append(in, m)
		}
	}
	return hide(string(part), in)
}
