import fc from "fast-check";
import type { Btf, BtfMember, BtfType } from "../../../src/bpf/btf/index.ts";

/** A type to be laid out, as C would declare it. */
export type Shape =
  | { readonly kind: "int"; readonly size: 1 | 2 | 4 | 8 | 16; readonly signed: boolean }
  | { readonly kind: "bool" | "char" | "ptr" }
  | { readonly kind: "float"; readonly size: 4 | 8 }
  | { readonly kind: "enum"; readonly values: readonly number[]; readonly signed: boolean }
  | { readonly kind: "array"; readonly element: Shape; readonly length: number }
  | { readonly kind: "struct" | "union"; readonly members: readonly ShapeMember[] }
  | { readonly kind: "typedef" | "const"; readonly of: Shape };

export type ShapeMember = { readonly anonymous: boolean; readonly shape: Shape } | { readonly bits: number; readonly signed: boolean };

const scalar: fc.Arbitrary<Shape> = fc.oneof(
  fc.record({ kind: fc.constant("int" as const), size: fc.constantFrom(1, 2, 4, 8, 16) as fc.Arbitrary<1>, signed: fc.boolean() }),
  fc.record({ kind: fc.constantFrom("bool" as const, "char" as const, "ptr" as const) }),
  fc.record({ kind: fc.constant("float" as const), size: fc.constantFrom(4, 8) as fc.Arbitrary<4> }),
  fc.record({
    kind: fc.constant("enum" as const),
    values: fc.uniqueArray(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { maxLength: 4 }),
    signed: fc.boolean(),
  }),
);

/** Types nested up to four deep. */
export const shapes: fc.Arbitrary<Shape> = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.record({ kind: fc.constant("array" as const), element: tie("shape"), length: fc.nat(5) }),
    fc.record({
      kind: fc.constantFrom("struct" as const, "union" as const),
      members: fc.array(
        fc.oneof(
          fc.record({ anonymous: fc.boolean(), shape: tie("shape") }),
          fc.record({ bits: fc.integer({ min: 1, max: 64 }), signed: fc.boolean() }),
        ),
        { maxLength: 5 },
      ),
    }),
    fc.record({ kind: fc.constantFrom("typedef" as const, "const" as const), of: tie("shape") }),
  ),
})).shape;

/** Lays a shape out as types, and gives the id of the whole. Bitfields follow one another without regard to alignment, which BTF may say too. */
export function typesOf(shape: Shape, littleEndian: boolean): { btf: Btf; id: number; size: number } {
  const types: BtfType[] = [{ kind: "void" }];
  let names = 0;
  const add = (type: BtfType): number => types.push(type) - 1;
  const int = (name: string, size: number, signed: boolean, extra: Partial<{ bool: boolean; char: boolean }> = {}) =>
    add({ kind: "int", name, size, bits: size * 8, bitOffset: 0, signed, bool: false, char: false, ...extra });
  const build = (one: Shape): { id: number; size: number } => {
    switch (one.kind) {
      case "int":
        return { id: int(`${one.signed ? "s" : "u"}${one.size * 8}`, one.size, one.signed), size: one.size };
      case "bool":
        return { id: int("_Bool", 1, false, { bool: true }), size: 1 };
      case "char":
        return { id: int("char", 1, true), size: 1 };
      case "ptr":
        return { id: add({ kind: "ptr", type: 0 }), size: 8 };
      case "float":
        return { id: add({ kind: "float", name: one.size === 4 ? "float" : "double", size: one.size }), size: one.size };
      case "enum": {
        const values = one.values.map((value) => ({ name: `E${value}`, value: BigInt(value) }));
        return { id: add({ kind: "enum", name: `e${names++}`, size: 4, signed: one.signed, values }), size: 4 };
      }
      case "array": {
        const element = build(one.element);
        const index = int("u32", 4, false);
        return { id: add({ kind: "array", element: element.id, index, length: one.length }), size: element.size * one.length };
      }
      case "typedef": {
        const of = build(one.of);
        return { id: add({ kind: "typedef", name: `t${names++}`, type: of.id }), size: of.size };
      }
      case "const": {
        const of = build(one.of);
        return { id: add({ kind: "const", type: of.id }), size: of.size };
      }
      default:
        return composite(one.kind, one.members);
    }
  };
  const composite = (kind: "struct" | "union", shapesOfMembers: readonly ShapeMember[]): { id: number; size: number } => {
    let end = 0;
    const members: BtfMember[] = shapesOfMembers.map((one) => {
      const start = kind === "union" ? 0 : end;
      if ("bits" in one) {
        const type = int(one.signed ? "s64" : "u64", 8, one.signed);
        end = Math.max(end, start + one.bits);
        return { name: `m${names++}`, type, bitOffset: start, bitSize: one.bits };
      }
      const { id, size } = build(one.shape);
      const bitOffset = Math.ceil(start / 8) * 8;
      end = Math.max(end, bitOffset + size * 8);
      const nameless = one.anonymous && (one.shape.kind === "struct" || one.shape.kind === "union");
      return { name: nameless ? "" : `m${names++}`, type: id, bitOffset, bitSize: 0 };
    });
    const size = Math.ceil(end / 8);
    return { id: add({ kind, name: `c${names++}`, size, members }), size };
  };
  const { id, size } = build(shape);
  return { btf: { types, littleEndian }, id, size };
}
