//go:build !purego

package literal

import "golang.org/x/sys/cpu"

// hasWide reports whether this machine can run scanWide.
func hasWide() bool {
	return cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasPOPCNT
}

// scanWide fills found with the positions among the first blocks*blockLen of
// text where a window may begin, each increased by base. It returns their number
// and how many blocks it did: fewer when found is nearly full. It reads
// (blocks-1)*blockLen+blockReach bytes, which text must have.
func (f *filter) scanWide(found *candidates, text []byte, blocks int, base uint32) (n, done int) {
	// The scheduler cannot interrupt assembly: come back every 64 KiB.
	blocks = min(blocks, 1024)
	_ = text[(blocks-1)*blockLen+blockReach-1]
	return scanBlocks(&f.table[0], f.shift, &text[0], blocks, base, &found[0], len(found)-blockLen)
}

// scanBlocks does the work of scanWide. It stops after a block that leaves more
// than limit positions in found.
//
//go:noescape
func scanBlocks(table *uint32, shift uint64, text *byte, blocks int, base uint32, found *uint32, limit int) (n, done int)
