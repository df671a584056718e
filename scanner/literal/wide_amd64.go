//go:build !purego

package literal

import "golang.org/x/sys/cpu"

// machine returns the filters that this machine can run, the best last.
func machine() []kind {
	x, kinds := &cpu.X86, []kind{narrow}
	if x.HasAVX2 && x.HasBMI1 && x.HasPOPCNT {
		kinds = append(kinds, avx2)
		// The version for AVX-512 lives by gathering words. Microcode against Gather
		// Data Sampling makes that slow on the Intel processors it affects (Intel's
		// "Gather Data Sampling", ID 785676, read 2026-11-21). AMX came with the
		// first server processors it does not affect, and AMD has none. This
		// decides about speed only; measured on such an Intel processor, 1.7 times
		// that of AVX2.
		if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VBMI && x.HasAMXTile {
			kinds = append(kinds, avx512)
		}
	}
	return kinds
}

// scanBlocks fills found with the positions among the first blocks*blockLen of
// text where a window may begin. It returns their number and how many blocks it
// did: one at least, all unless found is nearly full or they are very many. It
// reads (blocks-1)*blockLen+blockReach bytes of text.
func (f *wideFilter) scanBlocks(found *candidates, text []byte, blocks int) (n, done int) {
	blocks = min(blocks, 1024) // the scheduler cannot interrupt assembly: come back every 64 KiB
	_ = text[(blocks-1)*blockLen+blockReach-1]
	if f.kind == avx512 {
		return scanAVX512(&f.table[0], f.shift, &text[0], blocks, &found[0], len(found)-blockLen)
	}
	return scanAVX2(&f.table[0], f.shift, &text[0], blocks, &found[0], len(found)-blockLen)
}

// scanAVX2 does the work of scanBlocks; blocks must be 1 or more, table have
// 2^(32-shift) words. It stops after a block that leaves more than limit
// positions in found, which must have room for blockLen more.
//
//go:noescape
func scanAVX2(table *uint32, shift uint64, text *byte, blocks int, found *uint32, limit int) (n, done int)

// scanAVX512 does the same as scanAVX2.
//
//go:noescape
func scanAVX512(table *uint32, shift uint64, text *byte, blocks int, found *uint32, limit int) (n, done int)
