package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	gitconfig "github.com/go-git/go-git/v5/config"

	"github.com/rekeyhq/rekey/scanner/git"
)

// isURL reports whether a target is a clone URL rather than a path.
func isURL(s string) bool {
	for _, p := range []string{"https://", "http://", "ssh://", "git://", "file://"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	at, colon, slash := strings.IndexByte(s, '@'), strings.IndexByte(s, ':'), strings.IndexByte(s, '/')
	return at > 0 && colon > at && (slash < 0 || colon < slash) // user@host:path
}

// cloneTarget fetches a repository's objects into a temporary bare repository, without
// a checkout, and scans its history.
func (a *app) cloneTarget(ctx context.Context, t *targetSet, opt targetOptions, arg string) error {
	if opt.staged || opt.noHistory {
		return usage("target %s: a clone URL has only history", redactURL(arg))
	}
	if u, err := url.Parse(arg); err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			return usageHint("use git's credential helpers, or a file:// or ssh:// address", "target %s: a password on the command line can be read by every process of this machine", redactURL(arg))
		}
	}
	dir, err := os.MkdirTemp("", "rekey-clone-*")
	if err != nil {
		return usage("clone: %v", err)
	}
	t.temp = append(t.temp, dir)
	a.ui.note("fetching %s", redactURL(arg))
	var progress io.Writer
	if a.global.verbose {
		progress = a.sys.Stderr
	}
	repo, err := gogit.PlainInit(dir, true)
	if err == nil {
		_, err = repo.CreateRemote(&gitconfig.RemoteConfig{Name: "origin", URLs: []string{arg}, Mirror: true, Fetch: []gitconfig.RefSpec{"+refs/*:refs/*"}})
	}
	if err == nil {
		err = repo.FetchContext(ctx, &gogit.FetchOptions{RemoteName: "origin", RefSpecs: []gitconfig.RefSpec{"+refs/*:refs/*"}, Progress: progress, Tags: gogit.AllTags})
	}
	if err != nil && err != gogit.NoErrAlreadyUpToDate { //nolint:errorlint // a sentinel that go-git returns bare
		return usageHint("check the address, and that you may read it", "fetch %s: %v", redactURL(arg), err)
	}
	r, err := git.Open(dir, git.Options{})
	if err != nil {
		return usage("target %s: %v", redactURL(arg), err)
	}
	t.repos = append(t.repos, r)
	t.foreign = true
	h, err := historySource(r, opt)
	if err != nil {
		return usage("target %s: %v", redactURL(arg), err)
	}
	t.target.Location = redactURL(arg)
	t.add("clone", h)
	return nil
}

// redactURL removes user and password from a URL for messages.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "the address"
	}
	if u.User != nil {
		u.User = nil
		return strings.Replace(u.String(), "://", "://…@", 1)
	}
	return fmt.Sprint(u)
}
