package keyservice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// ErrAddress means that a host resolved to an address that the user did not name and
// that is not a public one.
var ErrAddress = errors.New("resolves to an address that is not public")

// Network is how drivers reach servers: the same checks as for HTTP.
type Network struct {
	strict, relaxed *net.Dialer
	tls             *tls.Config
}

// Dial connects to host:port. named says that the user named the host, so that it may
// be private.
func (n Network) Dial(ctx context.Context, address string, named bool) (net.Conn, error) {
	d := n.strict
	if named {
		d = n.relaxed
	}
	return d.DialContext(ctx, "tcp", address)
}

// TLS returns a configuration that trusts what the user's does.
func (n Network) TLS(serverName string) *tls.Config {
	c := n.tls.Clone()
	c.ServerName = serverName
	return c
}

// sender sends HTTP requests under the rules of design.md section 3.
type sender struct {
	client *http.Client
	dialer *net.Dialer
	tls    *tls.Config
}

func newSender(opt Options, private bool) (*sender, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if opt.CAFile != "" {
		pem, err := os.ReadFile(opt.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA file %s holds no certificate", opt.CAFile)
		}
		cfg.RootCAs = pool
	}
	d := &net.Dialer{Timeout: 10 * time.Second}
	proxied := opt.Proxy != nil
	if !private && !proxied {
		// Checked on the address that is connected to, after DNS: a name cannot change
		// its mind in between.
		d.Control = func(_, address string, _ syscall.RawConn) error { return checkAddress(address) }
	}
	tr := &http.Transport{
		DialContext: d.DialContext, TLSClientConfig: cfg, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 20 * time.Second,
		MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
	if proxied {
		tr.Proxy = http.ProxyURL(opt.Proxy)
	}
	return &sender{dialer: d, tls: cfg, client: &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func checkAddress(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	if !publicAddress(ap.Addr()) {
		return ErrAddress
	}
	return nil
}

// notPublic are ranges besides those that netip knows: carrier NAT, documentation,
// benchmarks, reserved, IPv4 in IPv6 and the like (IANA special-purpose registries,
// read 2026-11-21).
var notPublic = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10")

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}

func publicAddress(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// checkBase refuses a base URL that would send secrets in clear or to nowhere.
func checkBase(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
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

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}
