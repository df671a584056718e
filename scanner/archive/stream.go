package archive

import (
	"archive/tar"
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/nwaples/rardecode/v2"
)

// open walks one archive: r for kinds that are read as a stream, at for the others.
// What goes wrong becomes a hole of p.
func (w *walker) open(kind Kind, p place, r io.Reader, at section) {
	if w.over() {
		return
	}
	var err error
	switch kind {
	case Zip:
		err = w.zip(p, at)
	case Tar:
		err = w.tar(p, r)
	case Ar:
		err = w.ar(p, r)
	case Rar:
		err = w.rar(p, r)
	case SevenZip:
		err = w.sevenZip(p, at)
	default:
		err = w.decompress(kind, p, r)
	}
	if w.spent != nil && err == nil {
		err = w.spent
	}
	w.hole(p.name, err)
}

// decompress opens one layer of compression. A tar inside keeps the outer name:
// a.tgz!file; anything else is named after the file: a.txt.gz!a.txt.
func (w *walker) decompress(kind Kind, p place, r io.Reader) error {
	var out io.Reader
	var closer func()
	err := try(func() (err error) {
		out, closer, err = decoder(kind, bufio.NewReader(r))
		return err
	})
	if err != nil {
		return err
	}
	if closer != nil {
		defer func() { _ = try(func() error { closer(); return nil }) }()
	}
	in := newPeeker(&unpacker{w: w, r: out})
	inner, ok := Sniff("", in.head())
	p.layers++
	switch {
	case ok && p.layers >= 2*w.limits.Depth:
		return unknownError("too many layers of compression")
	case ok && (inner == Tar || inner.compression()):
		w.open(inner, p, in, section{})
	default:
		p.name = join(p.name, stem(p.name))
		w.entry(p, in)
	}
	return nil
}

func decoder(kind Kind, r io.Reader) (out io.Reader, closer func(), err error) {
	switch kind {
	case Gzip:
		out, err = gzip.NewReader(r)
	case Bzip2:
		out = bzip2.NewReader(r)
	case Xz:
		out, err = xz.NewReader(r, maxDictionary)
	case Zstd:
		var z *zstd.Decoder
		z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxDictionary), zstd.WithDecoderMaxMemory(maxDictionary))
		if err == nil {
			out, closer = z, z.Close
		}
	default:
		err = unknownError("no decoder for " + kind.String())
	}
	return out, closer, err
}

// stem is the name of the file in a compressed one.
func stem(name string) string {
	base := name[strings.LastIndexAny(name, "/!")+1:]
	if ext := path.Ext(base); len(ext) > 1 && len(ext) < len(base) {
		return strings.TrimSuffix(base, ext)
	}
	return base
}

func join(outer, inner string) string { return outer + "!" + inner }

func (w *walker) tar(p place, r io.Reader) error {
	t := tar.NewReader(r)
	for !w.over() {
		if err := w.check(); err != nil {
			return err
		}
		var h *tar.Header
		err := try(func() (err error) { h, err = t.Next(); return err })
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return err
		}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
			q := p
			q.name = join(p.name, h.Name)
			w.entry(q, &unpacker{w: w, r: t, free: !sparse(h)})
		}
	}
	return nil
}

// sparse reports whether the entry yields more bytes than it has in the archive.
func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// rar opens RAR 1.5 to 5.
func (w *walker) rar(p place, r io.Reader) error {
	var d *rardecode.Reader
	err := try(func() (err error) {
		d, err = rardecode.NewReader(r, rardecode.MaxDictionarySize(maxDictionary))
		return err
	})
	for err == nil && !w.over() {
		if err := w.check(); err != nil {
			return err
		}
		var h *rardecode.FileHeader
		if err = try(func() (err error) { h, err = d.Next(); return err }); err != nil {
			break
		}
		if h.IsDir {
			continue
		}
		q := p
		q.name = join(p.name, h.Name)
		if h.Encrypted {
			w.hole(q.name, errEncrypted)
			continue
		}
		w.entry(q, &unpacker{w: w, r: d})
		// Of a solid archive what is passed over is unpacked too: here, under the
		// budget, not out of sight in Next.
		_, err = io.Copy(io.Discard, &unpacker{w: w, r: d})
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, rardecode.ErrArchiveEncrypted), errors.Is(err, rardecode.ErrArchivedFileEncrypted):
		return errEncrypted
	case errors.Is(err, rardecode.ErrMultiVolume):
		return unknownError("continues in another volume, which is not opened")
	case errors.Is(err, rardecode.ErrDictionaryTooLarge):
		return unknownError(fmt.Sprintf("needs a dictionary of more than %d bytes", maxDictionary))
	}
	return err
}

// ar opens Unix archives: libraries and Debian packages.
func (w *walker) ar(p place, r io.Reader) error {
	b := bufio.NewReader(r)
	if _, err := b.Discard(8); err != nil {
		return err
	}
	for !w.over() {
		if err := w.check(); err != nil {
			return err
		}
		var head [60]byte
		if _, err := io.ReadFull(b, head[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimRight(string(head[48:58]), " "), 10, 64)
		if err != nil || size < 0 || string(head[58:]) != "`\n" {
			return errors.New("bad header of a member")
		}
		name := strings.TrimRight(string(head[:16]), " ")
		if name != "/" { // an index of symbols is called "/" and holds no text
			name = strings.TrimSuffix(name, "/")
		}
		body := io.LimitReader(b, size)
		q := p
		q.name = join(p.name, name)
		w.entry(q, &unpacker{w: w, r: body, free: true})
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		if size%2 == 1 {
			_, _ = b.Discard(1)
		}
	}
	return nil
}
