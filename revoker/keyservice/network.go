package keyservice

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// sender sends under the rules of design.md section 3: TLS 1.2 or better, addresses
// checked after DNS, no redirect followed, no proxy but the user's own.
type sender struct {
	client *http.Client
	dialer *net.Dialer
}

// newSender returns the sender for hosts that the user named, or for all others.
func newSender(opt Options, cfg *tls.Config, named bool) *sender {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error { return checkAddress(address, named) }}
	dial := d.DialContext
	tr := &http.Transport{
		TLSClientConfig: cfg, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 16, MaxConnsPerHost: 32,
		IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
	if opt.Proxy != nil {
		// The proxy is the user's own, wherever it stands; it looks names up itself.
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
		tr.Proxy = http.ProxyURL(opt.Proxy)
		if named {
			tr.Proxy = func(r *http.Request) (*url.URL, error) {
				if loopback(r.URL.Hostname()) {
					return nil, nil
				}
				return opt.Proxy, nil
			}
		}
	}
	tr.DialContext = dial
	return &sender{dialer: d, client: &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func tlsConfig(caFile string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate", caFile)
	}
	cfg.RootCAs = pool
	return cfg, nil
}

// failure is why an exchange gave no answer, in our own words: the words of a server
// could hold the key.
type failure struct {
	text        string
	unreachable bool // nothing was there to ask
}

func (f failure) Error() string { return f.text }

// plain turns an error of the network into a failure without URL, address or words of
// the other side.
func plain(err error) error {
	var f failure
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, ErrAddress):
		return failure{ErrAddress.Error(), true}
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &dns) && dns.IsNotFound:
		return failure{"its name is not known", true}
	case errors.As(err, &dns):
		return failure{"its name cannot be looked up", true}
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return failure{"the proxy cannot be reached", true}
	case errors.Is(err, syscall.ECONNREFUSED):
		return failure{"it refuses connections", true}
	case errors.As(err, &op) && op.Op == "dial":
		return failure{"no connection", true}
	case errors.As(err, &cert):
		return failure{"its certificate is not trusted", true}
	case errors.As(err, &record):
		return failure{"it does not speak TLS", true}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failure{"no answer in time", false}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failure{"the connection broke", false}
	}
	return failure{"its answer is not understood", false}
}

// Network is how drivers reach servers: the same checks, pace and counts as for HTTP.
type Network struct {
	q       *query
	control bool
}

// NotAsked is why a driver must not ask; its verdict is Unchecked.
type NotAsked struct{ Reason string }

func (n NotAsked) Error() string { return n.Reason }

// Listed reports whether the user listed the server: a host that stands with a key is
// contacted only then.
func (n Network) Listed(host string, port int) bool {
	return n.q.listed(net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))) || n.q.listed(strings.Trim(host, "[]"))
}

// Dial connects to a server that the user listed. The error is NotAsked where the
// user did not. The connection ends with ctx.
func (n Network) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	host = strings.Trim(host, "[]")
	address := net.JoinHostPort(host, strconv.Itoa(port))
	if !n.Listed(host, port) {
		return nil, NotAsked{fmt.Sprintf("you did not name its server %s: --service %s=%s asks it", printable(address), n.q.s.ID, printable(host))}
	}
	h, account := n.q.c.host(address, n.q.op.Pace, "")
	leave, err := h.enter(ctx, account)
	if err != nil {
		return nil, err
	}
	n.q.c.sent(Request{Service: n.q.s.ID, Method: "CONNECT", Host: address, Control: n.control})
	conn, err := n.q.c.named.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		err = plain(err)
	}
	leave(err)
	if err != nil {
		return nil, err
	}
	// The whole conversation has the time of one answer: a server that drips holds
	// nobody up.
	_ = conn.SetDeadline(time.Now().Add(n.q.c.opt.Timeout))
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return &boundConn{Conn: conn, stop: stop}, nil
}

// AsControl returns a Network whose requests are counted as those of a control.
func (n Network) AsControl() Network {
	n.control = true
	return n
}

// Now returns the run's time.
func (n Network) Now() time.Time { return n.q.c.opt.Now() }

// Replaced reports whether the user named a base in place of the service's address.
func (n Network) Replaced() bool { return n.q.base != "" }

// boundConn ends with its context.
type boundConn struct {
	net.Conn
	stop func() bool
}

func (c *boundConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// TLS returns a configuration that trusts what the user's does.
func (n Network) TLS(serverName string) *tls.Config {
	c := n.q.c.tls.Clone()
	c.ServerName = strings.Trim(serverName, "[]")
	return c
}

// Answer is what a service said to a driver.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most 64 KiB
	HTML   bool
}

// Do sends a request of a driver to a host of the service, or to the base that the
// user named in its place, and repeats it while the service is busy. finish, if not
// nil, is called with each request before it is sent, to sign it. What cannot be
// asked gives an error whose words may be shown.
func (n Network) Do(ctx context.Context, method, address string, header http.Header, body []byte, finish func(*http.Request) error) (*Answer, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, NotAsked{"its address cannot be made from this key"}
	}
	named := n.q.base != ""
	if !named && u.Scheme == "https" && n.q.listed(u.Host) {
		named = true
	} else if named {
		scheme, rest, _ := splitBase(n.q.base)
		authority, path, _ := strings.Cut(rest, "/")
		u.Scheme, u.Host = scheme, authority
		if path != "" {
			u.Path = "/" + path + u.Path
		}
	} else if !n.allowed(u) {
		return nil, NotAsked{"the host that stands with the key is not one of this service's"}
	}
	a, err := n.q.c.exchange(ctx, call{
		service: n.q.s.ID, pace: n.q.op.Pace, path: u.Path, control: n.control,
		build: func(ctx context.Context) (*http.Request, bool, error) {
			req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
			if err != nil {
				return nil, false, unsent{"the request cannot be made from this key"}
			}
			for k, v := range header {
				req.Header[k] = v
			}
			if finish != nil {
				err = finish(req)
			}
			return req, named, err
		},
		busy: busy,
	})
	var u2 unsent
	if errors.As(err, &u2) {
		return nil, NotAsked{u2.reason}
	} else if err != nil {
		return nil, err
	}
	return &Answer{Status: a.status, Header: a.raw, Body: []byte(a.body), HTML: a.html}, nil
}

// allowed reports whether a driver may contact a host by itself.
func (n Network) allowed(u *url.URL) bool {
	if u.Scheme != "https" || !plainHost(u.Host) {
		return false
	}
	base, _ := url.Parse(n.q.s.BaseURL)
	return base != nil && base.Host == u.Host || matchesHost(u.Host, n.q.s.Hosts) || matchesHost(u.Host, n.q.driver.Hosts())
}

// Unreached is the verdict for an error of Do or Dial, or one that came up later on a
// connection that Dial made.
func Unreached(err error) finding.Verification {
	var n NotAsked
	if errors.As(err, &n) {
		return unchecked(n.Reason)
	}
	if err := plain(err); errors.Is(err, context.Canceled) {
		return unknown("interrupted")
	}
	return unknown("no answer of use: %v", plain(err))
}
