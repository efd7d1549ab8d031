/**
 * What instructions do at the edges, from RFC 9669 and the live kernel: text, registers before (r1, r2), and r0 after it. All numbers are 64-bit words.
 */
export interface Vector {
  readonly text: string;
  readonly r0: bigint;
  readonly r1?: bigint;
  readonly r2?: bigint;
}

const ALL = 0xffff_ffff_ffff_ffffn;
const MIN64 = 0x8000_0000_0000_0000n;
const MIN32 = 0x8000_0000n;
const MIXED = 0x8123_4567_89ab_cdefn;

export const vectors: readonly Vector[] = [
  // Immediates are sign-extended to 64 bits; 32-bit operations clear the upper half.
  { text: "r0 = -1", r0: ALL },
  { text: "w0 = -1", r0: 0xffff_ffffn },
  { text: "r0 = r1\nr0 += -1", r1: 0n, r0: ALL },
  { text: "r0 = r1\nw0 += 1", r1: ALL, r0: 0n },
  { text: "r0 = r1\nr0 += 1", r1: ALL, r0: 0n },
  { text: "r0 = r1\nr0 -= r2", r1: 0n, r2: 1n, r0: ALL },
  { text: "r0 = r1\nw0 -= w2", r1: 0n, r2: 1n, r0: 0xffff_ffffn },
  { text: "w0 = w1", r1: MIXED, r0: 0x89ab_cdefn },
  { text: "r0 = r1\nr0 &= -2", r1: ALL, r0: ALL - 1n },
  { text: "r0 = r1\nw0 &= -2", r1: ALL, r0: 0xffff_fffen },
  { text: "r0 = r1\nr0 |= 0x80000000", r1: 0n, r0: 0xffff_ffff_8000_0000n },
  { text: "r0 = r1\nw0 |= 0x80000000", r1: MIN64, r0: MIN32 },
  { text: "r0 = r1\nr0 ^= -1", r1: MIXED, r0: ALL ^ MIXED },
  { text: "r0 = r1\nw0 ^= w1", r1: MIXED, r0: 0n },
  { text: "r0 = r1\nr0 *= r2", r1: ALL, r2: ALL, r0: 1n },
  { text: "r0 = r1\nr0 *= -1", r1: MIN64, r0: MIN64 },
  { text: "r0 = r1\nw0 *= w2", r1: MIXED, r2: 0x1_0000_0001n, r0: 0x89ab_cdefn },
  { text: "r0 = r1\nr0 = -r0", r1: MIN64, r0: MIN64 },
  { text: "r0 = r1\nw0 = -w0", r1: 0xffff_ffff_0000_0001n, r0: 0xffff_ffffn },
  { text: "r0 = r1\nw0 = -w0", r1: MIN32, r0: MIN32 },
  // Division by zero, and of the smallest number by -1.
  { text: "r0 = r1\nr0 /= r2", r1: MIXED, r2: 0n, r0: 0n },
  { text: "r0 = r1\nw0 /= w2", r1: MIXED, r2: 0xffff_ffff_0000_0000n, r0: 0n },
  { text: "r0 = r1\nr0 %= r2", r1: MIXED, r2: 0n, r0: MIXED },
  { text: "r0 = r1\nw0 %= w2", r1: MIXED, r2: 0n, r0: 0x89ab_cdefn },
  { text: "r0 = r1\nr0 s/= r2", r1: MIXED, r2: 0n, r0: 0n },
  { text: "r0 = r1\nw0 s/= w2", r1: MIXED, r2: 0n, r0: 0n },
  { text: "r0 = r1\nr0 s%= r2", r1: MIXED, r2: 0n, r0: MIXED },
  { text: "r0 = r1\nw0 s%= w2", r1: MIXED, r2: 0n, r0: 0x89ab_cdefn },
  { text: "r0 = r1\nr0 s/= r2", r1: MIN64, r2: ALL, r0: MIN64 },
  { text: "r0 = r1\nr0 s/= -1", r1: MIN64, r0: MIN64 },
  { text: "r0 = r1\nw0 s/= w2", r1: MIN32, r2: 0xffff_ffffn, r0: MIN32 },
  { text: "r0 = r1\nr0 s%= r2", r1: MIN64, r2: ALL, r0: 0n },
  { text: "r0 = r1\nw0 s%= -1", r1: MIN32, r0: 0n },
  { text: "r0 = r1\nr0 s/= 2", r1: ALL - 2n, r0: ALL },
  { text: "r0 = r1\nr0 s%= 2", r1: ALL - 2n, r0: ALL },
  { text: "r0 = r1\nr0 s%= -2", r1: 3n, r0: 1n },
  { text: "r0 = r1\nw0 s/= -3", r1: 7n, r0: 0xffff_fffen },
  { text: "r0 = r1\nw0 s%= 3", r1: 0xffff_fff9n, r0: 0xffff_ffffn },
  { text: "r0 = r1\nr0 /= -1", r1: ALL - 1n, r0: 0n },
  { text: "r0 = r1\nr0 %= -1", r1: ALL - 1n, r0: ALL - 1n },
  { text: "r0 = r1\nw0 /= 2", r1: MIXED, r0: 0x44d5_e6f7n },
  // Shift counts are taken modulo the width.
  { text: "r0 = r1\nr0 <<= r2", r1: 1n, r2: 63n, r0: MIN64 },
  { text: "r0 = r1\nr0 <<= r2", r1: 1n, r2: 64n, r0: 1n },
  { text: "r0 = r1\nr0 <<= r2", r1: 1n, r2: 0x1_0000_0041n, r0: 2n },
  { text: "r0 = r1\nw0 <<= w2", r1: 1n, r2: 32n, r0: 1n },
  { text: "r0 = r1\nw0 <<= w2", r1: ALL, r2: 31n, r0: MIN32 },
  { text: "r0 = r1\nr0 >>= r2", r1: MIXED, r2: 68n, r0: MIXED >> 4n },
  { text: "r0 = r1\nw0 >>= w2", r1: MIXED, r2: 36n, r0: 0x089a_bcden },
  { text: "r0 = r1\nr0 s>>= r2", r1: MIN64, r2: 63n, r0: ALL },
  { text: "r0 = r1\nr0 s>>= r2", r1: MIN64, r2: 127n, r0: ALL },
  { text: "r0 = r1\nw0 s>>= w2", r1: MIN32, r2: 31n, r0: 0xffff_ffffn },
  { text: "r0 = r1\nw0 s>>= 4", r1: MIXED, r0: 0xf89a_bcden },
  { text: "r0 = r1\nw0 s>>= w2", r1: MIN32, r2: 32n, r0: MIN32 },
  // Moves with sign.
  { text: "r0 = (s8)r1", r1: 0x80n, r0: 0xffff_ffff_ffff_ff80n },
  { text: "r0 = (s8)r1", r1: 0xff7fn, r0: 0x7fn },
  { text: "r0 = (s16)r1", r1: 0x1_8000n, r0: 0xffff_ffff_ffff_8000n },
  { text: "r0 = (s32)r1", r1: 0x7_8000_0000n, r0: 0xffff_ffff_8000_0000n },
  { text: "w0 = (s8)w1", r1: ALL, r0: 0xffff_ffffn },
  { text: "w0 = (s16)w1", r1: 0x8000n, r0: 0xffff_8000n },
  { text: "w0 = (s16)w1", r1: 0xffff_7fffn, r0: 0x7fffn },
  // Byte order: the machine is little endian.
  { text: "r0 = r1\nr0 = le16 r0", r1: MIXED, r0: 0xcdefn },
  { text: "r0 = r1\nr0 = le32 r0", r1: MIXED, r0: 0x89ab_cdefn },
  { text: "r0 = r1\nr0 = le64 r0", r1: MIXED, r0: MIXED },
  { text: "r0 = r1\nr0 = be16 r0", r1: MIXED, r0: 0xefcdn },
  { text: "r0 = r1\nr0 = be32 r0", r1: MIXED, r0: 0xefcd_ab89n },
  { text: "r0 = r1\nr0 = be64 r0", r1: MIXED, r0: 0xefcd_ab89_6745_2381n },
  { text: "r0 = r1\nr0 = bswap16 r0", r1: MIXED, r0: 0xefcdn },
  { text: "r0 = r1\nr0 = bswap32 r0", r1: MIXED, r0: 0xefcd_ab89n },
  { text: "r0 = r1\nr0 = bswap64 r0", r1: MIXED, r0: 0xefcd_ab89_6745_2381n },
  // Wide loads.
  { text: "r0 = 0x8123456789abcdef ll", r0: MIXED },
  { text: "r0 = -1 ll", r0: ALL },
  // Loads and stores of all sizes; sign-extending loads.
  { text: "*(u64 *)(r10 -8) = r1\nr0 = *(u8 *)(r10 -1)", r1: MIXED, r0: 0x81n },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = *(s8 *)(r10 -1)", r1: MIXED, r0: 0xffff_ffff_ffff_ff81n },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = *(u16 *)(r10 -8)", r1: MIXED, r0: 0xcdefn },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = *(s16 *)(r10 -8)", r1: MIXED, r0: 0xffff_ffff_ffff_cdefn },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = *(u32 *)(r10 -4)", r1: MIXED, r0: 0x8123_4567n },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = *(s32 *)(r10 -4)", r1: MIXED, r0: 0xffff_ffff_8123_4567n },
  { text: "*(u64 *)(r10 -8) = 0\n*(u8 *)(r10 -8) = r1\nr0 = *(u64 *)(r10 -8)", r1: MIXED, r0: 0xefn },
  { text: "*(u64 *)(r10 -8) = 0\n*(u16 *)(r10 -6) = r1\nr0 = *(u64 *)(r10 -8)", r1: MIXED, r0: 0xcdef_0000n },
  { text: "*(u64 *)(r10 -8) = 0\n*(u32 *)(r10 -8) = -2\nr0 = *(u64 *)(r10 -8)", r0: 0xffff_fffen },
  { text: "*(u64 *)(r10 -8) = -2\nr0 = *(u64 *)(r10 -8)", r0: ALL - 1n },
  { text: "*(u64 *)(r10 -8) = 0\n*(u16 *)(r10 -8) = -2\nr0 = *(u64 *)(r10 -8)", r0: 0xfffen },
  { text: "*(u64 *)(r10 -512) = r1\nr2 = r10\nr2 += -512\nr0 = *(u64 *)(r2 +0)", r1: MIXED, r0: MIXED },
  // Atomics: 32-bit forms touch four bytes, and what they fetch is zero-extended.
  { text: "*(u64 *)(r10 -8) = r1\nlock *(u32 *)(r10 -8) += r2\nr0 = *(u64 *)(r10 -8)", r1: ALL, r2: 1n, r0: 0xffff_ffff_0000_0000n },
  { text: "*(u64 *)(r10 -8) = r1\nlock *(u64 *)(r10 -8) += r2\nr0 = *(u64 *)(r10 -8)", r1: ALL, r2: 2n, r0: 1n },
  { text: "*(u64 *)(r10 -8) = r1\nlock *(u64 *)(r10 -8) &= r2\nr0 = *(u64 *)(r10 -8)", r1: MIXED, r2: 0xff00n, r0: 0xcd00n },
  { text: "*(u64 *)(r10 -8) = r1\nlock *(u32 *)(r10 -8) |= r2\nr0 = *(u64 *)(r10 -8)", r1: 0n, r2: ALL, r0: 0xffff_ffffn },
  { text: "*(u64 *)(r10 -8) = r1\nlock *(u64 *)(r10 -8) ^= r2\nr0 = *(u64 *)(r10 -8)", r1: MIXED, r2: MIXED, r0: 0n },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = r2\nr0 = atomic_fetch_add((u32 *)(r10 -4), r0)", r1: MIXED, r2: 1n, r0: 0x8123_4567n },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = r2\nr0 = atomic64_fetch_or((u64 *)(r10 -8), r0)", r1: MIXED, r2: ALL, r0: MIXED },
  {
    text: "*(u64 *)(r10 -8) = r1\nr0 = r2\nr0 = atomic64_fetch_and((u64 *)(r10 -8), r0)\nr0 = *(u64 *)(r10 -8)",
    r1: MIXED,
    r2: 0xffn,
    r0: 0xefn,
  },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = r2\nr0 = atomic_fetch_xor((u32 *)(r10 -8), r0)", r1: MIXED, r2: ALL, r0: 0x89ab_cdefn },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = r2\nr0 = atomic_xchg((u32 *)(r10 -8), r0)", r1: ALL, r2: MIXED, r0: 0xffff_ffffn },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = r2\nr0 = atomic64_xchg((u64 *)(r10 -8), r0)\nr0 = *(u64 *)(r10 -8)", r1: ALL, r2: MIXED, r0: MIXED },
  // cmpxchg always leaves the old value in r0; the 32-bit form compares the low half only.
  {
    text: "*(u64 *)(r10 -8) = r1\nr0 = r1\nr0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r2)\nr0 = *(u64 *)(r10 -8)",
    r1: MIXED,
    r2: 7n,
    r0: 7n,
  },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = 1\nr0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r2)", r1: MIXED, r2: 7n, r0: MIXED },
  {
    text: "*(u64 *)(r10 -8) = r1\nr0 = 0x1234567889abcdef ll\nr0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r2)\nr0 = *(u64 *)(r10 -8)",
    r1: MIXED,
    r2: ALL,
    r0: 0x8123_4567_ffff_ffffn,
  },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = -1\nr0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r2)", r1: MIXED, r2: ALL, r0: 0x89ab_cdefn },
  // Ordered loads and stores.
  { text: "*(u64 *)(r10 -8) = r1\nr0 = load_acquire((u8 *)(r10 -1))", r1: MIXED, r0: 0x81n },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = load_acquire((u16 *)(r10 -8))", r1: MIXED, r0: 0xcdefn },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = load_acquire((u32 *)(r10 -4))", r1: MIXED, r0: 0x8123_4567n },
  { text: "*(u64 *)(r10 -8) = r1\nr0 = load_acquire((u64 *)(r10 -8))", r1: MIXED, r0: MIXED },
  { text: "*(u64 *)(r10 -8) = 0\nstore_release((u8 *)(r10 -7), r1)\nr0 = *(u64 *)(r10 -8)", r1: MIXED, r0: 0xef00n },
  { text: "*(u64 *)(r10 -8) = 0\nstore_release((u16 *)(r10 -6), r1)\nr0 = *(u64 *)(r10 -8)", r1: MIXED, r0: 0xcdef_0000n },
  { text: "*(u64 *)(r10 -8) = 0\nstore_release((u32 *)(r10 -8), r1)\nr0 = *(u64 *)(r10 -8)", r1: MIXED, r0: 0x89ab_cdefn },
  { text: "*(u64 *)(r10 -8) = 0\nstore_release((u64 *)(r10 -8), r1)\nr0 = *(u64 *)(r10 -8)", r1: MIXED, r0: MIXED },
];

