package history

import (
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
)

// hit is a match and where in its object it stands.
type hit struct {
	match detect.Match
	at    finding.Occurrence
}

// objectHits are the hits in one object, or in one name.
type objectHits struct {
	oid  git.Oid
	name string // of a file or directory, where oid is zero
	hits []hit
}

// worker scans objects for one goroutine.
type worker struct {
	*source.Worker
	scan  *scan
	found []objectHits
}

func (s *scan) worker() *worker { return &worker{Worker: s.run.Worker(), scan: s} }

// object scans one object of any type.
func (w *worker) object(o git.Oid, t git.Type, data []byte) {
	counts := &w.scan.run.Counts
	switch t {
	case git.Blob:
		counts.Blobs.Add(1)
		w.add(o, finding.KindBlob, data)
	case git.Commit:
		counts.Commits.Add(1)
		w.commit(o, data)
	case git.Tag:
		w.tag(o, data)
	case git.Tree:
		w.tree(o, data)
		w.done(0)
		return
	}
	counts.BytesScanned.Add(int64(len(data)))
	w.done(len(data))
}

func (w *worker) done(bytes int) {
	counts := &w.scan.run.Counts
	counts.Objects.Add(1)
	counts.DoneUnits.Add(1)
	counts.BytesLogical.Add(int64(bytes))
}

// add keeps the hits in a piece of an object.
func (w *worker) add(o git.Oid, kind string, data []byte) {
	if len(data) > 0 {
		w.keep(o, kind, data, w.Detect(data))
	}
}

func (w *worker) keep(o git.Oid, kind string, data []byte, matches []detect.Match) {
	if len(matches) == 0 {
		return
	}
	loc := source.NewLocator(data)
	var hits []hit
	for _, m := range matches {
		w.scan.run.Accept(&m, "", data)
		hits = append(hits, hit{m, loc.Occurrence(source.Item{Kind: kind}, m)})
	}
	w.found = append(w.found, objectHits{oid: o, hits: hits})
}

// commit scans a commit's message, people and other headers, each for itself: a
// position counts from the beginning of its piece.
func (w *worker) commit(o git.Oid, data []byte) {
	c, err := git.ParseCommit(data, o.Format())
	if err != nil { // a hole of the reader; its bytes are scanned as they are
		w.add(o, finding.KindCommitMessage, data)
		return
	}
	w.add(o, finding.KindCommitMessage, c.Message.Of(data))
	w.add(o, finding.KindAuthor, c.Author.Of(data))
	w.add(o, finding.KindCommitter, c.Committer.Of(data))
	for _, h := range c.Extra {
		w.add(o, finding.KindCommitMessage, h.Value.Of(data))
	}
}

func (w *worker) tag(o git.Oid, data []byte) {
	t, err := git.ParseTag(data, o.Format())
	if err != nil {
		w.add(o, finding.KindTagMessage, data)
		return
	}
	w.add(o, finding.KindTagMessage, t.Message.Of(data))
	w.add(o, finding.KindTagMessage, t.Name.Of(data))
	w.add(o, finding.KindAuthor, t.Tagger.Of(data))
	for _, h := range t.Extra {
		w.add(o, finding.KindTagMessage, h.Value.Of(data))
	}
}

// tree scans the names in a tree that no tree had before.
func (w *worker) tree(o git.Oid, data []byte) {
	for it := git.NewTreeIter(data, o.Format()); ; {
		e, ok, _ := it.Next() // damage is a hole of the reader
		if !ok {
			return
		}
		w.name(e.Name)
	}
}

// name scans the name of a file or directory, if no tree had it before.
func (w *worker) name(name []byte) {
	if w.scan.names.add(name) {
		if matches := w.Detect(name); len(matches) > 0 {
			n := len(w.found)
			w.keep(git.Oid{}, finding.KindPath, name, matches)
			w.found[n].name = string(name)
		}
	}
}

// large scans an object that is too large for memory.
func (w *worker) large(o git.Oid, r io.Reader) error {
	var mu sync.Mutex
	var hits []hit
	sub := &source.Run{Detector: w.scan.run.Detector, Workers: 1, OnHit: func(h source.Hit) {
		mu.Lock()
		defer mu.Unlock()
		hits = append(hits, hit{h.Match, h.Occurrence})
	}}
	n, err := sub.Worker().ScanReader(source.Item{Kind: finding.KindBlob, Path: o.String()}, r)
	for i := range hits {
		hits[i].at.Path = ""
	}
	if len(hits) > 0 {
		w.found = append(w.found, objectHits{oid: o, hits: hits})
	}
	w.scan.run.Counts.Blobs.Add(1)
	w.scan.run.Counts.BytesScanned.Add(n)
	w.done(int(n))
	return err
}

// nameSet remembers names by a keyed hash, so that each is scanned once. It is safe
// for concurrent use.
type nameSet struct {
	seed  maphash.Seed
	parts [64]struct {
		sync.Mutex
		seen map[uint64]struct{}
	}
}

func newNameSet() *nameSet {
	n := &nameSet{seed: maphash.MakeSeed()}
	for i := range n.parts {
		n.parts[i].seen = map[uint64]struct{}{}
	}
	return n
}

// add reports whether the name is new.
func (n *nameSet) add(name []byte) bool {
	h := maphash.Bytes(n.seed, name)
	p := &n.parts[h>>58]
	p.Lock()
	defer p.Unlock()
	if _, ok := p.seen[h]; ok {
		return false
	}
	p.seen[h] = struct{}{}
	return true
}

// hide replaces what matched in a name or line of text that is shown.
func hide(s string, matches []detect.Match) string {
	var b strings.Builder
	at := 0
	for _, m := range slices.SortedFunc(slices.Values(matches), func(a, b detect.Match) int { return a.Start - b.Start }) {
		if m.End <= at {
			continue
		}
		b.WriteString(s[at:max(at, m.Start)])
		b.WriteString("…")
		at = m.End
	}
	b.WriteString(s[at:])
	return b.String()
}

func splitRevisions(s string) []string { return strings.Fields(s) }
