package native

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// mySQL logs in to MySQL and MariaDB: over TLS, or on this machine.
type mySQL struct{ noMadeUp }

func (d mySQL) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	l, why := readLogin(k, 3306)
	if why == "" && l.user == "" {
		why = "its user does not stand near it"
	}
	if why != "" {
		return unchecked(why)
	}
	v := d.login(ctx, l, n)
	if v.Status != finding.Active {
		return v
	}
	// A server without its grant tables lets everybody in. The user is made up as well:
	// no account sees a failed login.
	other := login{host: l.host, port: l.port, user: "rekey" + random(12), password: random(24)}
	if d.login(ctx, other, n.AsControl()).Status == finding.Active {
		return unknown("the server lets in a made-up user as well")
	}
	return v
}

func (mySQL) login(ctx context.Context, l login, n keyservice.Network) finding.Verification {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = l.user, l.password, "tcp", net.JoinHostPort(l.host, strconv.Itoa(l.port))
	cfg.Logger = &mysql.NopLogger{}
	if !l.local() {
		cfg.TLS = n.TLS(l.host)
	}
	cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return n.Dial(ctx, l.host, l.port) }
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return unchecked("its server cannot be asked with this key")
	}
	conn, err := connector.Connect(ctx)
	if err == nil {
		conn.Close()
		v := verdict(finding.Active, "")
		v.Owner = l.user
		return v
	}
	var said *mysql.MySQLError
	if !errors.As(err, &said) {
		if errors.Is(err, mysql.ErrNoTLS) {
			return unchecked(inClear)
		}
		return keyservice.Unreached(err)
	}
	return mysqlRefusal(said.Number)
}

// mysqlRefusal judges an error number. dev.mysql.com and mariadb.com, error references;
// read 2026-11-21 (4151: tried against MariaDB). Servers say 1045 also to a right
// password from a machine that the account does not allow; they do not tell which.
func mysqlRefusal(number uint16) finding.Verification {
	switch number {
	case 1045:
		return verdict(finding.Inactive, "refused; the same is said of an account that may not log in from here")
	case 1044, 1049:
		return verdict(finding.Active, "")
	case 3118, 4151:
		return verdict(finding.Restricted, "the account is locked")
	case 1820, 1862:
		return verdict(finding.Restricted, "the password has expired")
	case 1130, 1129:
		return unknown("the server lets nobody in from here")
	}
	return unknown("the server refused with error " + strconv.Itoa(int(number)))
}
