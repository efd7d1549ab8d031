import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { openKernel } from "../../src/kernel/index.ts";
import { declareBenchNetwork } from "../../src/lab/bench/kernelNetwork.node.ts";
import { realTraffic } from "./traffic.ts";
import { type Known, type Trial, tryObject } from "./trial.ts";

// XDPLANE_OBJECTS names a folder of object files that others made, and captures to run through them besides those at hand; without it the objects are our own.
// XDPLANE_OBJECTS_ONLY is a pattern for their names, XDPLANE_OBJECTS_FRAMES how many frames are taken of a capture, XDPLANE_OBJECTS_REPORT a file for the results as JSON.
const folder = process.env.XDPLANE_OBJECTS ?? fileURLToPath(new URL("../../programs/", import.meta.url));
const only = new RegExp(process.env.XDPLANE_OBJECTS_ONLY ?? "");
const objects = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => /\.(o|elf)$/.test(name) && only.test(name))
      .sort()
  : [];

// What user space knows and an object does not say: {"object.o": {"types": {"program": "xdp", "*": "sched_cls"}, "slots": {"map": ["program"]}}}.
const knownFile = join(folder, "known.json");
const known = existsSync(knownFile) ? (JSON.parse(readFileSync(knownFile, "utf8")) as Record<string, Known>) : {};
const perCapture = Number(process.env.XDPLANE_OBJECTS_FRAMES ?? 8);

const opened = openKernel();
const beside = opened.ok ? "beside the live kernel" : `(without the live kernel: ${opened.problem.message})`;
const trials: Trial[] = [];
let frames: Promise<Uint8Array[]> | undefined;

test.each(objects)(
  `%s: every program loads, runs on real traffic, and does what Linux does ${beside}`,
  async (name) => {
    frames ??= realTraffic(folder, perCapture);
    const trial = await run(name, await frames);
    trials.push(trial);
    expect(trial.differences).toEqual([]);
    expect(trial.refused).toEqual([]);
  },
  170_000,
);

async function run(name: string, traffic: readonly Uint8Array[]): Promise<Trial> {
  const bytes = readFileSync(join(folder, name));
  if (!opened.ok) return tryObject(name, bytes, traffic, { kernel: undefined, known: known[name] });
  return opened.value.inNetworkNamespace(() => {
    declareBenchNetwork();
    return tryObject(name, bytes, traffic, { kernel: opened.value, known: known[name] });
  });
}

afterAll(() => {
  const report = process.env.XDPLANE_OBJECTS_REPORT;
  if (report === undefined) return;
  writeFileSync(
    report,
    JSON.stringify(
      trials.map((trial) => ({ ...trial, verdicts: [...trial.verdicts], traps: Object.fromEntries(trial.traps) })),
      null,
      1,
    ),
  );
});
