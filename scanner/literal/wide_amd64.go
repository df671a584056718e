//go:build !purego

package literal

import "golang.org/x/sys/cpu"

// hasWide reports whether this machine can run wideFilter.scan.
func hasWide() bool {
	return cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasPOPCNT
}

// scanBlocks fills found with the positions among the first blocks*blockLen of
// text where a window may begin. It returns their number and how many blocks it
// did: one at least, all unless found is nearly full or they are very many. It reads (blocks-1)*blockLen+blockReach bytes of text.
func (f *wideFilter) scanBlocks(found *candidates, text []byte, blocks int) (n, done int) {
	blocks = min(blocks, 1024) // the scheduler cannot interrupt assembly: come back every 64 KiB
	_ = text[(blocks-1)*blockLen+blockReach-1]
	return scanAVX2(&f.table[0], f.shift, &text[0], blocks, &found[0], len(found)-blockLen)
}

// scanAVX2 does the work of scanBlocks; blocks must be 1 or more, table have
// 2^(32-shift) words. It stops after a block that leaves more than limit
// positions in found, which must have room for blockLen more.
//
//go:noescape
func scanAVX2(table *uint32, shift uint64, text *byte, blocks int, found *uint32, limit int) (n, done int)
