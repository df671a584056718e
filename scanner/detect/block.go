package detect

import (
	"bytes"
	"strings"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// block tries a rule with begin and end markers at pos, where its begin marker may
// stand.
func (d *Detector) block(s *Scratch, data []byte, pos int, rule int32) {
	c := d.rules[rule]
	l := c.get()
	if l.err != nil {
		return
	}
	text := data[pos:min(len(data), pos+c.max)]
	begin := l.anchored.FindIndex(text)
	if begin == nil {
		return
	}
	end := l.blockEnd.FindIndex(text[begin[1]:])
	if end == nil {
		return
	}
	inner := text[begin[1] : begin[1]+end[0]]
	whole := text[:begin[1]+end[1]]
	if bytes.Contains(inner, text[:min(11, begin[1])]) {
		return // another block begins inside: this one's end is not its own
	}
	secret := whole
	switch c.rule.Block.Decode {
	case "pem":
		secret = canonicalPEM(text[:begin[1]], inner, whole[begin[1]+end[0]:])
	case "ppk":
		secret = bytes.ReplaceAll(unescapeLines(whole), []byte("\r"), nil)
	}
	if secret == nil {
		return
	}
	for _, re := range l.allow {
		if re.Match(secret) {
			return
		}
	}
	start, stop := pos, pos+len(whole)
	if c.rule.Context != nil && !c.inContext(data, start, stop) {
		return
	}
	parts, ok := c.parts(s, l, view{data: data}, nil, start, stop)
	if !ok {
		return
	}
	s.add(Match{
		Rule: c.rule, Start: start, End: stop, Secret: finding.NewSecret(secret), Parts: parts,
		Key:      finding.KeyFingerprint(c.svc.ID, c.rule.Kind, secret),
		Checksum: finding.ChecksumNone, Confidence: baseConfidence(c.rule),
	}, rule, view{data: data})
}

// minPEMBody is the shortest base64 body, in characters, of any private key: an
// Ed25519 key in PKCS #8 has 64.
const minPEMBody = 48

// canonicalPEM rewrites a PEM block, which may stand in a string with escaped line
// ends, in quoted lines or behind comment marks, as RFC 7468 does: so the same key is
// the same secret wherever it stands. It returns nil where the body is no base64, is
// too short, or is a placeholder.
func canonicalPEM(begin, inner, end []byte) []byte {
	var body []byte
	for _, line := range bytes.Split(unescapeLines(inner), []byte{'\n'}) {
		line = bytes.Trim(line, " \t\r\"'`+,;#*/\\>|()")
		if len(line) == 0 || bytes.Contains(line, []byte(": ")) || len(line) == 5 && line[0] == '=' {
			continue // blank, a header such as Proc-Type, or an OpenPGP checksum
		}
		for _, c := range line {
			if !alnum(c) && c != '+' && c != '/' && c != '=' && c != ' ' {
				return nil
			}
			if c != ' ' {
				body = append(body, c)
			}
		}
	}
	if len(body) < minPEMBody || repetitive(body) || Entropy(body) < 3.5 {
		return nil
	}
	out := append([]byte(nil), begin...)
	for len(body) > 0 {
		n := min(64, len(body))
		out = append(append(out, '\n'), body[:n]...)
		body = body[n:]
	}
	return append(append(out, '\n'), end...)
}

var lineEscapes = strings.NewReplacer(`\\r\\n`, "\n", `\\n`, "\n", `\r\n`, "\n", `\n`, "\n", `\r`, "\n", `\t`, " ", `\/`, "/", `\u002b`, "+", `\u002B`, "+", `\u003d`, "=", `\u003D`, "=", `\u002f`, "/", `\u002F`, "/", "%0A", "\n", "%0a", "\n", "%0D", "", "%0d", "", "%2B", "+", "%2b", "+", "%2F", "/", "%2f", "/", "%3D", "=", "%3d", "=", "&#10;", "\n", "\r\n", "\n")

// unescapeLines undoes the escapes that line ends and base64 characters take inside
// string literals and URLs.
func unescapeLines(b []byte) []byte {
	return []byte(lineEscapes.Replace(string(b)))
}
