package archive

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// guard is a reader that charges the budget of the walk, bounds one entry, notices
// the end of the context and turns a decoder's panic into an error. It remembers its
// error, so that the walk knows it whatever fn made of it.
type guard struct {
	w    *walker
	r    io.Reader
	left int64 // of the entry
	err  error
}

// Read reads at most what the budgets allow.
func (g *guard) Read(b []byte) (n int, err error) {
	if g.err != nil {
		return 0, g.err
	}
	if int64(len(b)) > g.left+1 {
		b = b[:g.left+1]
	}
	n, err = g.r.Read(b)
	g.left -= int64(n)
	switch {
	case g.left < 0:
		g.err = errEntryBytes
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	default:
		g.err = err
	}
	return n, g.err
}

// unpacker wraps the output of a decoder: what it yields is charged to the total.
type unpacker struct {
	w    *walker
	r    io.Reader
	free bool // the bytes were charged before, or stand in the file as they are
}

// Read charges what the decoder yields and stops at the first budget that is spent.
func (u *unpacker) Read(b []byte) (n int, err error) {
	if err := u.w.check(); err != nil {
		return 0, err
	}
	defer func() {
		if recover() != nil {
			n, err = 0, errPanic
		}
	}()
	if len(b) > 1<<20 {
		b = b[:1<<20] // so that budgets are looked at often
	}
	n, err = u.r.Read(b)
	if !u.free {
		u.w.unpacked += int64(n)
	}
	return n, err
}

// check looks at the budgets of the whole walk.
func (w *walker) check() error {
	if err := w.ctx.Err(); err != nil {
		w.stop = err
		return err
	}
	switch {
	case w.stop != nil:
		return w.stop
	case w.spent != nil:
	case w.unpacked > w.limits.TotalBytes:
		w.spent = errTotalBytes
	case w.unpacked > freeOfRatio && w.unpacked/w.limits.Ratio > w.size:
		w.spent = errRatio
	case time.Now().After(w.deadline):
		w.spent = errTime
	}
	return w.spent
}

// try runs fn, which calls a decoder's code, and turns its panic into an error.
func try(fn func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return fn()
}

// peeker is a reader whose first bytes can be looked at before they are read.
type peeker struct {
	first []byte // not yet read again
	r     io.Reader
	err   error // of r while peeking
}

func newPeeker(r io.Reader) *peeker {
	p := &peeker{r: r}
	buf := make([]byte, SniffLen)
	n := 0
	for n < len(buf) && p.err == nil {
		var k int
		k, p.err = r.Read(buf[n:])
		n += k
	}
	p.first = buf[:n]
	return p
}

// head is what was peeked.
func (p *peeker) head() []byte { return p.first }

// unread puts bytes in front of the rest.
func (p *peeker) unread(b []byte) { p.first = append(b, p.first...) }

// Read reads the peeked bytes first.
func (p *peeker) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	if p.err != nil {
		return 0, p.err
	}
	return p.r.Read(b)
}

func newBytesAt(b []byte) io.ReaderAt { return bytes.NewReader(b) }
