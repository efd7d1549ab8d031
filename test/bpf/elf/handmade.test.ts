import { expect, test } from "vitest";
import { type ObjectFile, openObject } from "../../../src/bpf/elf/index.ts";
import { assemble } from "../../../src/bpf/isa/index.ts";
import { buildElf, type MadeElf } from "./buildElf.ts";

/** `r0 = 2; exit` and friends, as the assembler writes them. */
const code = (...lines: string[]): Uint8Array => assemble(lines.join("\n"));

const joined = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const pass = code("r0 = 2", "exit");
/** ld_imm64 of `addend`, to be relocated. */
const load = (addend = 0): Uint8Array => {
  const bytes = new Uint8Array(16);
  bytes[0] = 0x18;
  bytes[1] = 1;
  new DataView(bytes.buffer).setInt32(4, addend, true);
  return bytes;
};
/** `call` to be relocated: the immediate is in instructions from the symbol, less one. */
const call = (immediate = -1): Uint8Array => {
  const bytes = new Uint8Array(8);
  bytes[0] = 0x85;
  bytes[1] = 0x10;
  new DataView(bytes.buffer).setInt32(4, immediate, true);
  return bytes;
};

const opened = (elf: MadeElf) => openObject(buildElf(elf), { file: "made.o" });
function open(elf: MadeElf): ObjectFile {
  const object = opened(elf);
  if (!object.ok) throw new Error(`${object.problem.code}: ${object.problem.message}`);
  return object.value;
}
const immediate = (program: { instructions: Uint8Array }, slot: number) =>
  new DataView(program.instructions.buffer, program.instructions.byteOffset).getInt32(slot * 8 + 4, true);
const source = (program: { instructions: Uint8Array }, slot: number) => program.instructions[slot * 8 + 1]! >> 4;

test("machine 0 is taken for BPF, any other is not", () => {
  const elf = { sections: [{ name: "xdp", data: pass, code: true }], symbols: [{ name: "pass", section: "xdp" }] };
  expect(open({ ...elf, machine: 0 }).programs).toHaveLength(1);
  expect(opened({ ...elf, machine: 62 })).toMatchObject({
    ok: false,
    problem: { code: "elf_not_bpf", at: { file: "made.o", offset: 18 } },
  });
});

test("section numbers too large for the header are read from section 0", () => {
  const sections = [{ name: "xdp", data: pass, code: true }];
  expect(open({ sections, symbols: [{ name: "pass", section: "xdp" }], longNumbers: true }).programs[0]).toMatchObject({ name: "pass" });
});

test("functions may have symbols without type or size, or none at all", () => {
  const untyped = open({
    sections: [{ name: "xdp", data: joined(pass, pass), code: true }],
    symbols: [
      { name: "LBB0_1", section: "xdp", value: 8, type: "notype", binding: "local" },
      { name: "first", section: "xdp", type: "notype" },
      { name: "second", section: "xdp", value: 16, type: "notype" },
    ],
  });
  expect(untyped.programs.map(({ name, instructions }) => `${name} ${instructions.length / 8}`)).toEqual(["first 2", "second 2"]);
  const nameless = open({ sections: [{ name: "xdp", data: pass, code: true }] });
  expect(nameless.programs[0]).toMatchObject({ name: "xdp", section: "xdp" });
});

test("an alias is no second function", () => {
  const object = open({
    sections: [{ name: "xdp", data: pass, code: true }],
    symbols: [
      { name: "one", section: "xdp", size: 16 },
      { name: "other", section: "xdp", size: 16 },
    ],
  });
  expect(object.programs.map(({ name }) => name)).toEqual(["one"]);
});

test("an addend may stand in the code (REL) or in the relocation (RELA)", () => {
  const symbols = [
    { name: "main", section: "xdp", size: 40 },
    { name: ".text", section: ".text", type: "section" as const, binding: "local" as const },
    { name: ".data", section: ".data", type: "section" as const, binding: "local" as const },
    { name: "zero", section: ".text", size: 16 },
    { name: "leaf", section: ".text", value: 16, size: 16, binding: "local" as const },
  ];
  const rest = [
    { name: ".text", data: joined(code("r0 = 0", "exit"), code("r0 = 7", "exit")), code: true },
    { name: ".data", data: new Uint8Array(32) },
  ];
  const rel = open({
    symbols,
    sections: [
      {
        name: "xdp",
        data: joined(load(24), call(1), pass),
        code: true,
        relocations: [
          { offset: 0, symbol: ".data" },
          { offset: 16, symbol: ".text" },
        ],
      },
      ...rest,
    ],
  });
  const rela = open({
    symbols,
    sections: [
      {
        name: "xdp",
        data: joined(load(0), call(-1), pass),
        code: true,
        relocations: [
          { offset: 0, symbol: ".data", addend: 24 },
          { offset: 16, symbol: ".text", addend: 16 },
        ],
      },
      ...rest,
    ],
  });
  for (const { programs } of [rel, rela]) {
    const [main] = programs;
    expect(main!.functions).toEqual([
      { instruction: 0, name: "main" },
      { instruction: 5, name: "leaf" },
    ]);
    expect([source(main!, 0), immediate(main!, 0), immediate(main!, 1)]).toEqual([2, 0, 24]);
    expect([source(main!, 2), immediate(main!, 2)]).toEqual([1, 2]);
  }
});

