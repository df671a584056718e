//go:build unix

package native_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/revoker/keyservice/native"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// tool returns the path of a program, or skips the test; with REKEY_REQUIRE_TOOLS=1 a
// missing one is a failure.
func tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p
		}
		if m, _ := filepath.Glob(n); len(m) > 0 {
			return m[len(m)-1]
		}
	}
	missing(t, names[0]+" is not installed")
	return ""
}

func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("REKEY_REQUIRE_TOOLS") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// slow marks tests that take seconds to start their server: plain runs leave them out.
func slow(t *testing.T) {
	t.Helper()
	if os.Getenv("REKEY_REQUIRE_TOOLS") != "1" && os.Getenv("REKEY_REAL_SERVERS") != "1" {
		t.Skip("starts a slow server: set REKEY_REAL_SERVERS=1")
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// as makes a command run as a user when the test runs as root, since some servers
// refuse root.
func as(t *testing.T, name string, cmd *exec.Cmd, dirs ...string) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 || name == "" {
		return cmd
	}
	u, err := user.Lookup(name)
	if err != nil {
		missing(t, err.Error())
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for _, d := range dirs {
		if err := os.Chown(d, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return cmd
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out)
	}
	return string(out)
}

// start starts a server and waits until its port answers; stop ends it.
func start(t *testing.T, port int, cmd *exec.Cmd) (stop func()) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(stop)
	for range 600 {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			conn.Close()
			return stop
		}
		select {
		case <-ended:
			out, _ := os.ReadFile(log.Name())
			t.Fatalf("%s ended: %s", filepath.Base(cmd.Path), out)
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("the server does not answer")
	return nil
}

// dir returns a directory that other users may enter.
func dir(t *testing.T) string {
	t.Helper()
	d, err := os.MkdirTemp("", "rekey-server-")
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(d, 0o755)
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

// asker asks about passwords of one server.
type asker struct {
	service, rule string
	port          int
	values        map[string]string
}

func (a asker) ask(t *testing.T, user, password string, bases map[string]keyservice.Base) finding.Verification {
	t.Helper()
	if bases == nil {
		bases = map[string]keyservice.Base{a.service: {Hosts: []string{"127.0.0.1"}}}
	}
	c, err := keyservice.New(keyservice.Options{Services: builtin.Services(), Bases: bases, Drivers: native.All()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	values := map[string]string{"user": user, "host": "127.0.0.1", "port": strconv.Itoa(a.port)}
	for k, v := range a.values {
		values[k] = v
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	v := c.Check(ctx, keyservice.Key{Service: a.service, Rule: a.rule, Secret: finding.NewSecret([]byte(password)), Values: values})
	if strings.Contains(fmt.Sprintf("%+v", v), password) {
		t.Errorf("the verdict holds the password: %+v", v)
	}
	return v
}

func want(t *testing.T, what string, v finding.Verification, s finding.Status, words string) {
	t.Helper()
	if v.Status != s || !strings.Contains(v.Reason, words) {
		t.Errorf("%s: %s (%s), want %s (…%s…)", what, v.Status, v.Reason, s, words)
	}
}

// all tries what is the same for every kind of server.
func (a asker) all(t *testing.T, stop func()) {
	t.Helper()
	want(t, "right password", a.ask(t, "app", "Right-pass-1%", nil), finding.Active, "")
	want(t, "wrong password", a.ask(t, "app", "Wrong-pass-1%", nil), finding.Inactive, "")
	want(t, "unknown user", a.ask(t, "nobody", "Right-pass-1%", nil), finding.Inactive, "")
	want(t, "server not listed", a.ask(t, "app", "Right-pass-1%", map[string]keyservice.Base{}), finding.Unchecked, "you did not name its server")
	want(t, "other port listed", a.ask(t, "app", "Right-pass-1%", map[string]keyservice.Base{a.service: {Hosts: []string{"127.0.0.1:1"}}}), finding.Unchecked, "you did not name")
	stop()
	want(t, "server down", a.ask(t, "app", "Right-pass-1%", nil), finding.Unknown, "refuses connections")
}

func TestPostgreSQL(t *testing.T) {
	initdb := tool(t, "initdb", "/usr/lib/postgresql/*/bin/initdb")
	server := filepath.Join(filepath.Dir(initdb), "postgres")
	data, port := dir(t), freePort(t)
	os.Chmod(data, 0o700)
	run(t, as(t, "postgres", exec.Command(initdb, "-D", data, "-U", "boss", "-A", "trust", "--no-sync", "-E", "UTF8"), data))
	hba := "local all boss trust\nhost all trusted 127.0.0.1/32 trust\nhost all old 127.0.0.1/32 md5\nhost all plain 127.0.0.1/32 password\nhost all locked,app,nobody 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		t.Fatal(err)
	}
	stop := start(t, port, as(t, "postgres", exec.Command(server, "-D", data, "-p", strconv.Itoa(port), "-k", data, "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1")))
	psql := func(q string) {
		run(t, as(t, "postgres", exec.Command(tool(t, "psql"), "-h", data, "-p", strconv.Itoa(port), "-U", "boss", "postgres", "-c", q)))
	}
	for range 100 {
		if exec.Command(tool(t, "pg_isready"), "-h", "127.0.0.1", "-p", strconv.Itoa(port)).Run() == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	psql("CREATE ROLE app LOGIN PASSWORD 'Right-pass-1%'")
	psql("CREATE ROLE locked NOLOGIN PASSWORD 'Right-pass-1%'")
	psql("CREATE ROLE late LOGIN PASSWORD 'Right-pass-1%' VALID UNTIL '2020-01-01'")
	psql("CREATE ROLE trusted LOGIN PASSWORD 'Right-pass-1%'")
	psql("SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'Right-pass-1%'; CREATE ROLE plain LOGIN PASSWORD 'Right-pass-1%'")
	a := asker{service: "postgres", rule: "postgres-keyword-dsn", port: port, values: map[string]string{"database": "nowhere"}}
	want(t, "may not log in", a.ask(t, "locked", "Right-pass-1%", nil), finding.Restricted, "may not log in")
	want(t, "locked, wrong", a.ask(t, "locked", "Wrong-pass-1%", nil), finding.Inactive, "")
	want(t, "no line in pg_hba.conf", a.ask(t, "late", "Right-pass-1%", nil), finding.Unknown, "lets nobody in from here")
	want(t, "trust", a.ask(t, "trusted", "whatever-it-is", nil), finding.Unknown, "without a password")
	for _, u := range []string{"old", "plain"} {
		want(t, u, a.ask(t, u, "Right-pass-1%", nil), finding.Active, "")
		want(t, u+" wrong", a.ask(t, u, "Wrong-pass-1%", nil), finding.Inactive, "")
	}
	url := a
	url.rule = "postgres-url"
	want(t, "percent-encoded", url.ask(t, "app", "Right%2Dpass-1%25", nil), finding.Active, "")
	a.all(t, stop)
}

func TestMariaDB(t *testing.T) {
	install, server := tool(t, "mariadb-install-db"), tool(t, "mariadbd", "mysqld")
	data, port := dir(t), freePort(t)
	run(t, as(t, "mysql", exec.Command(install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db"), data))
	args := []string{"--no-defaults", "--datadir=" + data, "--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1", "--socket=" + filepath.Join(data, "s"), "--pid-file=" + filepath.Join(data, "p"), "--innodb-flush-log-at-trx-commit=0"}
	stop := start(t, port, as(t, "mysql", exec.Command(server, args...)))
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/", port))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"CREATE USER app@'127.0.0.1' IDENTIFIED BY 'Right-pass-1%'", "CREATE USER locked@'127.0.0.1' IDENTIFIED BY 'Right-pass-1%' ACCOUNT LOCK",
		"CREATE USER late@'127.0.0.1' IDENTIFIED BY 'Right-pass-1%' PASSWORD EXPIRE",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	a := asker{service: "mysql", rule: "mysql-go-dsn", port: port, values: map[string]string{"database": "nowhere"}}
	want(t, "locked", a.ask(t, "locked", "Right-pass-1%", nil), finding.Restricted, "locked")
	want(t, "locked, wrong", a.ask(t, "locked", "Wrong-pass-1%", nil), finding.Inactive, "")
	v := a.ask(t, "late", "Right-pass-1%", nil)
	if !v.Status.Live() {
		t.Errorf("expired password: %s (%s)", v.Status, v.Reason)
	}
	a.all(t, stop)
	open := start(t, port, as(t, "mysql", exec.Command(server, append(args, "--skip-grant-tables")...)))
	want(t, "no grant tables", a.ask(t, "app", "Wrong-pass-1%", nil), finding.Unknown, "made-up user as well")
	open()
}

func TestRedisServer(t *testing.T) {
	server := tool(t, "redis-server", "valkey-server")
	port, data := freePort(t), dir(t)
	acl := filepath.Join(data, "acl")
	lines := "user default on >Default-pass-1% ~* +@all\nuser app on >Right-pass-1% ~app:* -@all +get\nuser off off >Right-pass-1% ~* +@all\nuser any on nopass ~* +@all\n"
	if err := os.WriteFile(acl, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	stop := start(t, port, exec.Command(server, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", data, "--save", "", "--aclfile", acl))
	a := asker{service: "redis", rule: "redis-url", port: port, values: map[string]string{"scheme": "redis"}}
	url := func(s string) string { return strings.ReplaceAll(s, "%", "%25") }
	want(t, "default user", a.ask(t, "", url("Default-pass-1%"), nil), finding.Active, "")
	want(t, "default user, wrong", a.ask(t, "", url("Wrong-pass-1%"), nil), finding.Inactive, "")
	want(t, "disabled user", a.ask(t, "off", url("Right-pass-1%"), nil), finding.Inactive, "")
	want(t, "user without password", a.ask(t, "any", "whatever-it-is", nil), finding.Unknown, "any password")
	a.rule = "redis-command-line"
	a.all(t, stop)
	open := freePort(t)
	stop = start(t, open, exec.Command(server, "--port", strconv.Itoa(open), "--bind", "127.0.0.1", "--dir", data, "--save", ""))
	a.port = open
	want(t, "server without password", a.ask(t, "default", "whatever-it-is", nil), finding.Unknown, "lets everybody in")
	stop()
}

func TestRabbitMQ(t *testing.T) {
	slow(t)
	server := tool(t, "rabbitmq-server")
	port, dist, epmd, data := freePort(t), freePort(t), freePort(t), dir(t)
	conf := filepath.Join(data, "rabbit.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "listeners.tcp.default = 127.0.0.1:%d\ndefault_user = app\ndefault_pass = Right-pass-1%%\nloopback_users = none\n", port), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := as(t, "rabbitmq", exec.Command(server), data)
	if path := "/usr/lib/rabbitmq/bin/rabbitmq-server"; os.Getuid() == 0 {
		if _, err := os.Stat(path); err == nil {
			cmd = as(t, "rabbitmq", exec.Command(path), data)
		}
	}
	cmd.Env = append(os.Environ(), "HOME="+data, "RABBITMQ_NODENAME=rekey"+strconv.Itoa(port)+"@localhost", "RABBITMQ_CONFIG_FILE="+conf, "RABBITMQ_MNESIA_BASE="+data+"/db",
		"RABBITMQ_LOG_BASE="+data+"/log", "RABBITMQ_LOGS=-", "RABBITMQ_DIST_PORT="+strconv.Itoa(dist), "ERL_EPMD_PORT="+strconv.Itoa(epmd), "RABBITMQ_ENABLED_PLUGINS_FILE="+data+"/plugins",
		"RABBITMQ_PID_FILE="+data+"/pid", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}", "ERL_EPMD_ADDRESS=127.0.0.1")
	stop := start(t, port, cmd)
	t.Cleanup(func() { // the port mapper stays behind otherwise
		kill := exec.Command("epmd", "-port", strconv.Itoa(epmd), "-kill")
		kill.Run()
	})
	a := asker{service: "rabbitmq", rule: "rabbitmq-url", port: port, values: map[string]string{"scheme": "amqp"}}
	for range 100 {
		if v := a.ask(t, "app", "Right-pass-1%25", nil); v.Status == finding.Active {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	a.all(t, stop)
}

func TestMoto(t *testing.T) {
	slow(t)
	server := tool(t, "moto_server")
	port := freePort(t)
	cmd := exec.Command(server, "-H", "127.0.0.1", "-p", strconv.Itoa(port))
	cmd.Env = append(os.Environ(), "INITIAL_NO_AUTH_ACTION_COUNT=4")
	start(t, port, cmd)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	iam := func(form string) string {
		req, _ := http.NewRequest("POST", base, strings.NewReader(form))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=none/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b := make([]byte, 8192)
		n, _ := res.Body.Read(b)
		if res.StatusCode != 200 {
			t.Fatalf("%s: %s", form, b[:n])
		}
		return string(b[:n])
	}
	between := func(s, a, b string) string {
		_, s, _ = strings.Cut(s, a)
		s, _, _ = strings.Cut(s, b)
		return s
	}
	iam("Action=CreateUser&UserName=app&Version=2010-05-08")
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	iam("Action=PutUserPolicy&UserName=app&PolicyName=all&Version=2010-05-08&PolicyDocument=" + strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22", " ", "%20", "[", "%5B", "]", "%5D", "*", "%2A", ":", "%3A", ",", "%2C").Replace(policy))
	made := iam("Action=CreateAccessKey&UserName=app&Version=2010-05-08")
	id, secret := between(made, "<AccessKeyId>", "<"), strings.ReplaceAll(between(made, "<SecretAccessKey>", "<"), "&#x2F;", "/")
	iam("Action=ListAccessKeys&UserName=app&Version=2010-05-08") // the last call without authentication
	ask := func(id, secret string) finding.Verification {
		a := asker{service: "aws", rule: "aws-access-key-pair", values: map[string]string{"id": id}}
		return a.ask(t, "", secret, map[string]keyservice.Base{"aws": {URL: base}})
	}
	v := ask(id, secret)
	want(t, "active", v, finding.Active, "")
	if v.Owner == "" || v.KeyID != id {
		t.Errorf("%+v", v)
	}
	want(t, "wrong secret", ask(id, strings.Repeat("x", 40)), finding.Unknown, "does not belong")
	open, err := http.Post(base+"/moto-api/reset-auth", "text/plain", strings.NewReader("1"))
	if err != nil {
		t.Fatal(err)
	}
	open.Body.Close()
	iam("Action=DeleteAccessKey&UserName=app&AccessKeyId=" + id + "&Version=2010-05-08")
	want(t, "deleted", ask(id, secret), finding.Inactive, "")
	want(t, "never issued", ask("AKIA"+strings.Repeat("Q", 16), secret), finding.Inactive, "")
}
