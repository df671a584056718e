package keyservice

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/rekeyhq/rekey/rules"
)

// Base says where a service may be reached because the user said so. The zero Base
// trusts the service's built-in host.
type Base struct {
	// URL replaces the service's address.
	URL string
	// Hosts are servers, as HOST or HOST:PORT, that keys of this service may be sent
	// to when they name them: a database, a company's own instance. They may be private.
	Hosts []string
}

// ParseBase reads what stands after --service ID=: a URL, or a server as HOST or
// HOST:PORT; nothing trusts the built-in address.
func ParseBase(text string) (Base, error) {
	switch {
	case text == "":
		return Base{}, nil
	case strings.Contains(text, "://"):
		return Base{URL: text}, checkBase(text)
	}
	if strings.ContainsAny(text, "/@?#% \t") || strings.HasPrefix(text, ".") {
		return Base{}, fmt.Errorf("%q: want https://HOST[/PATH], HOST or HOST:PORT", text)
	}
	return Base{Hosts: []string{strings.ToLower(text)}}, nil
}

// Join returns both together; the URL of more wins.
func (b Base) Join(more Base) Base {
	out := Base{URL: b.URL, Hosts: append(append([]string(nil), b.Hosts...), more.Hosts...)}
	if more.URL != "" {
		out.URL = more.URL
	}
	return out
}

// checkBase refuses a base URL that would send secrets in clear or to nowhere.
func checkBase(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" {
		return errors.New("the address is no URL: want https://HOST[/PATH]")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("the address of %s must hold no user, query or fragment", u.Hostname())
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return fmt.Errorf("%s://%s: keys are sent over https only (http only to loopback)", u.Scheme, u.Host)
	}
	return nil
}

// listed reports whether the user listed a server, given as HOST or HOST:PORT. An
// entry without a port is for every port.
func (q *query) listed(server string) bool {
	server = strings.ToLower(server)
	host := server
	if i := strings.LastIndexByte(server, ':'); i >= 0 && !strings.HasSuffix(server, "]") && (strings.Count(server, ":") == 1 || strings.HasPrefix(server, "[")) {
		host = server[:i]
	}
	for _, h := range q.hosts {
		if h == server || h == host || h == strings.Trim(host, "[]") {
			return true
		}
	}
	return false
}

// trust fills in where the service is reached for this run. reason says why it must
// not be asked at all.
func (q *query) trust() (reason string) {
	b, named := q.c.opt.Bases[q.s.ID]
	q.base, q.hosts = b.URL, b.Hosts
	id := q.s.ID
	switch {
	case q.base != "" || q.driver != nil && offline(q.driver):
		return ""
	case q.driver != nil && q.s.HostFrom != "":
		return "" // its server stands with the key: Network decides
	case q.op.Evidence == rules.Assumed:
		return "nobody has seen how this service answers: name its address with --service " + id + "=URL to ask it"
	case len(q.hosts) > 0 && strings.Contains(q.op.Request.URL+q.s.BaseURL, "{{"):
		q.onlyListed = q.s.Trust != rules.TrustBuiltin
		return ""
	case q.s.Trust == rules.TrustNever:
		return "this service is never asked without an address: --service " + id + "=URL"
	case q.s.Trust == rules.TrustAsk && !named && !(q.s.BaseURL == "" && len(q.s.Hosts) > 0):
		if q.s.BaseURL == "" {
			return "its address is not known: --service " + id + "=URL names it"
		}
		return "not asked without your word: --service " + id + " trusts its built-in address, --service " + id + "=URL names another"
	case q.s.Trust == rules.TrustAsk && !named:
		return "not asked without your word: --service " + id + " trusts hosts of " + strings.Join(q.s.Hosts, ", ") + ", --service " + id + "=URL names another"
	case q.driver == nil && q.s.BaseURL == "" && q.op.Request.URL == "":
		return "its address is not known: --service " + id + "=URL names it"
	}
	return ""
}
