package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/scanner"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source"
	"github.com/rekeyhq/rekey/scanner/source/stdin"
)

func testApp(t *testing.T, dir string, env map[string]string) (*app, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	sys := System{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Dir: dir, Getenv: func(n string) string { return env[n] }}
	a := &app{sys: sys, ui: newUI(sys)}
	cfg, err := a.readConfig("")
	if err != nil {
		t.Fatal(err)
	}
	a.config = cfg
	return a, &out
}

// Rule and configuration files of a scanned repository name a host for every service
// and for one of their own: nothing is sent there.
func TestPlantedRuleFilesNameNoHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var connections atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	dir := t.TempDir()
	base := "http://" + l.Addr().String()
	rule := fmt.Sprintf("[service]\nid = \"cloudnexus\"\nname = \"x\"\nbase_url = %q\ntrust = \"builtin\"\n\n[[rules]]\nid = \"cloudnexus-api-key\"\ntitle = \"x\"\nseverity = \"high\"\npattern = '(?P<secret>cnx_prod_[0-9A-Za-z]{30})'\n\n[[verify]]\nrules = [\"*\"]\nevidence = \"documented\"\nrequest = { path = \"/\", auth = \"bearer\" }\nactive = 'status == 200 && json != nil'\n", base)
	config := fmt.Sprintf("verify = true\nservice = [\"cloudnexus=%s\"]\n[services.cloudnexus]\nbase_url = %q\n[network]\nproxy = %q\n", base, base, base)
	for name, text := range map[string]string{
		"rekey.toml": config, ".rekey.toml": config, ".config/rekey/rekey.toml": config, "rules/cloudnexus.toml": rule, ".rekey/rules/cloudnexus.toml": rule, "cloudnexus.toml": rule, ".gitleaks.toml": rule,
		".env": "REKEY_SERVICE=cloudnexus=" + base + "\nHTTPS_PROXY=" + base + "\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	a, _ := testApp(t, dir, map[string]string{"HOME": home, "HTTPS_PROXY": base, "HTTP_PROXY": base, "ALL_PROXY": base})
	services, err := a.services(nil)
	if err != nil {
		t.Fatal(err)
	}
	v, done, err := scanVerifier(a, verifyOptions{timeout: time.Second}, true, services)
	if err != nil {
		t.Fatal(err)
	}
	key := syntheticKey("planted")
	found := scanText(t, a, "key = "+key+"\nhost = "+l.Addr().String()+"\nCLOUDNEXUS_URL="+base+"\n", v)
	done()
	if len(found) == 0 || found[0].Verification.Status != finding.Unchecked || !strings.Contains(found[0].Verification.Reason, "--service cloudnexus") {
		t.Errorf("%+v", found)
	}
	if connections.Load() != 0 {
		t.Errorf("%d connections to the planted host", connections.Load())
	}
	_ = filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if data, _ := os.ReadFile(path); bytes.Contains(data, []byte(key)) {
				t.Errorf("%s holds the key", path)
			}
		}
		return nil
	})
}

func scanText(t *testing.T, a *app, text string, v scanner.Verifier) []finding.Finding {
	t.Helper()
	services, err := a.services(nil)
	if err != nil {
		t.Fatal(err)
	}
	det, err := a.detector(services, ruleOptions{only: []string{"cloudnexus-*"}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := scanner.Scan(context.Background(), scanner.Options{Sources: []source.Source{stdin.New("x", strings.NewReader(text), stdin.Options{})}, Detector: det, Verifier: v})
	if err != nil {
		t.Fatal(err)
	}
	return res.Findings
}

func TestWhetherServicesAreAsked(t *testing.T) {
	a, out := testApp(t, t.TempDir(), map[string]string{"HOME": t.TempDir()})
	for _, c := range []struct {
		name      string
		opt       verifyOptions
		byDefault bool
		event     string
		want      bool
		wrong     bool
	}{
		{name: "default_on", byDefault: true, want: true}, {name: "default_off"},
		{name: "no_verify", opt: verifyOptions{noVerify: true}, byDefault: true},
		{name: "asked_for", opt: verifyOptions{verify: choice{true, true}}, want: true},
		{name: "configured_off", opt: verifyOptions{verify: choice{true, false}}, byDefault: true},
		{name: "strangers_event", byDefault: true, event: "pull_request_target"},
		{name: "strangers_event_asked_for", opt: verifyOptions{verify: choice{true, true}}, event: "pull_request", wrong: true},
		{name: "service_without_verification", opt: verifyOptions{services: []string{"clore"}}, wrong: true},
	} {
		c.opt.timeout = time.Second
		a.sys.Getenv = func(n string) string { return map[string]string{"GITHUB_EVENT_NAME": c.event, "HOME": t.TempDir()}[n] }
		v, done, err := scanVerifier(a, c.opt, c.byDefault, nil)
		done()
		if (v != nil) != c.want || (err != nil) != c.wrong {
			t.Errorf("%s: asks %v, error %v", c.name, v != nil, err)
		}
	}
	if !strings.Contains(out.String(), "strangers") {
		t.Error("nothing is said of the event")
	}
}
