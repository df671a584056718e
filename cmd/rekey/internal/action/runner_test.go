package action_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/cmd/rekey/internal/action"
)

func TestAnnotation(t *testing.T) {
	tests := []struct {
		name string
		in   action.Annotation
		want string
	}{
		{"whole", action.Annotation{Level: "error", File: "a/b.env", Line: 3, Title: "key", Message: "found"}, "::error file=a/b.env,line=3,title=key::found"},
		{"message_only", action.Annotation{Level: "notice", Message: "well"}, "::notice::well"},
		{"line_without_file", action.Annotation{Level: "error", Line: 3, Message: "m"}, "::error::m"},
		{"new_command", action.Annotation{Level: "error", Message: "a\n::set-output name=x::y\r"}, "::error::a%0A::set-output name=x::y%0D"},
		{"percent_first", action.Annotation{Level: "error", Message: "%0A"}, "::error::%250A"},
		{"more_properties", action.Annotation{Level: "error", File: "a,line=9::x", Title: "t:,", Message: "m"}, "::error file=a%2Cline=9%3A%3Ax,title=t%3A%2C::m"},
		{"terminal", action.Annotation{Level: "error", Message: "\x1b[2J\u202eabc\u2028"}, "::error::\ufffd[2J\ufffdabc\ufffd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.String(); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// parseCommand reads a command as the runner does: properties split at commas, values
// after the first =, then unescaped.
//
// Source: actions/runner, src/Runner.Common/ActionCommand.cs, TryParseV2, recalled.
func parseCommand(line string) (name string, props map[string]string, message string) {
	line = strings.TrimPrefix(strings.TrimLeft(line, " \t"), "::")
	info, message, _ := strings.Cut(line, "::")
	name, rest, _ := strings.Cut(info, " ")
	props = map[string]string{}
	for _, p := range strings.Split(rest, ",") {
		if k, v, ok := strings.Cut(p, "="); ok {
			props[k] = strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%").Replace(v)
		}
	}
	return name, props, strings.NewReplacer("%0D", "\r", "%0A", "\n", "%25", "%").Replace(message)
}

func FuzzAnnotation(f *testing.F) {
	f.Add("a.env", "title", "message")
	f.Add("a,line=9::x%0A", "::set-output name=x::y", "\n::add-mask::x\r\n##[error]%25%")
	f.Add("\xff=,", "=", "::")
	f.Fuzz(func(t *testing.T, file, title, message string) {
		line := action.Annotation{Level: "error", File: file, Line: 7, Title: title, Message: message}.String()
		if strings.ContainsAny(line, "\r\n\x00\x1b") {
			t.Fatalf("more than one line: %q", line)
		}
		name, props, text := parseCommand(line)
		want := 0
		for prop, value := range map[string]string{"file": file, "title": title} {
			if value == "" {
				continue
			}
			want++
			if printable(value) && props[prop] != value {
				t.Errorf("%s is %q, want %q", prop, props[prop], value)
			}
		}
		if file != "" {
			want++
		}
		if name != "error" || len(props) != want || printable(message) && text != message {
			t.Errorf("command %q with %d properties and message %q, want error, %d and %q", name, len(props), text, want, message)
		}
	})
}

var plain = regexp.MustCompile(`^[\t\n\r -~]*$`)

func printable(s string) bool { return plain.MatchString(s) }

func TestFence(t *testing.T) {
	var b bytes.Buffer
	f := action.NewFence(&b)
	f.Open()
	if b.Len() > 0 {
		t.Errorf("an open fence wrote %q", b.String())
	}
	var tokens []string
	for range 2 {
		b.Reset()
		f.Close()
		f.Close()
		b.WriteString("::set-output name=x::y")
		f.Open()
		f.Open()
		m := regexp.MustCompile(`^::stop-commands::(rekey_[0-9a-f]{32})\n::set-output name=x::y\n::(rekey_[0-9a-f]{32})::\n$`).FindStringSubmatch(b.String())
		if m == nil || m[1] != m[2] {
			t.Fatalf("got %q", b.String())
		}
		tokens = append(tokens, m[1])
	}
	if tokens[0] == tokens[1] {
		t.Error("the token can be known from the log")
	}
}

func TestWriteOutputs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	hostile := "1\nrekey_0\nlive<<X\n9\nX"
	for range 2 {
		if err := action.WriteOutputs(path, []action.Output{{"findings", "3"}, {"sarif-file", hostile}}); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for lines := strings.Split(string(data), "\n"); len(lines) > 1; { // as the runner reads it
		name, end, ok := strings.Cut(lines[0], "<<")
		if !ok {
			t.Fatalf("line %q", lines[0])
		}
		var value []string
		for lines = lines[1:]; lines[0] != end; lines = lines[1:] {
			value = append(value, lines[0])
		}
		lines = lines[1:]
		got[name] = strings.Join(value, "\n")
	}
	if len(got) != 2 || got["findings"] != "3" || got["sarif-file"] != hostile {
		t.Errorf("got %q", got)
	}
}
