package main

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/rekeyhq/rekey/scanner/git"
)

// packSearch finds single objects in packs by searching the indexes in place, which
// costs the same in a repository of any size. It knows what git writes today (indexes
// of version 2); all else is errNotShort, and the reader of package git decides.
type packSearch struct {
	dir    string // objects/pack
	format git.Format
	packs  []searchedPack
	listed bool
}

type searchedPack struct {
	name  string // without extension
	index *os.File
	count int64
	data  *os.File // opened when something was found
}

func (s *packSearch) close() {
	for _, p := range s.packs {
		_ = p.index.Close()
		if p.data != nil {
			_ = p.data.Close()
		}
	}
	s.packs = nil
}

const (
	indexHead   = 8
	indexFanout = 256 * 4
	// maxBucket is the most of an index that one search reads at once.
	maxBucket = 4 << 20
	// maxShortChain bounds chains of deltas; git makes 50 by default.
	maxShortChain = 60
)

var indexMagic = []byte{0xff, 't', 'O', 'c', 0, 0, 0, 2}

// list opens the indexes.
func (s *packSearch) list() {
	s.listed = true
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".idx")
		if !ok || !e.Type().IsRegular() {
			continue
		}
		f, err := os.Open(filepath.Join(s.dir, e.Name()))
		if err != nil {
			continue
		}
		var head [indexHead]byte
		var last [4]byte
		_, err = f.ReadAt(head[:], 0)
		if _, err2 := f.ReadAt(last[:], indexHead+indexFanout-4); err != nil || err2 != nil || !bytes.Equal(head[:], indexMagic) {
			_ = f.Close()
			continue
		}
		s.packs = append(s.packs, searchedPack{name: name, index: f, count: int64(binary.BigEndian.Uint32(last[:]))})
	}
}

// read reads an object. Its id is not checked: the caller does.
func (s *packSearch) read(o git.Oid, depth int) (git.Type, []byte, error) {
	if !s.listed {
		s.list()
	}
	for i := range s.packs {
		p := &s.packs[i]
		off, ok := p.find(o)
		if !ok {
			continue
		}
		if p.data == nil {
			f, err := os.Open(filepath.Join(s.dir, p.name+".pack"))
			if err != nil {
				continue
			}
			p.data = f
		}
		return s.entry(p, off, depth)
	}
	return 0, nil, errNotShort
}

// find returns where an object begins in the pack.
func (p *searchedPack) find(o git.Oid) (off int64, ok bool) {
	id := o.Append(nil)
	size := int64(len(id))
	var fan [8]byte
	at, from := int64(indexHead+4*int64(id[0])-4), fan[:]
	if id[0] == 0 {
		at, from = indexHead, fan[4:]
	}
	if _, err := p.index.ReadAt(from, at); err != nil {
		return 0, false
	}
	lo, hi := int64(binary.BigEndian.Uint32(fan[:4])), int64(binary.BigEndian.Uint32(fan[4:]))
	if lo >= hi || hi > p.count || (hi-lo)*size > maxBucket {
		return 0, false
	}
	names := make([]byte, (hi-lo)*size)
	table := int64(indexHead + indexFanout)
	if _, err := p.index.ReadAt(names, table+lo*size); err != nil {
		return 0, false
	}
	n := int64(sort.Search(int(hi-lo), func(i int) bool { return bytes.Compare(names[int64(i)*size:(int64(i)+1)*size], id) >= 0 }))
	if n == hi-lo || !bytes.Equal(names[n*size:(n+1)*size], id) {
		return 0, false
	}
	table += p.count * (size + 4) // past names and checksums
	var b [8]byte
	if _, err := p.index.ReadAt(b[:4], table+4*(lo+n)); err != nil {
		return 0, false
	}
	small := binary.BigEndian.Uint32(b[:4])
	if small&(1<<31) == 0 {
		return int64(small), true
	}
	if _, err := p.index.ReadAt(b[:], table+4*p.count+8*int64(small&^(1<<31))); err != nil {
		return 0, false
	}
	off = int64(binary.BigEndian.Uint64(b[:]))
	return off, off > 0
}

// entry reads the entry at off, deltas applied.
func (s *packSearch) entry(p *searchedPack, off int64, depth int) (git.Type, []byte, error) {
	var head [git.MaxEntryHeader]byte
	n, _ := p.data.ReadAt(head[:], off) // a short read at the end is enough
	if n == 0 || depth > maxShortChain {
		return 0, nil, errNotShort
	}
	h, err := git.ParseEntryHeader(head[:n], off, s.format)
	if err != nil || h.Size > maxHookObject {
		return 0, nil, errNotShort
	}
	z, err := zlib.NewReader(bufio.NewReader(io.NewSectionReader(p.data, off+int64(h.Len), 1<<62)))
	if err != nil {
		return 0, nil, errNotShort
	}
	data := make([]byte, h.Size)
	if _, err := io.ReadFull(z, data); err != nil {
		return 0, nil, errNotShort
	}
	if !h.Delta() {
		return h.Type, data, nil
	}
	var t git.Type
	var base []byte
	if h.Type == git.OfsDelta {
		t, base, err = s.entry(p, h.Base, depth+1)
	} else {
		t, base, err = s.read(h.BaseOid, depth+1)
	}
	if err != nil {
		return 0, nil, errNotShort
	}
	out, err := git.ApplyDelta(base, data, maxHookObject)
	if err != nil {
		return 0, nil, errNotShort
	}
	return t, out, nil
}
