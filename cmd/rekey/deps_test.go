package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"strings"
	"testing"
)

const module = "github.com/rekeyhq/rekey/"

// mayImport lists, for each package, which of our own packages it may import
// directly. "..." ends a pattern that covers what lies below. Change it together with
// the map in README.md and design.md section 2.
var mayImport = map[string][]string{
	"scanner/finding":         {},
	"scanner/checksum":        {},
	"scanner/literal":         {},
	"rules":                   {"scanner/finding", "scanner/checksum"},
	"rules/table":             {"rules"},
	"rules/builtin":           {"rules", "scanner/finding"},
	"rules/examples":          {"rules", "scanner/detect"},
	"scanner/detect":          {"rules", "scanner/finding", "scanner/checksum", "scanner/literal"},
	"scanner/detect/prebuilt": {"scanner/detect", "scanner/baseline", "rules/builtin"},
	"scanner/archive":         {},
	"scanner/baseline":        {"scanner/finding", "scanner/source/ignore"},
	"scanner/git":             {},
	"scanner/git/inflate":     {},
	"scanner/git/gittest":     {"scanner/git"},
	"scanner/git/forest":      {"scanner/git", "scanner/git/inflate"},
	"scanner/source":          {"scanner/detect", "scanner/finding", "scanner/archive"},
	"scanner/source/...":      {"scanner/source", "scanner/source/...", "scanner/detect", "scanner/finding", "scanner/git", "scanner/git/...", "scanner/archive"},
	"scanner/report":          {"scanner/finding"},
	"scanner":                 {"scanner/source", "scanner/detect", "scanner/finding"},
	"revoker/keyservice":      {"rules", "scanner/finding", "scanner/checksum"},
	"revoker/keyservice/...":  {"rules", "revoker/keyservice", "scanner/finding"},
	"revoker/emulator":        {"rules", "scanner/checksum"},
	"revoker/emulator/...":    {"revoker/emulator", "revoker/emulator/...", "scanner/checksum"},
	"cmd/rekey":               {"*"},
	"cmd/rekey/internal/...":  {"*"},
}

// mayUseHTTP lists who may import net/http: a secret can leave the machine from
// nowhere else.
var mayUseHTTP = []string{"scanner/source/...", "revoker/keyservice", "revoker/keyservice/...", "revoker/deliver", "revoker/deliver/...", "revoker/emulator", "revoker/emulator/...", "cmd/rekey/internal/..."}

// standardOnly are the leaves. Password fingerprints need scrypt, which the standard
// library lacks; the literal search asks the processor what it can do.
var standardOnly = map[string]string{"scanner/finding": "golang.org/x/crypto/scrypt", "scanner/checksum": "", "scanner/literal": "golang.org/x/sys/cpu"}

func TestWhoMayImportWhom(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	n := 0
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
		checkImports(t, strings.TrimPrefix(p.ImportPath, module), p.Imports)
	}
	if n < 10 {
		t.Errorf("only %d packages were looked at", n)
	}
}

func checkImports(t *testing.T, name string, imports []string) {
	allowed, ok := lookUp(name)
	if !ok {
		t.Errorf("%s is not in the map: say what it may import", name)
		return
	}
	for _, imp := range imports {
		if own, ok := strings.CutPrefix(imp, module); ok && !covered(own, allowed) {
			t.Errorf("%s must not import %s", name, own)
		}
		if imp == "net/http" && !covered(name, mayUseHTTP) {
			t.Errorf("%s must not import net/http", name)
		}
		if extra, leaf := standardOnly[name]; leaf && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") && imp != extra {
			t.Errorf("%s is a leaf and must not import %s", name, imp)
		}
	}
}

func lookUp(name string) ([]string, bool) {
	if a, ok := mayImport[name]; ok {
		return a, true
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if a, ok := mayImport[dir+"/..."]; ok {
			return a, true
		}
	}
	return nil, false
}

func covered(name string, patterns []string) bool {
	for _, p := range patterns {
		if p == "*" || p == name || strings.HasSuffix(p, "/...") && strings.HasPrefix(name, strings.TrimSuffix(p, "...")) {
			return true
		}
	}
	return false
}

// mayReveal lists who may call Secret.Reveal, by folder and number of calls; revoker
// and what lies below it may.
var mayReveal = map[string]int{"scanner/report": 1}

func TestWhoMayReveal(t *testing.T) {
	out, err := exec.Command("grep", "-rnE", `\.Reveal\(\)`, "--include=*.go", "../..").Output()
	if err != nil {
		t.Skipf("grep: %v", err)
	}
	calls := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		file, _, _ := strings.Cut(line, ":")
		dir := strings.TrimPrefix(path.Dir(file), "../../")
		if strings.HasSuffix(file, "_test.go") || dir == "scanner/finding" || strings.HasPrefix(dir, "revoker") {
			continue
		}
		calls[dir]++
	}
	for dir, n := range calls {
		if n > mayReveal[dir] {
			t.Errorf("%s calls Secret.Reveal %d times, may %d", dir, n, mayReveal[dir])
		}
	}
}
