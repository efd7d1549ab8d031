import fc from "fast-check";
import { expect, test } from "vitest";
import { installInterpreted, interpretProgram } from "../../../src/bpf/interp/index.ts";
import { encode } from "../../../src/bpf/isa/index.ts";
import { compileProgram, installProgram } from "../../../src/bpf/jit/index.ts";
import { Machine, programSpec, unchecked } from "./machine.ts";

type Row = Parameters<typeof encode>[0] extends Iterable<infer Fields> ? Fields : never;
const row = (code: number, dst: number, src: number, offset: number, imm: number): Row => ({ code, dst, src, offset, imm, high: 0 });

const JUMP = 0x05;
const EXIT = 0x95;
const ADD = 0x07;
/** r1 & mask, and comparisons of r0 with numbers: what decides the way depends on the way so far. */
const branchCodes = [0x15, 0x25, 0x45, 0x55, 0x65, 0xb5, 0x16, 0x26, 0x56];
/** Where each statement's instructions begin; each is two long. */
const SIZE = 2;

/**
 * Programs whose jumps lead anywhere, backwards and into the middle of loops: two instructions a statement, the first mixes r0 and r6, the second goes somewhere.
 * r7 counts the statements; after 300 the program ends, so every run is finite and all of them fit in the fuel.
 */
const programs = fc
  .array(
    fc.record({ kind: fc.nat(9), code: fc.constantFrom(...branchCodes), imm: fc.integer({ min: -8, max: 300 }), target: fc.nat(1000) }),
    {
      minLength: 3,
      maxLength: 40,
    },
  )
  .map((statements) => {
    const rows: Row[] = [];
    const count = statements.length;
    for (const [index, { kind, code, imm, target }] of statements.entries()) {
      const at = index * SIZE * 2;
      // r7 += 1; if r7 > 300 goto the end: two instructions before each statement's own two.
      rows.push(row(ADD, 7, 0, 0, 1), row(0x25, 7, 0, count * SIZE * 2 - at - 2, 300));
      rows.push(kind % 2 === 0 ? row(0x27, 0, 0, 0, 31) : row(ADD, 0, 0, 0, imm));
      const distance = (target % count) * SIZE * 2 - at - 4;
      if (kind === 0) rows.push(row(JUMP, 0, 0, distance, 0));
      else if (kind < 3) rows.push(row(0xaf, 0, 7, 0, 0));
      else rows.push(row(code, kind < 7 ? 0 : 7, 0, distance, imm));
    }
    rows.push(row(EXIT, 0, 0, 0, 0));
    return encode([row(0xb7, 0, 0, 0, 1), row(0xb7, 7, 0, 0, 0), ...rows]);
  });

const INTERPRETED = 50;

test("programs whose jumps lead anywhere do the same compiled, compiled in parts, and interpreted", () => {
  const machine = new Machine();
  const { memory, table, exports } = machine.runtime;
  const install = (instructions: Uint8Array, longestFunction: number) => {
    const compiled = compileProgram(unchecked({ ...programSpec("exit"), instructions }), { slot: 1, maps: [], longestFunction });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), { env: { memory, table }, runtime: exports });
    installProgram(compiled, instance, table);
    return machine.run(compiled);
  };
  let dispatched = 0;
  fc.assert(
    fc.property(programs, fc.integer({ min: 1, max: 40 }), (instructions, longest) => {
      const verified = unchecked({ ...programSpec("exit"), instructions });
      installInterpreted(interpretProgram(verified, { slot: INTERPRETED, maps: [] }, machine.runtime), table);
      const expected = machine.run({ slot: INTERPRETED });
      expect(install(instructions, 10_000)).toBe(expected);
      expect(install(instructions, longest)).toBe(expected);
      if (expected !== 1n) dispatched++;
    }),
    { numRuns: 400 },
  );
  expect(dispatched).toBeGreaterThan(200);
});
