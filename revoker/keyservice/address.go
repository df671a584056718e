package keyservice

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/rekeyhq/rekey/rules"
)

// ErrAddress means that a host resolved to an address to which no secret goes: one
// that is not public, unless the user named the host, or one that is never a service.
var ErrAddress = errors.New("its name leads to an address where no key service can be")

// notPublic are ranges besides those that netip knows: carrier NAT, documentation,
// benchmarks, reserved, IPv4 in IPv6 and the like (IANA special-purpose registries,
// read 2026-11-21).
var notPublic = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10")

// metadata are addresses at which clouds answer their machines. They are refused also
// for hosts that the user named (vendors' documentation, recalled 2026-11-21): AWS,
// Google, Azure, OpenStack; AWS over IPv6; Alibaba; Azure's host agent; Oracle.
var metadata = prefixes("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32")

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}

func within(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// checkAddress judges the address that is connected to, after DNS: a name cannot
// change its mind in between. named says that the user named the host.
func checkAddress(address string, named bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return ErrAddress
	}
	a := ap.Addr().WithZone("").Unmap()
	if within(a, metadata) || a.IsUnspecified() || a.IsMulticast() {
		return ErrAddress
	}
	if named || publicAddress(a) {
		return nil
	}
	return ErrAddress
}

func publicAddress(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !within(a, notPublic)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}

// plainHost reports whether h is a DNS name in ASCII of two labels or more, without
// port, user or any byte that a URL could read in two ways. Hosts that stand with a
// key must be such.
func plainHost(h string) bool {
	if len(h) > 253 {
		return false
	}
	labels := strings.Split(h, ".")
	for _, l := range labels {
		if len(l) == 0 || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for _, c := range []byte(l) {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return len(labels) > 1 && !(last[0] >= '0' && last[0] <= '9')
}

// address makes the URL of a request and checks that its host is one to which the key
// may go. named says that the user named the host, which may then be private.
func (q *query) address(r *rules.Request, values map[string]string) (u *url.URL, named bool, err error) {
	raw := r.URL
	if raw == "" {
		raw = strings.TrimSuffix(q.s.BaseURL, "/") + r.Path
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	cut := strings.IndexAny(rest, "/?")
	if cut < 0 {
		cut = len(rest)
	}
	authority, path := rest[:cut], rest[cut:]
	switch {
	case q.base != "" && r.URL == "": // the user's own text: no template
		scheme, authority, ok = splitBase(q.base)
		path = r.Path
	case q.base != "": // a base that the user named stands for all of the service's hosts
		scheme, authority, ok = splitBase(q.base)
	}
	if !ok {
		return nil, false, unsent{"its address is not known"}
	}
	if q.base == "" {
		if authority, named, err = q.authority(authority, values); err != nil {
			return nil, false, err
		}
	}
	path, err = fillPath(path, values)
	if err != nil {
		return nil, false, err
	}
	u, err = url.Parse(scheme + "://" + authority + path)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, false, unsent{"its address cannot be made from this key"}
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, false, unsent{"its address is not https"}
	}
	if len(r.Query) > 0 {
		if err := fillQuery(u, r.Query, values); err != nil {
			return nil, false, err
		}
	}
	return u, named || q.base != "", nil
}

// splitBase returns scheme and the rest of a base URL without its last slash.
func splitBase(base string) (scheme, rest string, ok bool) {
	return strings.Cut(strings.TrimSuffix(base, "/"), "://")
}

// authority fills the host part of an address and checks it: written in the rule, or
// listed by the user, or one that stands with the key and has one of the suffixes that
// the rule names.
func (q *query) authority(template string, values map[string]string) (host string, named bool, err error) {
	if !strings.Contains(template, "{{") {
		return template, false, nil
	}
	host, missing := fill(template, values)
	if missing != "" {
		return "", false, lacks(missing)
	}
	if q.listed(host) {
		return host, true, nil
	}
	if !plainHost(host) {
		return "", false, unsent{"the host that stands with the key is none that it may be sent to"}
	}
	if q.onlyListed || !matchesHost(host, q.s.Hosts) {
		return "", false, unsent{"the host that stands with the key is not one of this service's: --service " + q.s.ID + "=" + host + " trusts it"}
	}
	return host, false, nil
}

func lacks(name string) unsent {
	return unsent{"the request needs the key's " + name + ", which was not found near it"}
}

// matchesHost reports whether host is in a list of whole hosts and ".suffix" entries.
func matchesHost(host string, list []string) bool {
	host = strings.ToLower(host)
	for _, s := range list {
		if strings.HasPrefix(s, ".") && strings.HasSuffix(host, s) && len(host) > len(s) || host == s {
			return true
		}
	}
	return false
}

// fillPath fills path and query of a template; a value never leaves its place.
func fillPath(template string, values map[string]string) (string, error) {
	path, query, _ := strings.Cut(template, "?")
	for _, v := range []*string{&path, &query} {
		escape := url.PathEscape
		if v == &query {
			escape = url.QueryEscape
		}
		out, missing := fillWith(*v, values, escape)
		if missing != "" {
			return "", lacks(missing)
		}
		*v = out
	}
	if strings.Contains(template, "{{") {
		for _, segment := range strings.Split(path, "/") {
			if segment == "." || segment == ".." {
				return "", unsent{"its address cannot be made from this key"}
			}
		}
	}
	if query != "" {
		path += "?" + query
	}
	return path, nil
}

func fillQuery(u *url.URL, query, values map[string]string) error {
	q := u.Query()
	for _, k := range sortedKeys(query) {
		v, missing := fill(query[k], values)
		if missing != "" {
			return lacks(missing)
		}
		q.Set(k, v)
	}
	u.RawQuery = q.Encode()
	return nil
}
