import fc from "fast-check";
import { expect, test } from "vitest";
import { disassemble, type Instruction, instructionRows, rowOf } from "../../src/bpf/isa/index.ts";
import { TRAP_BUDGET } from "../../src/layout/index.ts";
import { generatedProgram } from "./arbitrary.ts";
import { type Left, TestMachine, verified, xdpSpec } from "./machine.ts";
import { allStatements, assembleGenerated, type GeneratedProgram, maps } from "./program.ts";

const COMPILED = 1;
/** Behind the compiled program's callbacks. */
const INTERPRETED = 100;

/** Programs to compare: 2,000 in `npm test`; XDPLANE_PROGRAMS=200000 XDPLANE_SEED=1 npx vitest run test/differential for the long run. */
const programs = Number(process.env.XDPLANE_PROGRAMS ?? 2000);
const seed = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);
const timeout = 60_000 + programs * 20;

function compare(machine: TestMachine, program: GeneratedProgram): { compiled: Left; interpreted: Left } {
  const checked = verified(xdpSpec(assembleGenerated(program), maps));
  machine.compile(checked, COMPILED);
  machine.reset([program.state]);
  const compiled = machine.run(COMPILED, program.packet);
  machine.interpret(checked, INTERPRETED);
  machine.reset([program.state]);
  return { compiled, interpreted: machine.run(INTERPRETED, program.packet) };
}

test(
  `compiler and interpreter agree on ${programs} generated programs (seed ${seed})`,
  () => {
    const machine = new TestMachine(maps);
    const used = new Set<string>();
    let runs = 0;
    fc.assert(
      fc.property(generatedProgram({ callbacks: true, unalignedAtomics: true }), (program) => {
        const { compiled, interpreted } = compare(machine, program);
        runs++;
        for (const statement of allStatements(program)) {
          if (statement.kind === "instruction" || statement.kind === "branch") used.add(nameOf(statement.fields));
        }
        const same = JSON.stringify(words(compiled)) === JSON.stringify(words(interpreted)) && compiled.trap === undefined;
        if (!same) expect(compiled, disassemble(assembleGenerated(program))).toEqual(interpreted);
      }),
      { numRuns: programs, seed },
    );
    // Both sides ran, and every instruction of the generator's kinds was among what they ran.
    expect(runs).toBeGreaterThanOrEqual(programs);
    expect([machine.runs(COMPILED), machine.runs(INTERPRETED)]).toEqual([runs, runs]);
    expect(machine.runtime.table.get(COMPILED)).not.toBe(machine.runtime.table.get(INTERPRETED));
    if (programs >= 2000) expect([...generatedKinds].filter((name) => !used.has(name))).toEqual([]);
  },
  timeout,
);

test(
  `compiler and interpreter run out of fuel at the same instruction, in ${programs >> 2} generated programs (seed ${seed})`,
  () => {
    const machine = new TestMachine(maps);
    let traps = 0;
    fc.assert(
      fc.property(
        generatedProgram({ callbacks: true, unalignedAtomics: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (program, part) => {
          const { compiled } = compare(machine, program);
          const fuel = BigInt(Math.floor(Number(compiled.burnt) * part));
          const [short, same] = [COMPILED, INTERPRETED].map((slot) => {
            machine.reset([program.state]);
            return machine.run(slot, program.packet, fuel);
          });
          expect(short, disassemble(assembleGenerated(program))).toEqual(same);
          expect(short!.trap).toBe(fuel < compiled.burnt! ? TRAP_BUDGET : undefined);
          traps += short!.trap === undefined ? 0 : 1;
        },
      ),
      { numRuns: programs >> 2, seed },
    );
    expect(traps).toBeGreaterThan(0);
  },
  timeout,
);

const words = ({ returned, burnt, ...left }: Left) => ({ ...left, returned: String(returned), burnt: String(burnt) });

const nameOf = ({ code, src = 0, offset = 0, imm = 0 }: Partial<Instruction> & { code: number }): string =>
  rowOf(code, src, offset, imm)?.text ?? `code ${code}`;

/** Everything that statements are made of. */
const generatedKinds = new Set(
  instructionRows
    .filter(({ kind }) => /^(alu64|alu32|load|store|atomic|load_acquire|store_release|branch64|branch32)$/.test(kind))
    .map(({ text }) => text),
);

test("a difference of one instruction is seen", () => {
  const machine = new TestMachine(maps);
  machine.reset();
  machine.compile(verified(xdpSpec("r0 = 1\nr1 = map[0][0]\n*(u8 *)(r1 +63) = 5\nexit", maps)), COMPILED);
  const compiled = machine.run(COMPILED, new Uint8Array(64));
  machine.interpret(verified(xdpSpec("r0 = 1\nr1 = map[0][0]\n*(u8 *)(r1 +63) = 6\nexit", maps)), INTERPRETED);
  expect(compiled).not.toEqual(machine.run(INTERPRETED, new Uint8Array(64)));
});
