package git

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Pack is an open pack file. It is read with pread, which survives a pack that is
// unlinked (the open file stays) or cut (an error) while it is read. It is safe for
// concurrent use.
type Pack struct {
	Name  string // as pack-….pack
	Count uint32 // objects that the pack's header promises
	Size  int64

	file   *os.File
	format Format
}

// openPack opens a pack of an object directory by its name without extension.
func (d *objectDir) openPack(name string, f Format) (*Pack, error) {
	file, size, err := d.open("pack/" + name + ".pack")
	if err != nil {
		return nil, err
	}
	p := &Pack{Name: name + ".pack", Size: size, file: file, format: f}
	var head [packHeader]byte
	if n, err := file.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		file.Close()
		return nil, err
	} else if _, p.Count, err = ParsePackHeader(head[:n]); err != nil {
		file.Close()
		return nil, err
	}
	return p, nil
}

// Close closes the file.
func (p *Pack) Close() error { return p.file.Close() }

// ReadAt reads the pack's bytes.
func (p *Pack) ReadAt(b []byte, off int64) (int, error) { return p.file.ReadAt(b, off) }

// File returns the open file, for readers that map it. It stays the pack's.
func (p *Pack) File() *os.File { return p.file }

// Trailer returns the checksum at the pack's end, which an index repeats. That the
// pack has this checksum is not checked: its objects' ids are.
func (p *Pack) Trailer() (Oid, error) {
	b := make([]byte, p.format.Size())
	if p.Size < int64(packHeader+len(b)) {
		return Oid{}, fmt.Errorf("pack of %d bytes: %w", p.Size, ErrTruncated)
	}
	if _, err := p.file.ReadAt(b, p.Size-int64(len(b))); err != nil {
		return Oid{}, err
	}
	return NewOid(p.format, b), nil
}
