package action

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rekeyhq/rekey/scanner/git"
)

// maxConfig is the largest file that is taken out of a commit.
const maxConfig = 4 << 20

// View makes dir show the repository with the configuration that a commit has: a .git
// file that leads to the repository, and those of the named files that stand at the top
// of the commit's tree. A pull request can then change the files in its own checkout as
// it likes. A zero commit gives none. It returns the names of the files written.
func View(repo *git.Repository, at git.Oid, dir string, names []string) ([]string, error) {
	if err := os.WriteFile(filepath.Join(dir, ".git"), []byte("gitdir: "+repo.GitDir+"\n"), 0o600); err != nil {
		return nil, err
	}
	if at.IsZero() {
		return nil, nil
	}
	tree, err := treeOf(repo, at)
	if err != nil {
		return nil, fmt.Errorf("configuration of commit %s: %w", at, err)
	}
	var written []string
	for _, name := range names {
		o, ok := tree[name]
		if !ok {
			continue
		}
		t, data, err := repo.Read(o)
		if err == nil && (t != git.Blob || len(data) > maxConfig) {
			err = fmt.Errorf("is no file of at most %d bytes", maxConfig)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("%s of commit %s: %w", name, at, err)
		}
		written = append(written, name)
	}
	return written, nil
}

// treeOf returns the regular files at the top of a commit, or of the commit that a tag
// names.
func treeOf(repo *git.Repository, o git.Oid) (map[string]git.Oid, error) {
	o, err := repo.Resolve(o.String() + "^{commit}")
	if err != nil {
		return nil, err
	}
	_, data, err := repo.Read(o)
	if err != nil {
		return nil, err
	}
	c, err := git.ParseCommit(data, repo.Format())
	if err != nil {
		return nil, err
	}
	_, data, err = repo.Read(c.Tree)
	if err != nil {
		return nil, err
	}
	files := map[string]git.Oid{}
	for it := git.NewTreeIter(data, repo.Format()); ; {
		e, ok, err := it.Next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return files, nil
		}
		if e.Mode&git.ModeKind == git.ModeFile {
			files[string(e.Name)] = e.Oid()
		}
	}
}
