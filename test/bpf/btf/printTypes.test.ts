import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Btf, type BtfType, declaration, decodeValue, FileRange, parseBtf, printTypes } from "../../../src/bpf/btf/index.ts";
import { openObject } from "../../../src/bpf/elf/index.ts";
import { shapes, typesOf } from "./randomTypes.ts";

const typesOfObject = (name: string): Btf => {
  const file = `test/bpf/elf/objects/${name}.o`;
  const opened = openObject(readFileSync(file), { file });
  if (!opened.ok || opened.value.btf === null) throw new Error("no types");
  return opened.value.btf;
};

test("the types of an object are printed as bpftool prints them", () => {
  expect(`${printTypes(typesOfObject("everything.clang19"))}\n`).toBe(readFileSync("test/bpf/elf/objects/everything.types.h", "utf8"));
});

const int = (name: string, size: number, signed = false): BtfType => ({
  ...{ kind: "int", name, size, bits: size * 8, bitOffset: 0 },
  ...{ signed, char: false, bool: false },
});
const member = (name: string, type: number, bitOffset: number, bitSize = 0) => ({ name, type, bitOffset, bitSize });
const withTypes = (...types: BtfType[]): Btf => ({ littleEndian: true, types: [{ kind: "void" }, ...types] });

test("padding that C would not leave, and packing, are written out", () => {
  const btf = withTypes(
    int("int", 4, true),
    int("char", 1, true),
    { kind: "struct", name: "aligned", size: 64, members: [member("a", 1, 0), member("b", 1, 256)] },
    { kind: "struct", name: "packed", size: 5, members: [member("a", 2, 0), member("b", 1, 8)] },
    { kind: "struct", name: "bits", size: 4, members: [member("a", 1, 3, 2), member("b", 1, 8, 20)] },
  );
  expect(printTypes(btf)).toBe(
    [
      "struct aligned {\n\tint a;\n\tint: 32;\n\tlong: 64;\n\tlong: 64;\n\tlong: 64;\n\tint b;\n\tint: 32;\n\tlong: 64;\n\tlong: 64;\n\tlong: 64;\n};",
      "struct packed {\n\tchar a;\n\tint b;\n} __attribute__((packed));",
      "struct bits {\n\tchar: 3;\n\tint a: 2;\n\tchar: 3;\n\tint b: 20;\n};",
    ].join("\n\n"),
  );
});

test("structs that point at each other are declared forward", () => {
  const btf = withTypes(
    { kind: "struct", name: "a", size: 8, members: [member("other", 2, 0)] },
    { kind: "ptr", type: 3 },
    { kind: "struct", name: "b", size: 16, members: [member("inside", 1, 0), member("back", 4, 64)] },
    { kind: "ptr", type: 5 },
    { kind: "typedef", name: "b_t", type: 3 },
  );
  expect(printTypes(btf)).toBe(
    ["struct b;", "struct a {\n\tstruct b *other;\n};", "typedef struct b b_t;", "struct b {\n\tstruct a inside;\n\tb_t *back;\n};"].join(
      "\n\n",
    ),
  );
});

test("declarations are read from the name outwards", () => {
  const btf = withTypes(
    int("int", 4, true),
    { kind: "const", type: 1 },
    { kind: "ptr", type: 2 },
    { kind: "const", type: 3 },
    { kind: "array", element: 4, index: 1, length: 3 },
    { kind: "ptr", type: 5 },
    {
      kind: "func_proto",
      result: 6,
      parameters: [
        { name: "x", type: 1 },
        { name: "", type: 0 },
      ],
    },
    { kind: "ptr", type: 7 },
    { kind: "func_proto", result: 0, parameters: [] },
  );
  expect(declaration(btf, 4, "p")).toBe("const int * const p");
  expect(declaration(btf, 5, "list")).toBe("const int * const list[3]");
  expect(declaration(btf, 6, "row")).toBe("const int * const (*row)[3]");
  expect(declaration(btf, 8, "call")).toBe("const int * const (*(*call)(int x, ...))[3]");
  expect(declaration(btf, 9, "nothing")).toBe("void nothing(void)");
});

test("two types of one name are told apart", () => {
  const btf = withTypes(int("int", 4), { kind: "typedef", name: "t", type: 1 }, { kind: "typedef", name: "t", type: 2 });
  expect(printTypes(btf)).toBe("typedef int t;\n\ntypedef t t___2;");
});

test("types that contain themselves end in a problem or in text, never in a loop", () => {
  const loops: BtfType[][] = [
    [{ kind: "typedef", name: "a", type: 1 }],
    [
      { kind: "ptr", type: 1 },
      { kind: "typedef", name: "a", type: 1 },
    ],
    [
      { kind: "array", element: 1, index: 1, length: 2 },
      { kind: "struct", name: "s", size: 4, members: [member("m", 1, 0)] },
    ],
    [
      { kind: "struct", name: "", size: 4, members: [member("m", 1, 0)] },
      { kind: "typedef", name: "s", type: 1 },
    ],
  ];
  for (const types of loops) {
    try {
      expect(printTypes(withTypes(...types)).length).toBeLessThan(1000);
    } catch (error) {
      expect(error).toMatchObject({ name: "ProblemError" });
    }
  }
});

test("types that would expand without end as text or values end in a problem", () => {
  // Each refers to the next one twice: 2^60 ways to the last.
  const twice = (make: (next: number) => BtfType[]): Btf => {
    const types: BtfType[] = [];
    for (let level = 0; level < 60; level++) types.push(...make(types.length + 1 + make(0).length));
    return withTypes(...types, int("int", 4));
  };
  const structs = twice((next) => [{ kind: "struct", name: "", size: 4, members: [member("", next, 0), member("", next, 0)] }]);
  const unions = twice((next) => [{ kind: "union", name: "", size: 4, members: [member("a", next, 0), member("b", next, 0)] }]);
  const calls = twice((next) => [{ kind: "func_proto", result: 0, parameters: [next, next].map((type) => ({ name: "", type })) }]);
  for (const btf of [structs, unions]) {
    expect(decodeValue(btf, 1, new Uint8Array(4))).toMatchObject({ ok: false, problem: { code: "value_too_complex" } });
    expect(() => declarationWithin(btf)).toThrow();
  }
  expect(() => declaration(calls, 1, "f")).toThrow();
  expect(typeof printTypes(calls)).toBe("string");
});

/** Prints a named struct that holds type 1. */
const declarationWithin = ({ types, littleEndian }: Btf): string =>
  printTypes({ types: [...types, { kind: "struct", name: "outer", size: 4, members: [member("inner", 1, 0)] }], littleEndian });

test("whatever the types, each named one is printed once", () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const { btf } = typesOf(shape, true);
      const text = printTypes(btf);
      for (const type of btf.types) {
        if (type.kind !== "struct" && type.kind !== "union" && type.kind !== "typedef") continue;
        const defined =
          type.kind === "typedef" ? new RegExp(`^typedef .*\\b${type.name}\\b`, "gms") : new RegExp(`^${type.kind} ${type.name} \\{`, "gm");
        expect(text.match(defined)).toHaveLength(1);
      }
    }),
  );
});

const kernelTypes = "/sys/kernel/btf/vmlinux";
test.skipIf(!existsSync(kernelTypes))("the types of the running kernel are read and printed whole", () => {
  const { btf } = parseBtf(new FileRange(new Uint8Array(readFileSync(kernelTypes)), "vmlinux", 0, true));
  const text = printTypes(btf);
  for (const name of ["sk_buff", "net_device", "task_struct"]) expect(text).toContain(`\nstruct ${name} {\n`);
});
