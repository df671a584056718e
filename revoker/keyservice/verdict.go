package keyservice

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/rekeyhq/rekey/scanner/finding"
)

func unchecked(reason string) finding.Verification {
	return finding.Verification{Status: finding.Unchecked, Reason: reason}
}

func unknown(format string, args ...any) finding.Verification {
	return finding.Verification{Status: finding.Unknown, Reason: fmt.Sprintf(format, args...)}
}

// noAnswer says why an answer cannot be one of the service itself: pages, redirects,
// failures and a proxy's words prove nothing, whatever a rule says.
func noAnswer(a *answer) string {
	switch {
	case a.status < 200:
		return fmt.Sprintf("the answer is none (status %d)", a.status)
	case a.status >= 300 && a.status < 400:
		return fmt.Sprintf("the service redirects elsewhere (status %d); keys do not follow", a.status)
	case a.html:
		return fmt.Sprintf("the service answered with a web page (status %d)", a.status)
	case a.status >= 500:
		return fmt.Sprintf("the service failed (status %d)", a.status)
	case a.status == http.StatusProxyAuthRequired:
		return "a proxy wants a password (status 407)"
	}
	return ""
}

// verdict judges an answer. Only a condition of the rule makes it anything but
// unknown. hidden are values that must not come back.
func (q *query) verdict(a *answer, hidden []string) finding.Verification {
	if why := noAnswer(a); why != "" {
		return unknown("%s", why)
	}
	if !busy(a) {
		q.status = a.status
	}
	op := q.op
	active, restricted, grace := q.s.truth(op.Active, a), q.s.truth(op.Restricted, a), q.s.truth(op.InGrace, a)
	live := active == yes || restricted == yes || grace == yes
	inactive := q.s.truth(op.Inactive, a)
	v := finding.Verification{}
	switch {
	case inactive == yes && busy(a):
		return unknown("the service is busy (status %d)", a.status)
	case inactive == yes && live:
		return unknown("the answer says both that the key works and that it does not (status %d)", a.status)
	case inactive == yes && (active == nonsense || restricted == nonsense || grace == nonsense):
		return unknown("the answer lacks what would tell a refused key from a restricted one (status %d)", a.status)
	case inactive == yes:
		v.Status = finding.Inactive
		return v
	case grace == yes:
		v.Status = finding.Grace
	case restricted == yes:
		v.Status, v.Reason = finding.Restricted, "the key is known, but refused this request"
	case active == yes:
		v.Status = finding.Active
		if op.Weak != "" {
			v.Reason = "rests on the status alone: " + op.Weak
		}
	default:
		return unknown("the answer is none that the rule knows (status %d)", a.status)
	}
	q.fillIn(&v, a, hidden)
	return v
}

func (q *query) save(save map[string]string, a *answer) map[string]string {
	out := make(map[string]string, len(save))
	for name, e := range save {
		if v, ok := q.s.eval(e, a); ok {
			if t := text(v); t != "" {
				out[name] = t
			}
		}
	}
	return out
}

// fillIn copies what the answer says of the key: never the key itself, nor anything
// that holds it.
func (q *query) fillIn(v *finding.Verification, a *answer, hidden []string) {
	for name, t := range q.save(q.op.Save, a) {
		if name == "secret" || holdsAny(t, hidden) {
			continue
		}
		t = printable(t)
		switch name {
		case "owner":
			v.Owner = t
		case "key_id":
			v.KeyID = t
		case "scopes":
			v.Scopes = strings.FieldsFunc(t, func(r rune) bool { return r == ' ' || r == ',' })
		case "expires_at":
			v.ExpiresAt = parseTime(t)
		default:
			if v.Extra == nil {
				v.Extra = map[string]string{}
			}
			v.Extra[name] = t
		}
	}
}

// holdsAny reports whether text holds one of the values, or half of one.
func holdsAny(text string, values []string) bool {
	for _, v := range values {
		if len(v) >= 4 && (strings.Contains(text, v) || len(v) >= 16 && (strings.Contains(text, v[:len(v)/2]) || strings.Contains(text, v[len(v)/2:]))) {
			return true
		}
	}
	return false
}

// printable cuts what does not print, and length: answers are foreign text.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if len(s) > 400 {
		s = strings.ToValidUTF8(s[:400], "")
	}
	return s
}

func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	var n int64
	if _, err := fmt.Sscan(s, &n); err == nil && n > 1e9 && n < 1e14 {
		if n > 1e11 {
			return time.UnixMilli(n).UTC()
		}
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}
