package baseline

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// File is a .rekey-baseline: accepted keys by fingerprint, one line each, sorted, so
// that branches merge. A line is
//
//	fingerprint rule date who expiry "reason"
//
// with dates as 2026-11-21 and "-" for nobody or never. The rule is for the reader:
// entries are not bound to it. The first line may be "# salt: HEX"; other lines that
// begin with # stay where they are, at the top.
type File struct {
	Salt    []byte
	Notes   []string // further comment lines of the top, with their #
	Entries []Accepted
}

// Accepted is one key that was accepted.
type Accepted struct {
	Fingerprint finding.Fingerprint
	Rule        string
	Date        time.Time
	Who         string    // "" for nobody
	Expires     time.Time // zero: never; else the first day on which it no longer holds
	Reason      string
	Line        int // where it was read; Bytes ignores it
}

const salt = "# salt: "

// ParseFile reads a baseline. name is for errors, which are Mistakes.
func ParseFile(name string, data []byte) (*File, error) {
	if err := tooLarge(name, data); err != nil {
		return nil, err
	}
	f := &File{}
	var ms Mistakes
	top := true
	for n := 1; len(data) > 0; n++ {
		var raw []byte
		raw, data, _ = bytes.Cut(data, []byte{'\n'})
		line := strings.TrimSpace(string(raw))
		switch {
		case line == "":
		case strings.HasPrefix(line, "<<<<<<<"), strings.HasPrefix(line, "======="), strings.HasPrefix(line, ">>>>>>>"):
			ms.add(name, n, "keep the lines of both sides and remove the marks", "an unresolved merge conflict")
		case strings.HasPrefix(line, salt):
			value, err := hex.DecodeString(strings.TrimSpace(line[len(salt):]))
			switch {
			case n != 1:
				ms.add(name, n, "move it to the first line, or remove it", "the salt must be the first line")
			case err != nil || len(value) < 16 || len(value) > 64:
				ms.add(name, n, "restore it from history: fingerprints depend on it", "the salt must be 16 to 64 bytes in hexadecimal")
			default:
				f.Salt = value
			}
		case line[0] == '#':
			if !top {
				ms.add(name, n, "write it as the reason of an entry", "comments stand at the top only, as the entries are sorted")
			}
			f.Notes = append(f.Notes, line)
		default:
			top = false
			e, m := parseAccepted(line)
			if m.Text != "" {
				m.File, m.Line = name, n
				ms = append(ms, m)
				continue
			}
			e.Line = n
			f.Entries = append(f.Entries, e)
		}
	}
	return f, ms.err()
}

// layout is what a remedy shows.
const layout = `write: fingerprint rule 2026-11-21 who 2027-11-21 "reason", with - for nobody or never`

func parseAccepted(line string) (Accepted, Mistake) {
	fields := strings.SplitN(line, " ", 6)
	if len(fields) < 6 {
		return Accepted{}, Mistake{Text: fmt.Sprintf("%d fields, want 6", len(fields)), Remedy: layout}
	}
	e := Accepted{Fingerprint: finding.Fingerprint(fields[0]), Rule: fields[1], Who: fields[3]}
	if m := checkFingerprint(fields[0]); m.Text != "" {
		return e, m
	}
	var err error
	if e.Date, err = time.Parse(dateLayout, fields[2]); err != nil {
		return e, Mistake{Text: fmt.Sprintf("date %.40q", fields[2]), Remedy: "write it as 2026-11-21"}
	}
	if fields[4] != "-" {
		if e.Expires, err = time.Parse(dateLayout, fields[4]); err != nil {
			return e, Mistake{Text: fmt.Sprintf("expiry %.40q", fields[4]), Remedy: "write it as 2027-11-21, or - for never"}
		}
	}
	if e.Who == "-" {
		e.Who = ""
	}
	if fields[1] == "" || fields[3] == "" {
		return e, Mistake{Text: "two spaces in a row", Remedy: layout}
	}
	if e.Reason, err = strconv.Unquote(fields[5]); err != nil || fields[5][0] != '"' {
		return e, Mistake{Text: "the reason is not in double quotes", Remedy: layout}
	}
	if strings.TrimSpace(e.Reason) == "" {
		return e, Mistake{Text: "no reason", Remedy: "say why the key may stay"}
	}
	return e, Mistake{}
}

