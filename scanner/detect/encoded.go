package detect

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/rules"
)

// layer is an encoding under which a literal is searched.
type layer uint8

const (
	layerPlain layer = iota
	layerBase64
	layerHex
	layerUTF16
	layerPercent
	layerEscape
)

var layerNames = [...]string{"", "base64", "hex", "utf-16", "percent", "escape"}

// Bounds of decoding: how long an encoded run may be in bytes, how deep layers nest,
// and the shortest encoded literal worth searching for.
const (
	maxRun     = 256 << 10
	maxDepth   = 3
	minEncoded = 4
)

// addEncoded adds the encoded forms of a literal that begins, or stands in, matches
// of rule i.
func (b *builder) addEncoded(i int32, l rules.Literal) {
	role := roleAnchor // of no consequence: the decoded run is searched as a whole
	if len(l.Text) >= 3 {
		wide := make([]byte, 0, 2*len(l.Text))
		for j := range len(l.Text) {
			wide = append(wide, l.Text[j], 0)
		}
		b.add(rules.Literal{Text: string(wide[:len(wide)-1]), Fold: l.Fold}, use{rule: i, role: role, layer: layerUTF16})
	}
	forms := []string{l.Text}
	if l.Fold {
		if len(l.Text) < 5 {
			return
		}
		forms = []string{strings.ToLower(l.Text), strings.ToUpper(l.Text)}
	} else if len(l.Text) < minEncoded {
		return
	}
	for _, text := range forms {
		b.add(rules.Literal{Text: hex.EncodeToString([]byte(text)), Fold: true}, use{rule: i, role: role, layer: layerHex})
		b.addBase64(i, text)
		if p := percentEncode(text); p != text {
			b.add(rules.Literal{Text: p, Fold: true}, use{rule: i, role: role, layer: layerPercent})
		}
		if e := strings.ReplaceAll(text, "/", `\/`); e != text {
			b.add(rules.Literal{Text: e, Fold: l.Fold}, use{rule: i, role: role, layer: layerEscape})
		}
	}
}

// addBase64 adds the characters that are the same whatever stands before and after
// the text, for each of the three ways in which it can fall on the groups of three
// bytes.
func (b *builder) addBase64(i int32, text string) {
	for before := range 3 {
		padded := string(make([]byte, before)) + text
		full := len(padded) * 8 / 6 // characters wholly determined by padded
		skip := (before*8 + 5) / 6  // characters touched by what stands before
		enc := base64.StdEncoding.EncodeToString([]byte(padded))[:full]
		if skip >= full || len(enc[skip:]) < minEncoded {
			continue
		}
		b.addBase64Piece(i, enc[skip:], skip)
	}
}

// pieceLen is how many characters of an encoded literal are searched. A line end may
// fall on them where the text is wrapped: so both ends of a long one are searched.
const pieceLen = 7

func (b *builder) addBase64Piece(i int32, enc string, skip int) {
	b.addPiece(i, enc[:min(len(enc), pieceLen)], skip)
	if len(enc) >= 2*pieceLen {
		b.addPiece(i, enc[len(enc)-pieceLen:], skip+len(enc)-pieceLen)
	}
}

func (b *builder) addPiece(i int32, piece string, at int) {
	u := use{rule: i, layer: layerBase64, skip: uint8(at % 4)}
	b.add(rules.Literal{Text: piece}, u)
	if url := strings.NewReplacer("+", "-", "/", "_").Replace(piece); url != piece {
		b.add(rules.Literal{Text: url}, u)
	}
}

func percentEncode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; alnum(c) || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + hex.EncodeToString([]byte{c}))
		}
	}
	return b.String()
}

// encoded decodes the run around pos and searches it.
func (d *Detector) encoded(s *Scratch, data []byte, pos int, u use) {
	if s.depth >= maxDepth {
		return
	}
	for i := len(s.runs) - 1; i >= 0 && i >= len(s.runs)-8; i-- {
		if pos >= s.runs[i].start && pos < s.runs[i].end {
			return
		}
	}
	if s.child == nil {
		s.child = &Scratch{depth: s.depth + 1}
	}
	switch u.layer {
	case layerBase64:
		d.base64(s, data, pos, int(u.skip))
	case layerHex:
		d.hexRun(s, data, pos)
	case layerUTF16:
		d.utf16Run(s, data, pos)
	default:
		d.escapedRun(s, data, pos, u.layer)
	}
}