test("a callback is appended once, however often it is named", () => {
  const object = open({
    symbols: [
      { name: "main", section: "tc", size: 48 },
      { name: "each", section: ".text", size: 16 },
    ],
    sections: [
      {
        name: "tc",
        data: joined(load(), load(), pass),
        code: true,
        relocations: [
          { offset: 0, symbol: "each" },
          { offset: 16, symbol: "each" },
        ],
      },
      { name: ".text", data: pass, code: true },
    ],
  });
  const [main] = object.programs;
  expect(main!.functions.map(({ name, instruction }) => `${name} ${instruction}`)).toEqual(["main 0", "each 6"]);
  expect([source(main!, 0), immediate(main!, 0), source(main!, 2), immediate(main!, 2)]).toEqual([4, 5, 4, 3]);
});

test("functions that call each other are each appended once", () => {
  const object = open({
    symbols: [
      { name: "main", section: "xdp", size: 16 },
      { name: "a", section: ".text", size: 16 },
      { name: "b", section: ".text", value: 16, size: 16 },
    ],
    sections: [
      { name: "xdp", data: joined(call(), code("exit")), code: true, relocations: [{ offset: 0, symbol: "a" }] },
      // a calls b and b calls a, without relocations: both stand in one section.
      { name: ".text", data: joined(call(1), code("exit"), call(-3), code("exit")), code: true },
    ],
  });
  const [main] = object.programs;
  expect(main!.functions.map(({ name, instruction }) => `${name} ${instruction}`)).toEqual(["main 0", "a 2", "b 4"]);
  expect([0, 2, 4].map((slot) => immediate(main!, slot))).toEqual([1, 1, -3]);
});

test("an address outside its section traps, and is not given to the program", () => {
  const object = open({
    symbols: [
      { name: "main", section: "xdp", size: 32 },
      { name: ".bss", section: ".data", type: "section" },
    ],
    sections: [
      { name: "xdp", data: joined(load(64), pass), code: true, relocations: [{ offset: 0, symbol: ".bss" }] },
      { name: ".data", data: new Uint8Array(64) },
    ],
  });
  expect(object.programs[0]!.poisoned).toEqual(new Map([[0, "offset 64 is outside .data (64 bytes)"]]));
});

test.each([
  ["a relocation of an instruction that takes none", joined(pass, pass), "main", "elf_bad_relocation"],
  ["a call into the middle of a function", joined(call(0), pass), "main", "elf_bad_call"],
  ["a 16-byte load cut in half", joined(pass, load().subarray(0, 8)), "main", "elf_half_instruction"],
  ["a call to data", joined(call(), pass), "data", "elf_bad_relocation"],
  ["a load of a section that holds no map", joined(load(), pass), "data", "elf_bad_relocation"],
])("%s is a problem with its place", (_, data, symbol, problemCode) => {
  const relocations = problemCode === "elf_half_instruction" ? [] : [{ offset: 0, symbol }];
  const object = opened({
    symbols: [
      { name: "main", section: "xdp", size: data.length },
      { name: "data", section: "notes", type: "object" },
    ],
    sections: [
      { name: "xdp", data, code: true, relocations },
      { name: "notes", data: new Uint8Array(8) },
    ],
  });
  expect(object).toMatchObject({ ok: false, problem: { code: problemCode, exit: 3, at: { file: "made.o" } } });
  expect(object.ok || Number(object.problem.at.offset)).toBeGreaterThanOrEqual(64);
});

test("functions that overlap, leave their section or begin off a boundary are refused", () => {
  const code8 = (...symbols: { value: number; size: number }[]) => {
    const object = opened({
      sections: [{ name: "xdp", data: joined(pass, pass), code: true }],
      symbols: symbols.map((one, index) => ({ name: `f${index}`, section: "xdp", ...one })),
    });
    return object.ok ? "ok" : object.problem.code;
  };
  expect(code8({ value: 0, size: 16 }, { value: 16, size: 16 })).toBe("ok");
  expect(code8({ value: 0, size: 24 }, { value: 16, size: 16 })).toBe("elf_functions_overlap");
  expect(code8({ value: 0, size: 40 })).toBe("elf_bad_function");
  expect(code8({ value: 4, size: 12 })).toBe("elf_bad_function");
});
