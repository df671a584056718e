package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"

	"github.com/rekeyhq/rekey/revoker/emulator"
)

// emulateOptions are the flags of rekey emulate.
type emulateOptions struct {
	host   string
	port   int
	config string
	faults uint64
	knobs  []string
}

const emulateLong = `Run emulators of key services on loopback until Ctrl-C: CloudNexus, Nexosis, Clore.ai,
NexQloud, GitHub, GitLab, Slack, Stripe, and the access keys of AWS. Each behaves as its
service does, keeps keys in memory as hashes only, and ends without a trace.

For each service one key is made. It is written to a file that only you can read, as are
the owner's credential and the token of the control plane; no key is printed. With
--write-config they lie in FILE.d and FILE is a configuration for rekey --config; without,
they lie in a temporary directory that is removed at the end.

The control plane makes, shows and ends keys, moves the clock, sets faults and policies,
and shows the log. It takes JSON and the header Authorization: Bearer TOKEN:

    POST /_ctl/keys {"name": "app"}              make a key
    GET  /_ctl/keys                              show all, without secrets
    POST /_ctl/keys/ID/event {"event":"revoked"} end one
    POST /_ctl/clock {"advance": "24h"}          let a day pass
    POST /_ctl/faults {"match":{"method":"POST"},"do":{"commit_then_reset":true}}
    GET  /_ctl/policy                            list the policies; POST sets them
    GET  /_ctl/log                               requests, without keys`

func (a *app) emulateCommand() *cobra.Command {
	var opt emulateOptions
	cmd := &cobra.Command{
		Use: "emulate SERVICE...", Short: "Run loopback emulators of key services",
		Long: emulateLong, Args: cobra.MinimumNArgs(1), ValidArgs: append(emulator.Services(), "all"),
		Example: "  rekey emulate cloudnexus\n  rekey emulate all --write-config emu.toml\n  rekey emulate clore --knob clore.http_mode=mapped --faults 7",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.emulate(cmd.Context(), opt, args) },
	}
	f := cmd.Flags()
	f.StringVar(&opt.host, "host", "127.0.0.1", "loopback `ADDRESS` to listen on")
	f.IntVar(&opt.port, "port", 0, "`PORT` of the first service, the next ones follow; 0 is any")
	f.StringVar(&opt.config, "write-config", "", "write base URLs, credentials (as files) and waiting times of 0s to `FILE`")
	f.Uint64Var(&opt.faults, "faults", 0, "answer wrongly, late, twice or not at all now and then, the same for the same `SEED`")
	f.StringArrayVar(&opt.knobs, "knob", nil, "policy of a service, as `SERVICE.NAME=VALUE` (may be repeated)")
	return cmd
}

