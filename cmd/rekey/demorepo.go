package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/rekeyhq/rekey/revoker/emulator"
)

// leak is one key that the demo leaks: what stands in the file, and how it came there.
type leak struct {
	service, id string
	file, text  string
	place       leakPlace
	story       string
}

// leakPlace is where in the repository a leak lies.
type leakPlace int

// Places of leaks.
const (
	inHead leakPlace = iota
	inHistory
	inStash
	notTracked
)

// issueLeaks has the emulators make the keys; the first is the one that is revoked
// later. They never lie anywhere but in the
// demo's own repository.
func (d *demo) issueLeaks() error {
	wanted := []struct {
		service string
		issue   emulator.Issue
		leak    leak
		write   func(emulator.Issued) string
	}{
		{"cloudnexus", emulator.Issue{Name: "Production"}, leak{file: "deploy.env", place: inHead, story: "deploy.env          a CloudNexus production key, in the newest commit"},
			func(k emulator.Issued) string { return "REGION=eu-1\nCLOUDNEXUS_API_KEY=" + k.Secret + "\n" }},
		{"nexosis", emulator.Issue{}, leak{file: "forecast.py", place: inHistory, story: "forecast.py         a Nexosis key, replaced by an environment variable in the next commit"},
			func(k emulator.Issued) string {
				return "import nexosisapi\nclient = nexosisapi.Client(key='" + k.Secret + "')  # nexosis\n"
			}},
		{"clore", emulator.Issue{}, leak{file: "secret.yaml", place: inHead, story: "secret.yaml         a Clore.ai key in a Kubernetes secret: base64 hides it from eyes only"},
			func(k emulator.Issued) string {
				return "apiVersion: v1\nkind: Secret\nmetadata:\n  name: render\ndata:\n  render.env: " + base64.StdEncoding.EncodeToString([]byte("CLORE_API_KEY="+k.Secret+"\n")) + "\n"
			}},
		{"nexqloud", emulator.Issue{}, leak{file: "try.py", place: inStash, story: "try.py              a NexQloud key in a stash that nobody remembers"},
			func(k emulator.Issued) string {
				return "from nexqloud_dcp import DCPClient, DCPClientOptions\nclient = DCPClient(DCPClientOptions(api_key=\"" + k.Secret + "\"))\n"
			}},
		{"github", emulator.Issue{State: "revoked"}, leak{file: "ci.sh", place: inHistory, story: "ci.sh               a GitHub token, long revoked"},
			func(k emulator.Issued) string { return "#!/bin/sh\nexport GITHUB_TOKEN=" + k.Secret + "\n" }},
		{"cloudnexus", emulator.Issue{Name: "Staging", Environment: "stg", Scopes: []string{"storage:read"}}, leak{file: ".env", place: notTracked, story: ".env                a CloudNexus staging key in a file that git does not track; it may read storage only"},
			func(k emulator.Issued) string { return "CLOUDNEXUS_API_KEY=" + k.Secret + "\n" }},
	}
	for _, w := range wanted {
		made, err := d.servers[w.service].Issue(w.issue)
		if err != nil {
			return err
		}
		l := w.leak
		l.service, l.id, l.text = w.service, made.ID, w.write(made)
		d.leaks = append(d.leaks, l)
	}
	return nil
}

// makeLeakyRepository makes a repository in dir, without any git program.
func makeLeakyRepository(dir string, leaks []leak) error {
	repo, err := git.PlainInit(dir, false)
	if err != nil {
		return fmt.Errorf("make repository: %w", err)
	}
	tree, err := repo.Worktree()
	if err != nil {
		return fmt.Errorf("make repository: %w", err)
	}
	when := time.Now().Add(-48 * time.Hour)
	sign := func() *object.Signature {
		when = when.Add(time.Hour)
		return &object.Signature{Name: "Demo", Email: "demo@example.com", When: when}
	}
	commit := func(message string, files map[string]string) error {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return err
			}
			if _, err := tree.Add(name); err != nil {
				return err
			}
		}
		_, err := tree.Commit(message, &git.CommitOptions{Author: sign()})
		return err
	}
	first, second := map[string]string{"README": "A small program.\n"}, map[string]string{}
	for _, l := range leaks {
		switch l.place {
		case inHead:
			first[l.file] = l.text
		case inHistory:
			first[l.file], second[l.file] = l.text, "# reads its key from the environment\n"
		}
	}
	if err := commit("First version", first); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := commit("Take keys out of the code", second); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for _, l := range leaks {
		var err error
		switch l.place {
		case inStash:
			err = stash(repo, l, sign())
		case notTracked:
			err = os.WriteFile(filepath.Join(dir, l.file), []byte(l.text), 0o600)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", l.file, err)
		}
	}
	return nil
}

// stash makes what "git stash" leaves behind: a commit that no branch reaches.
func stash(repo *git.Repository, l leak, who *object.Signature) error {
	head, err := repo.Head()
	if err != nil {
		return err
	}
	blob := repo.Storer.NewEncodedObject()
	blob.SetType(plumbing.BlobObject)
	w, err := blob.Writer()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, l.text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	id, err := repo.Storer.SetEncodedObject(blob)
	if err != nil {
		return err
	}
	store := func(o interface {
		Encode(plumbing.EncodedObject) error
	}) (plumbing.Hash, error) {
		obj := repo.Storer.NewEncodedObject()
		if err := o.Encode(obj); err != nil {
			return plumbing.ZeroHash, err
		}
		return repo.Storer.SetEncodedObject(obj)
	}
	tree, err := store(&object.Tree{Entries: []object.TreeEntry{{Name: l.file, Mode: filemode.Regular, Hash: id}}})
	if err != nil {
		return err
	}
	c, err := store(&object.Commit{Author: *who, Committer: *who, Message: "WIP on master\n", TreeHash: tree, ParentHashes: []plumbing.Hash{head.Hash()}})
	if err != nil {
		return err
	}
	return repo.Storer.SetReference(plumbing.NewHashReference("refs/stash", c))
}
