import { expect, test } from "vitest";
import type { PreparedRun } from "../../../src/lab/bench/engine.ts";
import { type Contender, measure } from "../../../src/lab/bench/measure.ts";

/** A run that claims to take so long and leaves these bytes; `changing` gives another packet every time. */
const claims = (nanoseconds: number, { returned = 2, bytes = [1, 2, 3], changing = false } = {}): PreparedRun => {
  let runs = 0;
  return { run: () => ({ nanoseconds, returned, packet: Uint8Array.from(changing ? [...bytes, runs++] : bytes) }) };
};
const kernel = (time: number, more: Partial<Contender> = {}): Contender => ({
  engine: "kernel",
  form: claims(time),
  form8: claims(time),
  empty: claims(10),
  ...more,
});

test("net times are those of the program alone, and come from every round", async () => {
  const jit: Contender = { engine: "jit", form: claims(60_000), form8: claims(9), empty: claims(20_000) };
  const result = await measure("router", "tcp64", [jit, kernel(110)], { rounds: 5 });
  expect(result).toMatchObject({
    bodyRuns: 1,
    returned: 2,
    times: { jit: { nanoseconds: 60_000, net: 40_000, spread: 0, samples: 5 }, kernel: { nanoseconds: 110, net: 100, samples: 5 } },
  });
});

test("a program of less than 20 ns in the kernel is measured by eight runs of its body", async () => {
  const short = kernel(14, { form8: claims(34) });
  expect(await measure("counters", "tcp64", [short])).toMatchObject({ bodyRuns: 8, times: { kernel: { nanoseconds: 14, net: 3 } } });
});

test("a form that does not restore its packet is refused", async () => {
  const drifting = kernel(100, { form: claims(100, { changing: true }) });
  await expect(measure("router", "tcp64", [drifting])).rejects.toMatchObject({ problem: { code: "bench_unequal_runs", exit: 1 } });
});

test("engines that do not agree are not compared", async () => {
  const other: Contender = { ...kernel(100), engine: "interp", form: claims(9e6, { returned: 1 }) };
  await expect(measure("router", "tcp64", [kernel(100), other])).rejects.toMatchObject({ problem: { code: "bench_engines_differ" } });
});
