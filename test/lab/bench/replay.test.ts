import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { readBenchFiles } from "../../../src/lab/bench/benchFiles.node.ts";
import { balancedServices } from "../../../src/lab/bench/services.ts";
import { minimumFrames } from "../../../src/lab/bench/traffic.ts";
import { runReplayBench } from "../../../src/lab/index.ts";
import { replayText } from "../../../src/report/index.ts";

const RECORD = 16 + 64;
const recordsOf = (capture: Uint8Array) =>
  Array.from({ length: (capture.length - 24) / RECORD }, (_, at) => capture.subarray(24 + at * RECORD, 24 + (at + 1) * RECORD));

const balancer = readBenchFiles({ program: "balancer", type: "xdp", object: "balancer", entry: "balancer", packets: [] }).object;

test("generated captures hold 64-byte frames of as many flows as were asked for, in the same order every time", () => {
  const capture = minimumFrames({ packets: 2000, flows: 50 });
  const records = recordsOf(capture);
  expect(records).toHaveLength(2000);
  const tuple = (record: Uint8Array) => Buffer.from(record.subarray(16 + 23, 16 + 38)).toString("hex");
  expect(new Set(records.map((record) => tuple(record))).size).toBeGreaterThanOrEqual(50);
  expect(minimumFrames({ packets: 2000, flows: 50 })).toEqual(capture);
});

test("the servers of a capture become services of the balancer, each once", () => {
  const [services] = balancedServices(balancer, minimumFrames({ packets: 500, flows: 40 }));
  expect(services!.map.name).toBe("services");
  const ports = services!.entries.map(({ key }) => new DataView(key.buffer, key.byteOffset).getUint16(16, true));
  expect(ports.sort((a, b) => a - b)).toEqual([53, 80, 443]);
});

test("a capture of another format makes no services", () => {
  expect(balancedServices(balancer, new Uint8Array(100))).toEqual([]);
});

const built = existsSync(new URL("../../../dist/worker.js", import.meta.url));
test.runIf(built)(`every packet of a measured replay has its fate${built ? "" : " (skipped: not built)"}`, async () => {
  const bytes = minimumFrames({ packets: 1000, flows: 20 });
  const rates = await runReplayBench({ capture: { name: "small", bytes }, packets: 3000, workers: 2, rounds: 1 });
  expect(rates.map(({ program, workers, packets, fates }) => ({ program, workers, packets, fates }))).toEqual([
    { program: "drop_all", workers: 1, packets: 3000, fates: { drop: 3000 } },
    { program: "drop_all", workers: 2, packets: 3000, fates: { drop: 3000 } },
    { program: "balancer", workers: 1, packets: 3000, fates: { tx: 3000 } },
    { program: "balancer", workers: 2, packets: 3000, fates: { tx: 3000 } },
  ]);
  expect(replayText(rates)).toContain("drop_all");
});