// inner searches decoded text and adds what it finds at the positions that at gives.
func (d *Detector) inner(s *Scratch, text []byte, l layer, at func(start, end int) (int, int)) bool {
	if len(text) < 8 {
		return false
	}
	found := d.Detect(s.child, text)
	for _, m := range found {
		m.Start, m.End = at(m.Start, m.End)
		m.Decoded = append([]string{layerNames[l]}, m.Decoded...)
		s.raw = append(s.raw, candidate{Match: m, rule: -1, rank: rank(&m) - len(m.Decoded)})
	}
	return len(found) > 0
}

// base64Run is one run of base64 characters and which of its four alignments have
// been searched: a run is walked once, however many literals seem to stand in it.
type base64Run struct {
	pos  []int32 // offsets of the characters
	url  bool
	done [4]bool
}

// findRun returns the run of the alphabet around pos and the index of pos in it.
func (s *Scratch) findRun(data []byte, pos int, url bool) (*base64Run, int) {
	r := &s.base64[0]
	if url {
		r = &s.base64[1]
	}
	if n := len(r.pos); n == 0 || pos < int(r.pos[0]) || pos > int(r.pos[n-1]) {
		r.url, r.done = url, [4]bool{}
		r.pos = base64Positions(r.pos[:0], data, pos, url)
	}
	at, ok := slices.BinarySearch(r.pos, int32(pos))
	if !ok {
		return r, -1
	}
	return r, at
}

// base64 decodes base64 text, which may be wrapped. The literal begins skip
// characters into a group of four at pos. The whole run is read; where that yields
// nothing, what follows the literal's own group is read alone, since a name may be
// glued to its front.
func (d *Detector) base64(s *Scratch, data []byte, pos, skip int) {
	for _, url := range []bool{false, true} {
		r, at := s.findRun(data, pos, url)
		if at < skip {
			continue
		}
		first := (at - skip) % 4
		if !r.done[first] {
			r.done[first] = true
			if d.decode64(s, data, r.pos[first:]) {
				return
			}
		}
		if rest := r.pos[at-skip:]; at-skip > first && at-skip < 64 && d.decode64(s, data, rest[:min(len(rest), maxGlued)]) {
			return
		}
	}
}

// maxGlued is how many characters are read where a name is glued to the front.
const maxGlued = 8 << 10

func (d *Detector) decode64(s *Scratch, data []byte, chars []int32) bool {
	if len(chars) < 12 {
		return false
	}
	s.buf = s.buf[:0]
	var acc, bits uint32
	for _, p := range chars {
		acc, bits = acc<<6|uint32(base64Value[data[p]]), bits+6
		if bits >= 8 {
			bits -= 8
			s.buf = append(s.buf, byte(acc>>bits))
		}
	}
	if !d.inner(s, s.buf, layerBase64, func(a, b int) (int, int) {
		return int(chars[a*8/6]), int(chars[(b*8-1)/6]) + 1
	}) {
		return false
	}
	s.runs = append(s.runs, span{int(chars[0]), int(chars[len(chars)-1]) + 1})
	return true
}

// base64Value maps characters of both alphabets to their value; others to 0xff.
var base64Value = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	t['-'], t['_'] = 62, 63
	return t
}()

var base64Std, base64URL = func() (std, url byteSet) {
	for c, v := range base64Value {
		std[c] = v != 0xff && c != '-' && c != '_'
		url[c] = v != 0xff && c != '+' && c != '/'
	}
	return std, url
}()

// base64Positions lists the offsets of the base64 characters of the run around pos.
func base64Positions(out []int32, data []byte, pos int, url bool) []int32 {
	in := &base64Std
	if url {
		in = &base64URL
	}
	start := pos
	for start > 0 && pos-start < maxRun {
		if in[data[start-1]] {
			start--
			continue
		}
		n := wrapBefore(data, start, in)
		if n == 0 {
			break
		}
		start -= n
	}
	since := 0
	for i := start; i < len(data) && i-start < 2*maxRun; {
		if in[data[i]] {
			out = append(out, int32(i))
			since++
			i++
			continue
		}
		n := wrapAfter(data, i)
		if n == 0 || since < wrapColumn || i+n >= len(data) || !in[data[i+n]] {
			break
		}
		since = 0
		i += n
	}
	return out
}

// wrapColumn is the least length of a line after which base64 text may be wrapped.
const wrapColumn = 48

// wrapAfter returns the length of the line end, and of the indentation after it, at i.
func wrapAfter(data []byte, i int) int {
	n := 0
	switch {
	case data[i] == '\n':
		n = 1
	case data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n':
		n = 2
	case data[i] == '\\' && i+1 < len(data) && data[i+1] == 'n':
		return 2
	default:
		return 0
	}
	for k := 0; k < 32 && i+n < len(data) && (data[i+n] == ' ' || data[i+n] == '\t'); k++ {
		n++
	}
	return n
}

