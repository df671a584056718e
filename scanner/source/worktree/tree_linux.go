package worktree

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const noFollow = unix.O_NOFOLLOW

// tree opens directories and files below its root and nothing else: the kernel
// refuses links and ".." on the way (openat2, Linux 5.6), whatever changes while the
// walk runs. Where openat2 is missing, os.Root takes its place.
type tree struct {
	root    *os.Root
	dir     *os.File
	resolve uint64
	plain   bool // openat2 is not to be had
}

func openTree(root string, crossDevices bool) (*tree, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	t := &tree{root: r, resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	if !crossDevices {
		t.resolve |= unix.RESOLVE_NO_XDEV
	}
	if t.dir, err = r.Open("."); err != nil {
		_ = r.Close()
		return nil, err
	}
	fd, err := unix.Openat2(int(t.dir.Fd()), ".", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: t.resolve})
	if err != nil {
		t.plain = true
	} else {
		_ = unix.Close(fd)
	}
	return t, nil
}

func (t *tree) close() {
	t.dir.Close()
	_ = t.root.Close()
}

// pathMax is what one call to the kernel may name; longer paths are opened piecewise.
const pathMax = 4000

// openDir opens a directory below the root.
func (t *tree) openDir(rel string) (*os.File, error) {
	if rel == "" {
		rel = "."
	}
	if t.plain {
		return t.root.OpenFile(rel, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	}
	at := t.dir
	for {
		piece := rel
		if len(piece) > pathMax {
			cut := strings.LastIndexByte(piece[:pathMax], '/')
			if cut <= 0 {
				return nil, syscall.ENAMETOOLONG
			}
			piece = piece[:cut]
		}
		fd, err := t.openat2(int(at.Fd()), piece, unix.O_RDONLY|unix.O_DIRECTORY)
		if at != t.dir {
			at.Close()
		}
		if err != nil {
			return nil, err
		}
		at = os.NewFile(uintptr(fd), piece)
		if len(piece) == len(rel) {
			return at, nil
		}
		rel = rel[len(piece)+1:]
	}
}

func (t *tree) openat2(at int, path string, flags uint64) (int, error) {
	for try := 0; ; try++ {
		fd, err := unix.Openat2(at, path, &unix.OpenHow{
			Flags: flags | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK, Resolve: t.resolve,
		})
		switch {
		case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.EAGAIN) && try < 100:
			continue
		case errors.Is(err, syscall.EXDEV):
			return -1, errOtherDevice
		}
		return fd, err
	}
}

// file is an open regular file.
type file struct {
	fd     int
	size   int64
	blocks int64 // bytes that it takes on the disk
}

// open opens a name in dir, a directory from openDir.
func (t *tree) open(dir *os.File, _, name string) (file, error) {
	var fd int
	var err error
	for {
		fd, err = unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
		return file{}, errNotRegular
	}
	if err != nil {
		return file{}, err
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNotRegular
	}
	if err != nil {
		_ = unix.Close(fd)
		return file{}, err
	}
	return file{fd: fd, size: st.Size, blocks: st.Blocks * 512}, nil
}

// ReadAt implements io.ReaderAt.
func (f file) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		k, err := unix.Pread(f.fd, b[n:], off+int64(n))
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return n, err
		case k == 0:
			return n, io.EOF
		}
		n += k
	}
	return n, nil
}

func (f file) close() { _ = unix.Close(f.fd) }
