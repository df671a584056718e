package native

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// amqp logs in to RabbitMQ (AMQP 0-9-1, PLAIN): over TLS, or on this machine.
type amqp struct{ noMadeUp }

func (amqp) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	encrypted := strings.Contains(k.Values["scheme"], "amqps") || strings.Contains(k.Values["scheme"], "+ssl")
	port := 5672
	if encrypted {
		port = 5671
	}
	l, why := readLogin(k, port)
	if why != "" {
		return unchecked(why)
	}
	if !encrypted && !l.local() && n.Listed(l.host, l.port) {
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
	v, err := amqpLogin(conn, l)
	if err != nil {
		return keyservice.Unreached(err)
	}
	return v
}

// Methods of class connection (AMQP 0-9-1 specification, section 1.4).
const (
	amqpStart = 10<<16 | 10
	amqpTune  = 10<<16 | 30
	amqpClose = 10<<16 | 50
)

func amqpLogin(conn net.Conn, l login) (finding.Verification, error) {
	r := bufio.NewReaderSize(conn, 4096)
	if _, err := io.WriteString(conn, "AMQP\x00\x00\x09\x01"); err != nil {
		return finding.Verification{}, err
	}
	method, _, err := amqpMethod(r)
	if err != nil {
		return finding.Verification{}, err
	}
	if method != amqpStart {
		return unknown("the server is no RabbitMQ"), nil
	}
	if err := amqpStartOK(conn, l); err != nil {
		return finding.Verification{}, err
	}
	method, args, err := amqpMethod(r)
	switch {
	case err != nil:
		return finding.Verification{}, err
	case method == amqpTune: // sent once the password was accepted
		v := verdict(finding.Active, "")
		v.Owner = l.user
		return v, nil
	case method == amqpClose && len(args) >= 2 && binary.BigEndian.Uint16(args) == 403:
		if l.user == "guest" && !l.local() {
			return unknown("RabbitMQ lets the user guest in from its own machine only"), nil
		}
		return verdict(finding.Inactive, ""), nil
	}
	return unknown("the server's answer is none that rekey knows"), nil
}

// amqpStartOK answers connection.start. The capability makes the server say that a
// login was refused instead of hanging up (rabbitmq.com, authentication failures).
func amqpStartOK(conn net.Conn, l login) error {
	short := func(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }
	long := func(b []byte, s string) []byte {
		return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	inner := append(short(nil, "authentication_failure_close"), 't', 1)
	table := append(short(nil, "capabilities"), 'F')
	table = long(table, string(inner))
	b := binary.BigEndian.AppendUint32(nil, 10<<16|11)
	b = long(b, string(table))
	b = short(b, "PLAIN")
	b = long(b, "\x00"+l.user+"\x00"+l.password)
	b = short(b, "en_US")
	frame := append([]byte{1, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(b)))...)
	_, err := conn.Write(append(append(frame, b...), 0xce))
	return err
}

// amqpMethod reads one method frame.
func amqpMethod(r *bufio.Reader) (method uint32, args []byte, err error) {
	var head [7]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[3:])
	if head[0] != 1 || size < 4 || size > 64<<10 {
		return 0, nil, errProtocol
	}
	body := make([]byte, size+1)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, err
	}
	if body[size] != 0xce {
		return 0, nil, errProtocol
	}
	return binary.BigEndian.Uint32(body), body[4:size], nil
}
