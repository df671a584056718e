package native

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// mongoDB logs in to MongoDB with SCRAM, which protects the password also without
// TLS.
type mongoDB struct{ noMadeUp }

func (d mongoDB) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	if strings.HasSuffix(k.Values["scheme"], "+srv") {
		return unchecked("its servers are named by DNS alone (mongodb+srv): rekey does not follow other people's names")
	}
	k.Values = withHost(k.Values, d.choose(k.Values["host"], n))
	l, why := readLogin(k, 27017)
	if why == "" && l.user == "" {
		why = "its user does not stand near it"
	}
	if why != "" {
		return unchecked(why)
	}
	conn, err := n.Dial(ctx, l.host, l.port)
	if err != nil {
		return keyservice.Unreached(err)
	}
	defer func() { conn.Close() }()
	if !l.local() {
		if secured, err := secure(ctx, conn, n, l.host); err == nil {
			conn = secured
		} else { // a server without TLS: SCRAM needs none
			conn.Close()
			if conn, err = n.Dial(ctx, l.host, l.port); err != nil {
				return keyservice.Unreached(err)
			}
		}
	}
	v, err := mongoLogin(conn, l)
	if err != nil {
		return keyservice.Unreached(err)
	}
	return v
}

// choose returns the first server of a seed list that the user listed, or the first.
func (mongoDB) choose(hosts string, n keyservice.Network) string {
	all := strings.Split(hosts, ",")
	for _, h := range all {
		host, port, err := net.SplitHostPort(h)
		p, err2 := strconv.Atoi(port)
		if err != nil || err2 != nil {
			host, p = h, 27017
		}
		if n.Listed(host, p) {
			return h
		}
	}
	return all[0]
}

func withHost(values map[string]string, host string) map[string]string {
	out := make(map[string]string, len(values))
	for k, v := range values {
		out[k] = v
	}
	out["host"] = host
	return out
}

// mongoLogin: mongodb.com, specification "auth", and error 18 AuthenticationFailed;
// read 2026-11-21. Users of a database other than admin authenticate against it, and
// a URL seldom says so: where admin refuses, the URL's database is tried.
func mongoLogin(conn net.Conn, l login) (finding.Verification, error) {
	m := &mongoConn{conn: conn, r: bufio.NewReaderSize(conn, 4096)}
	databases := []string{"admin"}
	if l.database != "" && l.database != "admin" {
		databases = append(databases, l.database)
	}
	v := unknown("the server's answer is none that rekey knows")
	for _, db := range databases {
		hello, err := m.run(db, element{"hello", int32(1)}, element{"saslSupportedMechs", db + "." + l.user})
		if err != nil {
			return v, err
		}
		if hello.int("ok") != 1 {
			if hello, err = m.run("admin", element{"isMaster", int32(1)}, element{"saslSupportedMechs", db + "." + l.user}); err != nil {
				return v, err
			}
		}
		s, name := newSCRAM256(l.user, l.password), "SCRAM-SHA-256"
		if mechs := hello.texts("saslSupportedMechs"); len(mechs) > 0 && !strings.Contains(strings.Join(mechs, " "), name) {
			digest := md5.Sum([]byte(l.user + ":mongo:" + l.password))
			s, name = newSCRAM1(l.user, hex.EncodeToString(digest[:])), "SCRAM-SHA-1"
		}
		if v, err = m.scram(db, name, s); err != nil || v.Status != finding.Inactive {
			if v.Status == finding.Active {
				v.Owner = l.user
			}
			return v, err
		}
	}
	return v, nil
}

func (m *mongoConn) scram(db, name string, s *scram) (finding.Verification, error) {
	first, err := m.run(db, element{"saslStart", int32(1)}, element{"mechanism", name}, element{"payload", s.clientFirst()}, element{"options", document(element{"skipEmptyExchange", true})})
	if err != nil || first.int("ok") != 1 {
		return mongoRefusal(first), err
	}
	final, err := s.clientFinal(first.bytes("payload"))
	if err != nil {
		return unknown("the server's answer is none that rekey knows"), nil
	}
	last, err := m.run(db, element{"saslContinue", int32(1)}, element{"conversationId", int32(first.int("conversationId"))}, element{"payload", final})
	if err != nil || last.int("ok") != 1 {
		return mongoRefusal(last), err
	}
	if !s.proven(last.bytes("payload")) {
		return unknown("the server does not prove that it knows this user"), nil
	}
	return verdict(finding.Active, ""), nil
}

func mongoRefusal(r reply) finding.Verification {
	if r.int("code") == 18 {
		return verdict(finding.Inactive, "")
	}
	return unknown("the server refused with error " + strconv.Itoa(r.int("code")))
}

// mongoConn speaks OP_MSG with one body section.
type mongoConn struct {
	conn net.Conn
	r    *bufio.Reader
	id   int32
}

