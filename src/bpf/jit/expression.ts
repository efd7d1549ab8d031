import type { CodeWriter, PlainName } from "../../wasm/index.ts";
import type { AluOperations } from "../isa/index.ts";

/** Code that pushes one value, written as often as `push` is called; `constant` when the value is known. */
export interface Expression {
  readonly push: () => void;
  readonly constant?: number;
}

/** The operations that ALU meanings are stated in, as WebAssembly expressions. */
export interface ExpressionOperations extends AluOperations<Expression, Expression> {
  constant(value: number): Expression;
}

type Suffix = PlainName extends infer Name ? (Name extends `i64.${infer Rest}` ? Rest : never) : never;

/** Comparisons and what holds when they do not. */
const opposite = {
  eq: "ne",
  ne: "eq",
  gt_u: "le_u",
  ge_u: "lt_u",
  lt_u: "ge_u",
  le_u: "gt_u",
  gt_s: "le_s",
  ge_s: "lt_s",
  lt_s: "ge_s",
  le_s: "gt_s",
} as const;

/** Operations at one width, written to `code`. `negated`: every comparison says the opposite. Scratch locals of both types come from `scratch`. */
export function expressionOperations(
  code: CodeWriter,
  width: 32 | 64,
  negated: boolean,
  scratch: (type: "i32" | "i64") => number,
): ExpressionOperations {
  const type = `i${width}` as const;
  // Names are put together once, not for every instruction that is written.
  const nameOf = (suffix: Suffix) => `${type}.${suffix}` as PlainName as Parameters<CodeWriter["op"]>[0];
  const op = (suffix: Suffix) => code.op(nameOf(suffix));
  const constant = (value: number): Expression => ({ push: () => (width === 64 ? code.i64(value) : code.i32(value | 0)), constant: value });
  const binary = (suffix: Suffix) => {
    const name = nameOf(suffix);
    return (a: Expression, b: Expression): Expression => ({
      push: () => {
        a.push();
        b.push();
        code.op(name);
      },
    });
  };
  const compare = (suffix: keyof typeof opposite) => {
    const written = negated ? opposite[suffix] : suffix;
    const name = nameOf(written);
    return (a: Expression, b: Expression): Expression => ({
      push: () => {
        a.push();
        if (written === "eq" && b.constant === 0) {
          op("eqz");
          return;
        }
        b.push();
        code.op(name);
      },
    });
  };
  /** `test` turns the tested value on the stack into a condition. */
  const choose =
    (known: number, test: () => void) =>
    (tested: Expression, then: () => Expression, otherwise: () => Expression): Expression => {
      if (tested.constant !== undefined) return tested.constant === known ? then() : otherwise();
      return {
        push: () => {
          tested.push();
          test();
          code.if(type);
          then().push();
          code.else();
          otherwise().push();
          code.end();
        },
      };
    };
  const minusOne = constant(-1);
  return {
    width,
    zero: constant(0),
    constant,
    add: binary("add"),
    sub: binary("sub"),
    mul: binary("mul"),
    and: binary("and"),
    or: binary("or"),
    xor: binary("xor"),
    shl: binary("shl"),
    shrU: binary("shr_u"),
    shrS: binary("shr_s"),
    divU: binary("div_u"),
    remU: binary("rem_u"),
    divS: binary("div_s"),
    remS: binary("rem_s"),
    ifZero: choose(0, () => op("eqz")),
    ifMinusOne: choose(-1, () => {
      minusOne.push();
      op("eq");
    }),
    extendS: (a, bits) => ({
      push: () => {
        a.push();
        if (bits < width) op(`extend${bits}_s` as Suffix);
      },
    }),
    extendU: (a, bits) => ({
      push: () => {
        a.push();
        if (bits === 32 && width === 64) {
          code.op("i32.wrap_i64");
          code.op("i64.extend_i32_u");
        } else if (bits < width) {
          constant(0xffff).push();
          op("and");
        }
      },
    }),
    swapBytes: (a, bits) => ({ push: () => pushSwapped(code, width, bits, a, scratch) }),
    eq: compare("eq"),
    ne: compare("ne"),
    gtU: compare("gt_u"),
    geU: compare("ge_u"),
    ltU: compare("lt_u"),
    leU: compare("le_u"),
    gtS: compare("gt_s"),
    geS: compare("ge_s"),
    ltS: compare("lt_s"),
    leS: compare("le_s"),
  };
}

/** WebAssembly has no byte swap: 16 and 32 bits by rotations in i32, 64 bits as two halves. */
function pushSwapped(code: CodeWriter, width: 32 | 64, bits: 16 | 32 | 64, a: Expression, scratch: (type: "i32" | "i64") => number): void {
  a.push();
  if (bits === 64) {
    const whole = scratch("i64");
    code.tee(whole);
    code.op("i32.wrap_i64");
    pushSwapped32(code, scratch("i32"));
    code.op("i64.extend_i32_u");
    code.i64(32);
    code.op("i64.shl");
    code.get(whole);
    code.i64(32);
    code.op("i64.shr_u");
    code.op("i32.wrap_i64");
    pushSwapped32(code, scratch("i32"));
    code.op("i64.extend_i32_u");
    code.op("i64.or");
    return;
  }
  if (width === 64) code.op("i32.wrap_i64");
  if (bits === 32) pushSwapped32(code, scratch("i32"));
  else pushSwapped16(code, scratch("i32"));
  if (width === 64) code.op("i64.extend_i32_u");
}

/** Rotated left by 8, bytes 0 and 2 of the result are right; rotated right by 8, bytes 1 and 3 are. */
function pushSwapped32(code: CodeWriter, x: number): void {
  code.tee(x);
  code.i32(8);
  code.op("i32.rotl");
  code.i32(0x00ff00ff);
  code.op("i32.and");
  code.get(x);
  code.i32(8);
  code.op("i32.rotr");
  code.i32(0xff00ff00 | 0);
  code.op("i32.and");
  code.op("i32.or");
}

function pushSwapped16(code: CodeWriter, x: number): void {
  code.tee(x);
  code.i32(8);
  code.op("i32.shl");
  code.i32(0xff00);
  code.op("i32.and");
  code.get(x);
  code.i32(8);
  code.op("i32.shr_u");
  code.i32(0xff);
  code.op("i32.and");
  code.op("i32.or");
}
