package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rekey": func() { os.Exit(Main(os.Args[1:], system())) }})
}

// TestScripts runs testdata/script: what a user sees, command by command.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("..", "..", "testdata", "script"),
		Setup: func(e *testscript.Env) error {
			for _, v := range []string{
				"HOME=" + e.WorkDir + "/home", "XDG_CONFIG_HOME=", "CI=", "NO_COLOR=1",
				"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com",
				"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
				"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z",
			} {
				name, value, _ := strings.Cut(v, "=")
				e.Setenv(name, value)
			}
			return os.MkdirAll(filepath.Join(e.WorkDir, "home"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "noleak": cmdNoleak, "token": cmdToken,
		},
	})
}

// exits N COMMAND... runs a command and wants that exit status: plain "! exec" would
// take a panic for success.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		m := regexp.MustCompile(`exit status (\d+)`).FindStringSubmatch(err.Error())
		if m == nil {
			ts.Fatalf("%v", err)
		}
		got, _ = strconv.Atoi(m[1])
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// token NAME sets $NAME to a made-up key of a kind: it is built here so that no key
// stands in the tree.
func cmdToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: token NAME [SEED]")
	}
	seed := args[0]
	if len(args) > 1 {
		seed = args[1]
	}
	ts.Setenv(args[0], syntheticKey(seed))
}

// syntheticKey makes a CloudNexus key of its own for every seed.
func syntheticKey(seed string) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	x := uint64(14695981039346656037)
	for _, c := range []byte(seed) {
		x = (x ^ uint64(c)) * 1099511628211
	}
	var b strings.Builder
	b.WriteString("cnx_" + "prod_")
	for range 30 {
		x = x*6364136223846793005 + 1442695040888963407
		b.WriteByte(alphabet[(x>>33)%62])
	}
	return b.String()
}

// noleak SECRET PATH... fails when a file below a path, stdout or stderr holds the
// secret in clear or in one of the usual encodings. PATH may be stdout or stderr.
func cmdNoleak(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: noleak SECRET PATH...")
	}
	for _, p := range args[1:] {
		if p == "stdout" || p == "stderr" {
			checkLeak(ts, p, []byte(ts.ReadFile(p)), args[0])
			continue
		}
		ts.Check(filepath.WalkDir(ts.MkAbs(p), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			checkLeak(ts, path, data, args[0])
			return err
		}))
	}
}

func checkLeak(ts *testscript.TestScript, where string, data []byte, secret string) {
	for name, form := range leakForms(secret) {
		if strings.Contains(string(data), form) {
			ts.Fatalf("%s holds the secret (%s)", where, name)
		}
	}
}

// leakForms are the ways in which a secret might slip into an output.
func leakForms(secret string) map[string]string {
	reversed := []byte(secret)
	for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
		reversed[i], reversed[j] = reversed[j], reversed[i]
	}
	wide := strings.Join(strings.Split(secret, ""), "\x00")
	return map[string]string{
		"clear": secret, "body": secret[9:], "base64": base64.StdEncoding.EncodeToString([]byte(secret))[:40],
		"base64 1": base64.StdEncoding.EncodeToString([]byte("x" + secret))[4:40],
		"base64 2": base64.StdEncoding.EncodeToString([]byte("xx" + secret))[4:40],
		"hex":      hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"bytes": strings.Trim(fmt.Sprint([]byte(secret)), "[]"), "reversed": string(reversed), "utf-16": wide, "query": url.QueryEscape("?" + secret),
	}
}