func (m *mongoConn) run(db string, elements ...element) (reply, error) {
	m.id++
	doc := document(append(elements, element{"$db", db})...)
	b := binary.LittleEndian.AppendUint32(nil, uint32(16+4+1+len(doc)))
	b = binary.LittleEndian.AppendUint32(b, uint32(m.id))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 2013)
	b = append(append(b, 0, 0, 0, 0, 0), doc...)
	if _, err := m.conn.Write(b); err != nil {
		return nil, err
	}
	var head [21]byte
	if _, err := io.ReadFull(m.r, head[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size < 26 || size > 64<<10 || binary.LittleEndian.Uint32(head[12:]) != 2013 || head[20] != 0 {
		return nil, errProtocol
	}
	body := make([]byte, size-21)
	if _, err := io.ReadFull(m.r, body); err != nil {
		return nil, err
	}
	return parseDocument(body)
}

// element is one field of a BSON document: string, int32, bool, []byte or a document
// made by document.
type element struct {
	name  string
	value any
}

type rawDocument []byte

func document(elements ...element) rawDocument {
	var b []byte
	field := func(kind byte, name string) { b = append(append(append(b, kind), name...), 0) }
	for _, e := range elements {
		switch v := e.value.(type) {
		case string:
			field(2, e.name)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(v)+1))
			b = append(append(b, v...), 0)
		case int32:
			field(16, e.name)
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		case bool:
			field(8, e.name)
			if v {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		case []byte:
			field(5, e.name)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
			b = append(append(b, 0), v...)
		case rawDocument:
			field(3, e.name)
			b = append(b, v...)
		}
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(b)+5))
	return append(append(out, b...), 0)
}

// reply holds the fields of an answer that are numbers, texts, bytes or lists of
// texts; others are passed over.
type reply map[string]any

func (r reply) int(name string) int        { n, _ := r[name].(int); return n }
func (r reply) bytes(name string) []byte   { b, _ := r[name].([]byte); return b }
func (r reply) texts(name string) []string { t, _ := r[name].([]string); return t }

var errBSON = errors.New("the document is cut off")

func parseDocument(b []byte) (reply, error) {
	out := reply{}
	if len(b) < 5 {
		return nil, errBSON
	}
	size := binary.LittleEndian.Uint32(b)
	if size < 5 || uint64(size) > uint64(len(b)) {
		return nil, errBSON
	}
	b = b[4:size]
	for len(b) > 1 {
		kind := b[0]
		end := bytes.IndexByte(b[1:], 0)
		if end < 0 {
			return nil, errBSON
		}
		name := string(b[1 : 1+end])
		b = b[2+end:]
		n, v := bsonValue(kind, b)
		if n < 0 || n > len(b) {
			return nil, errBSON
		}
		if v != nil {
			out[name] = v
		}
		b = b[n:]
	}
	return out, nil
}

// bsonValue returns the length of a value and, for the kinds that matter, the value;
// -1 for what it does not know or what is cut off.
func bsonValue(kind byte, b []byte) (int, any) {
	size := func(more int) int {
		if len(b) < 4 {
			return -1
		}
		n := int64(binary.LittleEndian.Uint32(b)) + int64(more)
		if n < 4 || n > int64(len(b)) {
			return -1
		}
		return int(n)
	}
	switch kind {
	case 1:
		if len(b) < 8 {
			return -1, nil
		}
		if binary.LittleEndian.Uint64(b) == 0x3ff0000000000000 {
			return 8, 1
		}
		return 8, 0
	case 2:
		n := size(4)
		if n < 5 {
			return -1, nil
		}
		return n, string(b[4 : n-1])
	case 3:
		return size(0), nil
	case 4:
		n := size(0)
		if n < 5 {
			return -1, nil
		}
		return n, bsonTexts(b[:n])
	case 5:
		n := size(5)
		if n < 5 {
			return -1, nil
		}
		return n, append([]byte(nil), b[5:n]...)
	case 7:
		return 12, nil
	case 8:
		return 1, nil
	case 9, 17:
		return 8, nil
	case 10:
		return 0, nil
	case 16:
		if len(b) < 4 {
			return -1, nil
		}
		return 4, int(int32(binary.LittleEndian.Uint32(b)))
	case 18:
		if len(b) < 8 {
			return -1, nil
		}
		return 8, int(int64(binary.LittleEndian.Uint64(b)))
	}
	return -1, nil
}

// bsonTexts returns the texts of an array.
func bsonTexts(b []byte) []string {
	var out []string
	b = b[4:]
	for len(b) > 1 {
		kind := b[0]
		end := bytes.IndexByte(b[1:], 0)
		if end < 0 || kind != 2 {
			return out
		}
		b = b[2+end:]
		n, v := bsonValue(kind, b)
		if n < 0 || n > len(b) {
			return out
		}
		out = append(out, v.(string))
		b = b[n:]
	}
	return out
}
