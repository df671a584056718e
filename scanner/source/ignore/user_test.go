package ignore_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/source/ignore"
)

func TestUserFile(t *testing.T) {
	tests := []struct {
		name    string
		configs []string
		want    string
	}{
		{"default", []string{"[user]\n\tname = A\n"}, "/home/a/.config/git/ignore"},
		{"none_given", nil, "/home/a/.config/git/ignore"},
		{"absolute", []string{"[core]\n\texcludesFile = /etc/gitignore\n"}, "/etc/gitignore"},
		{"home", []string{"[CORE] excludesfile=~/.gitignore # mine\n"}, "/home/a/.gitignore"},
		{"quoted", []string{"[core]\nexcludesfile = \"/a b;c\\\\d\" ; x\n"}, `/a b;c\d`},
		{"last_wins", []string{"[core]\nexcludesfile=/a\n", "[core]\nexcludesfile=/b\n[core]\nexcludesfile=/c\n"}, "/c"},
		{"other_section", []string{"[core \"x\"]\nexcludesfile=/a\n[cores]\nexcludesfile=/b\n"}, "/home/a/.config/git/ignore"},
		{"set_to_nothing", []string{"[core]\nexcludesfile=\n"}, ""},
	}
	_, err := exec.LookPath("git")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var texts [][]byte
			for _, c := range tt.configs {
				texts = append(texts, []byte(c))
			}
			if got := ignore.UserFile("/home/a", "/home/a/.config", texts...); filepath.ToSlash(got) != tt.want {
				t.Errorf("UserFile = %q, want %q", got, tt.want)
			}
			if err != nil || len(tt.configs) == 0 || strings.HasSuffix(tt.want, "config/git/ignore") {
				return
			}
			file := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(file, []byte(strings.Join(tt.configs, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("git", "config", "--file", file, "--type=path", "core.excludesFile")
			cmd.Env = []string{"HOME=/home/a"}
			if out, err := cmd.Output(); err != nil || strings.TrimSuffix(string(out), "\n") != tt.want {
				t.Errorf("git says %q, %v, want %q", out, err, tt.want)
			}
		})
	}
}
