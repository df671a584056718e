package native

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// redis logs in to Redis and Valkey: over TLS where the URL says so, else on this
// machine only.
type redis struct{ noMadeUp }

func (redis) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	l, why := readLogin(k, 6379)
	if why != "" {
		return unchecked(why)
	}
	encrypted := strings.HasPrefix(l.scheme, "rediss") || l.scheme == "valkeys" || strings.Contains(l.scheme, "+ssl")
	if strings.Contains(l.scheme, "sentinel") {
		return unchecked("a sentinel names other servers: rekey does not follow it")
	}
	if !encrypted && !l.local() {
		if !n.Listed(l.host, l.port) {
			_, err := n.Dial(ctx, l.host, l.port)
			return keyservice.Unreached(err)
		}
		return unchecked(inClear)
	}
	conn, err := n.Dial(ctx, l.host, l.port)
	if err != nil {
		return keyservice.Unreached(err)
	}
	defer conn.Close()
	if encrypted {
		if conn, err = secure(ctx, conn, n, l.host); err != nil {
			return keyservice.Unreached(err)
		}
	}
	v, err := redisLogin(conn, l)
	if err != nil {
		return keyservice.Unreached(err)
	}
	return v
}

// redisLogin tells the words of redis.io, AUTH and ACL (read 2026-11-21) apart.
func redisLogin(conn net.Conn, l login) (finding.Verification, error) {
	r := bufio.NewReaderSize(conn, 4096)
	ask := func(args ...string) (string, error) {
		var b strings.Builder
		fmt.Fprintf(&b, "*%d\r\n", len(args))
		for _, a := range args {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
		}
		if _, err := io.WriteString(conn, b.String()); err != nil {
			return "", err
		}
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		return strings.TrimRight(string(line), "\r\n"), nil
	}
	auth := func(password string) (string, error) {
		if l.user == "" {
			return ask("AUTH", password)
		}
		return ask("AUTH", l.user, password)
	}
	said, err := ask("PING")
	switch {
	case err != nil:
		return finding.Verification{}, err
	case said == "+PONG":
		return unknown("the server lets everybody in without a password"), nil
	case !strings.HasPrefix(said, "-NOAUTH"):
		return unknown("the server is not ready for logins"), nil
	}
	if said, err = auth(l.password); err != nil {
		return finding.Verification{}, err
	}
	switch {
	case strings.HasPrefix(said, "-WRONGPASS"), strings.HasPrefix(said, "-ERR invalid password"):
		return verdict(finding.Inactive, ""), nil
	case said != "+OK":
		return unknown("the server's answer is none that rekey knows"), nil
	}
	// A user with nopass takes any password. Redis locks no account.
	if said, err = auth(random(24)); err == nil && said == "+OK" {
		return unknown("the server takes any password for this user"), nil
	}
	v := verdict(finding.Active, "")
	v.Owner = l.user
	return v, nil
}
