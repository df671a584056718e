// Package native holds the drivers of package keyservice for services that do not
// speak HTTP with simple authentication: signed requests, databases, brokers, mail
// servers, and keys that are judged without asking anybody.
//
// A server whose name stands with the key is contacted only when the user listed it,
// and no password goes in clear except to this machine.
package native

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// All returns every driver by the name that rule files use.
func All() map[string]keyservice.Driver {
	return map[string]keyservice.Driver{
		"aws-sts": awsSTS{}, "gcp-service-account": serviceAccount{}, "azure-storage": azureStorage{}, "entra": entra{},
		"postgres": postgres{}, "mysql": mySQL{}, "redis": redis{}, "mongodb": mongoDB{}, "amqp": amqp{}, "smtp": smtpServer{},
		"jwt": jwt{}, "private-key": privateKey{},
	}
}

func unchecked(reason string) finding.Verification {
	return finding.Verification{Status: finding.Unchecked, Reason: reason}
}

func unknown(reason string) finding.Verification {
	return finding.Verification{Status: finding.Unknown, Reason: reason}
}

func verdict(s finding.Status, reason string) finding.Verification {
	return finding.Verification{Status: s, Reason: reason}
}

// login is what a database, broker or mail server is asked with.
type login struct {
	host           string
	port           int
	user, password string
	database       string
	scheme         string
}

// readLogin reads a key's values. In URLs name and password are percent-encoded.
func readLogin(k keyservice.Key, port int) (login, string) {
	l := login{host: k.Values["host"], port: port, user: k.Values["user"], password: string(k.Secret.Reveal()), database: k.Values["database"], scheme: k.Values["scheme"]}
	if p := k.Values["port"]; p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			return l, "its port is none"
		}
		l.port = n
	} else if h, p, err := net.SplitHostPort(l.host); err == nil {
		if n, err := strconv.Atoi(p); err == nil && n > 0 && n < 65536 {
			l.host, l.port = h, n
		}
	}
	if strings.Contains(k.Rule, "url") {
		for _, v := range []*string{&l.user, &l.password, &l.database} {
			if plain, err := url.PathUnescape(*v); err == nil {
				*v = plain
			}
		}
	}
	switch {
	case l.host == "":
		return l, "its server does not stand near it"
	case strings.HasPrefix(l.host, "/"):
		return l, "its server is a socket of a machine that is not known"
	case strings.ContainsRune(l.user+l.password+l.database, 0):
		return l, "name or password holds a zero byte"
	}
	return l, ""
}

// local reports whether the server is this machine: the only place to which a password
// may go in clear.
func (l login) local() bool {
	if strings.EqualFold(l.host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(l.host, "[]"))
	return err == nil && a.IsLoopback()
}

const inClear = "the password would go in clear: rekey sends it over TLS only, or to this machine"

// secure runs a TLS handshake on a connection.
func secure(ctx context.Context, conn net.Conn, n keyservice.Network, host string) (net.Conn, error) {
	t := tls.Client(conn, n.TLS(host))
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// random returns n letters and digits.
func random(n int) string {
	return strings.ToLower(rand.Text() + rand.Text() + rand.Text() + rand.Text())[:n]
}

// noMadeUp is for drivers that try no made-up key by themselves.
type noMadeUp struct{}

func (noMadeUp) MadeUp(keyservice.Key) (keyservice.Key, string, bool) {
	return keyservice.Key{}, "a failed login could lock the account", false
}

func (noMadeUp) Hosts() []string { return nil }

var errProtocol = errors.New("the server does not speak the protocol")

func madeUp(k keyservice.Key, secret string) keyservice.Key {
	k.Secret = finding.NewSecret([]byte(secret))
	return k
}
