import { expect, test } from "vitest";
import { TestMachine, verified, xdpSpec } from "../../differential/machine.ts";
import { branchOf, comparisons, programOf, vectors } from "../isa/vectors.ts";

const machine = new TestMachine([]);

function returned(text: string): bigint | undefined {
  machine.reset();
  machine.interpret(verified(xdpSpec(text)), 1);
  return machine.run(1, new Uint8Array(64)).returned;
}

test.each(vectors)("$text", (vector) => {
  expect(returned(programOf(vector))).toBe(vector.r0);
});

test.each(comparisons)("$r1 $sign $r2 in 64 and in 32 bits", (comparison) => {
  expect([returned(branchOf(comparison, "r")), returned(branchOf(comparison, "w"))]).toEqual(
    [comparison.wide, comparison.narrow].map((taken) => (taken ? 1n : 0n)),
  );
});
