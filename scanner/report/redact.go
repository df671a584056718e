package report

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// reveal is the one place in this package that sees a key in clear. It has two
// callers: the view, under Options.ShowSecrets, and the scrubber, which needs to
// know what to remove and never gives it out.
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
	byEnd map[string][]pattern // key: the last bytes of text, at most window
	sizes []int                // lengths of the keys in byEnd, ascending
}

type pattern struct {
	text  string
	shown string // what stands in its place
	names bool   // removed from names too
}

func newScrubber(r *Report) *scrubber {
	s := &scrubber{byEnd: make(map[string][]pattern, len(r.Findings))}
	for i := range r.Findings {
		f := &r.Findings[i]
		outside := slices.ContainsFunc(f.Occurrences, outsideContent)
		s.add(f.Secret, f.Secret.Redacted(f.Public), outside)
		for _, p := range f.Parts {
			if !p.Public {
				s.add(p.Value, p.Value.Redacted(0), outside)
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

func (s *scrubber) add(secret finding.Secret, shown string, outside bool) {
	key := reveal(secret)
	names := outside || looksLikeKey(key)
	if len(key) < shortest || len(key) < window && !names {
		return
	}
	for _, form := range disguises(key) {
		end := form[max(0, len(form)-window):]
		if slices.ContainsFunc(s.byEnd[end], func(p pattern) bool { return p.text == form && p.names == names }) {
			continue
		}
		s.byEnd[end] = append(s.byEnd[end], pattern{form, shown, names})
		if !slices.Contains(s.sizes, len(end)) {
			s.sizes = append(s.sizes, len(end))
		}
	}
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
			for _, p := range s.byEnd[text[end-n:end]] {
				if (p.names || !name) && strings.HasSuffix(text[:end], p.text) {
					hits = append(hits, span{end - len(p.text), end, p.shown})
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
