import type { AluOperations } from "./alu.ts";

const reverseBytes = (value: bigint, bits: number): bigint => {
  let swapped = 0n;
  for (let shift = 0n; shift < BigInt(bits); shift += 8n) swapped = (swapped << 8n) | ((value >> shift) & 0xffn);
  return swapped;
};

/** The meaning of instructions over BigInts without sign, as RFC 9669 has it. */
function operations(width: 32 | 64): AluOperations<bigint, boolean> {
  const unsigned = (value: bigint): bigint => BigInt.asUintN(width, value);
  const signed = (value: bigint): bigint => BigInt.asIntN(width, value);
  const countMask = BigInt(width - 1);
  const minusOne = (1n << BigInt(width)) - 1n;
  return {
    width,
    zero: 0n,
    add: (a, b) => unsigned(a + b),
    sub: (a, b) => unsigned(a - b),
    mul: (a, b) => unsigned(a * b),
    and: (a, b) => a & b,
    or: (a, b) => a | b,
    xor: (a, b) => a ^ b,
    shl: (a, count) => unsigned(a << (count & countMask)),
    shrU: (a, count) => a >> (count & countMask),
    shrS: (a, count) => unsigned(signed(a) >> (count & countMask)),
    divU: (a, b) => a / b,
    remU: (a, b) => a % b,
    divS: (a, b) => unsigned(signed(a) / signed(b)),
    remS: (a, b) => unsigned(signed(a) % signed(b)),
    ifZero: (tested, then, otherwise) => (tested === 0n ? then() : otherwise()),
    ifMinusOne: (tested, then, otherwise) => (tested === minusOne ? then() : otherwise()),
    extendS: (a, bits) => unsigned(BigInt.asIntN(bits, a)),
    extendU: (a, bits) => BigInt.asUintN(bits, a),
    swapBytes: reverseBytes,
    eq: (a, b) => a === b,
    ne: (a, b) => a !== b,
    gtU: (a, b) => a > b,
    geU: (a, b) => a >= b,
    ltU: (a, b) => a < b,
    leU: (a, b) => a <= b,
    gtS: (a, b) => signed(a) > signed(b),
    geS: (a, b) => signed(a) >= signed(b),
    ltS: (a, b) => signed(a) < signed(b),
    leS: (a, b) => signed(a) <= signed(b),
  };
}

export const on64 = operations(64);
export const on32 = operations(32);
