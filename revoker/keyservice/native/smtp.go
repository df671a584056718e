package native

import (
	"context"
	"crypto/tls"
	"errors"
	"net/smtp"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// smtpServer logs in to a mail server: over TLS from the start or after STARTTLS, or
// on this machine.
type smtpServer struct{ noMadeUp }

func (smtpServer) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	scheme := k.Values["scheme"]
	if strings.HasPrefix(scheme, "imap") || strings.HasPrefix(scheme, "pop3") {
		return unchecked("rekey speaks SMTP only")
	}
	implicit := strings.HasPrefix(scheme, "smtps") || strings.HasSuffix(scheme, "+ssl") || strings.HasSuffix(scheme, "+tls")
	port := 587
	if implicit {
		port = 465
	}
	l, why := readLogin(k, port)
	if why != "" {
		return unchecked(why)
	}
	conn, err := n.Dial(ctx, l.host, l.port)
	if err != nil {
		return keyservice.Unreached(err)
	}
	defer conn.Close()
	if implicit || l.port == 465 {
		if conn, err = secure(ctx, conn, n, l.host); err != nil {
			return keyservice.Unreached(err)
		}
	}
	_, encrypted := conn.(*tls.Conn)
	c, err := smtp.NewClient(conn, l.host)
	if err != nil {
		return keyservice.Unreached(err)
	}
	defer c.Close()
	if ok, _ := c.Extension("STARTTLS"); ok && !encrypted && !l.local() {
		if err := c.StartTLS(n.TLS(l.host)); err != nil {
			return keyservice.Unreached(err)
		}
		encrypted = true
	}
	if !encrypted && !l.local() {
		return unchecked(inClear)
	}
	return smtpLogin(c, l)
}

func smtpLogin(c *smtp.Client, l login) finding.Verification {
	ok, mechanisms := c.Extension("AUTH")
	if !ok || !strings.Contains(" "+mechanisms+" ", " PLAIN ") {
		return unknown("the server offers no login that rekey speaks")
	}
	err := c.Auth(smtp.PlainAuth("", l.user, l.password, l.host))
	var said *textproto.Error
	switch {
	case err == nil:
		v := verdict(finding.Active, "")
		v.Owner = l.user
		return v
	case !errors.As(err, &said):
		return keyservice.Unreached(err)
	}
	return smtpRefusal(said.Code, said.Msg)
}

var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}`)

// smtpRefusal judges a refusal: RFC 4954 section 6: 535 5.7.8, credentials invalid.
// Other codes after 535 name another reason, such as 5.7.139: passwords are switched
// off (learn.microsoft.com, recalled 2026-11-21).
func smtpRefusal(code int, text string) finding.Verification {
	if code == 535 {
		if e := enhanced.FindString(text); e == "" || e == "5.7.8" {
			return verdict(finding.Inactive, "")
		}
	}
	return unknown("the server refused the login for a reason of its own")
}
