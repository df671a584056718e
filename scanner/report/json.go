package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// writeJSON writes design.md section 5. Findings are written one by one: a report of
// a hundred thousand needs no more memory than a small one.
func writeJSON(w *bufio.Writer, v *view) error {
	head, err := marshal(v.headMessage(), "", "  ")
	if err != nil {
		return err
	}
	head = bytes.TrimSuffix(head, []byte("\n}"))
	_, _ = w.Write(head)
	_, _ = w.WriteString(",\n  \"findings\": [")
	for i := range v.n {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		m, err := marshal(newFindingMessage(v.finding(i)), "    ", "  ")
		if err != nil {
			return err
		}
		_, _ = w.WriteString("\n    ")
		if _, err := w.Write(m); err != nil {
			return err
		}
	}
	if v.n > 0 {
		_, _ = w.WriteString("\n  ")
	}
	sum, err := marshal(v.summaryMessage(), "  ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "],\n  \"summary\": %s\n}\n", sum)
	return err
}

// writeJSONL writes one finding a line and the rest of the report in a last line: a
// file without that line is cut off.
func writeJSONL(w *bufio.Writer, v *view) error {
	line := func(m any) error {
		b, err := marshal(m, "", "")
		if err != nil {
			return err
		}
		_, _ = w.Write(b)
		return w.WriteByte('\n')
	}
	for i := range v.n {
		m := findingLine{"finding", newFindingMessage(v.finding(i))}
		if err := line(m); err != nil {
			return err
		}
	}
	return line(summaryLine{"summary", v.headMessage(), v.summaryMessage()})
}

type findingLine struct {
	Type string `json:"type"`
	findingMessage
}

type summaryLine struct {
	Type string `json:"type"`
	headMessage
	Summary summaryMessage `json:"summary"`
}

// marshal is json.MarshalIndent (json.Marshal where indent is empty), with every
// character that a terminal or an editor would not show as itself written as \uXXXX:
// a report that is printed raw reorders nothing and moves no cursor.
func marshal(m any, prefix, indent string) ([]byte, error) {
	var b []byte
	var err error
	if indent == "" {
		b, err = json.Marshal(m)
	} else {
		b, err = json.MarshalIndent(m, prefix, indent)
	}
	if err != nil {
		return nil, err
	}
	return escapeInvisible(b), nil
}

// escapeInvisible works on any JSON text: outside of strings JSON is ASCII.
func escapeInvisible(b []byte) []byte {
	var out []byte // nil until the first change
	from := 0
	for i := 0; i < len(b); {
		if b[i] < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if !visible(r) {
			out = append(out, b[from:i]...)
			for _, u := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, `\u%04x`, u)
			}
			from = i + n
		}
		i += n
	}
	if from == 0 {
		return b
	}
	return append(out, b[from:]...)
}
