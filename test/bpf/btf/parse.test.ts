import fc from "fast-check";
import { expect, test } from "vitest";
import { type Btf, type BtfType, decodeValue, FileRange, parseBtf, writeBtf } from "../../../src/bpf/btf/index.ts";
import { shapes, typesOf } from "./randomTypes.ts";

const parse = (bytes: Uint8Array): Btf => parseBtf(new FileRange(bytes, "made.o", 1000, true)).btf;

/** The problem that reading gives: code, and offset in the file. */
function problemOf(bytes: Uint8Array): string {
  try {
    parse(bytes);
    return "fine";
  } catch (error) {
    const { problem } = error as { problem: { code: string; at: { file: string; offset: number } } };
    return `${problem.code} at ${problem.at.offset}`;
  }
}

/** One type of every kind. */
const everyKind: readonly BtfType[] = [
  { kind: "void" },
  { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, signed: true, char: false, bool: false },
  { kind: "ptr", type: 0 },
  { kind: "array", element: 1, index: 1, length: 7 },
  { kind: "struct", name: "s", size: 8, members: [{ name: "a", type: 1, bitOffset: 0, bitSize: 0 }] },
  { kind: "union", name: "u", size: 4, members: [{ name: "b", type: 1, bitOffset: 3, bitSize: 5 }] },
  { kind: "enum", name: "e", size: 4, signed: true, values: [{ name: "MINUS", value: -1n }] },
  { kind: "fwd", name: "later", union: true },
  { kind: "typedef", name: "t", type: 4 },
  { kind: "volatile", type: 1 },
  { kind: "const", type: 1 },
  { kind: "restrict", type: 2 },
  { kind: "func", name: "f", type: 13, linkage: 1 },
  {
    kind: "func_proto",
    result: 1,
    parameters: [
      { name: "x", type: 1 },
      { name: "", type: 0 },
    ],
  },
  { kind: "var", name: "v", type: 1, linkage: 1 },
  { kind: "datasec", name: ".data", size: 4, variables: [{ type: 14, offset: 0, size: 4 }] },
  { kind: "float", name: "double", size: 8 },
  { kind: "decl_tag", name: "tag", type: 4, component: -1 },
  { kind: "type_tag", name: "user", type: 1 },
  { kind: "enum64", name: "wide", size: 8, signed: false, values: [{ name: "TOP", value: 0xffff_ffff_ffff_fff0n }] },
];

test("every kind of type is read as it was written, in both byte orders and behind a header of any length", () => {
  for (const littleEndian of [true, false])
    for (const headerLength of [24, 28, 64])
      expect(parse(writeBtf(everyKind, littleEndian, headerLength))).toEqual({ types: everyKind, littleEndian });
});

test("random types survive writing and reading, and values read by them are the same", () => {
  fc.assert(
    fc.property(shapes, fc.boolean(), fc.infiniteStream(fc.nat(255)), (shape, littleEndian, stream) => {
      const { btf, id, size } = typesOf(shape, littleEndian);
      const read = parse(writeBtf(btf.types, littleEndian));
      expect(read).toEqual(btf);
      const bytes = Uint8Array.from({ length: size }, () => stream.next().value);
      expect(decodeValue(read, id, bytes)).toEqual(decodeValue(btf, id, bytes));
    }),
  );
});

test("what is damaged is a problem with its offset in the file", () => {
  const good = writeBtf(everyKind, true);
  const changed = (at: number, ...bytes: number[]) => {
    const copy = good.slice();
    copy.set(bytes, at);
    return copy;
  };
  expect(problemOf(good)).toBe("fine");
  expect(problemOf(new Uint8Array())).toBe("object_cut at 1000");
  expect(problemOf(good.subarray(0, 30))).toBe("object_cut at 1024");
  expect(problemOf(changed(0, 0, 0))).toBe("btf_bad_magic at 1000");
  expect(problemOf(changed(2, 9))).toBe("btf_bad_version at 1002");
  expect(problemOf(changed(4, 8))).toBe("object_cut at 1004");
  // The kind of the first type; the size of the integer; what the pointer points at.
  expect(problemOf(changed(31, 31))).toBe("btf_unknown_kind at 1024");
  expect(problemOf(changed(32, 2))).toBe("btf_bad_int at 1024");
  expect(problemOf(changed(48, 99))).toBe("btf_bad_reference at 1040");
  expect(problemOf(changed(good.length - 1, 65))).toMatch(/^object_string_unterminated at /);
});

test("a table whose names overlap does not make memory grow without bound", () => {
  const long = "x".repeat(4000);
  const types: BtfType[] = [{ kind: "void" }, { kind: "fwd", name: long, union: false }];
  for (let index = 0; index < 3000; index++) types.push({ kind: "fwd", name: "y", union: false });
  const bytes = writeBtf(types, true);
  const view = new DataView(bytes.buffer);
  // Each of the other types now names a tail of the long name.
  for (let index = 1; index < types.length - 1; index++) view.setUint32(24 + index * 12, 1 + index, true);
  expect(problemOf(bytes)).toMatch(/^object_strings_too_long at /);
});
