package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/rekeyhq/rekey/cmd/rekey/internal/verifycache"
	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/revoker/keyservice/native"
	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner"
)

// verifyOptions are the flags by which commands say whether and how key services are
// asked.
type verifyOptions struct {
	verify   choice
	noVerify bool
	services []string
	timeout  time.Duration
	noCache  bool
}

// choice is a flag that is on, off or not given.
type choice struct{ given, on bool }

func (c *choice) String() string {
	if !c.given {
		return ""
	}
	return fmt.Sprint(c.on)
}

func (c *choice) Set(s string) error {
	switch strings.ToLower(s) {
	case "true", "1", "yes", "on":
		*c = choice{true, true}
	case "false", "0", "no", "off":
		*c = choice{true, false}
	default:
		return fmt.Errorf("%q: want true or false", s)
	}
	return nil
}

func (c *choice) Type() string { return "bool" }

// bind adds the flags of a command that may ask (scan) or always does (verify).
func (o *verifyOptions) bind(f *pflag.FlagSet, optional bool) {
	if optional {
		f.Var(&o.verify, "verify", "ask the key services which keys are live")
		f.Lookup("verify").NoOptDefVal = "true"
		f.BoolVar(&o.noVerify, "no-verify", false, "stay offline: ask no key service")
	}
	f.StringArrayVar(&o.services, "service", nil, "trust service `ID[=BASE]`: its built-in address, a URL, or a server as HOST[:PORT] (may be repeated)")
	f.DurationVar(&o.timeout, "verify-timeout", 10*time.Second, "longest time for one answer of a key service")
	f.BoolVar(&o.noCache, "no-verify-cache", false, "ask also about keys whose state was learned a short while ago")
}

// wanted reports whether key services are to be asked. byDefault is what holds where
// neither flag, environment nor configuration says anything.
func (o *verifyOptions) wanted(byDefault bool) bool {
	switch {
	case o.noVerify:
		return false
	case o.verify.given:
		return o.verify.on
	}
	return byDefault
}

// verifier is a client with its cache.
type verifier struct {
	*keyservice.Client
	cache *verifycache.Cache
}

// close ends the run: the cache is written.
func (v *verifier) close(a *app) {
	v.Client.Close()
	if v.cache != nil {
		if err := v.cache.Save(); err != nil {
			a.ui.note("%v", err)
		}
	}
}

// scanVerifier returns what a scan asks key services with, nil where it asks none, and
// a function to be called when the scan is over. byDefault says whether the command
// asks when nobody said anything. Code that strangers sent in is scanned without
// asking: its findings are not the user's.
func scanVerifier(a *app, opt verifyOptions, byDefault bool, services []rules.Service) (scanner.Verifier, func(), error) {
	nothing := func() {}
	if !opt.wanted(byDefault) {
		if len(opt.services) > 0 && !byDefault && !opt.noVerify {
			return nil, nothing, usageHint("add --verify", "--service without verification")
		}
		return nil, nothing, nil
	}
	switch event := a.sys.Getenv("GITHUB_EVENT_NAME"); event {
	case "pull_request", "pull_request_target":
		if opt.verify.given && opt.verify.on {
			return nil, nothing, usageHint("leave out --verify; verify on the base branch", "--verify on the event %s, whose code strangers can send in", event)
		}
		a.ui.note("key services are not asked on the event %s, whose code strangers can send in", event)
		return nil, nothing, nil
	}
	v, err := a.newVerifier(opt, services)
	if err != nil {
		return nil, nothing, err
	}
	return v, func() { v.close(a) }, nil
}

// newVerifier makes a client from flags and the user's configuration; nothing of a
// scanned repository goes in.
func (a *app) newVerifier(opt verifyOptions, services []rules.Service) (*verifier, error) {
	bases, err := a.bases(opt.services)
	if err != nil {
		return nil, err
	}
	if opt.timeout <= 0 {
		return nil, usage("--verify-timeout %s: want a duration above 0, such as 10s", opt.timeout)
	}
	o := keyservice.Options{Services: services, Bases: bases, Timeout: opt.timeout, Version: toolVersion(), Drivers: native.All()}
	o.Progress = a.verifyProgress(10 * time.Second)
	v := &verifier{}
	if a.config != nil {
		o.CAFile = a.config.Network.CAFile
		if p := a.config.Network.Proxy; p != "" {
			u, err := url.Parse(p)
			if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
				return nil, usage("%s: network.proxy: want http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT", a.config.file)
			}
			o.Proxy = u
		}
	}
	if !opt.noCache {
		v.cache, err = verifycache.Open(filepath.Join(a.cacheDir(), "verify.json"), scope(bases), time.Now)
		if err != nil {
			a.ui.note("%v", err)
		}
		o.Cache = v.cache
	}
	if v.Client, err = keyservice.New(o); err != nil {
		return nil, usage("%v", err)
	}
	return v, nil
}

// verifyProgress says now and then how far asking has come.
func (a *app) verifyProgress(every time.Duration) func(done, of int) {
	var mu sync.Mutex
	last := time.Now()
	return func(done, of int) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) < every || done == of {
			return
		}
		last = time.Now()
		a.ui.note("asked about %d of %d keys", done, of)
	}
}

// bases gathers what the user trusts: the configuration, then --service.
func (a *app) bases(flags []string) (map[string]keyservice.Base, error) {
	out := map[string]keyservice.Base{}
	if a.config != nil {
		for id, s := range a.config.Services {
			if s.BaseURL == "" {
				continue
			}
			b, err := keyservice.ParseBase(s.BaseURL)
			if err != nil {
				return nil, usage("%s: services.%s.base_url: %v", a.config.file, id, err)
			}
			out[id] = b
		}
	}
	for _, f := range flags {
		id, text, _ := strings.Cut(f, "=")
		b, err := keyservice.ParseBase(text)
		if err != nil {
			return nil, usage("--service %s: %v", f, err)
		}
		out[id] = out[id].Join(b)
	}
	return out, nil
}

// scope names the addresses of a run: verdicts of other addresses are not its own.
func scope(bases map[string]keyservice.Base) string {
	var lines []string
	for id, b := range bases {
		lines = append(lines, id+" "+b.URL+" "+strings.Join(b.Hosts, " "))
	}
	sort.Strings(lines)
	h := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(h[:8])
}

// cacheDir is where what can be learned again is kept.
func (a *app) cacheDir() string {
	if home := a.sys.Getenv("REKEY_HOME"); home != "" {
		return filepath.Join(home, "cache")
	}
	if dir := a.sys.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rekey")
	}
	home := a.sys.Getenv("HOME")
	switch runtime.GOOS {
	case "windows":
		return filepath.Join(a.sys.Getenv("LOCALAPPDATA"), "rekey", "cache")
	case "darwin":
		return filepath.Join(home, "Library", "Caches", "rekey")
	}
	return filepath.Join(home, ".cache", "rekey")
}
