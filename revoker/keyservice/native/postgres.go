package native

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// postgres logs in to PostgreSQL and its kin. SCRAM protects the password also
// without TLS; MD5 and clear passwords need TLS or this machine.
type postgres struct{ noMadeUp }

func (postgres) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	l, why := readLogin(k, 5432)
	if why == "" && l.user == "" {
		why = "its role does not stand near it"
	}
	if why != "" {
		return unchecked(why)
	}
	if l.database == "" {
		l.database = l.user
	}
	conn, err := n.Dial(ctx, l.host, l.port)
	if err != nil {
		return keyservice.Unreached(err)
	}
	defer func() { conn.Close() }()
	s := pgSession{login: l, protected: l.local()}
	if !l.local() {
		secured, tlsErr := pgTLS(ctx, conn, n, l.host)
		if tlsErr == nil && secured != nil {
			conn, s.protected = secured, true
		} else if tlsErr != nil { // a certificate that nobody trusts: SCRAM needs none
			conn.Close()
			if conn, err = n.Dial(ctx, l.host, l.port); err != nil {
				return keyservice.Unreached(err)
			}
		}
	}
	v, err := s.run(conn)
	if err != nil {
		return keyservice.Unreached(err)
	}
	return v
}

// pgTLS asks for TLS; nil without error means that the server has none.
func pgTLS(ctx context.Context, conn net.Conn, n keyservice.Network, host string) (net.Conn, error) {
	request := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), 80877103)
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	var answer [1]byte // read alone: nothing may be smuggled in before the handshake
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, err
	}
	if answer[0] != 'S' {
		return nil, nil
	}
	return secure(ctx, conn, n, host)
}

type pgSession struct {
	login     login
	protected bool // by TLS, or on this machine
	scram     *scram
	asked     bool // for the password
	accepted  bool
}

// run speaks until the server has decided. PostgreSQL manual, "Message Flow" and
// errcodes-appendix; read 2026-11-21.
func (s *pgSession) run(conn net.Conn) (finding.Verification, error) {
	f := pgproto3.NewFrontend(conn, conn)
	f.SetMaxBodyLen(64 << 10)
	f.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": s.login.user, "database": s.login.database, "application_name": "rekey"}})
	if err := f.Flush(); err != nil {
		return finding.Verification{}, err
	}
	for range 64 {
		m, err := f.Receive()
		if err != nil {
			if s.accepted {
				return s.active(""), nil
			}
			return finding.Verification{}, err
		}
		v, done, err := s.message(f, m)
		if err == nil && !done {
			err = f.Flush()
		}
		if done || err != nil {
			f.Send(&pgproto3.Terminate{})
			_ = f.Flush()
			return v, err
		}
	}
	return unknown("the server does not come to an end"), nil
}

func (s *pgSession) active(reason string) finding.Verification {
	v := verdict(finding.Active, reason)
	v.Owner = s.login.user
	return v
}

func (s *pgSession) message(f *pgproto3.Frontend, m pgproto3.BackendMessage) (v finding.Verification, done bool, err error) {
	switch m := m.(type) {
	case *pgproto3.AuthenticationSASL:
		if !slices.Contains(m.AuthMechanisms, "SCRAM-SHA-256") {
			return unknown("the server asks for a login that rekey does not speak"), true, nil
		}
		s.asked, s.scram = true, newSCRAM256("", s.login.password) // the name stands in the startup message
		f.Send(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: s.scram.clientFirst()})
	case *pgproto3.AuthenticationSASLContinue:
		if s.scram == nil {
			return v, true, errProtocol
		}
		final, err := s.scram.clientFinal(m.Data)
		if err != nil {
			return v, true, err
		}
		f.Send(&pgproto3.SASLResponse{Data: final})
	case *pgproto3.AuthenticationSASLFinal:
		if s.scram == nil || !s.scram.proven(m.Data) {
			return unknown("the server does not prove that it knows this role"), true, nil
		}
	case *pgproto3.AuthenticationMD5Password:
		if !s.protected {
			return unchecked(inClear), true, nil
		}
		s.asked = true
		f.Send(&pgproto3.PasswordMessage{Password: pgMD5(s.login.user, s.login.password, m.Salt[:])})
	case *pgproto3.AuthenticationCleartextPassword:
		if !s.protected {
			return unchecked(inClear), true, nil
		}
		s.asked = true
		f.Send(&pgproto3.PasswordMessage{Password: s.login.password})
	case *pgproto3.AuthenticationOk:
		if !s.asked {
			return unknown("the server lets this role in without a password"), true, nil
		}
		if s.scram != nil && s.scram.serverSignature == nil {
			return v, true, errProtocol
		}
		s.accepted = true
	case *pgproto3.ReadyForQuery:
		return s.active(""), true, nil
	case *pgproto3.ErrorResponse:
		return s.refusal(m), true, nil
	case *pgproto3.ParameterStatus, *pgproto3.BackendKeyData, *pgproto3.NoticeResponse, *pgproto3.NegotiateProtocolVersion:
	default:
		return unknown("the server asks for a login that rekey does not speak"), true, nil
	}
	return v, false, nil
}

func (s *pgSession) refusal(m *pgproto3.ErrorResponse) finding.Verification {
	switch {
	case s.accepted && m.Code == "28000":
		v := verdict(finding.Restricted, "the password is right, but the role may not log in")
		v.Owner = s.login.user
		return v
	case s.accepted: // such as 3D000, no such database; 53300, too many connections
		return s.active("")
	case m.Code == "28P01" && s.asked:
		return verdict(finding.Inactive, "")
	case m.Code == "28000":
		return unknown("the server lets nobody in from here as this role")
	}
	return unknown("the server is not ready for logins")
}

func pgMD5(user, password string, salt []byte) string {
	inner := md5.Sum([]byte(password + user))
	outer := md5.Sum(append([]byte(hex.EncodeToString(inner[:])), salt...))
	return "md5" + hex.EncodeToString(outer[:])
}
