//go:build !purego

#include "textflag.h"

// The same as in wide_amd64.s, for 16 samples: the trigrams (their first byte is
// masked out) and the neighbours, of 32 positions from byte 0 and, so as to read
// no more than blockReach bytes, of the next 32 from byte 8 of the second load.
DATA trigrams512<>+0(SB)/8, $0x0504030003020100
DATA trigrams512<>+8(SB)/8, $0x0908070007060500
DATA trigrams512<>+16(SB)/8, $0x0d0c0b000b0a0900
DATA trigrams512<>+24(SB)/8, $0x11100f000f0e0d00
DATA trigrams512<>+32(SB)/8, $0x1514130013121100
DATA trigrams512<>+40(SB)/8, $0x1918170017161500
DATA trigrams512<>+48(SB)/8, $0x1d1c1b001b1a1900
DATA trigrams512<>+56(SB)/8, $0x21201f001f1e1d00
GLOBL trigrams512<>(SB), RODATA|NOPTR, $64
DATA beside512<>+0(SB)/8, $0x0606020204040000
DATA beside512<>+8(SB)/8, $0x0a0a060608080404
DATA beside512<>+16(SB)/8, $0x0e0e0a0a0c0c0808
DATA beside512<>+24(SB)/8, $0x12120e0e10100c0c
DATA beside512<>+32(SB)/8, $0x1616121214141010
DATA beside512<>+40(SB)/8, $0x1a1a161618181414
DATA beside512<>+48(SB)/8, $0x1e1e1a1a1c1c1818
DATA beside512<>+56(SB)/8, $0x22221e1e20201c1c
GLOBL beside512<>(SB), RODATA|NOPTR, $64
DATA mix512<>+0(SB)/8, $0x0505050501010101
DATA mix512<>+8(SB)/8, $0x0d0d0d0d09090909
GLOBL mix512<>(SB), RODATA|NOPTR, $16
DATA bit512<>+0(SB)/8, $0x8040201008040201
DATA bit512<>+8(SB)/8, $0x8040201008040201
GLOBL bit512<>(SB), RODATA|NOPTR, $16

// TEST makes a bit for each of 32 positions, in the order of the text.
#define TEST(text, tri, near, bits) \
	VMOVDQU64  text(SI), Z0            \
	VPERMB.Z   Z0, tri, K1, Z1         \
	VPERMB     Z0, near, Z2            \
	VPMULLD    Z20, Z1, Z1             \
	VPSRLD     X5, Z1, Z3              \
	VPSHUFB    Z21, Z1, Z1             \
	VPXORQ     Z1, Z2, Z2              \
	VPMADDUBSW Z22, Z2, Z2             \
	VPANDQ     Z23, Z2, Z2             \
	VPSHUFB    Z2, Z24, Z2             \
	KXNORW     K0, K0, K2              \
	VPXORQ     Z4, Z4, Z4              \
	VPGATHERDD (DI)(Z3*4), K2, Z4      \
	VPTESTNMW  Z2, Z4, K3              \
	KMOVD      K3, bits

// NEXT writes the position of the lowest bit of AX and clears that bit.
#define NEXT(slot) \
	TZCNTQ AX, BX        \
	ADDL   R8, BX        \
	MOVL   BX, slot(R11) \
	BLSRQ  AX, AX

// func scanAVX512(table *uint32, shift uint64, text *byte, blocks int, found *uint32, limit int) (n, done int)
TEXT ·scanAVX512(SB), NOSPLIT, $0-64
	MOVQ            table+0(FP), DI
	VMOVQ           shift+8(FP), X5
	MOVQ            text+16(FP), SI
	MOVQ            blocks+24(FP), CX
	MOVQ            found+32(FP), R11
	MOVQ            limit+40(FP), R10
	XORL            R8, R8
	LEAQ            (R11)(R10*4), R10
	VMOVDQU64       trigrams512<>(SB), Z16
	VMOVDQU64       beside512<>(SB), Z17
	MOVL            $0x18181818, AX
	VPBROADCASTD    AX, Z0
	VPADDB          Z0, Z16, Z18
	VPADDB          Z0, Z17, Z19
	MOVL            $0x9e3779b1, AX
	VPBROADCASTD    AX, Z20
	VBROADCASTI32X4 mix512<>(SB), Z21
	MOVL            $0x01200120, AX
	VPBROADCASTD    AX, Z22
	MOVL            $0x07070707, AX
	VPBROADCASTD    AX, Z23
	VBROADCASTI32X4 bit512<>(SB), Z24
	MOVQ            $0xeeeeeeeeeeeeeeee, AX
	KMOVQ           AX, K1

block:
	TEST(0, Z16, Z17, AX)
	TEST(8, Z18, Z19, BX)
	SHLQ $32, BX
	ORQ  BX, AX

	POPCNTQ AX, R9
	LEAQ    (R11)(R9*4), R9
	NEXT(0)
	NEXT(4)
	JZ      written

more:
	NEXT(8)
	LEAQ 4(R11), R11
	JNZ  more

written:
	MOVQ R9, R11
	ADDQ $64, SI
	ADDL $64, R8
	DECQ CX
	JZ   end
	CMPQ R11, R10
	JBE  block

end:
	VZEROUPPER
	SUBQ found+32(FP), R11
	SHRQ $2, R11
	MOVQ R11, n+48(FP)
	MOVQ blocks+24(FP), AX
	SUBQ CX, AX
	MOVQ AX, done+56(FP)
	RET
