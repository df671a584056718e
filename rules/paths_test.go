package rules_test

import (
	"testing"

	"github.com/rekeyhq/rekey/rules"
)

func TestGlob(t *testing.T) {
	tests := []struct {
		glob, path string
		want       bool
	}{
		{".env", ".env", true},
		{".env", "a/b/.env", true},
		{".env", "a/b/x.env", false},
		{"*.env", "a/b/x.env", true},
		{".env.*", ".env.production", true},
		{"**/config/*.toml", "config/a.toml", true},
		{"**/config/*.toml", "x/y/config/a.toml", true},
		{"**/config/*.toml", "x/y/config/z/a.toml", false},
		{"src/**", "src/a/b.go", true},
		{"src/**", "lib/src/a.go", false},
		{"a/**/z", "a/z", true},
		{"a/**/z", "a/b/c/z", true},
		{"a/**/z", "a/b/c/y", false},
		{"*.env", "release.zip!conf/app.env", true},
		{"?.go", "a.go", true},
		{"?.go", "ab.go", false},
		{"*", "", true},
		{"a*b*c*d*e*f*g", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	}
	for _, tt := range tests {
		if got := rules.Glob(tt.glob, tt.path); got != tt.want {
			t.Errorf("Glob(%q, %q) = %v", tt.glob, tt.path, got)
		}
	}
}

func TestLooksIn(t *testing.T) {
	r := &rules.Rule{Paths: &rules.Paths{Include: []string{"*.env"}, Exclude: []string{"**/test/**"}}}
	for path, want := range map[string]bool{"a.env": true, "x/test/a.env": false, "a.go": false, "": false} {
		if got := r.LooksIn(path); got != want {
			t.Errorf("LooksIn(%q) = %v", path, got)
		}
	}
	if !(&rules.Rule{}).LooksIn("") {
		t.Error("a rule without paths looks everywhere")
	}
}
