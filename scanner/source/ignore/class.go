package ignore

import "strings"

// class reads a bracket expression at the start of s and returns its members and its
// length, or a length of 0 when git would not match it. With fold, the members are
// compared with the lower-case form of a byte.
func class(s string, fold bool) (*set, int) {
	members := &set{}
	i := 1
	negated := false
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		negated = true
		i++
	}
	var prev byte // 0: no start of a range
	for first := true; ; first = false {
		if i >= len(s) {
			return nil, 0
		}
		c := s[i]
		switch {
		case c == ']' && !first:
			if negated {
				for k := range members {
					members[k] = ^members[k]
				}
			}
			return members, i + 1
		case c == '\\':
			if i++; i >= len(s) {
				return nil, 0
			}
			c = s[i]
			members.add(c)
			prev = c
			i++
		case c == '-' && prev != 0 && i+1 < len(s) && s[i+1] != ']':
			i++
			if s[i] == '\\' {
				if i++; i >= len(s) {
					return nil, 0
				}
			}
			addRange(members, prev, s[i], fold)
			prev = 0
			i++
		case c == '[' && i+1 < len(s) && s[i+1] == ':':
			end := strings.IndexByte(s[i+2:], ']')
			if end < 0 {
				return nil, 0
			}
			name := s[i+2 : i+2+end]
			if !strings.HasSuffix(name, ":") { // no ":]": an ordinary bracket
				members.add('[')
				prev = '['
				i++
				continue
			}
			if !addNamed(members, strings.TrimSuffix(name, ":"), fold) {
				return nil, 0
			}
			prev = 0
			i += 2 + end + 1
		default:
			members.add(c)
			prev = c
			i++
		}
	}
}

func addRange(members *set, from, to byte, fold bool) {
	for b := 0; b < 256; b++ {
		c := byte(b)
		if c >= from && c <= to {
			members.add(c)
		}
		if fold && c >= 'a' && c <= 'z' {
			if up := c - 'a' + 'A'; up >= from && up <= to {
				members.add(c)
			}
		}
	}
}

// addNamed adds a class such as [:digit:]; it reports false for an unknown name.
// The classes are those of ASCII; space is git's own (no form feed).
func addNamed(members *set, name string, fold bool) bool {
	is, ok := named(name)
	if !ok {
		return false
	}
	for b := 0; b < 256; b++ {
		c := byte(b)
		if is(c) || (fold && name == "upper" && c >= 'a' && c <= 'z') {
			members.add(c)
		}
	}
	return true
}

func named(name string) (func(byte) bool, bool) {
	isUpper := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	isLower := func(c byte) bool { return c >= 'a' && c <= 'z' }
	isDigit := func(c byte) bool { return c >= '0' && c <= '9' }
	isAlpha := func(c byte) bool { return isUpper(c) || isLower(c) }
	isAlnum := func(c byte) bool { return isAlpha(c) || isDigit(c) }
	isGraph := func(c byte) bool { return c > ' ' && c < 0x7f }
	switch name {
	case "alnum":
		return isAlnum, true
	case "alpha":
		return isAlpha, true
	case "blank":
		return func(c byte) bool { return c == ' ' || c == '\t' }, true
	case "cntrl":
		return func(c byte) bool { return c < ' ' || c == 0x7f }, true
	case "digit":
		return isDigit, true
	case "graph":
		return isGraph, true
	case "lower":
		return isLower, true
	case "print":
		return func(c byte) bool { return c >= ' ' && c < 0x7f }, true
	case "punct":
		return func(c byte) bool { return isGraph(c) && !isAlnum(c) }, true
	case "space":
		return func(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }, true
	case "upper":
		return isUpper, true
	case "xdigit":
		return func(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }, true
	}
	return nil, false
}
