import { expect, test } from "vitest";
import { linearFit } from "../../../src/lab/bench/statistics.ts";
import { runCompileBench } from "../../../src/lab/index.ts";
import { compileText } from "../../../src/report/index.ts";

test("programs of every shape are checked, compiled and run at every length", () => {
  const times = runCompileBench({ lengths: [100, 1000], rounds: 2 });
  expect(times.map(({ shape }) => shape)).toEqual(["arithmetic", "branches", "bytes", "frame", "helpers", "lookups", "loops", "mixed"]);
  for (const { shape, lengths } of times) {
    expect(
      lengths.map(({ total }) => total.samples.length),
      shape,
    ).toEqual([2, 2]);
    for (const [at, wanted] of [100, 1000].entries()) {
      expect(lengths[at]!.instructions, shape).toBeLessThanOrEqual(wanted);
      expect(lengths[at]!.instructions, shape).toBeGreaterThan(wanted - 12);
    }
    expect(lengths[1]!.wasmBytes, shape).toBeGreaterThan(2 * lengths[0]!.wasmBytes);
  }
  expect(compileText(times)).toMatch(/mixed +9\d\d /);
});

test("a straight line through points on one has their slope, and explains all", () => {
  expect(linearFit([1, 2, 5, 9].map((x) => [x, 3 + 2 * x] as const))).toEqual({ constant: 3, slope: 2, determination: 1 });
  const { slope, constant, determination } = linearFit([
    [0, 0],
    [1, 3],
    [2, 0],
  ]);
  expect([slope, constant, determination]).toEqual([0, 1, 0]);
});
