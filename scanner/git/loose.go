package git

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// maxLooseHeader is more than any "type size" needs.
const maxLooseHeader = 32

// ParseLooseHeader reads "type size\0" at the start of an inflated loose object and
// returns how many bytes it takes.
func ParseLooseHeader(b []byte) (t Type, size int64, n int, err error) {
	end := bytes.IndexByte(b[:min(len(b), maxLooseHeader)], 0)
	if end < 0 {
		return 0, 0, 0, errors.New("loose object: no header")
	}
	name, digits, ok := strings.Cut(string(b[:end]), " ")
	if !ok {
		return 0, 0, 0, errors.New("loose object: bad header")
	}
	if t, err = ParseType(name); err != nil {
		return 0, 0, 0, fmt.Errorf("loose object: %w", err)
	}
	u, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || digits[0] == '+' {
		return 0, 0, 0, fmt.Errorf("loose object: bad size %.20q", digits)
	}
	return t, int64(u), end + 1, nil
}

func loosePath(o Oid) string {
	s := o.String()
	return s[:2] + "/" + s[2:]
}

// listLoose calls fn for every loose object of an object directory. Other names,
// such as those of unfinished writes, are no objects.
func (d *objectDir) listLoose(f Format, h *holes, fn func(Oid)) {
	for i := 0; i < 256; i++ {
		dir := hex.EncodeToString([]byte{byte(i)})
		entries, err := d.list(dir)
		if err != nil && !absent(err) {
			h.add(holeFor(fmt.Errorf("list loose objects: %w", err), "object", "objects/"+dir, Oid{}, -1))
		}
		for _, e := range entries {
			if len(e.Name()) != 2*f.Size()-2 {
				continue
			}
			if o, err := ParseOid(dir + e.Name()); err == nil {
				fn(o)
			}
		}
	}
}

// looseStream is an open loose object whose header has been read.
type looseStream struct {
	Type Type
	Size int64
	file *os.File
	body io.Reader
}

func (l *looseStream) Close() error { return l.file.Close() }

// openLoose opens a loose object. Its id has not been checked.
func (d *objectDir) openLoose(o Oid) (*looseStream, error) {
	file, size, err := d.open(loosePath(o))
	if err != nil {
		return nil, err
	}
	var inf inflater
	z, err := inf.open(newSource(file, size))
	if err != nil {
		file.Close()
		return nil, err
	}
	head := make([]byte, 0, maxLooseHeader)
	for len(head) < maxLooseHeader && bytes.IndexByte(head, 0) < 0 {
		var one [1]byte
		if _, err = io.ReadFull(z, one[:]); err != nil {
			break
		}
		head = append(head, one[0])
	}
	l := &looseStream{file: file, body: z}
	if err != nil {
		err = zlibError(err)
	} else {
		l.Type, l.Size, _, err = ParseLooseHeader(head)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return l, nil
}
