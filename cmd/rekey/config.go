package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// config is the user's rekey.toml. Its top-level keys are names of flags, with '-' or
// '_'; tables configure what no flag does.
type config struct {
	file     string
	flags    map[string]any
	Services map[string]serviceConfig `toml:"services"`
	Network  networkConfig            `toml:"network"`
}

// serviceConfig is [services.ID].
type serviceConfig struct {
	BaseURL  string            `toml:"base_url"`
	Operator string            `toml:"operator"`
	Windows  map[string]string `toml:"windows"`
}

// networkConfig is [network].
type networkConfig struct {
	Proxy  string `toml:"proxy"`
	CAFile string `toml:"ca_file"`
}

// noEnvironment are flags that neither the environment nor a file may set: they
// confirm, show secrets, trust a host or execute a plan.
var noEnvironment = map[string]bool{
	"yes": true, "show-secrets": true, "service": true, "now": true, "remediate": true,
	"help": true, "version": true, "config": true,
}

// configure gives every flag that was not written on the command line its value from
// the environment (REKEY_NAME), then from the configuration file.
func (a *app) configure(cmd *cobra.Command) error {
	path := a.global.configFile
	if path == "" {
		path = a.sys.Getenv("REKEY_CONFIG")
	}
	cfg, err := a.readConfig(path)
	if err != nil {
		return err
	}
	a.config = cfg
	var problems []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || noEnvironment[f.Name] {
			return
		}
		name := "REKEY_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v := a.sys.Getenv(name); v != "" {
			if err := cmd.Flags().Set(f.Name, v); err != nil {
				problems = append(problems, fmt.Sprintf("environment %s: %v", name, err))
			}
			return
		}
		for _, key := range []string{f.Name, strings.ReplaceAll(f.Name, "-", "_")} {
			if v, ok := cfg.flags[key]; ok {
				if err := setFlag(cmd.Flags(), f, v); err != nil {
					problems = append(problems, fmt.Sprintf("%s: %s: %v", cfg.file, key, err))
				}
			}
		}
	})
	if len(problems) > 0 {
		return usage("%s", strings.Join(problems, "\n"))
	}
	return nil
}

func setFlag(fs *pflag.FlagSet, f *pflag.Flag, v any) error {
	values, ok := v.([]any)
	if !ok {
		values = []any{v}
	}
	for _, v := range values {
		if err := fs.Set(f.Name, fmt.Sprint(v)); err != nil {
			return err
		}
	}
	return nil
}

// readConfig reads the named file, or the first of the user's and the machine's that
// exists; no file at all is an empty configuration.
func (a *app) readConfig(path string) (*config, error) {
	candidates := []string{path}
	if path == "" {
		candidates = []string{filepath.Join(a.configDir(), "rekey.toml"), "/etc/rekey/rekey.toml"}
	}
	for _, p := range candidates {
		data, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) && path == "" {
			continue
		}
		if err != nil {
			return nil, usage("read configuration: %v", err)
		}
		return parseConfig(p, data, a.root())
	}
	return &config{}, nil
}

func parseConfig(path string, data []byte, root *cobra.Command) (*config, error) {
	cfg := &config{file: path}
	md, err := toml.NewDecoder(bytes.NewReader(data)).Decode(cfg)
	if err == nil {
		_, err = toml.NewDecoder(bytes.NewReader(data)).Decode(&cfg.flags)
	}
	if err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return nil, usage("%s:%d: %s", path, pe.Position.Line, pe.Message)
		}
		return nil, usage("%s: %v", path, err)
	}
	known := map[string]bool{}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		add := func(f *pflag.Flag) {
			if !noEnvironment[f.Name] {
				known[f.Name], known[strings.ReplaceAll(f.Name, "-", "_")] = true, true
			}
		}
		c.Flags().VisitAll(add)
		c.PersistentFlags().VisitAll(add)
		for _, s := range c.Commands() {
			visit(s)
		}
	}
	visit(root)
	var problems []string
	for _, key := range md.Undecoded() {
		if len(key) == 1 && known[key[0]] {
			continue
		}
		text := "unknown key"
		if len(key) == 1 && noEnvironment[key[0]] {
			text = "may be given on the command line only"
		}
		problems = append(problems, fmt.Sprintf("%s: %s: %s", path, key, text))
	}
	if len(problems) > 0 {
		sort.Strings(problems)
		return nil, usage("%s", strings.Join(problems, "\n"))
	}
	return cfg, nil
}

// configDir is where the user's rekey.toml and policy.toml live.
func (a *app) configDir() string {
	if home := a.sys.Getenv("REKEY_HOME"); home != "" {
		return filepath.Join(home, "config")
	}
	if dir := a.sys.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "rekey")
	}
	home := a.sys.Getenv("HOME")
	switch runtime.GOOS {
	case "windows":
		return filepath.Join(a.sys.Getenv("APPDATA"), "rekey")
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", "rekey")
	}
	return filepath.Join(home, ".config", "rekey")
}