// wrapBefore returns how far the previous line of a wrapped run ends before start.
func wrapBefore(data []byte, start int, in *byteSet) int {
	i := start
	for i > 0 && start-i < 32 && (data[i-1] == ' ' || data[i-1] == '\t') {
		i--
	}
	switch {
	case i > 0 && data[i-1] == '\n':
		i--
		if i > 0 && data[i-1] == '\r' {
			i--
		}
	case i > 1 && data[i-1] == 'n' && data[i-2] == '\\':
		i -= 2
	default:
		return 0
	}
	for k := 1; k <= wrapColumn; k++ {
		if i-k < 0 || !in[data[i-k]] {
			return 0
		}
	}
	return start - i
}

func (d *Detector) hexRun(s *Scratch, data []byte, pos int) {
	start := pos
	for start >= 2 && pos-start < maxRun && hexDigit(data[start-1]) && hexDigit(data[start-2]) {
		start -= 2
	}
	end := pos
	for end+2 <= len(data) && end-pos < maxRun && hexDigit(data[end]) && hexDigit(data[end+1]) {
		end += 2
	}
	s.buf = append(s.buf[:0], make([]byte, (end-start)/2)...)
	n, err := hex.Decode(s.buf, data[start:end])
	if err != nil {
		return
	}
	if d.inner(s, s.buf[:n], layerHex, func(a, b int) (int, int) { return start + 2*a, start + 2*b }) {
		s.runs = append(s.runs, span{start, end})
	}
}

// utf16Run reads the text around pos as ASCII characters with a zero byte after (or,
// which is the same here, before) each; other characters become 0xff.
func (d *Detector) utf16Run(s *Scratch, data []byte, pos int) {
	const odd = 8 // characters in a row outside ASCII that end the run
	start, strange := pos, 0
	for i := pos - 2; i >= 0 && pos-i < 2*maxRun && strange < odd; i -= 2 {
		if data[i+1] != 0 {
			strange++
			continue
		}
		strange, start = 0, i
	}
	s.buf, strange = s.buf[:0], 0
	end := start
	for i := start; i < len(data) && i-start < 4*maxRun && strange < odd; i += 2 {
		if i+1 < len(data) && data[i+1] != 0 && i+1 != len(data)-1 {
			strange++
			s.buf = append(s.buf, 0xff)
			continue
		}
		strange, end = 0, i+1
		s.buf = append(s.buf, data[i])
	}
	if d.inner(s, s.buf, layerUTF16, func(a, b int) (int, int) { return start + 2*a, start + 2*b - 1 }) {
		s.runs = append(s.runs, span{start, end})
	}
}

// escapedRun decodes percent- or backslash-escaped text around pos, up to white space
// or a quote.
func (d *Detector) escapedRun(s *Scratch, data []byte, pos int, l layer) {
	const reach = 4 << 10
	stop := func(c byte) bool { return c <= ' ' || c == '"' || c == '\'' || c == '`' || c == '<' || c == '>' }
	start := pos
	for start > 0 && pos-start < 256 && !stop(data[start-1]) {
		start--
	}
	end := pos
	for end < len(data) && end-pos < reach && !stop(data[end]) {
		end++
	}
	s.buf, s.pos = unescape(s.buf[:0], s.pos[:0], data, start, end, l)
	back := s.pos
	if d.inner(s, s.buf, l, func(a, b int) (int, int) { return int(back[a]), int(back[b]) }) {
		s.runs = append(s.runs, span{start, end})
	}
}

