//go:build !purego

#include "textflag.h"

// A sample is a position e = 2i+1 with the trigram there, c0 before it and c3
// after it. A lane of 16 bytes holds four: the trigrams, each shifted up by one
// byte, and twice each of its neighbours.
DATA trigrams<>+0(SB)/8, $0x0504038003020180
DATA trigrams<>+8(SB)/8, $0x0908078007060580
GLOBL trigrams<>(SB), RODATA|NOPTR, $16
DATA beside<>+0(SB)/8, $0x0606020204040000
DATA beside<>+8(SB)/8, $0x0a0a060608080404
GLOBL beside<>(SB), RODATA|NOPTR, $16

// The second byte of each hash, four times.
DATA mix<>+0(SB)/8, $0x0505050501010101
DATA mix<>+8(SB)/8, $0x0d0d0d0d09090909
GLOBL mix<>(SB), RODATA|NOPTR, $16

DATA factor<>+0(SB)/4, $0x9e3779b1
GLOBL factor<>(SB), RODATA|NOPTR, $4

// The same byte twice, times 32 and times 1.
DATA times33<>+0(SB)/4, $0x01200120
GLOBL times33<>(SB), RODATA|NOPTR, $4
DATA seven<>+0(SB)/4, $0x07070707
GLOBL seven<>(SB), RODATA|NOPTR, $4
DATA bit<>+0(SB)/8, $0x8040201008040201
DATA bit<>+8(SB)/8, $0x8040201008040201
GLOBL bit<>(SB), RODATA|NOPTR, $16

// HASH puts the indices of eight samples into slot(SP) and their selectors into
// slot+128(SP): samples at text+1, +3, +5, +7 and 16 bytes further.
#define HASH(text, slot) \
	VMOVDQU     text(SI), X0            \
	VINSERTI128 $1, text+16(SI), Y0, Y0 \
	VPSHUFB     Y6, Y0, Y1              \
	VPSHUFB     Y7, Y0, Y2              \
	VPMULLD     Y9, Y1, Y1              \
	VPSRLD      X5, Y1, Y3              \
	VPSHUFB     Y8, Y1, Y1              \
	VPXOR       Y1, Y2, Y2              \
	VPMADDUBSW  Y10, Y2, Y2             \
	VPAND       Y11, Y2, Y2             \
	VPSHUFB     Y2, Y12, Y2             \
	VMOVDQU     Y3, slot(SP)            \
	VMOVDQU     Y2, slot+128(SP)

// LOOK gathers into A the eight words whose indices are in slot(SP), without
// VPGATHERDD, which is slow on many processors (see machine). Broadcasts from
// memory and blends, unlike VPINSRD, do not all need the same port.
#define LOOK(slot, A, B, C, D) \
	MOVL slot(SP), AX           \
	MOVL slot+4(SP), BX         \
	MOVL slot+8(SP), R12        \
	MOVL slot+12(SP), R13       \
	VPBROADCASTD (DI)(AX*4), A  \
	VPBROADCASTD (DI)(BX*4), B  \
	VPBROADCASTD (DI)(R12*4), C \
	VPBROADCASTD (DI)(R13*4), D \
	VPBLENDD $0x02, B, A, A     \
	VPBLENDD $0x08, D, C, C     \
	VPBLENDD $0x0C, C, A, A     \
	MOVL slot+16(SP), AX        \
	MOVL slot+20(SP), BX        \
	MOVL slot+24(SP), R12       \
	MOVL slot+28(SP), R13       \
	VPBROADCASTD (DI)(AX*4), B  \
	VPBROADCASTD (DI)(BX*4), C  \
	VPBROADCASTD (DI)(R12*4), D \
	VPBLENDD $0x20, C, B, B     \
	VPBROADCASTD (DI)(R13*4), C \
	VPBLENDD $0x80, C, D, D     \
	VPBLENDD $0xC0, D, B, B     \
	VPBLENDD $0xF0, B, A, A

// TEST looks up the samples of two HASHes and makes a bit for each of their 32
// positions. Packing puts the lanes into the order of the text.
#define TEST(slot, bits) \
	LOOK(slot, Y0, Y1, Y2, Y3)     \
	LOOK(slot+32, Y1, Y2, Y3, Y4)  \
	VPAND     slot+128(SP), Y0, Y0 \
	VPAND     slot+160(SP), Y1, Y1 \
	VPCMPEQW  Y13, Y0, Y0          \
	VPCMPEQW  Y13, Y1, Y1          \
	VPACKSSWB Y1, Y0, Y0           \
	VPMOVMSKB Y0, bits

// NEXT writes the position of the lowest bit of AX and clears that bit.
#define NEXT(slot) \
	TZCNTQ AX, BX      \
	ADDL   R8, BX      \
	MOVL   BX, slot(R11) \
	BLSRQ  AX, AX

// func scanAVX2(table *uint32, shift uint64, text *byte, blocks int, found *uint32, limit int) (n, done int)
TEXT ·scanAVX2(SB), 0, $256-64
	MOVQ           table+0(FP), DI
	VMOVQ          shift+8(FP), X5
	MOVQ           text+16(FP), SI
	MOVQ           blocks+24(FP), CX
	MOVQ           found+32(FP), R11
	MOVQ           limit+40(FP), R10
	XORL           R8, R8
	LEAQ           (R11)(R10*4), R10
	VBROADCASTI128 trigrams<>(SB), Y6
	VBROADCASTI128 beside<>(SB), Y7
	VBROADCASTI128 mix<>(SB), Y8
	VPBROADCASTD   factor<>(SB), Y9
	VPBROADCASTD   times33<>(SB), Y10
	VPBROADCASTD   seven<>(SB), Y11
	VBROADCASTI128 bit<>(SB), Y12
	VPXOR          Y13, Y13, Y13

block:
	HASH(0, 0)
	HASH(8, 32)
	HASH(32, 64)
	HASH(40, 96)
	TEST(0, DX)
	TEST(64, R9)
	SHLQ $32, R9
	MOVQ DX, AX
	ORQ  R9, AX

	// Nearly every block has two candidates or fewer: write two without
	// looking, so that no branch depends on their number.
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
