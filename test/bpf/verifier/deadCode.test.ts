import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openObject, withSettings } from "../../../src/bpf/elf/index.ts";
import type { MapSpec } from "../../../src/bpf/spec.ts";
import { type VerifiedProgram, verify } from "../../../src/bpf/verifier/index.ts";
import { BPF_F_RDONLY_PROG, BPF_MAP_TYPE_ARRAY } from "../../../src/layout/index.ts";
import { tcProgramType } from "../../../src/tc/index.ts";
import { TestMachine, verified, xdpSpec, xdpType } from "../../differential/machine.ts";

/** A .rodata of 32 bytes: 1, 2, … 32. */
const frozen: MapSpec = {
  ...{ name: ".rodata", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 32, maxEntries: 1, flags: BPF_F_RDONLY_PROG, frozen: true },
  contents: Uint8Array.from({ length: 32 }, (_, at) => at + 1),
};
const { frozen: _, ...open } = frozen;

const check = (text: string, map: MapSpec = frozen): VerifiedProgram => verified(xdpSpec(text, [map]), xdpType);
/** Slots whose instructions are left, for what can be reached. */
const kinds = ({ instructions }: VerifiedProgram): string => instructions.map((one) => one?.row.kind ?? "-").join(" ");

test("what a frozen value decides becomes a jump, and an unknown helper behind it is forgotten", () => {
  const text = `
    r1 = map[0][0]+4
    r1 = *(u8 *)(r1 +1)
    if r1 == 6 goto out
    call 9999
    out: r0 = 2
    exit`;
  const dead = check(text);
  expect(kinds(dead)).toBe("load_imm64 - load jump exit alu64 exit");
  expect(dead.unbuilt.size).toBe(0);
  // The same value can change when it is not frozen.
  expect(check(text, open).unbuilt).toEqual(new Map([[4, "helper 9999"]]));
});

test("an unknown helper that a constant leads to stays, and so does one that depends on the packet", () => {
  expect(check("r1 = map[0][0]+0\nr1 = *(u16 *)(r1 +0)\nif r1 == 513 goto bad\nr0 = 2\nexit\nbad: call 9999\nexit").unbuilt.size).toBe(1);
  expect(check("r2 = *(u32 *)(r1 +16)\nif r2 != 0 goto bad\nr0 = 2\nexit\nbad: call 9999\nexit").unbuilt.size).toBe(1);
});

test("constants go through arithmetic, copies, both widths and sign extension", () => {
  const dead = (condition: string, setup: string) =>
    check(`r6 = map[0][0]+0\n${setup}\nif ${condition} goto out\ncall 9999\nout: r0 = 1\nexit`).unbuilt.size === 0;
  expect(dead("r1 == 0x04030201", "r1 = *(u32 *)(r6 +0)")).toBe(true);
  expect(dead("r1 == 7", "r1 = r6\nr1 += 5\nr1 = *(u8 *)(r1 +1)")).toBe(true);
  expect(dead("r1 == 2", "r2 = 8\nr6 += r2\nr6 -= 7\nr1 = *(u8 *)(r6 +0)")).toBe(true);
  expect(dead("w1 s< 0", "r1 = *(u8 *)(r6 +0)\nw1 = -w1")).toBe(true);
  expect(dead("r1 s< 0", "r1 = *(u8 *)(r6 +0)\nw1 = -w1")).toBe(false);
  expect(dead("r1 & 16", "r1 = *(s8 *)(r6 +15)")).toBe(true);
  // Behind the value's end nothing is known.
  expect(dead("r1 == 0", "r1 = *(u32 *)(r6 +30)")).toBe(false);
});

test("ways that meet know what they agree on, loops what stays", () => {
  const unbuilt = (text: string) => [...check(text).unbuilt.keys()];
  const meet = (first: number, second: number) => `
    r6 = map[0][0]+0
    r3 = *(u32 *)(r1 +16)
    r7 = ${first}
    if r3 == 0 goto join
    r7 = ${second}
    join: if r7 == 5 goto out
    call 9999
    out: r0 = 0
    exit`;
  expect(unbuilt(meet(5, 5))).toEqual([]);
  expect(unbuilt(meet(5, 6))).toEqual([7]);
  const loop = `
    r6 = map[0][0]+0
    r6 = *(u8 *)(r6 +0)
    r7 = 0
    again: r7 += r6
    if r6 != 1 goto bad
    if r7 < 10 goto again
    r0 = 0
    exit
    bad: call 9999
    exit`;
  expect(unbuilt(loop)).toEqual([]);
});

