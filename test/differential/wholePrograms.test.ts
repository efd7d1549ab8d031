import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openKernel } from "../../src/kernel/index.ts";
import { besideSockets } from "../stack/liveSockets.ts";
import { Campaign } from "./whole/campaign.ts";
import { Coverage } from "./whole/coverage.ts";
import { makeLive } from "./whole/network.ts";
import { difference } from "./whole/outcome.ts";
import { assembleSet, type GeneratedSet, generatedSet } from "./whole/program.ts";
import { SimulatedMachine } from "./whole/simulated.ts";

const opened = openKernel();
const why = opened.ok ? "" : ` (skipped: ${opened.problem.message})`;
const live = test.runIf(opened.ok);

/**
 * How many sets of programs, from which seed: 300 in `npm test`. The long run, in slices that fit: XDPLANE_PROGRAMS=100000 XDPLANE_SEED=1 XDPLANE_SECONDS=170
 * npx vitest run test/differential/wholePrograms.test.ts; XDPLANE_CPU=1 runs them on another CPU, XDPLANE_COVERAGE=FILE writes the coverage as JSON.
 */
const programs = Number(process.env.XDPLANE_PROGRAMS ?? 300);
const first = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);
/** Sets that only the engines are compared on. */
const engineSets = 150;
const cpu = Number(process.env.XDPLANE_CPU ?? 0);
const seconds = Number(process.env.XDPLANE_SECONDS ?? 3600);

/** CPUs that the kernel keeps per-CPU values for. */
const possibleCpus = (): number => Number(readFileSync("/sys/devices/system/cpu/possible", "utf8").trim().split(/[,-]/).at(-1)) + 1;

live(
  `${programs} generated sets of programs do what they do in the live kernel (from seed ${first})${why}`,
  async () => {
    if (!opened.ok) throw new Error(opened.problem.message);
    // Test runs take place on the CPU that they are asked for on, and its per-CPU values are compared with those of the simulated CPU of that number.
    execFileSync("taskset", ["-cp", String(cpu), String(process.pid)], { stdio: "ignore" });
    const campaign = new Campaign(opened.value, { cpus: possibleCpus(), cpu });
    const end = performance.now() + seconds * 1000;
    await besideSockets(() => {
      makeLive();
      for (let index = 0; index < programs && performance.now() < end; index++) campaign.try(first + index);
    });
    const file = process.env.XDPLANE_COVERAGE;
    const table = file !== undefined || process.env.XDPLANE_PROGRAMS !== undefined;
    process.stdout.write(`${campaign.summary()}\n${table ? `${campaign.coverage.text()}\n` : ""}`);
    if (file !== undefined) {
      const { sets, accepted, runs, findings, rejections, coverage } = campaign;
      const rows = Object.fromEntries(coverage.sorted());
      writeFileSync(
        file,
        JSON.stringify({ first, sets, accepted, runs, findings, rejections: Object.fromEntries(rejections), coverage: rows }, null, 1),
      );
    }
    expect(campaign.findings.map(({ text }) => text).join("\n\n")).toBe("");
    expect(campaign.accepted / campaign.sets).toBeGreaterThan(0.8);
  },
  60_000 + programs * 50,
);

test(`compiler and interpreter do the same with ${engineSets} generated sets of programs (from seed ${first})`, () => {
  const [compiler, interpreter] = (["jit", "interp"] as const).map((engine) => new SimulatedMachine(engine, { cpus: 2, cpu: 1 }));
  const coverage = new Coverage();
  for (let seed = first; seed < first + engineSets; seed++) {
    const [generated] = fc.sample(generatedSet, { seed, numRuns: 1 });
    const assembled = assembleSet(generated!);
    const expected = interpreter!.run(generated!, assembled);
    expect(difference(compiler!.run(generated!, assembled), expected), `seed ${seed}`).toBeUndefined();
    coverage.count(assembled, expected, false);
  }
  expect(coverage.sorted().filter(([, { ran }]) => ran > 0).length).toBeGreaterThan(200);
}, 60_000);

/** A program of one statement, which stores a byte into the packet. */
const storing = (value: number): GeneratedSet => ({
  type: "xdp",
  shape: { entries: 1, preallocated: true, commonLru: true, lruEntries: 1, valueSize: 8 },
  fragments: false,
  main: [{ kind: "packet store", params: { size: 1, offset: 20, start: "data", value: { constant: value } }, bodies: [] }],
  functions: [],
  tails: [],
  catches: false,
  verdict: 2,
  entries: [],
  runs: [{ packet: { headers: "plain", length: 60, seed: 0 }, context: undefined, entries: [] }],
});

test("a byte that differs is found, and what ran is counted", () => {
  const machine = new SimulatedMachine("jit", { cpus: 1, cpu: 0 });
  const [one, other] = [storing(5), storing(6)].map((generated) => machine.run(generated, assembleSet(generated)));
  expect(difference(one!, one!)).toBeUndefined();
  expect(difference(one!, other!)).toContain("run 0: packet");
  const coverage = new Coverage();
  coverage.count(assembleSet(storing(5)), one!, false);
  expect(coverage.sorted()).toEqual([["packet store", { written: 1, accepted: 1, ran: 1, differed: 0 }]]);
});
