import { expect, test } from "vitest";
import { evaluate } from "./machine.ts";

/** r0 after `operation` with r1 and r2 set. */
const compute = (operation: string, r1: string, r2 = "0"): bigint => evaluate(`r1 = ${r1} ll\nr2 = ${r2} ll\n${operation}\nr0 = r1\nexit`);

const MIN64 = "0x8000000000000000";
const MIN32 = "0xaaaaaaaa80000000";
const MINUS_ONE = "0xffffffffffffffff";

test("division by zero gives 0, and the remainder is the dividend, in both widths and signs", () => {
  expect(compute("r1 /= r2", "77")).toBe(0n);
  expect(compute("r1 s/= r2", "77")).toBe(0n);
  expect(compute("r1 %= r2", "77")).toBe(77n);
  expect(compute("r1 s%= r2", MINUS_ONE)).toBe(0xffffffffffffffffn);
  expect(compute("w1 /= w2", MINUS_ONE)).toBe(0n);
  expect(compute("w1 %= w2", "0x1234567800000005", "0x100000000")).toBe(5n);
  expect(compute("w1 s%= w2", MIN32)).toBe(0x80000000n);
});

test("the smallest number divided by -1 is itself, with remainder 0", () => {
  expect(compute("r1 s/= r2", MIN64, MINUS_ONE)).toBe(0x8000000000000000n);
  expect(compute("r1 s/= -1", MIN64)).toBe(0x8000000000000000n);
  expect(compute("r1 s%= r2", MIN64, MINUS_ONE)).toBe(0n);
  expect(compute("w1 s/= w2", MIN32, MINUS_ONE)).toBe(0x80000000n);
  expect(compute("w1 s/= -1", MIN32)).toBe(0x80000000n);
  expect(compute("w1 s%= w2", MIN32, "0x1ffffffff")).toBe(0n);
});

test("signed division rounds towards zero", () => {
  expect(BigInt.asIntN(64, compute("r1 s/= r2", "0xfffffffffffffff9", "2"))).toBe(-3n);
  expect(BigInt.asIntN(64, compute("r1 s%= r2", "0xfffffffffffffff9", "2"))).toBe(-1n);
  expect(compute("w1 s/= w2", "0xfffffff9", "2")).toBe(0xfffffffdn);
});

test("shifts take their count modulo the width", () => {
  expect(compute("r1 <<= r2", "1", "65")).toBe(2n);
  expect(compute("r1 >>= r2", MIN64, "127")).toBe(1n);
  expect(compute("r1 s>>= r2", MIN64, "68")).toBe(0xf800000000000000n);
  expect(compute("w1 <<= w2", "1", "33")).toBe(2n);
  expect(compute("w1 s>>= w2", MIN32, "63")).toBe(0xffffffffn);
});

test("32-bit operations clear the upper half", () => {
  expect(compute("w1 += w2", MINUS_ONE, "1")).toBe(0n);
  expect(compute("w1 = w2", "0", MINUS_ONE)).toBe(0xffffffffn);
  expect(compute("w1 = -5", "0")).toBe(0xfffffffbn);
  expect(compute("w1 *= w2", "0x1ffffffff", "0x1ffffffff")).toBe(1n);
  expect(compute("w1 = -w1", "5")).toBe(0xfffffffbn);
  expect(compute("w1 ^= -1", "0")).toBe(0xffffffffn);
});

test("immediates are sign-extended to the width of the operation", () => {
  expect(compute("r1 = -5", "0")).toBe(0xfffffffffffffffbn);
  expect(compute("r1 += -5", "3")).toBe(0xfffffffffffffffen);
  expect(compute("r1 /= -1", MINUS_ONE)).toBe(1n);
});

test("sign-extending moves", () => {
  expect(compute("r1 = (s8)r2", "0", "0x1280")).toBe(0xffffffffffffff80n);
  expect(compute("r1 = (s16)r2", "0", "0x17fff")).toBe(0x7fffn);
  expect(compute("r1 = (s32)r2", "0", "0x80000000")).toBe(0xffffffff80000000n);
  expect(compute("w1 = (s8)w2", "0", "0x80")).toBe(0xffffff80n);
  expect(compute("w1 = (s16)w2", "0", "0x8000")).toBe(0xffff8000n);
});

test("byte swaps and truncations", () => {
  const value = "0x0123456789abcdef";
  expect(compute("r1 = be16 r1", value)).toBe(0xefcdn);
  expect(compute("r1 = be32 r1", value)).toBe(0xefcdab89n);
  expect(compute("r1 = be64 r1", value)).toBe(0xefcdab8967452301n);
  expect(compute("r1 = bswap16 r1", value)).toBe(0xefcdn);
  expect(compute("r1 = bswap32 r1", value)).toBe(0xefcdab89n);
  expect(compute("r1 = bswap64 r1", value)).toBe(0xefcdab8967452301n);
  expect(compute("r1 = le16 r1", value)).toBe(0xcdefn);
  expect(compute("r1 = le32 r1", value)).toBe(0x89abcdefn);
  expect(compute("r1 = le64 r1", value)).toBe(0x0123456789abcdefn);
});

test("conditions, signed and unsigned, in both widths, both ways", () => {
  const taken = (condition: string, r1: string, r2 = "0") =>
    evaluate(`r1 = ${r1} ll\nr2 = ${r2} ll\nr0 = 1\nif ${condition} goto yes\nr0 = 0\nyes:\nexit`) === 1n;
  expect(taken("r1 > r2", MINUS_ONE, "1")).toBe(true);
  expect(taken("r1 s> r2", MINUS_ONE, "1")).toBe(false);
  expect(taken("r1 s< -1", MIN64)).toBe(true);
  expect(taken("r1 == -1", MINUS_ONE)).toBe(true);
  expect(taken("w1 == -1", "0xffffffff")).toBe(true);
  expect(taken("r1 == -1", "0xffffffff")).toBe(false);
  expect(taken("r1 & r2", "0x100000000", "0x100000000")).toBe(true);
  expect(taken("w1 & w2", "0x100000000", "0x100000000")).toBe(false);
  expect(taken("w1 s<= w2", "0x80000000", "0x100000000")).toBe(true);
  expect(taken("w1 != 0", "0x100000000")).toBe(false);
});
