/**
 * The operations that the meaning of an instruction is written in, at one width: 64 or 32 bits. A `Value` is a number of that width without a sign
 * (a BigInt in the interpreter, an expression of WebAssembly in the compiler); a `Condition` is what a branch takes.
 */
export interface AluOperations<Value, Condition> {
  readonly width: 32 | 64;
  readonly zero: Value;
  add(a: Value, b: Value): Value;
  sub(a: Value, b: Value): Value;
  mul(a: Value, b: Value): Value;
  and(a: Value, b: Value): Value;
  or(a: Value, b: Value): Value;
  xor(a: Value, b: Value): Value;
  /** Shifts take their count modulo the width. */
  shl(a: Value, count: Value): Value;
  shrU(a: Value, count: Value): Value;
  shrS(a: Value, count: Value): Value;
  /** Division is only asked for divisors other than 0, and signed division only for divisors other than -1. */
  divU(a: Value, b: Value): Value;
  remU(a: Value, b: Value): Value;
  divS(a: Value, b: Value): Value;
  remS(a: Value, b: Value): Value;
  ifZero(tested: Value, then: () => Value, otherwise: () => Value): Value;
  ifMinusOne(tested: Value, then: () => Value, otherwise: () => Value): Value;
  /** The lowest `bits` bits with their sign spread over the width, or with zeros. */
  extendS(a: Value, bits: 8 | 16 | 32): Value;
  extendU(a: Value, bits: 16 | 32): Value;
  /** The lowest `bits` bits with their bytes in the other order; the rest is 0. */
  swapBytes(a: Value, bits: 16 | 32 | 64): Value;
  eq(a: Value, b: Value): Condition;
  ne(a: Value, b: Value): Condition;
  gtU(a: Value, b: Value): Condition;
  geU(a: Value, b: Value): Condition;
  ltU(a: Value, b: Value): Condition;
  leU(a: Value, b: Value): Condition;
  gtS(a: Value, b: Value): Condition;
  geS(a: Value, b: Value): Condition;
  ltS(a: Value, b: Value): Condition;
  leS(a: Value, b: Value): Condition;
}

/** What an arithmetic instruction leaves in its destination, from destination and operand before it. The 32-bit forms clear the upper half. */
export type AluMeaning = <Value, Condition>(on: AluOperations<Value, Condition>, dst: Value, src: Value) => Value;

/** When a conditional jump is taken. */
export type BranchMeaning = <Value, Condition>(on: AluOperations<Value, Condition>, dst: Value, src: Value) => Condition;

export const add: AluMeaning = (on, dst, src) => on.add(dst, src);
export const sub: AluMeaning = (on, dst, src) => on.sub(dst, src);
export const mul: AluMeaning = (on, dst, src) => on.mul(dst, src);
export const and: AluMeaning = (on, dst, src) => on.and(dst, src);
export const or: AluMeaning = (on, dst, src) => on.or(dst, src);
export const xor: AluMeaning = (on, dst, src) => on.xor(dst, src);
export const lsh: AluMeaning = (on, dst, src) => on.shl(dst, src);
export const rsh: AluMeaning = (on, dst, src) => on.shrU(dst, src);
export const arsh: AluMeaning = (on, dst, src) => on.shrS(dst, src);
export const neg: AluMeaning = (on, dst) => on.sub(on.zero, dst);
export const mov: AluMeaning = (_on, _dst, src) => src;

/** Unsigned division. A zero divisor gives 0 and never traps. RFC 9669, section 4.1. */
export const div: AluMeaning = (on, dst, src) =>
  on.ifZero(
    src,
    () => on.zero,
    () => on.divU(dst, src),
  );

/** Unsigned remainder. A zero divisor leaves the dividend. RFC 9669, section 4.1. */
export const mod: AluMeaning = (on, dst, src) =>
  on.ifZero(
    src,
    () => dst,
    () => on.remU(dst, src),
  );

/** Signed division, rounded towards zero. By 0 it gives 0; the smallest number by -1 gives itself. RFC 9669, section 4.1. */
export const sdiv: AluMeaning = (on, dst, src) =>
  on.ifZero(
    src,
    () => on.zero,
    () =>
      on.ifMinusOne(
        src,
        () => on.sub(on.zero, dst),
        () => on.divS(dst, src),
      ),
  );

/** Signed remainder, with the sign of the dividend. By 0 it leaves the dividend; by -1 it gives 0. RFC 9669, section 4.1. */
export const smod: AluMeaning = (on, dst, src) =>
  on.ifZero(
    src,
    () => dst,
    () =>
      on.ifMinusOne(
        src,
        () => on.zero,
        () => on.remS(dst, src),
      ),
  );

export const movsx8: AluMeaning = (on, _dst, src) => on.extendS(src, 8);
export const movsx16: AluMeaning = (on, _dst, src) => on.extendS(src, 16);
export const movsx32: AluMeaning = (on, _dst, src) => on.extendS(src, 32);

/** To little endian on a little-endian machine: what is above the width goes. RFC 9669, section 4.2. */
export const le16: AluMeaning = (on, dst) => on.extendU(dst, 16);
export const le32: AluMeaning = (on, dst) => on.extendU(dst, 32);
export const le64: AluMeaning = (_on, dst) => dst;
/** To big endian on a little-endian machine, and the unconditional swap. RFC 9669, section 4.2. */
export const swap16: AluMeaning = (on, dst) => on.swapBytes(dst, 16);
export const swap32: AluMeaning = (on, dst) => on.swapBytes(dst, 32);
export const swap64: AluMeaning = (on, dst) => on.swapBytes(dst, 64);

export const jeq: BranchMeaning = (on, dst, src) => on.eq(dst, src);
export const jne: BranchMeaning = (on, dst, src) => on.ne(dst, src);
export const jset: BranchMeaning = (on, dst, src) => on.ne(on.and(dst, src), on.zero);
export const jgt: BranchMeaning = (on, dst, src) => on.gtU(dst, src);
export const jge: BranchMeaning = (on, dst, src) => on.geU(dst, src);
export const jlt: BranchMeaning = (on, dst, src) => on.ltU(dst, src);
export const jle: BranchMeaning = (on, dst, src) => on.leU(dst, src);
export const jsgt: BranchMeaning = (on, dst, src) => on.gtS(dst, src);
export const jsge: BranchMeaning = (on, dst, src) => on.geS(dst, src);
export const jslt: BranchMeaning = (on, dst, src) => on.ltS(dst, src);
export const jsle: BranchMeaning = (on, dst, src) => on.leS(dst, src);
