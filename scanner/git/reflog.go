package git

import (
	"bytes"
	"strings"
)

// ReflogEntry is one line of a reflog.
type ReflogEntry struct {
	// Ref is the ref's name; Index counts from the newest entry, as in Ref@{Index}.
	Ref      string
	Index    int
	Old, New Oid
	Who      string // name, email, date
	Message  string
}

// Reflogs returns all entries of all reflogs, of all worktrees, each reflog newest
// first.
func (r *Repository) Reflogs() ([]ReflogEntry, []Hole) {
	var out []ReflogEntry
	var h holes
	r.reflogsIn("logs", "", &out, &h)
	for _, name := range r.worktrees() {
		r.reflogsIn("worktrees/"+name+"/logs", "worktrees/"+name+"/", &out, &h)
	}
	return out, h.all()
}

func (r *Repository) reflogsIn(dir, prefix string, out *[]ReflogEntry, h *holes) {
	stack := []string{dir}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		entries, err := r.common.list(at)
		if err != nil {
			if !absent(err) {
				h.add(holeFor(err, "reflog", at, Oid{}, -1))
			}
			continue
		}
		for _, e := range entries {
			full := at + "/" + e.Name()
			if e.IsDir() {
				stack = append(stack, full)
				continue
			}
			b, err := r.common.read(full, maxRefFile)
			if err != nil {
				h.add(holeFor(err, "reflog", full, Oid{}, -1))
				continue
			}
			log, bad := ParseReflog(b, r.format)
			if bad > 0 {
				h.add(Hole{Kind: Unreadable, What: "reflog", Path: full, Offset: -1, Count: bad, Reason: "lines that are no entries"})
			}
			for i := range log {
				log[i].Ref = prefix + strings.TrimPrefix(full, dir+"/")
			}
			*out = append(*out, log...)
		}
	}
}

// ParseReflog reads a reflog, newest entry first, and returns how many lines make no
// sense.
func ParseReflog(b []byte, f Format) (log []ReflogEntry, bad int) {
	n := 2 * f.Size()
	for len(b) > 0 {
		i := bytes.LastIndexByte(bytes.TrimSuffix(b, []byte("\n")), '\n') + 1
		line := bytes.TrimSuffix(b[i:], []byte("\n"))
		b = b[:i]
		if len(line) == 0 {
			continue
		}
		if len(line) < 2*n+1 || line[n] != ' ' {
			bad++
			continue
		}
		from, err1 := ParseOid(line[:n])
		to, err2 := ParseOid(line[n+1 : 2*n+1])
		if err1 != nil || err2 != nil {
			bad++
			continue
		}
		who, message, _ := strings.Cut(string(line[2*n+1:]), "\t")
		log = append(log, ReflogEntry{Index: len(log), Old: from, New: to, Who: strings.TrimSpace(who), Message: message})
	}
	return log, bad
}
