package detect

import (
	"bytes"
	"crypto/sha256"
	"math"

	"github.com/rekeyhq/rekey/scanner/checksum"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// maxGroups is the number of groups a pattern may use, the whole match included.
const maxGroups = 24

// anchored tries the rule's pattern at pos, where one of its literals begins. Where
// that fails and the text holds escapes, it is tried again on the unescaped text.
func (d *Detector) anchored(s *Scratch, data []byte, pos int, u use) {
	rule := u.rule
	c := d.rules[rule]
	l := c.get()
	if l.err != nil {
		return
	}
	if l.linear == nil {
		ok, escaped := l.ahead[u.literal].allows(data[pos:])
		if !ok && (!escaped || l.plain) {
			s.say(c, pos, "its literal stands here, but not what must follow it")
			return
		}
	}
	var room [2 * maxGroups]int
	end := min(len(data), pos+c.max+1)
	if l.linear != nil || l.holds(data[pos:end]) {
		if loc := l.matchAt(room[:0], data[pos:end]); loc != nil {
			d.candidate(s, c, rule, view{data: data}, shifted(loc, pos))
			return
		}
	}
	if !d.unescaped(s, data, pos, u) {
		s.say(c, pos, "its literal stands here, but the pattern does not match what follows")
	}
}

// matchAt returns the groups of the match at the start of data, or nil.
func (l *lazy) matchAt(room []int, data []byte) []int {
	if l.linear == nil {
		return l.anchored.FindSubmatchIndex(data)
	}
	n := 2 * l.linear.groups
	if n > cap(room) {
		room = make([]int, n)
	}
	if room = room[:n]; l.linear.match(room, data) {
		return room
	}
	return nil
}

func shifted(loc []int, by int) []int {
	for i := range loc {
		if loc[i] >= 0 {
			loc[i] += by
		}
	}
	return loc
}

// keyword tries the rule's pattern on the window around pos, where a word begins
// that every match contains.
func (d *Detector) keyword(s *Scratch, data []byte, pos int, rule int32) {
	c := d.rules[rule]
	l := c.get()
	if l.err != nil {
		return
	}
	from, to := max(0, pos-c.max), min(len(data), pos+c.max+1)
	// Beginnings that an earlier word tried are not tried again: a text of nothing but
	// the word would cost its square.
	if done, ok := s.tried[rule]; ok {
		from = max(from, done)
	}
	if s.tried == nil {
		s.tried = map[int32]int{}
	}
	s.tried[rule] = pos + 1
	if from > pos || !l.holds(data[from:to]) {
		return
	}
	for at := from; at <= pos; {
		loc := l.free.FindSubmatchIndex(data[at:to])
		if loc == nil || at+loc[0] > pos {
			return
		}
		loc = shifted(loc, at)
		if loc[1] > pos {
			d.candidate(s, c, rule, view{data: data}, loc)
		}
		at = loc[0] + 1
	}
}

// contexts runs the bare shapes whose context words were met, on the lines around
// the words.
func (d *Detector) contexts(s *Scratch, data []byte) {
	for i := 0; i < len(s.context); {
		rule := s.context[i].rule
		c := d.rules[rule]
		done := 0 // data before this was searched for this rule
		rest := s.context[:i]
		for _, h := range s.context[i:] {
			if h.rule != rule {
				rest = append(rest, h) // keep for a later round
				continue
			}
			w := window(data, h.pos, h.pos, c.contextLines)
			if w.start = max(w.start, done); w.start < w.end {
				d.bareShape(s, data, w, c, rule)
				done = w.end
			}
		}
		s.context = rest
	}
}

func (d *Detector) bareShape(s *Scratch, data []byte, w span, c *compiled, rule int32) {
	l := c.get()
	if l.err != nil {
		return
	}
	for at := w.start; at < w.end; {
		from, to := at, w.end
		if l.need.n > 0 {
			start, end := l.need.find(data[at:w.end])
			if start < 0 {
				return
			}
			from, to = max(at, at+start-c.max), min(w.end, at+end+c.max)
		}
		loc := l.free.FindSubmatchIndex(data[from:to])
		if loc == nil {
			if l.need.n == 0 {
				return
			}
			at = max(at+1, to-c.max)
			continue
		}
		loc = shifted(loc, from)
		if end := min(w.end, loc[0]+c.max+1); end > to { // the match may have been cut off
			if whole := l.free.FindSubmatchIndex(data[loc[0]:end]); whole != nil {
				loc = shifted(whole, loc[0])
			}
		}
		if d.candidate(s, c, rule, view{data: data}, loc) {
			at = loc[1]
			continue
		}
		// The next place where a token can begin: not inside the run just refused.
		at = loc[0] + 1
		for at < w.end && alnum(data[at-1]) && alnum(data[at]) {
			at++
		}
	}
}

// window returns the range of data from lines lines before start to lines lines
// after end, at most maxContext bytes on each side.
func window(data []byte, start, end, lines int) span {
	from := max(0, start-maxContext)
	for at, n := start, 0; n <= lines; n++ {
		i := bytes.LastIndexByte(data[from:at], '\n')
		if i < 0 {
			break
		}
		if at = from + i; n == lines {
			from = at + 1
		}
	}
	to := min(len(data), end+maxContext)
	for at, n := end, 0; n <= lines; n++ {
		i := bytes.IndexByte(data[at:to], '\n')
		if i < 0 {
			break
		}
		if at += i + 1; n == lines {
			to = at - 1
		}
	}
	return span{from, to}
}

// view is the data in which a candidate was matched; where it is decoded text, at
// maps its range back to the outer data and outer is that data.
type view struct {
	data []byte
	at   func(start, end int) (int, int)
	// layer that was undone within this call, such as percent
	layer string
}

// candidate checks a match of the rule's pattern and, if it holds, adds it to s.raw.
// It reports whether it did.
func (d *Detector) candidate(s *Scratch, c *compiled, rule int32, v view, loc []int) bool {
	l := c.get()
	start, end := loc[2*l.secret], loc[2*l.secret+1]
	if c.rule.Context != nil || len(c.rule.Parts) > 0 {
		s.deep = true
	}
	if start < 0 || end <= start {
		return false
	}
	secret := v.data[start:end]
	sum, ok := d.checksum(c, l, v.data, loc, start, end)
	if !ok {
		return s.refuse(c, start, "the pattern matches, but the checksum is wrong: such a key was never issued")
	}
	valid := sum == checksum.Valid && !l.checksum.Structural()
	if !valid && c.rule.Boundary != "none" && !c.bounded(v, loc, start, end) {
		return s.refuse(c, start, "the pattern matches inside a longer run of letters and digits")
	}
	public := 0
	if start == loc[0] {
		public = leadingLiteral(c, secret)
	}
	if !valid && placeholder(secret[public:]) {
		return s.refuse(c, start, "the pattern matches, but the text is a placeholder")
	}
	if !valid && !l.entropyHolds(c, v.data, loc, secret) {
		return s.refuse(c, start, "the pattern matches, but the text is not random enough (entropy)")
	}
	for _, re := range l.allow {
		if re.Match(secret) {
			return s.refuse(c, start, "the pattern matches, but one of the rule's allow patterns does too")
		}
	}
	if c.rule.Context != nil && !c.bare() && !c.inContext(v.data, start, end) {
		return s.refuse(c, start, "the pattern matches, but none of the context words stands near")
	}
	parts, ok := c.parts(s, l, v, loc, start, end)
	if !ok {
		return s.refuse(c, start, "the pattern matches, but another part of the credential is missing nearby")
	}
	m := Match{
		Rule: c.rule, Start: start, End: end,
		Secret: finding.NewSecret(secret), Public: public, Parts: parts,
		Key:      finding.KeyFingerprint(c.svc.ID, c.rule.Kind, secret),
		Checksum: finding.ChecksumNone, Confidence: baseConfidence(c.rule),
		Environment: l.group("environment", v.data, loc),
		Example:     len(l.examples) > 0 && l.examples[sha256.Sum256(secret)],
	}
	if valid {
		m.Checksum, m.Confidence = finding.ChecksumValid, finding.ConfidenceCertain
	}
	s.add(m, rule, v)
	s.say(c, start, "found")
	return true
}

func (s *Scratch) add(m Match, rule int32, v view) {
	if v.at != nil {
		m.Start, m.End = v.at(m.Start, m.End)
	}
	if v.layer != "" {
		m.Decoded = []string{v.layer}
	}
	s.raw = append(s.raw, candidate{Match: m, rule: rule, rank: rank(&m)})
}

// rank orders rules that claim the same bytes: a proven form before an unproven one,
// a specific rule before a generic one, a longer public prefix before a shorter.
func rank(m *Match) int {
	n := int(m.Confidence)<<8 + min(m.Public, 255)
	if m.Rule.LowEntropy {
		n -= 1 << 12
	}
	if m.Rule.Weak {
		n -= 1 << 13
	}
	return n
}

func (l *lazy) group(name string, data []byte, loc []int) string {
	for i, n := range l.names {
		if n == name && 2*i+1 < len(loc) && loc[2*i] >= 0 {
			return string(data[loc[2*i]:loc[2*i+1]])
		}
	}
	return ""
}

func (l *lazy) groupRange(name string, loc []int, start, end int) (int, int) {
	for i, n := range l.names {
		if n == name && n != "" && 2*i+1 < len(loc) && loc[2*i] >= 0 {
			return loc[2*i], loc[2*i+1]
		}
	}
	return start, end
}

// checksum reports what the rule's checksum says; ok is false where that drops the
// candidate.
func (d *Detector) checksum(c *compiled, l *lazy, data []byte, loc []int, start, end int) (checksum.Result, bool) {
	k := c.rule.Checksum
	if k == nil {
		return checksum.NotApplicable, true
	}
	secret := data[start:end]
	over, digits := secret, secret[len(secret):]
	if k.Over == "before" {
		if cut := len(secret) - k.Digits; cut >= k.Skip {
			over, digits = secret[:cut-k.Skip], secret[cut:]
		}
	} else {
		from, to := l.groupRange(k.Over, loc, start, end)
		over = data[from:to]
		if at := to + k.Skip; k.Digits > 0 && at <= end {
			digits = data[at:min(end, at+k.Digits)]
		}
	}
	r := l.checksum.Check(secret, over, digits)
	return r, r != checksum.Mismatch || k.OnMismatch != "drop"
}

func (l *lazy) entropyHolds(c *compiled, data []byte, loc []int, secret []byte) bool {
	e := c.rule.Entropy
	if e == nil {
		return true
	}
	if e.Over != "" && e.Over != "secret" {
		from, to := l.groupRange(e.Over, loc, 0, 0)
		secret = data[from:to]
	}
	return Entropy(secret) >= e.Min
}

// Entropy is the Shannon entropy of b in bits a byte.
func Entropy(b []byte) float64 {
	if len(b) == 0 {
		return 0
	}
	var count [256]int
	for _, c := range b {
		count[c]++
	}
	sum := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(b))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// leadingLiteral is the length of the longest of the rule's literals with which the
// secret begins: the part of it that is no secret.
func leadingLiteral(c *compiled, secret []byte) int {
	n := 0
	for _, lit := range c.rule.Shape.Literals {
		if !lit.Fold && len(lit.Text) > n && len(secret) > len(lit.Text) && string(secret[:len(lit.Text)]) == lit.Text {
			n = len(lit.Text)
		}
	}
	return n
}

// inContext reports whether one of the rule's context words stands near.
func (c *compiled) inContext(data []byte, start, end int) bool {
	w := window(data, start, end, c.contextLines)
	for _, word := range c.rule.Context.Any {
		if indexFold(data[w.start:w.end], asciiLower(word)) >= 0 {
			return true
		}
	}
	return false
}

// indexFold returns the first index of the lower-case word in data in either case.
func indexFold(data []byte, word string) int {
	lower, capital := word[0], upper(word[0])
	for at := 0; at+len(word) <= len(data); at++ {
		i := bytes.IndexByte(data[at:], lower)
		if capital != lower {
			within := data[at:]
			if i >= 0 {
				within = within[:i]
			}
			if j := bytes.IndexByte(within, capital); j >= 0 {
				i = j
			}
		}
		if i < 0 || at+i+len(word) > len(data) {
			return -1
		}
		if at += i; equalFold(data[at:at+len(word)], word) {
			return at
		}
	}
	return -1
}