test("a function knows what all its callers agree on; one that only dead code calls is left out", () => {
  const text = (second: number) => `
    r6 = map[0][0]+0
    r6 = *(u8 *)(r6 +0)
    r1 = r6
    call option
    r1 = ${second}
    call option
    if r6 == 1 goto out
    call never
    out: exit
    option: if r1 == 1 goto fine
    call 9999
    fine: r0 = 0
    exit
    never: call 8888
    exit`;
  const agreeing = check(text(1));
  expect(agreeing.unbuilt.size).toBe(0);
  expect(agreeing.functions.map(({ start }) => start)).toEqual([0, 10]);
  expect([...check(text(2)).unbuilt.values()]).toEqual(["helper 9999"]);
});

test("an object's settings decide what is dead", () => {
  const bytes = new Uint8Array(readFileSync("test/bpf/elf/objects/core.o"));
  const opened = openObject(bytes, { file: "core.o" });
  if (!opened.ok) throw new Error(opened.problem.message);
  // What this kernel has not is asked for, and used only where it is there: nothing of it is left.
  for (const spec of opened.value.programs) {
    expect(spec.poisoned?.size).toBeGreaterThan(0);
    const result = verify(spec, tcProgramType);
    expect(result.accepted && result.unbuilt.size).toBe(0);
  }
  expect(withSettings(opened.value, []).ok).toBe(true);
});

/** Straight code over r1 to r4, with jumps forward: each line is arithmetic, a load of the frozen value, or a branch over some lines. */
const lineArbitrary = fc.oneof(
  fc
    .record({
      dst: fc.integer({ min: 1, max: 4 }),
      src: fc.integer({ min: 1, max: 4 }),
      operation: fc.constantFrom("+=", "-=", "*=", "&=", "|=", "^=", "="),
      wide: fc.boolean(),
      imm: fc.option(fc.integer({ min: -70000, max: 70000 })),
    })
    .map(({ dst, src, operation, wide, imm }) => `${wide ? "r" : "w"}${dst} ${operation} ${imm ?? `${wide ? "r" : "w"}${src}`}`),
  fc
    .record({
      dst: fc.integer({ min: 1, max: 4 }),
      at: fc.integer({ min: 0, max: 24 }),
      type: fc.constantFrom("u8", "u16", "u32", "u64", "s8", "s16", "s32"),
    })
    .map(({ dst, at, type }) => `r${dst} = *(${type} *)(r6 +${at})`),
  fc
    .record({
      dst: fc.integer({ min: 1, max: 4 }),
      imm: fc.integer({ min: -300, max: 300 }),
      sign: fc.constantFrom("==", "!=", ">", "<", ">=", "<=", "s>", "s<", "s>=", "s<=", "&"),
      wide: fc.boolean(),
      over: fc.integer({ min: 0, max: 4 }),
    })
    .map(({ dst, imm, sign, wide, over }) => `if ${wide ? "r" : "w"}${dst} ${sign} ${imm} goto +${over}`),
);

test("a program does the same with its dead code and without", () => {
  const property = fc.property(
    fc.array(lineArbitrary, { minLength: 3, maxLength: 24 }),
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    (lines, contents) => {
      // Whatever a jump at the end leads over, it comes to the sum.
      const text = [
        "r6 = map[0][0]+0\nr5 = *(u32 *)(r1 +16)\nr1 = r5\nr2 = 2\nr3 = 3\nr4 = 4",
        ...lines,
        ...["r0 = r1", "r0 = r1", "r0 = r1", "r0 = r1", "r0 = r1", "r0 += r2", "r0 ^= r3", "r0 += r4", "exit"],
      ].join("\n");
      const left = [
        { ...frozen, contents },
        { ...open, contents },
      ].flatMap((map) => {
        const checked = check(text, map);
        const machine = new TestMachine([map]);
        machine.interpret(checked, 1);
        machine.compile(checked, 3);
        return [machine.run(1, new Uint8Array(64)).returned, machine.run(3, new Uint8Array(64)).returned];
      });
      expect(new Set(left).size, text).toBe(1);
    },
  );
  fc.assert(property, { numRuns: 150 });
});
