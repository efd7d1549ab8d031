import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeMapValue, type ObjectFile, openObject } from "../../src/bpf/elf/index.ts";
import { objectJson, objectText } from "../../src/report/index.ts";
import { mutated, mutations } from "../bpf/elf/mutations.ts";

/** FUZZ_RUNS=10000 for a long run; the seed of a failure is printed by fast-check. */
const runs = Number(process.env.FUZZ_RUNS ?? 400);

const names = ["everything.clang19", "everything.be", "externs", "legacy36", "sections"] as const;
const objects = new Map(names.map((name) => [name, new Uint8Array(readFileSync(`test/bpf/elf/objects/${name}.o`))]));

/** Everything that `dump` prints; types that contain themselves may end in a problem. */
function shown(object: ObjectFile): void {
  try {
    const all = { sections: true, programs: true, maps: true, types: true, instructions: true };
    expect(objectText(object, all).length).toBeGreaterThan(0);
    expect(JSON.stringify(objectJson(object, all)).length).toBeGreaterThan(0);
  } catch (error) {
    expect(error).toMatchObject({ name: "ProblemError", problem: { exit: 3 } });
  }
}

test(`damaged objects open, or give a problem with file and offset (${runs} of them)`, () => {
  const outcomes = new Map<string, number>();
  fc.assert(
    fc.property(fc.constantFrom(...names), mutations, (name, changes) => {
      const bytes = mutated(objects.get(name)!, changes);
      const opened = openObject(bytes, { file: "damaged.o" });
      outcomes.set(opened.ok ? "ok" : opened.problem.code, (outcomes.get(opened.ok ? "ok" : opened.problem.code) ?? 0) + 1);
      if (!opened.ok) {
        expect(opened.problem).toMatchObject({ exit: 3, at: { file: "damaged.o" } });
        expect(Number(opened.problem.at.offset)).toBeGreaterThanOrEqual(0);
        expect(Number(opened.problem.at.offset)).toBeLessThanOrEqual(bytes.length);
        return;
      }
      const { programs, otherPrograms, maps } = opened.value;
      for (const { instructions, functions, maps: own } of [...programs, ...otherPrograms]) {
        expect(instructions.length % 8).toBe(0);
        expect(own).toBe(maps);
        for (const { instruction } of functions) expect(instruction).toBeLessThan(instructions.length / 8);
      }
      // First values are no longer than the file: what it only claims is not allocated.
      for (const map of maps) {
        if (map.contents === undefined) continue;
        expect(map.contents.length).toBeLessThanOrEqual(bytes.length + (1 << 20));
        decodeMapValue(map, map.contents);
      }
      expect(openObject(bytes, { file: "damaged.o" })).toEqual(opened);
      shown(opened.value);
    }),
    { numRuns: runs },
  );
  if (process.env.FUZZ_RUNS !== undefined) console.log(Object.fromEntries([...outcomes].sort((a, b) => b[1] - a[1])));
});
