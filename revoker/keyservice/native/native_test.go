package native

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// RFC 7677 section 3.
func TestSCRAM(t *testing.T) {
	s := newSCRAM256("user", "pencil")
	s.nonce = "rOprNGfwEbeRWgbNEkqO"
	if got := string(s.clientFirst()); got != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
		t.Error(got)
	}
	final, err := s.clientFinal([]byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	if err != nil || string(final) != "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" {
		t.Errorf("%s %v", final, err)
	}
	if !s.proven([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")) || s.proven([]byte("v=AAAA")) || s.proven(nil) {
		t.Error("the server's proof is judged wrongly")
	}
	for _, bad := range []string{"", "r=other,s=AAAA,i=4096", "r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=1", "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=999999999", "r=rOprNGfwEbeRWgbNEkqOx,s=,i=1", "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=-1"} {
		if _, err := s.clientFinal([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// get-vanilla of AWS's Signature Version 4 test suite.
func TestSignatureVersion4(t *testing.T) {
	r := httptest.NewRequest("GET", "https://example.amazonaws.com/", nil)
	s := signer{id: "AKID" + "EXAMPLE", secret: "wJal" + "rXUtnFEMI/K7" + "MDENG+" + "bPxRfiCYEXAMPLEKEY", region: "us-east-1", service: "service", now: time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)} // rekey:allow published by AWS as a test vector
	if err := s.sign(r, nil); err != nil || !strings.HasSuffix(r.Header.Get("Authorization"), "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31") {
		t.Errorf("%s %v", r.Header.Get("Authorization"), err)
	}
}

func TestAWSAccount(t *testing.T) {
	for id, want := range map[string]string{"AKIAYVP4" + "CIPPAAAAAAAA": "595918472158", "AKIAIOSF" + "ODNN7EXAMPLE": "", "short": "", "AKIA00000000" + "11111111": ""} {
		if got := awsAccount(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

// ask asks one service whose base is a handler, and counts requests.
func ask(t *testing.T, service, rule, secret string, values map[string]string, h http.HandlerFunc) (finding.Verification, keyservice.Count) {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	c, err := keyservice.New(keyservice.Options{Services: builtin.Services(), Bases: map[string]keyservice.Base{service: {URL: srv.URL}}, Drivers: All(), Rate: 1000, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	v := c.Check(context.Background(), keyservice.Key{Service: service, Rule: rule, Secret: finding.NewSecret([]byte(secret)), Values: values})
	if secret != "" && strings.Contains(fmt.Sprintf("%+v", v), secret) {
		t.Errorf("the verdict holds the key")
	}
	return v, c.Requests()[service]
}

func want(t *testing.T, what string, v finding.Verification, s finding.Status) {
	t.Helper()
	if v.Status != s {
		t.Errorf("%s: %s (%s), want %s", what, v.Status, v.Reason, s)
	}
}

// once gives the answer under test to the real key, and the refusal to all others.
func once(isKey func(*http.Request, string) bool, status int, body string, refusedStatus int, refused string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if isKey(r, string(b)) {
			w.WriteHeader(status)
			io.WriteString(w, body)
			return
		}
		w.WriteHeader(refusedStatus)
		io.WriteString(w, refused)
	}
}

func TestSTSAnswers(t *testing.T) {
	const id = "AKIAQQQQQQQQQQQQQQQQ"
	secret := strings.Repeat("s", 40)
	isKey := func(r *http.Request, _ string) bool {
		return strings.Contains(r.Header.Get("Authorization"), id) || strings.Contains(r.Header.Get("Authorization"), "ASIA")
	}
	errorBody := func(code string) string {
		return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` + code + `</Code><Message>m</Message></Error></ErrorResponse>`
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   finding.Status
	}{
		{"active", 200, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/a</Arn><UserId>U</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, finding.Active},
		{"error_in_200", 200, errorBody("InvalidClientTokenId"), finding.Unknown},
		{"deactivated_or_deleted", 403, errorBody("InvalidClientTokenId"), finding.Inactive},
		{"denied", 403, errorBody("AccessDenied"), finding.Restricted},
		{"wrong_pair", 403, errorBody("SignatureDoesNotMatch"), finding.Unknown},
		{"clock", 403, errorBody("RequestExpired"), finding.Unknown},
		{"json", 403, `{"Code":"InvalidClientTokenId"}`, finding.Unknown}, {"empty", 200, "", finding.Unknown},
		{"html", 403, "<html>InvalidClientTokenId</html>", finding.Unknown}, {"broken", 500, errorBody("InvalidClientTokenId"), finding.Unknown},
	} {
		v, _ := ask(t, "aws", "aws-access-key-pair", secret, map[string]string{"id": id}, once(isKey, c.status, c.body, 403, errorBody("InvalidClientTokenId")))
		want(t, c.name, v, c.want)
	}
	v, _ := ask(t, "aws", "aws-access-key-pair", secret, map[string]string{"id": id}, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(403)
		io.WriteString(w, errorBody("AccessDenied"))
	})
	want(t, "denies everybody", v, finding.Unknown)
	v, n := ask(t, "aws", "aws-access-key-pair", secret, map[string]string{"id": "AKIAYVP4" + "CIPPAAAAAAAA"}, nil)
	want(t, "canary", v, finding.Canary)
	if n != (keyservice.Count{}) {
		t.Error("a canary was sent")
	}
	v, _ = ask(t, "aws", "aws-access-key-pair", secret, map[string]string{"id": "ASIAQQQQQQQQQQQQQQQQ"}, nil)
	want(t, "temporary without token", v, finding.Unchecked)
	v, _ = ask(t, "aws", "aws-access-key-pair", secret, map[string]string{"id": "ASIAQQQQQQQQQQQQQQQQ", "session_token": "tok"}, once(isKey, 403, errorBody("ExpiredToken"), 403, errorBody("InvalidClientTokenId")))
	want(t, "expired session", v, finding.Inactive)
}

func TestGoogleAnswers(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	file, _ := json.Marshal(map[string]string{"type": "service_account", "client_email": "bot@p.iam.gserviceaccount.com", "private_key_id": "kid1", "private_key": text, "token_uri": "https://evil.example/token"})
	isKey := func(_ *http.Request, body string) bool {
		form, _ := url.ParseQuery(body)
		tok, ok := readJWT(form.Get("assertion"))
		n := base64.RawURLEncoding.EncodeToString(key.N.Bytes())
		return ok && tok.Issuer == "bot@p.iam.gserviceaccount.com" && jwk{Kind: "RSA", N: n, E: "AQAB"}.verifies(tok)
	}
	refused := `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   finding.Status
	}{
		{"active", 200, `{"access_token":"ya","expires_in":3599}`, finding.Active}, {"deleted", 400, refused, finding.Inactive},
		{"account_gone", 400, `{"error":"invalid_grant","error_description":"Invalid grant: account not found"}`, finding.Inactive},
		{"clock", 400, `{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token"}`, finding.Unknown},
		{"error_in_200", 200, refused, finding.Unknown}, {"quota", 403, `{"error":"access_denied"}`, finding.Unknown},
	} {
		for _, secret := range []string{string(file), text} {
			v, n := ask(t, "gcp-service-account", "gcp-service-account-key", secret, map[string]string{"client_email": "bot@p.iam.gserviceaccount.com", "private_key_id": "kid1"}, once(isKey, c.status, c.body, 400, refused))
			want(t, c.name, v, c.want)
			if v.Status == finding.Active && (v.Owner != "bot@p.iam.gserviceaccount.com" || v.KeyID != "kid1" || n != (keyservice.Count{Keys: 1, Controls: 1})) {
				t.Errorf("%+v %+v", v, n)
			}
		}
	}
}

func TestAzureAndEntraAnswers(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("0123456789abcdef", 4)))
	n := 0
	first := func(*http.Request, string) bool { n++; return n == 1 }
	xmlError := func(code string) string {
		return "\xef\xbb\xbf<?xml version=\"1.0\"?><Error><Code>" + code + "</Code></Error>"
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   finding.Status
	}{
		{"active", 200, "\xef\xbb\xbf<?xml version=\"1.0\"?><EnumerationResults><Containers/></EnumerationResults>", finding.Active},
		{"refused", 403, xmlError("AuthenticationFailed"), finding.Inactive}, {"firewall", 403, xmlError("AuthorizationFailure"), finding.Unknown},
		{"keys_off", 403, xmlError("KeyBasedAuthenticationNotPermitted"), finding.Unknown}, {"html", 403, "<html></html>", finding.Unknown},
	} {
		n = 0
		v, _ := ask(t, "azure", "azure-storage-key", secret, map[string]string{"account": "acmeprod"}, once(first, c.status, c.body, 403, xmlError("AuthenticationFailed")))
		want(t, c.name, v, c.want)
	}
	v, _ := ask(t, "azure", "azure-storage-key", secret, map[string]string{"account": "evil.com/x"}, nil)
	want(t, "account that is none", v, finding.Unchecked)
	guid := "00000000-1111-2222-3333-444444444444"
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   finding.Status
	}{
		{"active", 200, `{"access_token":"e"}`, finding.Active}, {"refused", 401, `{"error":"invalid_client","error_codes":[7000215]}`, finding.Inactive},
		{"expired", 401, `{"error":"invalid_client","error_codes":[7000222]}`, finding.Inactive}, {"other_app", 400, `{"error":"unauthorized_client","error_codes":[700016]}`, finding.Unknown},
		{"conditional", 400, `{"error":"invalid_grant","error_codes":[53003]}`, finding.Restricted}, {"no_tenant", 400, `{"error":"invalid_request","error_codes":[90002]}`, finding.Unknown},
	} {
		n = 0
		v, _ := ask(t, "entra", "entra-client-secret", "abc8Q~"+strings.Repeat("x", 34), map[string]string{"tenant": guid, "client_id": guid}, once(first, c.status, c.body, 401, `{"error":"invalid_client","error_codes":[7000215]}`))
		want(t, c.name, v, c.want)
	}
	v, _ = ask(t, "entra", "entra-client-secret", strings.Repeat("x", 40), map[string]string{"tenant": "../evil", "client_id": guid}, nil)
	want(t, "tenant that is none", v, finding.Unchecked)
}

func TestJWT(t *testing.T) {
	enc := base64.RawURLEncoding
	token := func(claims string) string {
		return enc.EncodeToString([]byte(`{"alg":"ES256","kid":"k1"}`)) + "." + enc.EncodeToString([]byte(claims))
	}
	sign := func(key *ecdsa.PrivateKey, text string) string {
		sum := sha256.Sum256([]byte(text))
		r, s, _ := ecdsa.Sign(rand.Reader, key, sum[:])
		return text + "." + enc.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	pub, _ := key.PublicKey.Bytes()
	k := jwk{Kind: "EC", Curve: "P-256", X: enc.EncodeToString(pub[1:33]), Y: enc.EncodeToString(pub[33:])}
	good := sign(key, token(`{"iss":"https://id.example","exp":32503680000}`))
	tok, ok := readJWT(good)
	if !ok || !k.verifies(tok) {
		t.Error("a right signature is refused")
	}
	forged, _ := readJWT(token(`{"iss":"https://id.example","exp":32503680001}`) + good[strings.LastIndex(good, "."):])
	if k.verifies(forged) || (jwk{Kind: "EC", Curve: "P-256", X: "AAAA", Y: "AAAA"}).verifies(tok) || (jwk{}).verifies(jwtToken{}) {
		t.Error("a wrong signature is taken")
	}
	for claims, s := range map[string]finding.Status{
		`{"exp":1000000000}`: finding.Inactive, `{"exp":32503680000}`: finding.Unknown, `{}`: finding.Unknown, `{"exp":"soon"}`: finding.Unknown, `{"exp":-1}`: finding.Unknown, `{"exp":1e300}`: finding.Unknown,
	} {
		c, err := keyservice.New(keyservice.Options{Services: builtin.Services(), Drivers: All(), Sent: func(r keyservice.Request) { t.Errorf("asked %s", r.Host) }})
		if err != nil {
			t.Fatal(err)
		}
		v := c.Check(context.Background(), keyservice.Key{Service: "jwt", Rule: "jwt", Secret: finding.NewSecret([]byte(sign(key, token(claims))))})
		want(t, claims, v, s)
	}
}

func TestPrivateKeys(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	sshKey, _ := ssh.NewPublicKey(ed.Public())
	block, _ := ssh.MarshalPrivateKey(ed, "")
	locked, _ := ssh.MarshalPrivateKeyWithPassphrase(ed, "", []byte("x"))
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(ec)
	sec1, _ := x509.MarshalECPrivateKey(ec)
	for name, c := range map[string]struct {
		text  []byte
		id    string
		words string
	}{
		"openssh":    {pem.EncodeToMemory(block), ssh.FingerprintSHA256(sshKey), "not known"},
		"escaped":    {[]byte(strings.ReplaceAll(string(pem.EncodeToMemory(block)), "\n", `\n`)), ssh.FingerprintSHA256(sshKey), "not known"},
		"passphrase": {pem.EncodeToMemory(locked), "", "passphrase"},
		"pkcs8":      {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), "SHA256:", "not known"},
		"sec1_bare":  {[]byte(base64.StdEncoding.EncodeToString(sec1)), "SHA256:", "not known"},
		"garbage":    {[]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), "", "cannot be read"},
	} {
		v := privateKey{}.Verify(context.Background(), keyservice.Key{Secret: finding.NewSecret(c.text)}, keyservice.Network{})
		if v.Status != finding.Unknown || !strings.HasPrefix(v.KeyID, c.id) || c.id == "" && v.KeyID != "" || !strings.Contains(v.Reason, c.words) {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// serve runs a server that speaks one connection after the other.
func serve(t *testing.T, talk func(net.Conn, *bufio.Reader)) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); talk(conn, bufio.NewReader(conn)) }()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func logIn(t *testing.T, service, rule string, values map[string]string, port int, password string) finding.Verification {
	t.Helper()
	c, err := keyservice.New(keyservice.Options{Services: builtin.Services(), Drivers: All(), Bases: map[string]keyservice.Base{service: {Hosts: []string{"127.0.0.1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	values["host"], values["port"] = "127.0.0.1", fmt.Sprint(port)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return c.Check(ctx, keyservice.Key{Service: service, Rule: rule, Secret: finding.NewSecret([]byte(password)), Values: values})
}

func TestSMTPAnswers(t *testing.T) {
	for answer, s := range map[string]finding.Status{
		"235 2.7.0 Accepted": finding.Active, "535 5.7.8 Username and Password not accepted": finding.Inactive, "535 Authentication failed": finding.Inactive,
		"535 5.7.139 Authentication unsuccessful, basic authentication is disabled": finding.Unknown, "534 5.7.9 Application-specific password required": finding.Unknown, "454 4.7.0 Try again": finding.Unknown, "garbage": finding.Unknown,
	} {
		port := serve(t, func(c net.Conn, r *bufio.Reader) {
			fmt.Fprint(c, "220 mail\r\n")
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				switch {
				case strings.HasPrefix(line, "EHLO"):
					fmt.Fprint(c, "250-mail\r\n250 AUTH PLAIN LOGIN\r\n")
				case strings.HasPrefix(line, "AUTH"):
					fmt.Fprint(c, answer+"\r\n")
				default:
					fmt.Fprint(c, "250 ok\r\n")
				}
			}
		})
		want(t, answer, logIn(t, "smtp", "smtp-url", map[string]string{"user": "u", "scheme": "smtp"}, port, "the-password-1"), s)
	}
}

// Servers that talk nonsense prove nothing, and nobody waits for them for long.
func TestNonsenseServers(t *testing.T) {
	for name, talk := range map[string]func(net.Conn, *bufio.Reader){
		"closes":  func(net.Conn, *bufio.Reader) {},
		"zeros":   func(c net.Conn, _ *bufio.Reader) { c.Write(make([]byte, 4096)) },
		"ones":    func(c net.Conn, _ *bufio.Reader) { c.Write([]byte(strings.Repeat("\xff", 4096))) },
		"http":    func(c net.Conn, _ *bufio.Reader) { fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"ok":      func(c net.Conn, _ *bufio.Reader) { fmt.Fprint(c, strings.Repeat("+OK\r\n", 10)) },
		"smtp_ok": func(c net.Conn, _ *bufio.Reader) { fmt.Fprint(c, strings.Repeat("235 ok\r\n", 10)) },
		"echo":    func(c net.Conn, r *bufio.Reader) { io.Copy(c, r) },
		"random":  func(c net.Conn, _ *bufio.Reader) { b := make([]byte, 4096); rand.Read(b); c.Write(b) },
	} {
		port := serve(t, talk)
		for service, rule := range map[string]string{"postgres": "postgres-url", "mysql": "mysql-url", "redis": "redis-url", "mongodb": "mongodb-url", "rabbitmq": "rabbitmq-url", "smtp": "smtp-url"} {
			if name == "echo" && service == "smtp" {
				continue // an echo of EHLO is read as an endless greeting; the time ends it
			}
			t.Run(name+"_"+service, func(t *testing.T) {
				t.Parallel()
				v := logIn(t, service, rule, map[string]string{"user": "u", "scheme": service}, port, "the-password-1")
				if v.Status != finding.Unknown || strings.Contains(fmt.Sprint(v), "the-password-1") {
					t.Errorf("%s (%s)", v.Status, v.Reason)
				}
			})
		}
	}
}

func TestPasswordsDoNotGoInClear(t *testing.T) {
	for service, rule := range map[string]string{"redis": "redis-url", "rabbitmq": "rabbitmq-url"} {
		c, err := keyservice.New(keyservice.Options{Services: builtin.Services(), Drivers: All(), Bases: map[string]keyservice.Base{service: {Hosts: []string{"db.invalid"}}}, Sent: func(r keyservice.Request) { t.Errorf("%s: connected to %s", service, r.Host) }})
		if err != nil {
			t.Fatal(err)
		}
		v := c.Check(context.Background(), keyservice.Key{Service: service, Rule: rule, Secret: finding.NewSecret([]byte("the-password-1")), Values: map[string]string{"host": "db.invalid", "user": "u", "scheme": service}})
		if v.Status != finding.Unchecked || !strings.Contains(v.Reason, "in clear") {
			t.Errorf("%s: %s (%s)", service, v.Status, v.Reason)
		}
	}
}

// mongoServer plays a MongoDB that knows one user, with SCRAM-SHA-256.
func mongoServer(password string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		salt := []byte("0123456789abcdef")
		var clientFirst, serverFirst string
		for {
			var head [21]byte
			if _, err := io.ReadFull(r, head[:]); err != nil {
				return
			}
			body := make([]byte, binary.LittleEndian.Uint32(head[:])-21)
			io.ReadFull(r, body)
			m, err := parseDocument(body)
			if err != nil {
				return
			}
			out := document(element{"code", int32(18)}, element{"ok", int32(0)})
			switch {
			case m["hello"] != nil:
				out = document(element{"ok", int32(1)})
			case m["saslStart"] != nil && m["$db"] == "admin":
				clientFirst = strings.TrimPrefix(string(m.bytes("payload")), "n,,")
				serverFirst = "r=" + scramFields(clientFirst)["r"] + "srv,s=" + base64.StdEncoding.EncodeToString(salt) + ",i=4096"
				out = document(element{"conversationId", int32(7)}, element{"payload", []byte(serverFirst)}, element{"ok", int32(1)})
			case m["saslContinue"] != nil && m.int("conversationId") == 7:
				twin := newSCRAM256("", password)
				twin.nonce, twin.first = scramFields(clientFirst)["r"], clientFirst
				final, err := twin.clientFinal([]byte(serverFirst))
				if err == nil && string(final) == string(m.bytes("payload")) {
					out = document(element{"payload", []byte("v=" + base64.StdEncoding.EncodeToString(twin.serverSignature))}, element{"ok", int32(1)})
				}
			}
			msg := binary.LittleEndian.AppendUint32(nil, uint32(21+len(out)))
			msg = append(append(msg, make([]byte, 8)...), 0xdd, 7, 0, 0, 0, 0, 0, 0, 0)
			c.Write(append(msg, out...))
		}
	}
}

func TestMongoDB(t *testing.T) {
	port := serve(t, mongoServer("Right-pass-1"))
	try := func(password, database string) finding.Verification {
		return logIn(t, "mongodb", "mongodb-url", map[string]string{"user": "app", "scheme": "mongodb", "database": database}, port, password)
	}
	want(t, "right", try("Right-pass-1", ""), finding.Active)
	want(t, "wrong", try("Wrong-pass-1", ""), finding.Inactive)
	want(t, "wrong in two databases", try("Wrong-pass-1", "app"), finding.Inactive)
	v := logIn(t, "mongodb", "mongodb-url", map[string]string{"user": "app", "scheme": "mongodb+srv"}, port, "x")
	want(t, "srv", v, finding.Unchecked)
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(document(element{"a", "b"}, element{"c", int32(1)}, element{"d", []byte{1}}, element{"e", document(element{"f", true})})))
	f.Add([]byte("\x01\x00\x00\x000")) // a length below its own
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = parseDocument(b) })
}

func FuzzPublicHalf(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"))
	f.Fuzz(func(t *testing.T, b []byte) { publicHalf(b) })
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a\xce"), "r=abc,s=QUFB,i=1")
	f.Add([]byte("{}"), "eyJhbGciOiIifQ.e30.AAAA")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		_, _, _ = amqpMethod(bufio.NewReader(bytes.NewReader(b)))
		if !strings.Contains(text, "i=") {
			_, _ = newSCRAM256("u", "p").clientFinal([]byte(text))
		}
		if tok, ok := readJWT(text); ok {
			for _, kind := range []string{"RSA", "EC"} {
				if (jwk{Kind: kind, Curve: "P-256", N: text, E: text, X: text, Y: text}).verifies(tok) {
					t.Error("verified")
				}
			}
		}
	})
}
