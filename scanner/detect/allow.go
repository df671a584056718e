package detect

import (
	"bytes"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// maxCommentLine bounds how far on its line a comment is looked for, in bytes.
const maxCommentLine = 4 << 10

// allow marks matches on whose first or last line a comment allows them.
func (d *Detector) allow(ms []Match, data []byte) {
	for i := range ms {
		for _, pos := range []int{ms[i].Start, max(ms[i].Start, ms[i].End-1)} {
			if reason, by, ok := d.comment(line(data, pos, ms[i].End)); ok {
				ms[i].Allowed = &finding.Suppression{By: "comment", Reason: reason, Where: by}
				break
			}
		}
	}
}

// LineOf returns the line of data around pos, at most maxCommentLine bytes on each
// side.
func LineOf(data []byte, pos int) []byte { return line(data, pos, pos) }

func line(data []byte, pos, end int) []byte {
	from := max(0, pos-maxCommentLine)
	if i := bytes.LastIndexByte(data[from:pos], '\n'); i >= 0 {
		from += i + 1
	}
	to := min(len(data), max(pos, end)+maxCommentLine)
	if i := bytes.IndexByte(data[pos:to], '\n'); i >= 0 {
		to = pos + i
	}
	return data[from:to]
}
