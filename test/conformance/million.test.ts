import { expect, test } from "vitest";
import { assemble, INSTRUCTION_SIZE } from "../../src/bpf/isa/index.ts";
import { runPlugin } from "../../src/lab/index.ts";
import { BPF_COMPLEXITY_LIMIT_INSNS } from "../../src/layout/index.ts";

const MEMORY = "34 12 00 ff";
/** Bytes that a compiler split, a branch, and something in the frame, which the next block reads back; adds 0x1234 + 1 to r0. */
const UNIT = assemble(`
  r3 = *(u8 *)(r1 +0)
  r4 = *(u8 *)(r1 +1)
  r4 <<= 8
  r3 |= r4
  r0 += r3
  *(u64 *)(r10 -8) = r0
  if r3 != 0x1234 goto +2
  r0 = *(u64 *)(r10 -8)
  r0 += 1`);
/** A branch that no run takes, to a helper that does not exist: dead code is looked for in the whole program. */
const BEGIN = assemble("r0 = 0\nr5 = 0\nif r5 == 0 goto +1\ncall 9999");
const END = assemble("exit");

/** The longest program that Linux takes, less the instruction that the plugin puts in front. */
function longestProgram(): { readonly program: Uint8Array; readonly units: number } {
  const room = (BPF_COMPLEXITY_LIMIT_INSNS - 1) * INSTRUCTION_SIZE;
  const units = Math.floor((room - BEGIN.length - END.length) / UNIT.length);
  const program = new Uint8Array(BEGIN.length + units * UNIT.length + END.length);
  program.set(BEGIN);
  for (let unit = 0; unit < units; unit++) program.set(UNIT, BEGIN.length + unit * UNIT.length);
  program.set(END, program.length - END.length);
  return { program, units };
}

test.each(["jit", "interp"] as const)("a program of a million instructions is checked, loaded and run: %s", (engine) => {
  const { program, units } = longestProgram();
  expect(program.length / INSTRUCTION_SIZE).toBeGreaterThan(999_980);
  const result = runPlugin({ program: Buffer.from(program).toString("hex"), memory: MEMORY, engine });
  expect(result).toEqual({ ok: true, value: BigInt(units) * 0x1235n });
});

test("one instruction more is refused", () => {
  const program = new Uint8Array(BPF_COMPLEXITY_LIMIT_INSNS * INSTRUCTION_SIZE);
  for (let at = 0; at < program.length; at += INSTRUCTION_SIZE) program[at] = 0xb7;
  program.set(END, program.length - END.length);
  const result = runPlugin({ program: Buffer.from(program).toString("hex"), engine: "jit" });
  expect(result.ok ? undefined : result.problem).toMatchObject({ code: "verifier_program_size", exit: 4 });
});