// unescaped tries the anchored rule again on the text at pos with its escapes undone.
// It reports whether the pattern matched there.
func (d *Detector) unescaped(s *Scratch, data []byte, pos int, u use) bool {
	rule := u.rule
	c := d.rules[rule]
	l := c.get()
	if l.plain || l.need.plain && !l.need.in(data[pos:min(len(data), pos+3*c.max+16)]) {
		return false
	}
	if l.word != "" && indexFold(data[pos:min(len(data), pos+3*c.max+16)], l.word) < 0 {
		return false
	}
	near := data[pos:min(len(data), pos+c.max+1)]
	var room [2 * maxGroups]int
	for _, layer := range []layer{layerPercent, layerEscape} {
		if !escapes(near, layer) {
			continue
		}
		if l.must != 0 && !holdsEscaped(data[pos:min(len(data), pos+3*c.max+16)], l.must, layer) {
			continue
		}
		if l.linear == nil && !s.aheadUnescaped(&l.ahead[u.literal], data, pos, layer) {
			continue
		}
		reach := 3*c.max + 16
		buf, at, first := unescapedText(data, layer, pos, 10, reach)
		loc := l.matchAt(room[:0], buf[first:min(len(buf), first+c.max+1)])
		if loc == nil {
			continue
		}
		if c.rule.Context != nil || len(c.rule.Parts) > 0 { // what stands further away matters
			buf, at, first = unescapedText(data, layer, pos, maxContext, reach+maxContext)
			loc = l.matchAt(room[:0], buf[first:min(len(buf), first+c.max+1)])
		}
		if loc == nil {
			continue
		}
		v := view{data: buf, layer: layerNames[layer], at: func(a, b int) (int, int) { return int(at[a]), int(at[b]) }}
		d.candidate(s, c, rule, v, shifted(loc, first))
		return true
	}
	return false
}

// holdsEscaped reports whether text may hold a byte once its escapes are undone.
func holdsEscaped(text []byte, c byte, l layer) bool {
	if bytes.IndexByte(text, c) >= 0 {
		return true
	}
	digits := hex.EncodeToString([]byte{c})
	if l == layerPercent {
		return bytes.Contains(text, []byte("%"+digits)) || bytes.Contains(text, []byte("%"+strings.ToUpper(digits)))
	}
	return bytes.Contains(text, []byte(`\x`)) || bytes.Contains(text, []byte(`\u00`))
}

// aheadUnescaped reports whether what follows the literal may begin a match once its
// escapes are undone: a look at a few bytes before all are.
func (s *Scratch) aheadUnescaped(a *ahead, data []byte, pos int, l layer) bool {
	need := a.skip + len(a.sets)
	s.buf, s.pos = unescape(s.buf[:0], s.pos[:0], data, pos, min(len(data), pos+a.skip+6*len(a.sets)), l)
	if len(s.buf) < need && pos+a.skip+6*len(a.sets) < len(data) {
		return true // cut off inside an escape
	}
	ok, _ := a.allows(s.buf)
	return ok
}

// unescapedText undoes the escapes of one layer from pos on, for reach bytes, with
// back bytes before it as they are.
func unescapedText(data []byte, l layer, pos, back, reach int) (buf []byte, at []int32, first int) {
	from, to := max(0, pos-back), min(len(data), pos+reach)
	buf = append(make([]byte, 0, to-from), data[from:pos]...)
	at = make([]int32, 0, to-from+1)
	for i := from; i < pos; i++ {
		at = append(at, int32(i))
	}
	buf, at = unescape(buf, at, data, pos, to, l)
	return buf, at, pos - from
}

func escapes(b []byte, l layer) bool {
	for i, c := range b {
		if l == layerEscape && c == '\\' || l == layerPercent && c == '%' && i+2 < len(b) && hexDigit(b[i+1]) && hexDigit(b[i+2]) {
			return true
		}
	}
	return false
}

// unescape appends data[from:to] with escapes undone to buf, and to at the offset in
// data of each byte appended and, last, that of the end.
func unescape(buf []byte, at []int32, data []byte, from, to int, l layer) ([]byte, []int32) {
	for i := from; i < to; {
		c, n := data[i], 1
		if l == layerPercent && c == '%' && i+2 < to && hexDigit(data[i+1]) && hexDigit(data[i+2]) {
			c, n = hexByte(data[i+1:]), 3
		} else if l == layerEscape && c == '\\' && i+1 < to {
			c, n = backslash(data[i:to])
		}
		buf, at = append(buf, c), append(at, int32(i))
		i += n
	}
	return buf, append(at, int32(to))
}

func backslash(b []byte) (c byte, n int) {
	switch b[1] {
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'x':
		if len(b) >= 4 && hexDigit(b[2]) && hexDigit(b[3]) {
			return hexByte(b[2:]), 4
		}
	case 'u':
		if len(b) >= 6 && b[2] == '0' && b[3] == '0' && hexDigit(b[4]) && hexDigit(b[5]) {
			return hexByte(b[4:]), 6
		}
	case '/', '\\', '"', '\'':
		return b[1], 2
	}
	return '\\', 1
}

func hexByte(b []byte) byte {
	v := func(c byte) byte {
		if c <= '9' {
			return c - '0'
		}
		return c&^0x20 - 'A' + 10
	}
	return v(b[0])<<4 | v(b[1])
}
