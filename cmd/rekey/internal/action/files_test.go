package action_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const top = "../../../.."

// TestInstall runs the script that fetches a released binary: only one with the SHA-256
// that the action's own commit names gets to where it is run.
func TestInstall(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "awk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	const good = "#!/bin/sh\necho release\n"
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(good)))
	tests := []struct {
		name, version, os, arch, sums, binary string
		want                                  string // of stderr; empty: installed
	}{
		{"right", "v1.2.3", "Linux", "X64", sum + "  rekey_v1.2.3_linux_amd64\n", good, ""},
		{"right_windows", "v1.2.3", "Windows", "ARM64", sum + "  rekey_v1.2.3_windows_arm64.exe\n", good, ""},
		{"changed", "v1.2.3", "Linux", "X64", sum + "  rekey_v1.2.3_linux_amd64\n", good + "evil\n", "does not have the SHA-256"},
		{"not_listed", "v1.2.3", "Linux", "X64", "# nothing\n", good, "knows no SHA-256 of rekey_v1.2.3_linux_amd64"},
		{"listed_for_another_system", "v1.2.3", "Linux", "ARM64", sum + "  rekey_v1.2.3_linux_amd64\n", good, "knows no SHA-256"},
		{"listed_short", "v1.2.3", "Linux", "X64", "abc  rekey_v1.2.3_linux_amd64\n", good, "knows no SHA-256"},
		{"listed_twice", "v1.2.3", "Linux", "X64", strings.Repeat(sum+"  rekey_v1.2.3_linux_amd64\n", 2), good, "knows no SHA-256"},
		{"download_fails", "v1.2.3", "Linux", "X64", sum + "  rekey_v1.2.3_linux_amd64\n", "", "download of rekey_v1.2.3_linux_amd64 failed"},
		{"shell_in_version", "$(touch pwned)", "Linux", "X64", "", good, "want source, or a release"},
		{"path_in_version", "v1.2.3/../../x", "Linux", "X64", "", good, "want source, or a release"},
		{"branch_as_version", "main", "Linux", "X64", "", good, "want source, or a release"},
		{"unknown_processor", "v1.2.3", "Linux", "RISCV", "", good, "version: source"},
	}
	script, err := filepath.Abs(filepath.Join(top, ".github/action/install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			name := map[string]string{"Linux": "rekey_v1.2.3_linux_amd64", "Windows": "rekey_v1.2.3_windows_arm64.exe"}[tt.os]
			write(t, filepath.Join(dir, "releases/v1.2.3", name), tt.binary)
			write(t, filepath.Join(dir, "sums"), tt.sums)
			cmd := exec.Command("bash", script, filepath.Join(dir, "bin"))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "REKEY_INSTALL="+tt.version, "RUNNER_OS="+tt.os, "RUNNER_ARCH="+tt.arch,
				"REKEY_CHECKSUMS="+filepath.Join(dir, "sums"), "REKEY_RELEASES=file://"+filepath.Join(dir, "releases"))
			if tt.binary == "" {
				os.Remove(filepath.Join(dir, "releases/v1.2.3", name))
			}
			out, err := cmd.CombinedOutput()
			left, _ := filepath.Glob(filepath.Join(dir, "bin/*"))
			hidden, _ := filepath.Glob(filepath.Join(dir, "bin/.*"))
			switch {
			case tt.want == "" && (err != nil || len(left) != 1):
				t.Errorf("not installed: %v\n%s", err, out)
			case tt.want != "" && (err == nil || !strings.Contains(string(out), tt.want)):
				t.Errorf("got %v and %q, want %q", err, out, tt.want)
			case tt.want != "" && len(left) > 0, len(hidden) > 0:
				t.Errorf("left behind: %q %q", left, hidden)
			}
			if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
				t.Error("the version was run by the shell")
			}
		})
	}
}

// TestSteps runs the scripts of action.yml as the runner does, with a release that
// prints what it was given.
func TestSteps(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "awk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	data, err := os.ReadFile(filepath.Join(top, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	steps := regexp.MustCompile(`(?m)^      run: (.*)$`).FindAllStringSubmatch(string(data), -1)
	if len(steps) != 2 {
		t.Fatalf("%d steps, want 2", len(steps))
	}
	const binary = "#!/bin/sh\necho \"$@\" \"fail-on=$REKEY_FAIL_ON\"\nexit 1\n"
	dir := filepath.Join(t.TempDir(), "a runner's $HOME") // paths need their quotes
	root, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "releases/v1.2.3/rekey_v1.2.3_linux_amd64"), binary)
	write(t, filepath.Join(dir, "sums"), fmt.Sprintf("%x  rekey_v1.2.3_linux_amd64\n", sha256.Sum256([]byte(binary))))
	write(t, filepath.Join(dir, "workspace/.github/action/install.sh"), "exit 99\n") // not ours
	var out []byte
	for i, step := range steps {
		script := filepath.Join(dir, fmt.Sprint(i)+".sh")
		write(t, script, strings.Trim(step[1], "'")+"\n")
		cmd := exec.Command("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script)
		cmd.Dir = filepath.Join(dir, "workspace")
		cmd.Env = append(os.Environ(), "GITHUB_ACTION_PATH="+root, "RUNNER_TEMP="+dir, "RUNNER_OS=Linux", "RUNNER_ARCH=X64",
			"REKEY_INSTALL=v1.2.3", "REKEY_FAIL_ON=$(touch pwned)", "REKEY_CHECKSUMS="+filepath.Join(dir, "sums"),
			"REKEY_RELEASES=file://"+strings.ReplaceAll(dir, " ", "%20")+"/releases")
		if out, err = cmd.CombinedOutput(); err != nil && i == 0 {
			t.Fatalf("%s: %v\n%s", step[1], err, out)
		}
	}
	if err == nil || string(out) != "action fail-on=$(touch pwned)\n" {
		t.Errorf("got %v and %q", err, out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestWorkflowFiles holds action.yml and the workflows to two rules: what is used is
// named by a commit, and no expression stands in a script.
func TestWorkflowFiles(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(top, ".github/workflows/*.yml"))
	files = append(files, filepath.Join(top, "action.yml"))
	uses := regexp.MustCompile(`^\s*-?\s*uses:\s*(\S+)`)
	pinned := regexp.MustCompile(`^(\./[a-z]*|[\w.-]+/[\w./-]+@[0-9a-f]{40})$`)
	run := regexp.MustCompile(`^(\s*)(- )?run:`)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		depth := -1 // indentation of the run: that a line belongs to
		for i, line := range strings.Split(string(data), "\n") {
			indent := len(line) - len(strings.TrimLeft(line, " "))
			if m := run.FindStringSubmatch(line); m != nil {
				depth = len(m[1]) + len(m[2])
			} else if strings.TrimSpace(line) != "" && indent <= depth {
				depth = -1
			}
			if depth >= 0 && strings.Contains(line, "${{") {
				t.Errorf("%s:%d: an expression in a script: pass it through env", file, i+1)
			}
			if m := uses.FindStringSubmatch(line); m != nil && !pinned.MatchString(m[1]) {
				t.Errorf("%s:%d: %s is not pinned by a commit", file, i+1, m[1])
			}
		}
	}
}