// checkFingerprint wants "key:v1:" or "key:v1s:" and hexadecimal digits.
func checkFingerprint(s string) Mistake {
	if strings.HasPrefix(s, "key:v1p:") {
		return Mistake{Text: "a fingerprint of a password without a salt can be guessed", Remedy: "remove it and run rekey baseline add, which writes a salt"}
	}
	digits, ok := strings.CutPrefix(s, "key:v1:")
	if !ok {
		digits, ok = strings.CutPrefix(s, "key:v1s:")
	}
	if b, err := hex.DecodeString(digits); !ok || err != nil || len(b) < 16 || len(b) > 32 || strings.ToLower(digits) != digits {
		return Mistake{Text: fmt.Sprintf("fingerprint %.60q", s), Remedy: "copy it whole from a report: key:v1: and 32 hexadecimal digits"}
	}
	return Mistake{}
}

// Bytes writes the file, sorted by fingerprint. Of entries that are equal but for
// their line one is kept.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	if f.Salt != nil {
		fmt.Fprintf(&b, "%s%x\n", salt, f.Salt)
	}
	for _, n := range f.Notes {
		b.WriteString(n + "\n")
	}
	lines := make([]string, len(f.Entries))
	for i, e := range f.Entries {
		lines[i] = e.line()
	}
	sort.Strings(lines)
	for i, l := range lines {
		if i == 0 || l != lines[i-1] {
			b.WriteString(l + "\n")
		}
	}
	return b.Bytes()
}

func (e Accepted) line() string {
	expires := "-"
	if !e.Expires.IsZero() {
		expires = e.Expires.Format(dateLayout)
	}
	return fmt.Sprintf("%s %s %s %s %s %s", e.Fingerprint, word(e.Rule), e.Date.Format(dateLayout), word(e.Who), expires, strconv.Quote(e.Reason))
}

// word makes one field of s.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s
}

// Accept adds an entry, in place of an older one for the same key.
func (f *File) Accept(e Accepted) {
	f.Remove(e.Fingerprint)
	f.Entries = append(f.Entries, e)
}

// Remove drops all entries for the key and reports whether there was one.
func (f *File) Remove(p finding.Fingerprint) bool {
	kept := f.Entries[:0]
	for _, e := range f.Entries {
		if e.Fingerprint != p {
			kept = append(kept, e)
		}
	}
	removed := len(kept) < len(f.Entries)
	f.Entries = kept
	return removed
}

// NewSalt returns a fresh salt for a baseline that has none.
func NewSalt() []byte {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}

// Save replaces the file at path by f, whole or not at all.
func Save(path string, f *File) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".rekey-baseline-*")
	if err != nil {
		return fmt.Errorf("save baseline: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.Write(f.Bytes())
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save baseline %s: %w", path, err)
	}
	return nil
}

// AddBaseline adds the entries of a .rekey-baseline. The salt of the first one that
// has a salt counts; a second, different one is a mistake.
func (s *Set) AddBaseline(name string, data []byte, trusted bool) error {
	f, err := ParseFile(name, data)
	if err != nil {
		return err
	}
	if f.Salt != nil && trusted {
		if s.salt != nil && !bytes.Equal(s.salt, f.Salt) {
			return Mistakes{{File: name, Line: 1, Text: "its salt differs from that of the baseline before it", Remedy: "use one baseline, or merge them with rekey baseline add"}}
		}
		s.salt = f.Salt
	}
	for _, a := range f.Entries {
		e := &entry{
			Entry:   Entry{File: name, Line: a.Line, By: byBaseline, Text: string(a.Fingerprint), Reason: a.Reason, Expires: a.Expires, Trusted: trusted},
			matcher: everywhere{},
		}
		s.add(e)
		s.known[a.Fingerprint] = append(s.known[a.Fingerprint], e)
	}
	return nil
}

// everywhere covers all occurrences: the set has looked the fingerprint up.
type everywhere struct{}

func (everywhere) covers(*finding.Finding, *finding.Occurrence) bool { return true }
