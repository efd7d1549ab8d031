import fc from "fast-check";
import { expect, test } from "vitest";
import { disassemble } from "../../src/bpf/isa/index.ts";
import type { Kernel, KernelMap } from "../../src/kernel/index.ts";
import { openKernel } from "../../src/kernel/index.ts";
import { ProblemError } from "../../src/problem/index.ts";
import { branchOf, comparisons, programOf, vectors } from "../bpf/isa/vectors.ts";
import { generatedProgram } from "./arbitrary.ts";
import { TestMachine, verified, xdpSpec } from "./machine.ts";
import { assembleGenerated, type GeneratedProgram, maps } from "./program.ts";

const opened = openKernel();
const why = opened.ok ? "" : ` (skipped: ${opened.problem.message})`;
const live = test.runIf(opened.ok);
const kernel = (): Kernel => {
  if (!opened.ok) throw new Error(opened.problem.message);
  return opened.value;
};

const programs = Number(process.env.XDPLANE_KERNEL_PROGRAMS ?? 200);
const seed = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const contents = (map: KernelMap): string =>
  [...map.entries()]
    .map(([key, value]) => `${hex(key)}=${hex(value)}`)
    .sort()
    .join(" ");

/** r0 of a program, all of it: the kernel returns 32 bits, so the program leaves it in a map. */
function inKernel(text: string): bigint {
  const whole = `${text.replace(/exit$/, "")}\nr6 = map[0][0]\n*(u64 *)(r6 +0) = r0\nr0 = 0\nexit`;
  const made = kernel().createMap(maps[0]!);
  const program = kernel().loadProgram(xdpSpec(whole, [maps[0]!]), new Map([[maps[0]!.name, made]]));
  expect(program.run({ packet: new Uint8Array(64) }).error).toBe(0);
  const left = new DataView(made.lookup(new Uint8Array(4))!.buffer).getBigUint64(0, true);
  program.close();
  made.close();
  return left;
}

live(`the edge cases of arithmetic are the live kernel's${why}`, () => {
  for (const vector of vectors) expect(inKernel(programOf(vector)), vector.text).toBe(vector.r0);
});

live(`conditions are the live kernel's in 64 and in 32 bits${why}`, () => {
  for (const comparison of comparisons) {
    const taken = (["r", "w"] as const).map((letter) => inKernel(branchOf(comparison, letter)) === 1n);
    expect(taken, JSON.stringify(comparison.sign)).toEqual([comparison.wide, comparison.narrow]);
  }
});

/** What the kernel makes of a generated program; undefined when its verifier gives up on it. */
function runInKernel(bytes: Uint8Array, { state, packet }: GeneratedProgram) {
  const made = kernel().createMaps(maps);
  try {
    const program = kernel().loadProgram(xdpSpec(bytes, maps), made);
    try {
      made.get("state")!.update(new Uint8Array(4), state);
      const { error, returned, packet: out } = program.run({ packet });
      return { error, returned, packet: hex(out), maps: [...made.values()].map(contents) };
    } finally {
      program.close();
    }
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.code !== "kernel_rejected") throw error;
    return { rejected: `${error.problem.message}\n${error.problem.hint}` };
  } finally {
    for (const map of made.values()) map.close();
  }
}

live(
  `the interpreter agrees with the live kernel on ${programs} generated programs (seed ${seed})${why}`,
  () => {
    const machine = new TestMachine(maps);
    const rejections = new Map<string, number>();
    let compared = 0;
    fc.assert(
      fc.property(generatedProgram({ callbacks: false, unalignedAtomics: false }), (program) => {
        const bytes = assembleGenerated(program);
        const truth = runInKernel(bytes, program);
        if (truth.rejected !== undefined) {
          rejections.set(truth.rejected, (rejections.get(truth.rejected) ?? 0) + 1);
          return;
        }
        machine.interpret(verified(xdpSpec(bytes, maps)), 1);
        machine.reset([program.state]);
        const left = machine.run(1, program.packet);
        compared++;
        expect(
          { error: 0, returned: Number(BigInt.asUintN(32, left.returned ?? -1n)), packet: left.packet, maps: left.maps },
          disassemble(bytes),
        ).toEqual(truth);
      }),
      { numRuns: programs, seed },
    );
    // The verifier may give up on a program that is too complex, not on many.
    expect(compared / programs, [...rejections.keys()].join("\n")).toBeGreaterThan(0.9);
  },
  60_000 + programs * 50,
);
