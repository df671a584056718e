package literal

import (
	"os"
	"syscall"
	"testing"
)

// Assembly must not touch a byte outside the data: here it lies at the end, then
// at the beginning, of a mapping with forbidden pages around it.
func TestFindReadsInsideDataOnly(t *testing.T) {
	page := os.Getpagesize()
	m, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skip("no memory mapping here:", err)
	}
	defer syscall.Munmap(m)
	room := m[page : 2*page : 2*page]
	if err := syscall.Mprotect(room, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	for i := range room {
		room[i] = "ghp_x"[i%5]
	}
	sets := all(fixed("ghp_", "hp_xghp_xghp", "p_x"))
	for n := range 300 {
		for _, data := range [][]byte{room[:n:n], room[page-n:]} {
			for name, s := range sets {
				for _, lo := range []int{0, n / 2, n - 1} {
					for _, hi := range []int{lo + 1, n} {
						if got := s.Find(nil, data, lo, hi); len(got) > 3*n {
							t.Fatalf("%s: %d hits in %d bytes", name, len(got), n)
						}
					}
				}
			}
		}
	}
}
