// Package stdin is the source of one stream of bytes, such as standard input.
package stdin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rekeyhq/rekey/scanner/archive"
	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/source"
)

// Options say how a stream is read. The zero value opens archives.
type Options struct {
	NoArchives bool
	Archives   archive.Limits
}

// whole is how much of a stream is kept in one piece: archives up to this size are
// opened, longer streams are scanned in windows as they are.
const whole = 32 << 20

// Source reads one stream to its end. It is used once.
type Source struct {
	name string
	r    io.Reader
	opt  Options
}

// New returns the source of the bytes of r, which occurrences call name.
func New(name string, r io.Reader, opt Options) *Source { return &Source{name, r, opt} }

// Scan implements source.Source. It returns when the stream has ended, or with the
// error of ctx as soon as a read returns after ctx ended: a read that blocks is for
// the caller to end, by closing the stream.
func (s *Source) Scan(ctx context.Context, run *source.Run) error {
	w := run.Worker()
	run.Counts.Files.Add(1)
	in := &stream{ctx: ctx, r: s.r, left: run.MaxFile, limited: run.MaxFile > 0}
	it := source.Item{Kind: finding.KindStdin, Path: s.name}
	var head bytes.Buffer
	_, err := io.Copy(&head, io.LimitReader(in, whole))
	if err == nil && head.Len() == whole {
		_, err = w.ScanReader(it, io.MultiReader(&head, in))
	} else {
		it.Data = head.Bytes()
		w.Scan(it)
		if err == nil {
			err = s.archive(ctx, run, w, head.Bytes())
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errLimit):
		run.Hole(source.Hole{Class: source.Policy, What: "input", Name: s.name,
			Reason: fmt.Sprintf("longer than the limit of %d bytes: the rest was not read", run.MaxFile)})
	case err != nil:
		run.Hole(source.Hole{Class: source.Unreadable, What: "input", Name: s.name, Reason: err.Error()})
	}
	return nil
}

func (s *Source) archive(ctx context.Context, run *source.Run, w *source.Worker, data []byte) error {
	if s.opt.NoArchives {
		return nil
	}
	holes, err := archive.Walk(ctx, s.name, bytes.NewReader(data), int64(len(data)), s.opt.Archives, func(e archive.Entry) error {
		// Read errors of an entry are among the holes.
		_, _ = w.ScanReader(source.Item{Kind: finding.KindStdin, Path: e.Name}, e.Reader)
		return ctx.Err()
	})
	for _, h := range holes {
		run.Hole(source.Hole{Class: source.Policy, What: "archive entry", Name: h.Name, Reason: h.Reason})
	}
	return err
}

var errLimit = errors.New("longer than the limit")

// stream ends with its context and at the limit of bytes.
type stream struct {
	ctx     context.Context
	r       io.Reader
	left    int64
	limited bool
}

func (s *stream) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if !s.limited {
		return s.r.Read(b)
	}
	if s.left < 0 {
		return 0, errLimit
	}
	if int64(len(b)) > s.left+1 {
		b = b[:s.left+1]
	}
	n, err := s.r.Read(b)
	if s.left -= int64(n); s.left < 0 {
		return n - 1, errLimit
	}
	return n, err
}
