package git

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Span is a range of bytes of an object, without the byte at End.
type Span struct{ Start, End int }

// Of returns the span's bytes of data.
func (s Span) Of(data []byte) []byte { return data[s.Start:s.End] }

// Header is one header of a commit or tag. Value's continuation lines keep their
// line breaks and leading spaces, so that offsets stay true.
type Header struct {
	Key   string
	Value Span
}

// CommitInfo is a parsed commit.
type CommitInfo struct {
	Tree    Oid
	Parents []Oid
	// Author and Committer are the values of their headers: name, email, date.
	Author, Committer Span
	// Encoding is what the commit says its message is in; empty means UTF-8.
	Encoding string
	// Extra are all other headers: gpgsig, mergetag, and what nobody knows.
	Extra   []Header
	Message Span
}

// ParseCommit reads a commit. It returns what it could read even with an error: a
// commit that git would refuse still has bytes worth reading.
func ParseCommit(data []byte, f Format) (CommitInfo, error) {
	var c CommitInfo
	var problem error
	note := func(err error) {
		if problem == nil {
			problem = err
		}
	}
	tree := false
	message, err := eachHeader(data, func(key []byte, v Span) {
		switch string(key) {
		case "tree":
			if o, err := headerOid(v.Of(data), f); err != nil || tree {
				note(errors.New("commit: bad or second tree"))
			} else {
				c.Tree, tree = o, true
			}
		case "parent":
			if o, err := headerOid(v.Of(data), f); err != nil {
				note(errors.New("commit: bad parent"))
			} else {
				c.Parents = append(c.Parents, o)
			}
		case "author", "committer":
			who := &c.Author
			if key[0] == 'c' {
				who = &c.Committer
			}
			if *who == (Span{}) {
				*who = v
			} else { // a second one would hide the first: keep its bytes
				c.Extra = append(c.Extra, Header{string(key), v})
			}
		case "encoding":
			c.Encoding = string(v.Of(data))
			c.Extra = append(c.Extra, Header{"encoding", v})
		default:
			c.Extra = append(c.Extra, Header{string(key), v})
		}
	})
	if err != nil {
		note(fmt.Errorf("commit: %w", err))
	}
	if !tree {
		note(errors.New("commit: no tree"))
	}
	c.Message = message
	return c, problem
}

// TagInfo is a parsed annotated tag.
type TagInfo struct {
	Object Oid
	Type   Type
	Name   Span
	Tagger Span
	Extra  []Header
	// Message is all after the headers, a signature at its end included.
	Message Span
}

// ParseTag reads an annotated tag; like ParseCommit it returns what it could read.
func ParseTag(data []byte, f Format) (TagInfo, error) {
	var t TagInfo
	var problem error
	message, err := eachHeader(data, func(key []byte, v Span) {
		var err error
		switch string(key) {
		case "object":
			t.Object, err = headerOid(v.Of(data), f)
		case "type":
			t.Type, err = ParseType(string(v.Of(data)))
		case "tag":
			t.Name = v
		case "tagger":
			t.Tagger = v
		default:
			t.Extra = append(t.Extra, Header{string(key), v})
		}
		if err != nil && problem == nil {
			problem = fmt.Errorf("tag: %w", err)
		}
	})
	if err != nil && problem == nil {
		problem = fmt.Errorf("tag: %w", err)
	}
	if problem == nil && (t.Object == Oid{} || t.Type == 0) {
		problem = errors.New("tag: no object or type")
	}
	t.Message = message
	return t, problem
}

func headerOid(v []byte, f Format) (Oid, error) {
	o, err := ParseOid(v)
	if err == nil && o.f != f {
		err = fmt.Errorf("object id %s: want %s", o, f)
	}
	return o, err
}

// eachHeader calls fn for each header and returns the message's span. A header is
// "key value", continued by lines that begin with a space; an empty line ends them.
func eachHeader(data []byte, fn func(key []byte, value Span)) (message Span, err error) {
	at := 0
	for at < len(data) {
		if data[at] == '\n' {
			return Span{at + 1, len(data)}, err
		}
		end := lineEnd(data, at)
		sp := bytes.IndexByte(data[at:end], ' ')
		for end+1 < len(data) && data[end] == '\n' && data[end+1] == ' ' {
			end = lineEnd(data, end+1)
		}
		if sp <= 0 {
			if err == nil {
				err = fmt.Errorf("line without key at %d", at)
			}
			fn(nil, Span{at, end})
		} else {
			fn(data[at:at+sp], Span{at + sp + 1, end})
		}
		at = end + 1
	}
	return Span{len(data), len(data)}, err
}

func lineEnd(data []byte, at int) int {
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(data)
}

// Ident is who did something and when. Name and Email share the bytes they were
// parsed from.
type Ident struct {
	Name, Email []byte
	// Unix is seconds since 1970, kept within the years 0 to 9999; 0 where there is
	// no number.
	Unix int64
	// Zone is the offset east of UTC in seconds, 0 where it is absurd.
	Zone int
}

// Bounds of dates that time.Time prints and JSON accepts: years 0 to 9999.
const (
	minUnix = -62167219200
	maxUnix = 253402300799 - 86400
)

// ParseIdent reads "Name <email> seconds zone". It never fails: what is not there is
// empty.
func ParseIdent(b []byte) Ident {
	var id Ident
	lt := bytes.IndexByte(b, '<')
	if lt < 0 {
		id.Name = bytes.TrimSpace(b)
		return id
	}
	id.Name = bytes.TrimSpace(b[:lt])
	gt := bytes.LastIndexByte(b, '>')
	if gt < lt {
		id.Email = b[lt+1:]
		return id
	}
	id.Email = b[lt+1 : gt]
	fields := bytes.Fields(b[gt+1:])
	if len(fields) > 0 {
		n, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err == nil || errors.Is(err, strconv.ErrRange) { // ErrRange gives the nearest number
			id.Unix = min(max(n, minUnix+86400), maxUnix)
		}
	}
	if len(fields) > 1 {
		id.Zone = parseZone(fields[1])
	}
	return id
}

func parseZone(b []byte) int {
	n, err := strconv.Atoi(string(b))
	if err != nil || len(b) != 5 || n < -2400 || n > 2400 || n%100 > 59 || n%100 < -59 {
		return 0
	}
	return (n/100*60 + n%100) * 60
}

// Time returns the date in its own zone.
func (id Ident) Time() time.Time {
	return time.Unix(id.Unix, 0).In(time.FixedZone("", id.Zone))
}
