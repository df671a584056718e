package git

import (
	"errors"
	"fmt"
	"io"
)

// stream passes a large object on while it is inflated.
func (p *pass) stream(oid Oid, t Type, size int64, z io.Reader, path string, at spot) error {
	n, known := p.cat.find(oid)
	if known && p.seen[n/64]&(1<<(n%64)) != 0 {
		p.stats.Duplicates++
		return nil
	}
	h := newObjectHash(p.cat.format, t, size)
	body := &streamed{r: io.TeeReader(io.LimitReader(z, size), h)}
	p.count(t, size)
	if err := p.fn(Object{Oid: oid, Type: t, Size: size, Large: body}); err != nil {
		return err
	}
	err := p.drain(body)
	if e := p.ctx.Err(); e != nil {
		return e
	}
	if err == nil {
		switch {
		case body.n != size:
			err = fmt.Errorf("%d bytes of %d: %w", body.n, size, ErrTruncated)
		default:
			err = atEnd(z)
		}
	}
	got := sumOid(p.cat.format, h)
	if err == nil && !oid.IsZero() && got != oid {
		err = errWrongID
	}
	if err != nil {
		p.failed = append(p.failed, failure{oid, holeFor(err, t.String(), path, oid, at.off)})
		return nil
	}
	if n, ok := p.cat.find(got); ok {
		p.mark(n)
	} else {
		p.extra[got] = true
	}
	return nil
}

// streamed counts what was read and remembers why it ended.
type streamed struct {
	r   io.Reader
	n   int64
	err error
}

func (s *streamed) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = zlibError(err)
		s.err = err
	}
	return n, err
}

// drain reads what fn left, so that the whole object is checked.
func (p *pass) drain(s *streamed) error {
	buf := make([]byte, 64<<10)
	for s.err == nil && p.ctx.Err() == nil {
		if _, err := s.Read(buf); err != nil {
			break
		}
	}
	return s.err
}
