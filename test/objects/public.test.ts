import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { openKernel } from "../../src/kernel/index.ts";
import { declareBenchNetwork } from "../../src/lab/bench/kernelNetwork.node.ts";
import { realTraffic } from "./traffic.ts";
import { type Trial, type TypeOverrides, tryObject } from "./trial.ts";

// XDPLANE_OBJECTS names a folder of object files that others made; without it these are our own. XDPLANE_OBJECTS_REPORT names a file for the results as JSON.
const folder = process.env.XDPLANE_OBJECTS ?? fileURLToPath(new URL("../../programs/", import.meta.url));
const only = new RegExp(process.env.XDPLANE_OBJECTS_ONLY ?? "");
const objects = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => /\.(o|elf)$/.test(name) && only.test(name))
      .sort()
  : [];

// Program types that an object does not say: {"object.o": {"program": "xdp", "*": "sched_cls"}}.
const typesFile = join(folder, "types.json");
const types = existsSync(typesFile) ? (JSON.parse(readFileSync(typesFile, "utf8")) as Record<string, TypeOverrides>) : {};

const opened = openKernel();
const beside = opened.ok ? "beside the live kernel" : `(without the live kernel: ${opened.problem.message})`;
const trials: Trial[] = [];
let frames: Promise<Uint8Array[]> | undefined;

test.each(objects)(
  `%s: every program loads, runs on real traffic, and does what Linux does ${beside}`,
  async (name) => {
    frames ??= realTraffic();
    const trial = await run(name, await frames);
    trials.push(trial);
    expect(trial.differences).toEqual([]);
    expect(trial.refused).toEqual([]);
  },
  170_000,
);

async function run(name: string, traffic: readonly Uint8Array[]): Promise<Trial> {
  const bytes = readFileSync(join(folder, name));
  if (!opened.ok) return tryObject(name, bytes, traffic, { kernel: undefined, types: types[name] });
  return opened.value.inNetworkNamespace(() => {
    declareBenchNetwork();
    return tryObject(name, bytes, traffic, { kernel: opened.value, types: types[name] });
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
