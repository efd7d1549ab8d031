import fc from "fast-check";
import { expect, test } from "vitest";
import { assemble, disassemble, encode, fieldsOf, instructionRows, listInstructions, type SlotFields } from "../../../src/bpf/isa/index.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Any instruction of the table, with arbitrary values in the fields that it uses. */
const anyInstruction: fc.Arbitrary<SlotFields> = fc
  .record({
    row: fc.constantFrom(...instructionRows),
    dst: fc.integer({ min: 0, max: 10 }),
    src: fc.integer({ min: 0, max: 10 }),
    offset: fc.integer({ min: -32768, max: 32767 }),
    imm: fc.oneof(fc.integer(), fc.constantFrom(0, -1, 1, 0x7fffffff, -0x80000000)),
    high: fc.oneof(fc.integer(), fc.constantFrom(0, -1)),
  })
  .map(({ row, dst, src, offset, imm, high }) => {
    const uses = fieldsOf(row);
    return {
      code: row.code,
      dst: uses.dst ? dst : 0,
      src: row.src ?? (uses.src ? src : 0),
      offset: row.offset ?? (uses.offset ? offset : 0),
      imm: row.imm ?? (uses.imm ? imm : 0),
      high: uses.high ? high : 0,
    };
  });

test("a program disassembled and assembled again is the same program", () => {
  fc.assert(
    fc.property(fc.array(anyInstruction, { minLength: 1, maxLength: 12 }), (instructions) => {
      const bytes = encode(instructions);
      expect(hex(assemble(disassemble(bytes)))).toBe(hex(bytes));
    }),
    { numRuns: 3000 },
  );
});

test("bytes that are no program survive too", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 80 }), (bytes) => {
      const whole = bytes.subarray(0, bytes.length - (bytes.length % 8));
      expect(hex(assemble(disassemble(bytes)))).toBe(hex(whole));
    }),
    { numRuns: 3000 },
  );
});

test("a program is written as the verifier log writes it", () => {
  const text = `
    r2 = *(u32 *)(r1 +0)
    r3 = *(u32 *)(r1 +4)
    r4 = r2
    r4 += 14
    if r4 > r3 goto out
    r5 = *(u16 *)(r2 +13)
    out:
    r0 = 2
    exit`;
  const bytes = assemble(text);
  expect(hex(bytes)).toBe(
    "6112000000000000" +
      "6113040000000000" +
      "bf24000000000000" +
      "070400000e000000" +
      "2d34010000000000" +
      "69250d0000000000" +
      "b700000002000000" +
      "9500000000000000",
  );
  expect(disassemble(bytes)).toBe(
    "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 14\nif r4 > r3 goto pc+1\nr5 = *(u16 *)(r2 +13)\nr0 = 2\nexit",
  );
});

test("every spelling that people use is read", () => {
  const same = (...texts: string[]) => expect(new Set(texts.map((text) => hex(assemble(text)))).size, texts.join(" | ")).toBe(1);
  same("r0 = 1", "r0=1", "  R0 = 0x1 // one", "12: (b7) r0 = +1", "r0 = 1 ; as objdump");
  same("*(u32 *)(r1 + 4) = r2", "*(u32*)(r1+4)=r2", "*(u32 *)(r1 +0x4) = r2");
  same("r1 = *(u8 *)(r2)", "r1 = *(u8 *)(r2 +0)");
  same("if r1 s< 0xfffffffb goto +3", "if r1 s< -5 goto pc+3");
  same("goto +1\nexit\nx: exit", "goto x\nexit\nx: exit");
  same("call 1", "call bpf_map_lookup_elem#1");
  same("lock *(u64 *)(r1 +0) += r2", "lock *(u64*)(r1 + 0) += r2");
  same("r3 = atomic64_xchg((u64 *)(r1 +8), r3)", "r3 = xchg_64(r1 + 0x8, r3)");
  same("w0 = cmpxchg32_32(r1 + 0x0, w0, w2)", "r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)");
});

test("names and labels stand for numbers", () => {
  const bytes = assemble("main:\nr1 = map[flows]\ncall bpf_map_lookup_elem\nr2 = subprog[each]\ncall sub\nexit\nsub: exit\neach: exit", {
    helpers: new Map([["bpf_map_lookup_elem", 1]]),
    maps: new Map([["flows", 3]]),
  });
  expect(listInstructions(bytes, "verifier", { helpers: new Map([[1, "bpf_map_lookup_elem"]]) })).toEqual([
    { index: 0, code: 0x18, text: "r1 = map[3]" },
    { index: 2, code: 0x85, text: "call bpf_map_lookup_elem#1" },
    { index: 3, code: 0x18, text: "r2 = subprog[pc+4]", target: 8 },
    { index: 5, code: 0x85, text: "call pc+1", target: 7 },
    { index: 6, code: 0x95, text: "exit" },
    { index: 7, code: 0x95, text: "exit" },
    { index: 8, code: 0x95, text: "exit" },
  ]);
});

test.each([
  ["r0 = 1\nr0 ?= 3", "assembly_unknown_instruction", 2],
  ["r0 = 0x123456789", "assembly_out_of_range", 1],
  ["r0 = 4294967295", "assembly_out_of_range", 1],
  ["r16 = 1", "assembly_out_of_range", 1],
  ["goto nowhere", "assembly_unknown_label", 1],
  ["call bpf_nothing", "assembly_unknown_label", 1],
  ["a: exit\na: exit", "assembly_label_twice", 2],
  ["r1 = le16 r2", "assembly_unknown_instruction", 1],
])("%j is refused as %s in line %i", (text, code, line) => {
  expect(() => assemble(text)).toThrow(expect.objectContaining({ problem: expect.objectContaining({ code, at: { line } }) }));
});
