package history

import (
	"context"
	"io"

	"github.com/sourcegraph/conc"

	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/source"
)

// queued objects wait for a worker; larger ones are scanned where they are read, so
// that the queue stays small.
const (
	queueLength = 64
	queuedSize  = 1 << 20
)

// readPlain reads all objects that are wanted.
func (s *scan) readPlain() error {
	var filter git.Filter
	if s.only != nil {
		filter.Want = s.only.Has
	}
	holes, err := s.selectPlain(filter, nil)
	for _, h := range holes {
		s.hole(h, true)
	}
	return err
}

// selectPlain reads objects one after the other and has them scanned by workers. It
// returns what could not be read. links, if any, is told every object.
func (s *scan) selectPlain(filter git.Filter, links *git.Links) ([]git.Hole, error) {
	queue := make(chan git.Object, queueLength)
	workers := make([]*worker, max(1, s.run.Workers))
	var group conc.WaitGroup
	for i := range workers {
		w := s.worker()
		workers[i] = w
		group.Go(func() {
			defer func() { // a worker that fails must not block the reader
				for range queue {
				}
			}()
			for o := range queue {
				w.object(o.Oid, o.Type, o.Data)
			}
		})
	}
	own := s.worker()
	stats, err := s.repo.Select(s.ctx, filter, func(o git.Object) error {
		if s.graph != nil {
			s.graph.Add(o.Oid, o.Type, o.Data)
		}
		if links != nil && o.Large == nil {
			if err := links.Add(o.Oid, o.Type, o.Data); err != nil {
				s.hole(git.Hole{Kind: git.Unreadable, What: o.Type.String(), Oid: o.Oid, Offset: -1, Reason: err.Error()}, true)
			}
		}
		switch {
		case o.Type == git.Blob && s.run.MaxFile > 0 && o.Size > s.run.MaxFile:
			s.tooLarge(o.Oid)
			own.done(0)
		case o.Large != nil && o.Type == git.Blob:
			_ = own.large(o.Oid, contextReader{s.ctx, o.Large}) // the reader makes a hole of it
		case o.Large != nil:
			s.run.Hole(source.Hole{Class: source.Policy, What: o.Type.String(), Name: o.Oid.String(), Reason: "too large to be read as a whole"})
		case o.Size > queuedSize:
			own.object(o.Oid, o.Type, o.Data)
		default:
			queue <- o
		}
		return nil
	})
	close(queue)
	group.Wait()
	for _, w := range append(workers, own) {
		s.found = append(s.found, w.found...)
	}
	return stats.Holes, err
}

func (s *scan) tooLarge(o git.Oid) {
	s.run.Hole(source.Hole{Class: source.Policy, What: "object", Name: o.String(),
		Reason: "larger than the limit on file sizes; --max-file raises it"})
}

// contextReader ends a long read when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