func (a *app) emulate(ctx context.Context, opt emulateOptions, services []string) error {
	if slices.Contains(services, "all") {
		services = emulator.Services()
	}
	slices.Sort(services)
	services = slices.Compact(services)
	if opt.config != "" {
		if err := mayWriteConfig(a.path(opt.config)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	servers, err := startEmulators(ctx, opt, services)
	defer func() {
		for _, s := range servers {
			s.Close()
		}
	}()
	if err != nil {
		return err
	}
	dir, err := emulateDir(a, opt)
	if err != nil {
		return err
	}
	if opt.config == "" {
		defer os.RemoveAll(dir)
	}
	cfg := emulateConfig{Services: map[string]serviceConfig{}}
	for _, s := range servers {
		sc, err := a.present(s, dir)
		if err != nil {
			return err
		}
		cfg.Services[s.Service()] = sc
	}
	if opt.config != "" {
		if err := writeEmulateConfig(a.path(opt.config), cfg); err != nil {
			return err
		}
		a.ui.note("use them with: rekey --config %s", opt.config)
	}
	if opt.faults != 0 {
		a.ui.note("faults are on, seed %d", opt.faults)
	}
	a.ui.note("listening on loopback only; Ctrl-C ends")
	<-ctx.Done() // the usual end of this command, so no failure
	return nil
}

// startEmulators starts the services; those that run are returned with an error, too.
func startEmulators(ctx context.Context, opt emulateOptions, services []string) ([]*emulator.Server, error) {
	knobs := map[string]map[string]string{}
	for _, k := range opt.knobs {
		name, value, ok := strings.Cut(k, "=")
		service, name, ok2 := strings.Cut(name, ".")
		if !ok || !ok2 || !slices.Contains(services, service) {
			return nil, usage("--knob %s: want SERVICE.NAME=VALUE for a service that runs", k)
		}
		if knobs[service] == nil {
			knobs[service] = map[string]string{}
		}
		knobs[service][name] = value
	}
	clock := emulator.NewClock(time.Time{}, true) // one time for all
	var out []*emulator.Server
	for i, id := range services {
		port := opt.port
		if port > 0 {
			port += i
		}
		s, err := emulator.Start(ctx, emulator.Options{Service: id, Host: opt.host, Port: port, Clock: clock, Knobs: knobs[id], Faults: opt.faults})
		if errors.Is(err, emulator.ErrNotLoopback) {
			return out, usageHint("use 127.0.0.1 or ::1", "%v", err)
		}
		if err != nil {
			return out, usageHint("services: "+strings.Join(emulator.Services(), " ")+" all", "%v", err)
		}
		out = append(out, s)
	}
	return out, nil
}

// emulateDir makes the directory for keys and credentials.
func emulateDir(a *app, opt emulateOptions) (string, error) {
	if opt.config == "" {
		dir, err := os.MkdirTemp("", "rekey-emulate-")
		if err != nil {
			return "", usage("make a directory for keys: %v", err)
		}
		return dir, nil
	}
	dir := a.path(opt.config) + ".d"
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", usage("make a directory for keys: %v", err)
	}
	if st, err := os.Lstat(dir); err != nil || !st.IsDir() {
		return "", usage("%s is no directory", dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil { // it may be an older one
		return "", usage("make a directory for keys: %v", err)
	}
	return dir, nil
}

// present makes a key, writes it and the credentials to files, and says where they are.
func (a *app) present(s *emulator.Server, dir string) (serviceConfig, error) {
	made, err := s.Issue(emulator.Issue{Name: "first"})
	if err != nil {
		return serviceConfig{}, usage("issue a key: %v", err)
	}
	file := func(kind, content string) (string, error) {
		p := filepath.Join(dir, s.Service()+"."+kind)
		return p, writePrivate(p, []byte(content+"\n"))
	}
	key, err := file("key", keyText(s.Service(), made))
	if err != nil {
		return serviceConfig{}, err
	}
	token, err := file("control", s.ControlToken())
	if err != nil {
		return serviceConfig{}, err
	}
	a.printf("%s  %s\n  a key    %s\n  control  %s (token in %s)\n", s.Service(), s.URL(), key, s.ControlURL(), token)
	zero := "0s"
	sc := serviceConfig{BaseURL: s.URL(), Windows: map[string]string{"list": zero, "answer": zero, "death": zero, "horizon": zero}}
	if s.Operator() != "" {
		p, err := file("operator", s.Operator())
		if err != nil {
			return serviceConfig{}, err
		}
		sc.Operator = "file:" + p
		a.printf("  operator %s\n", p)
	}
	return sc, nil
}

// keyText is how a key is written so that rekey knows it on sight: keys of some
// services say nothing without a name.
func keyText(service string, made emulator.Issued) string {
	switch service {
	case "nexosis":
		return "NEXOSIS_API_KEY=" + made.Secret
	case "clore":
		return "CLORE_API_KEY=" + made.Secret
	case "nexqloud":
		return "DCP_API_KEY=" + made.Secret
	case "aws":
		return "AWS_ACCESS_KEY_ID=" + made.ID + "\nAWS_SECRET_ACCESS_KEY=" + made.Secret
	}
	return made.Secret
}

// emulateConfig is the part of rekey.toml that --write-config writes.
type emulateConfig struct {
	Services map[string]serviceConfig `toml:"services"`
}

// emulateHeader marks a configuration that rekey emulate may overwrite.
const emulateHeader = "# Written by rekey emulate; true while it runs.\n"

// mayWriteConfig refuses to overwrite a configuration that a person wrote.
func mayWriteConfig(path string) error {
	old, err := os.ReadFile(path)
	if err == nil && !strings.HasPrefix(string(old), emulateHeader) {
		return usage("%s exists and was not written by rekey emulate: name another file", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usage("write configuration: %v", err)
	}
	return nil
}

func writeEmulateConfig(path string, cfg emulateConfig) error {
	var b bytes.Buffer
	b.WriteString(emulateHeader)
	if err := toml.NewEncoder(&b).Encode(cfg); err != nil {
		return fmt.Errorf("write configuration %s: %w", path, err)
	}
	return writePrivate(path, b.Bytes())
}

// writePrivate writes a file that only the user can read, whole or not at all, and
// never through a link that somebody else put there.
func writePrivate(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".rekey-*") // mode 0600
	if err != nil {
		return usage("write %s: %v", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return usage("write %s: %v", path, err)
	}
	return nil
}
