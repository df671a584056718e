package main

import (
	"os"
	"path/filepath"
	"strings"
)

// lefthookFiles are what lefthook reads: lefthook's documentation of its
// configuration file, as known in 2026-11.
var lefthookFiles = []string{
	"lefthook.yml", "lefthook.yaml", "lefthook.toml", "lefthook.json", "lefthook.jsonc",
	".lefthook.yml", ".lefthook.yaml", ".lefthook.toml", ".lefthook.json", ".lefthook.jsonc",
	".config/lefthook.yml", ".config/lefthook.yaml", ".config/lefthook.toml", ".config/lefthook.json",
}

// sayManager prints what to add where a manager of hooks owns them: it would overwrite
// a hook of ours, and we one of its. False means that there is none.
func (a *app) sayManager(p *hookPlace, names []string) bool {
	if p.top == "" {
		return false
	}
	if info, err := os.Stat(filepath.Join(p.top, ".husky")); err == nil && info.IsDir() {
		a.sayHusky(p, names)
		return true
	}
	for _, f := range lefthookFiles {
		if data, err := os.ReadFile(filepath.Join(p.top, filepath.FromSlash(f))); err == nil {
			a.sayLefthook(f, string(data), names)
			return true
		}
	}
	return false
}

func (a *app) sayHusky(p *hookPlace, names []string) {
	a.ui.warn("husky owns the hooks of this repository: nothing was installed")
	for _, name := range names {
		file := ".husky/" + name
		line := "rekey hook run " + name + ` "$@"`
		if data, err := os.ReadFile(filepath.Join(p.top, filepath.FromSlash(file))); err == nil && strings.Contains(string(data), "rekey hook run "+name) {
			a.printf("%s runs rekey already\n", file)
			continue
		}
		a.printf("add to %s:\n\n    %s\n\n", file, line)
	}
}

func (a *app) sayLefthook(file, text string, names []string) {
	a.ui.warn("lefthook owns the hooks of this repository: nothing was installed")
	if strings.Contains(text, "rekey hook run") {
		a.printf("%s runs rekey already\n", file)
		return
	}
	a.printf("add to %s (here as YAML):\n\n", file)
	for _, name := range names {
		a.printf("    %s:\n      commands:\n        rekey:\n          run: rekey hook run %s {0}\n", name, name)
		if name != "pre-commit" {
			a.printf("          use_stdin: true\n")
		}
	}
	a.printf("\nthen run: lefthook install\n")
}
