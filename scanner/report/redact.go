package report

import (
	"encoding/base64"
	"encoding/hex"
	"hash/maphash"
	"net/url"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// reveal is the one place in this package that sees a key in clear. It serves the view
// (secrets under Options.ShowSecrets, parts that are public) and the scrubber, which
// needs to know what to remove and never gives it out.
func reveal(s finding.Secret) string { return string(s.Reveal()) }

// window is the number of last bytes by which the scrubber finds its patterns. Keys
// begin alike and end at random, so the end tells them apart.
const window = 8

// shortest is the length of the shortest secret that is ever removed from other
// strings: a shorter one occurs in them by chance.
const shortest = 4

// scrubber removes every known secret from strings that are not the secret itself:
// a path, a subject, an author or an address can hold one. It knows each secret in
// clear, percent-encoded, in hex and in base64 at each of its three alignments.
//
// A password such as "postgres" is also a word, and a report whose paths lack it
// could not be used. From names (paths, refs, addresses) only those secrets are
// removed that look like keys, or that were found outside of file content; from prose
// (subjects, people, reasons) also every other one of 8 bytes and more.
//
// A scrubber is immutable once built and safe for concurrent use.
type scrubber struct {
	seed  maphash.Seed
	keys  []knownKey
	ends  map[uint64]int32 // last bytes of forms, packed, to the first of their lengths
	tails []tail
	forms map[uint64]form // whole forms, hashed
	sizes []int           // lengths of the packed ends, ascending
}

type knownKey struct {
	secret finding.Secret
	public int
	names  bool // removed from names too
}

// tail is one length of the forms that end alike. A repository can hold any number
// of keys with one end, but the lengths of keys are few: that bounds the work.
type tail struct {
	length int32
	next   int32 // -1 for none
}

// form is one disguise of one key. Its text is made again when its hash turns up:
// kept, all would need twenty times the memory of the keys.
type form struct {
	key      int32
	disguise int32
}

func newScrubber(r *Report) *scrubber {
	s := &scrubber{seed: maphash.MakeSeed(), ends: map[uint64]int32{}, forms: map[uint64]form{}}
	for i := range r.Findings {
		f := &r.Findings[i]
		outside := slices.ContainsFunc(f.Occurrences, outsideContent)
		public := f.Public
		if f.LowEntropy {
			public = guessable
		}
		s.add(f.Secret, public, outside)
		for _, p := range f.Parts {
			if !p.Public {
				s.add(p.Value, min(public, 0), outside)
			}
		}
	}
	slices.Sort(s.sizes)
	return s
}

func outsideContent(o finding.Occurrence) bool {
	switch o.Kind {
	case finding.KindBlob, finding.KindWorktree, finding.KindStaged, finding.KindStdin, "":
		return false
	}
	return true
}

// looksLikeKey reports whether key is unlikely to be part of a name by chance.
func looksLikeKey(key string) bool {
	return len(key) >= 20 || len(key) >= window && strings.ContainsAny(key, "0123456789")
}

func (s *scrubber) add(secret finding.Secret, public int, outside bool) {
	key := reveal(secret)
	names := outside || looksLikeKey(key)
	if len(key) < shortest || len(key) < window && !names {
		return
	}
	s.keys = append(s.keys, knownKey{secret, public, names})
	at := int32(len(s.keys) - 1)
	for i, text := range disguises(key) {
		hash := maphash.String(s.seed, text)
		if old, ok := s.forms[hash]; ok {
			if names && !s.keys[old.key].names {
				s.forms[hash] = form{at, int32(i)}
			}
			continue
		}
		s.forms[hash] = form{at, int32(i)}
		s.addTail(text)
	}
}

// addTail notes that a form of this length has this end.
func (s *scrubber) addTail(text string) {
	n := min(len(text), window)
	end := pack(text[len(text)-n:])
	first, ok := s.ends[end]
	if !ok {
		first = -1
	}
	for t := first; t >= 0; t = s.tails[t].next {
		if int(s.tails[t].length) == len(text) {
			return
		}
	}
	s.ends[end] = int32(len(s.tails))
	s.tails = append(s.tails, tail{int32(len(text)), first})
	if !slices.Contains(s.sizes, n) {
		s.sizes = append(s.sizes, n)
	}
}

// pack returns at most eight bytes as a number. Two ends may share one: that only
// makes one look-up more.
func pack(end string) uint64 {
	n := uint64(len(end)) << 56
	for i := range len(end) {
		n ^= uint64(end[i]) << (8 * i)
	}
	return n
}

// disguises returns key and the encodings of it that paths and URLs are likely to
// hold. Encodings of short keys are left out: they would occur by chance.
func disguises(key string) []string {
	forms := []string{key}
	for _, form := range []string{url.PathEscape(key), url.QueryEscape(key)} {
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	if len(key) < window {
		return forms
	}
	lower := hex.EncodeToString([]byte(key))
	forms = append(forms, lower)
	if upper := strings.ToUpper(lower); upper != lower {
		forms = append(forms, upper)
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for skip := range 3 {
			if form := base64Core(enc, key, skip); !slices.Contains(forms, form) {
				forms = append(forms, form)
			}
		}
	}
	return forms
}

// base64Core returns the base64 digits that depend on key alone when skip bytes of
// something else precede it.
func base64Core(enc *base64.Encoding, key string, skip int) string {
	whole := enc.EncodeToString([]byte(strings.Repeat("\x00", skip) + key))
	first := (skip*8 + 5) / 6
	last := (skip + len(key)) * 8 / 6
	return whole[first:last]
}

// prose returns text with every known secret replaced by its redacted form.
func (s *scrubber) prose(text string) string { return s.scrub(text, false) }

// name does the same for a path, a ref or an address.
func (s *scrubber) name(text string) string { return s.scrub(text, true) }

func (s *scrubber) scrub(text string, name bool) string {
	var hits []span
	for _, n := range s.sizes {
		for end := n; end <= len(text); end++ {
			t, ok := s.ends[pack(text[end-n:end])]
			for ; ok && t >= 0; t = s.tails[t].next {
				if from := end - int(s.tails[t].length); from >= 0 {
					if shown, ok := s.match(text[from:end], name); ok {
						hits = append(hits, span{from, end, shown})
					}
				}
			}
		}
	}
	if hits == nil {
		return text
	}
	var b strings.Builder
	at := 0
	for _, h := range merge(hits) {
		b.WriteString(text[at:h.from])
		b.WriteString(h.shown)
		at = h.to
	}
	b.WriteString(text[at:])
	return b.String()
}

// match reports whether text is a form of a key that is to be removed, and what to
// show in its place.
func (s *scrubber) match(text string, name bool) (string, bool) {
	f, ok := s.forms[maphash.String(s.seed, text)]
	if !ok {
		return "", false
	}
	k := &s.keys[f.key]
	if name && !k.names || disguises(reveal(k.secret))[f.disguise] != text {
		return "", false
	}
	if k.public == guessable {
		return "…", true
	}
	return k.secret.Redacted(k.public), true
}

// guessable stands in place of a number of public bytes: nothing may be shown.
const guessable = -1

type span struct {
	from, to int
	shown    string
}

// merge joins overlapping spans. One that holds the others keeps its own redacted
// form; where none does, only an ellipsis is shown.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	out := spans[:1]
	for _, s := range spans[1:] {
		last := &out[len(out)-1]
		switch {
		case s.from >= last.to:
			out = append(out, s)
		case s.to > last.to:
			last.to, last.shown = s.to, "…"
		}
	}
	return out
}

// withoutCredentials removes the user name and password from a string that is a URL;
// others are returned as they are. With all, query and fragment go too.
func withoutCredentials(s string, all bool) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	if all {
		rest, _, _ = strings.Cut(rest, "#")
		rest, _, _ = strings.Cut(rest, "?")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
		rest = rest[at+1:]
	}
	return scheme + "://" + rest
}
