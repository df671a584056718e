package git

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// source reads a file forward from any offset with pread, in windows: a file that is
// cut while it is read gives an error, never a fault. It knows where it stands to the
// byte, as the end of a compressed entry is only known after inflating it.
type source struct {
	r    io.ReaderAt
	size int64
	at   int64 // offset in the file of buf[0]
	buf  []byte
	pos  int
	n    int
}

const sourceWindow = 32 << 10

func newSource(r io.ReaderAt, size int64) *source {
	return &source{r: r, size: size, buf: make([]byte, sourceWindow)}
}

// seek sets where the next byte is read. Bytes already in the window are kept.
func (s *source) seek(off int64) {
	if off >= s.at && off <= s.at+int64(s.n) {
		s.pos = int(off - s.at)
		return
	}
	s.at, s.pos, s.n = off, 0, 0
}

func (s *source) offset() int64 { return s.at + int64(s.pos) }

func (s *source) fill() error {
	if s.pos < s.n {
		return nil
	}
	at := s.offset()
	if at >= s.size {
		return io.EOF
	}
	want := min(int64(len(s.buf)), s.size-at)
	n, err := s.r.ReadAt(s.buf[:want], at)
	if n == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	s.at, s.pos, s.n = at, 0, n
	return nil
}

func (s *source) ReadByte() (byte, error) {
	if s.pos == s.n {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	b := s.buf[s.pos]
	s.pos++
	return b, nil
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	n := copy(p, s.buf[s.pos:s.n])
	s.pos += n
	return n, nil
}

// peek returns up to n bytes from off on, without a promise that there are as many.
func (s *source) peek(off int64, n int, scratch []byte) ([]byte, error) {
	s.seek(off)
	if s.n-s.pos >= n {
		return s.buf[s.pos : s.pos+n], nil
	}
	want := min(int64(n), s.size-off)
	if want <= 0 {
		return nil, ErrTruncated
	}
	got, err := s.r.ReadAt(scratch[:want], off)
	if got > 0 {
		return scratch[:got], nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = ErrTruncated
	}
	return nil, err
}

// inflater inflates zlib streams with the standard library.
type inflater struct{ z io.ReadCloser }

// open begins a stream at the source's place.
func (f *inflater) open(s *source) (io.Reader, error) {
	if f.z == nil {
		z, err := zlib.NewReader(s)
		if err != nil {
			return nil, zlibError(err)
		}
		f.z = z
		return z, nil
	}
	if err := f.z.(zlib.Resetter).Reset(s, nil); err != nil {
		return nil, zlibError(err)
	}
	return f.z, nil
}

// all inflates a stream that must hold exactly size bytes, checksum included. Memory
// follows the bytes that are really there, whatever size promises.
func (f *inflater) all(s *source, size int64) ([]byte, error) {
	z, err := f.open(s)
	if err != nil {
		return nil, err
	}
	return readExactly(z, size)
}

const trustedSize = 1 << 20

func readExactly(z io.Reader, size int64) ([]byte, error) {
	var b []byte
	if size <= trustedSize {
		b = make([]byte, size)
		if _, err := io.ReadFull(z, b); err != nil {
			return nil, zlibError(err)
		}
	} else {
		var buf bytes.Buffer
		buf.Grow(trustedSize)
		if n, err := io.CopyN(&buf, z, size); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%d bytes of %d: %w", n, size, ErrTruncated)
			}
			return nil, zlibError(err)
		}
		b = buf.Bytes()
	}
	return b, atEnd(z)
}

// atEnd makes sure that a stream ends here and that its checksum holds.
func atEnd(z io.Reader) error {
	var one [1]byte
	switch n, err := io.ReadFull(z, one[:]); {
	case n > 0:
		return errors.New("inflates to more than it promises")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return zlibError(err)
	}
}

func zlibError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("inflate: %w", ErrTruncated)
	}
	return fmt.Errorf("inflate: %w", err)
}
