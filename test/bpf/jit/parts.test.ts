import { expect, test } from "vitest";
import { encode } from "../../../src/bpf/isa/index.ts";
import { compileProgram, locateTrap } from "../../../src/bpf/jit/index.ts";
import { TRAP_BUDGET } from "../../../src/layout/index.ts";
import { generalHelpers, tailCallSlot } from "../../../src/runtime/index.ts";
import { Machine, programSpec, unchecked } from "./machine.ts";

/** Sums 1 to 10 with a call in the loop, and keeps something in every register and in the frame meanwhile. */
const text = `
  r6 = r1
  r7 = 0
  r8 = 10
  r9 = 1000
  *(u64 *)(r10 -8) = 5
again:
  r1 = r8
  call twice
  r7 += r0
  r8 -= 1
  if r8 != 0 goto again
  r0 = r7
  r0 += r9
  r1 = *(u64 *)(r10 -8)
  r0 += r1
  r0 += r6
  exit
twice:
  r0 = r1
  if r1 == 3 goto other
  r0 += r1
  exit
other:
  r0 += 3
  exit`;
const spec = programSpec(text, {}, [{ instruction: 16, name: "twice" }]);

test("a function cut into parts of any length does the same as in one", () => {
  const machine = new Machine();
  for (const longestFunction of [100, 8, 5, 3, 2, 1]) {
    const program = machine.load(spec, { longestFunction });
    expect(machine.run(program, 7)).toBe(110n + 1000n + 5n + 7n);
  }
});

test("parts burn fuel from one pot, and trap where the instruction is", () => {
  const machine = new Machine();
  const endless = machine.load(programSpec("r0 = 0\nagain:\nr0 += 1\nr0 += 1\nr0 += 1\nif r0 != 0 goto again\nexit"), {
    longestFunction: 2,
  });
  expect(() => machine.run(endless, 0, 100n)).toThrow(WebAssembly.RuntimeError);
  expect(machine.read("trap")).toBe(TRAP_BUDGET);
  const wild = machine.load(programSpec("r0 = 0\nr1 = 0xfffffff0 ll\nr2 = 1\nr0 = *(u64 *)(r1 +8)\nexit"), { longestFunction: 2 });
  let stack = "";
  try {
    machine.run(wild);
  } catch (error) {
    stack = (error as Error).stack!;
  }
  expect(locateTrap(wild.name, wild.traps, stack)).toBe(4);
});

test("a loop that may_goto leaves counts through parts", () => {
  const machine = new Machine();
  const program = machine.load(programSpec("r0 = 0\nagain:\nmay_goto out\nr0 += 1\ngoto again\nout:\nexit"), { longestFunction: 1 });
  expect(machine.run(program, 0, 60_000_000n)).toBe(8_388_608n);
});

test("a program of 200,000 instructions with jumps to its end and back compiles, validates and runs", () => {
  const count = 200_000;
  const rows = [
    { code: 0xb7, dst: 0, src: 0, offset: 0, imm: 0, high: 0 }, // r0 = 0
    { code: 0xb7, dst: 1, src: 0, offset: 0, imm: 3, high: 0 }, // r1 = 3
  ];
  while (rows.length < count) {
    rows.push({ code: 0x07, dst: 0, src: 0, offset: 0, imm: 1, high: 0 }); // r0 += 1
    rows.push({ code: 0x15, dst: 1, src: 0, offset: 1, imm: 9, high: 0 }); // if r1 == 9 goto +1
    rows.push({ code: 0x07, dst: 0, src: 0, offset: 0, imm: 1, high: 0 }); // r0 += 1
  }
  rows.push({ code: 0x07, dst: 1, src: 0, offset: 0, imm: -1, high: 0 }); // r1 -= 1
  rows.push({ code: 0x15, dst: 1, src: 0, offset: 1, imm: 0, high: 0 }); // if r1 == 0 goto +1
  rows.push({ code: 0x06, dst: 0, src: 0, offset: 0, imm: 2 - rows.length - 1, high: 0 }); // gotol 2
  rows.push({ code: 0x95, dst: 0, src: 0, offset: 0, imm: 0, high: 0 }); // exit
  const rounds = Math.ceil((count - 2) / 3);
  const machine = new Machine();
  const program = machine.load({ ...programSpec("exit"), instructions: encode(rows) });
  expect(program.traps.functions.filter(({ offsets }) => offsets.length > 0).length).toBeGreaterThanOrEqual(4);
  expect(machine.run(program)).toBe(BigInt(3 * 2 * rounds));
});

test("the longest function that is not cut stays below V8's limit, whatever it is made of", () => {
  const slot = (code: number, fields = {}) => ({ code, dst: 0, src: 0, offset: 0, imm: 0, high: 0, ...fields });
  const tailCall = slot(0x85, { imm: 12 });
  const again = slot(0x15, { offset: -2 });
  const exit = slot(0x95);
  const tailCalls = Array.from({ length: 39_998 }, () => tailCall);
  const functions = [{ instruction: 2, name: "calls" }];
  const spec = {
    ...programSpec("exit", {}, functions),
    instructions: encode([slot(0x85, { src: 1, imm: 1 }), exit, ...tailCalls, again, exit]),
  };
  const { bytes, traps } = compileProgram(unchecked(spec, { helpers: generalHelpers }), { slot: 1, maps: [], tailCallSlot });
  expect(traps.functions).toHaveLength(2);
  expect(bytes.length).toBeGreaterThan(6_000_000);
  expect(WebAssembly.validate(bytes)).toBe(true);
});
