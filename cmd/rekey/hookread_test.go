package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/gittest"
)

// The short way reads every object of a repository as the reader of package git does:
// loose, packed, as deltas, in a pack with an index of few and of many objects.
func TestHookReadsObjectsTheShortWay(t *testing.T) {
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprintf("packed_%v", packed), func(t *testing.T) {
			r := gittest.New(t)
			rnd := rand.New(rand.NewPCG(1, 2))
			text := ""
			for i := range 40 {
				text += fmt.Sprintf("line %d of the file %d\n", i, rnd.Uint64())
				r.Commit(fmt.Sprint(i), "a", text, fmt.Sprintf("d/%d", i), fmt.Sprint(rnd.Uint64()))
			}
			if packed {
				r.Git("repack", "-adq")
			}
			repo, err := git.Open(r.Dir, git.Options{})
			if err != nil {
				t.Fatal(err)
			}
			h := &hook{repo: repo}
			defer h.close()
			objects := filepath.Join(repo.CommonDir, "objects")
			h.packs = &packSearch{dir: filepath.Join(objects, "pack"), format: repo.Format()}
			n := 0
			_, err = repo.Objects(context.Background(), func(o git.Object) error {
				n++
				want, data, err := repo.Read(o.Oid)
				if err != nil {
					return err
				}
				short := func() (git.Type, []byte, error) { return readLoose(objects, o.Oid) }
				if packed {
					short = func() (git.Type, []byte, error) { return h.packs.read(o.Oid, 0) }
				}
				if got, b, err := short(); err != nil || got != want || !bytes.Equal(b, data) {
					t.Errorf("%s: %v, %d bytes, %v; want %v, %d bytes", o.Oid, got, len(b), err, want, len(data))
				}
				return nil
			})
			if err != nil || n < 120 {
				t.Fatalf("%d objects were read: %v", n, err)
			}
		})
	}
}

// Damage never comes through the short way: either the bytes have the id asked for, or
// the long way is gone and tells.
func TestHookReadChecksIDs(t *testing.T) {
	r := gittest.New(t)
	for i := range 20 {
		r.Commit(fmt.Sprint(i), "a", fmt.Sprintf("some text %d\n", i))
	}
	r.Git("repack", "-adq")
	packs, _ := filepath.Glob(filepath.Join(r.Dir, ".git/objects/pack/*.pack"))
	whole, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(packs[0], 0o600); err != nil {
		t.Fatal(err)
	}
	x, err := git.Open(r.Dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []git.Oid
	_, err = x.Objects(context.Background(), func(o git.Object) error { ids = append(ids, o.Oid); return nil })
	x.Close()
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		broken := bytes.Clone(whole)
		for range 5 {
			broken[12+rnd.IntN(len(broken)-12)] ^= byte(1 + rnd.IntN(255))
		}
		if err := os.WriteFile(packs[0], broken, 0o600); err != nil {
			t.Fatal(err)
		}
		repo, err := git.Open(r.Dir, git.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := &hook{repo: repo}
		for _, id := range ids {
			if typ, data, err := h.readObject(id); err == nil && git.HashObject(repo.Format(), typ, data) != id {
				t.Errorf("%s was read with other content", id)
			}
		}
		h.close()
	}
}