/** For every condition: whether it is taken for (r1, r2) in 64 and in 32 bits. */
export interface Comparison {
  readonly sign: string;
  readonly r1: bigint;
  readonly r2: bigint;
  readonly wide: boolean;
  readonly narrow: boolean;
}

/** High half and low half disagree, so that a comparison of the wrong width or sign shows. */
const HIGH = 0x1_0000_0000n;

export const comparisons: readonly Comparison[] = [
  { sign: "==", r1: HIGH | 5n, r2: 5n, wide: false, narrow: true },
  { sign: "!=", r1: HIGH | 5n, r2: 5n, wide: true, narrow: false },
  { sign: ">", r1: HIGH, r2: 5n, wide: true, narrow: false },
  { sign: ">", r1: ALL, r2: 5n, wide: true, narrow: true },
  { sign: ">=", r1: HIGH | 5n, r2: 6n, wide: true, narrow: false },
  { sign: ">=", r1: 6n, r2: 6n, wide: true, narrow: true },
  { sign: "<", r1: 5n, r2: HIGH, wide: true, narrow: false },
  { sign: "<", r1: 5n, r2: ALL, wide: true, narrow: true },
  { sign: "<=", r1: HIGH, r2: 5n, wide: false, narrow: true },
  { sign: "<=", r1: 5n, r2: 5n, wide: true, narrow: true },
  { sign: "s>", r1: 1n, r2: ALL, wide: true, narrow: true },
  { sign: "s>", r1: MIN32, r2: 0n, wide: true, narrow: false },
  { sign: "s>=", r1: MIN64, r2: 0n, wide: false, narrow: true },
  { sign: "s>=", r1: ALL, r2: ALL, wide: true, narrow: true },
  { sign: "s<", r1: ALL, r2: 1n, wide: true, narrow: true },
  { sign: "s<", r1: MIN32, r2: 0n, wide: false, narrow: true },
  { sign: "s<=", r1: MIN64, r2: 1n, wide: true, narrow: true },
  { sign: "s<=", r1: 1n, r2: MIN32, wide: true, narrow: false },
  { sign: "&", r1: HIGH, r2: ALL, wide: true, narrow: false },
  { sign: "&", r1: 4n, r2: 6n, wide: true, narrow: true },
];

/** The vector as a program: both registers are loaded whole. */
export const programOf = ({ text, r1 = 0n, r2 = 0n }: Vector): string => `r1 = ${r1} ll\nr2 = ${r2} ll\n${text}\nexit`;

export const branchOf = ({ sign, r1, r2 }: Comparison, letter: "r" | "w"): string =>
  `r1 = ${r1} ll\nr2 = ${r2} ll\nr0 = 1\nif ${letter}1 ${sign} ${letter}2 goto out\nr0 = 0\nout: exit`;
