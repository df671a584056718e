package main

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rekeyhq/rekey/scanner/git"
)

// maxHookObject bounds what the short way reads into memory; the long way has its own
// limits.
const maxHookObject = 16 << 20

// readObject reads an object. What was just staged lies in a file of its own, which is
// opened directly, and packs are searched in place: listing all objects of a large
// repository first would take longer than all the rest. Whatever is odd goes the long
// way, which also names the trouble.
func (h *hook) readObject(o git.Oid) (git.Type, []byte, error) {
	objects := filepath.Join(h.repo.CommonDir, "objects")
	if t, data, err := readLoose(objects, o); err == nil {
		return t, data, nil
	}
	if h.packs == nil {
		h.packs = &packSearch{dir: filepath.Join(objects, "pack"), format: h.repo.Format()}
	}
	if t, data, err := h.packs.read(o, 0); err == nil && git.HashObject(o.Format(), t, data) == o {
		return t, data, nil
	}
	return h.repo.Read(o)
}

func (h *hook) close() {
	if h.packs != nil {
		h.packs.close()
	}
	_ = h.repo.Close()
}

var errNotShort = errors.New("no plain loose object")

func readLoose(dir string, o git.Oid) (git.Type, []byte, error) {
	name := o.String()
	path := filepath.Join(dir, name[:2], name[2:])
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return 0, nil, errNotShort
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, errNotShort
	}
	defer f.Close()
	z, err := zlib.NewReader(f)
	if err != nil {
		return 0, nil, errNotShort
	}
	data, err := io.ReadAll(io.LimitReader(z, maxHookObject+1))
	if err != nil || len(data) > maxHookObject {
		return 0, nil, errNotShort
	}
	t, size, n, err := git.ParseLooseHeader(data)
	if err != nil || size != int64(len(data)-n) {
		return 0, nil, errNotShort
	}
	if data = data[n:]; git.HashObject(o.Format(), t, data) != o {
		return 0, nil, fmt.Errorf("%w: its content has another id", errNotShort)
	}
	return t, data, nil
}

// head returns the commit that HEAD names; false while there is none. A branch with a
// file of its own is read directly; all else goes the long way.
func (h *hook) head() (git.Oid, bool) {
	if o, ok := h.plainHead(); ok {
		return o, true
	}
	ref, ok := h.repo.Head()
	return ref.Oid, ok
}

func (h *hook) plainHead() (git.Oid, bool) {
	data, err := os.ReadFile(filepath.Join(h.repo.GitDir, "HEAD"))
	if err != nil {
		return git.Oid{}, false
	}
	branch, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "ref: ")
	if !ok {
		o, err := git.ParseOid(bytes.TrimSpace(data))
		return o, err == nil && o.Format() == h.repo.Format()
	}
	if !strings.HasPrefix(branch, "refs/heads/") || strings.Contains(branch, "..") {
		return git.Oid{}, false
	}
	path := filepath.Join(h.repo.CommonDir, filepath.FromSlash(branch))
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return git.Oid{}, false
	}
	if data, err = os.ReadFile(path); err != nil {
		return git.Oid{}, false
	}
	o, err := git.ParseOid(bytes.TrimSpace(data))
	return o, err == nil && o.Format() == h.repo.Format()
}
