package forest

import (
	"errors"

	"github.com/rekeyhq/rekey/scanner/git"
)

// Packs are the packs of a repository, mapped.
type Packs struct {
	List []Pack
	// Left are packs that cannot be walked: without an index that can be read, or gone
	// since the repository was listed. The plain reader may get something out of them.
	Left []git.PackFile

	unmap []func() error
}

// Open maps all packs of a repository. Close gives them up.
func Open(repo *git.Repository) *Packs {
	p := &Packs{}
	for _, f := range repo.Packs() {
		if f.Index == nil || p.add(f) != nil {
			p.Left = append(p.Left, f)
		}
	}
	return p
}

func (p *Packs) add(f git.PackFile) error {
	file, err := f.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	data, unmap, err := Map(file.File(), file.Size)
	if err != nil {
		return err
	}
	p.unmap = append(p.unmap, unmap)
	p.List = append(p.List, Pack{Name: f.Name, Data: data, Index: f.Index})
	return nil
}

// Close unmaps the packs. No walk may be under way, no object of one in use.
func (p *Packs) Close() error {
	var errs []error
	for _, unmap := range p.unmap {
		errs = append(errs, unmap())
	}
	p.List, p.unmap = nil, nil
	return errors.Join(errs...)
}
