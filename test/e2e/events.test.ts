import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { pcap } from "../dataplane/machine.ts";
import { queries } from "../dataplane/watch.ts";

/** These tests run the built program, as `npm test` builds it before. */
const folder = mkdtempSync(join(tmpdir(), "xdplane-events-"));
afterAll(() => rmSync(folder, { recursive: true }));

function replay(capture: string, ...args: readonly string[]) {
  const all = ["dist/cli.js", "replay", capture, "--xdp", "programs/probes/watch.o:watch", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
  expect(stderr).not.toContain("xdplane itself failed");
  return { status, stdout, stderr };
}

const jsonLines = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** 4,000 packets at one time, which make one window: nine of ten are reported through both rings, and neither has room for all. */
const burst = join(folder, "burst.pcap");
writeFileSync(burst, pcap(queries(4000).map((sent) => ({ bytes: (sent as { bytes: Uint8Array }).bytes, afterUs: 0 }))));

test("--events writes a line for each record of a ring buffer and of a perf event array, whoever runs the packets", () => {
  const ways = [["--workers", "1"], ["--workers", "0"], ["--deterministic"], ["--engine", "interp"]];
  const files = ways.map((way, index) => {
    const file = join(folder, `${index}.jsonl`);
    const { status, stdout, stderr } = replay("pcaps/shop.pcapng", "--events", file, "--event-type", "samples=event", ...way);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(" events 181 records read · samples 181 records read ");
    return readFileSync(file, "utf8");
  });
  for (const other of files) expect(other === files[0]).toBe(true);
  const lines = jsonLines(files[0]!);
  expect(lines).toHaveLength(362);
  const events = lines.filter(({ map }) => map === "events");
  const samples = lines.filter(({ map }) => map === "samples");
  for (const event of events) expect(Object.keys(event)).toEqual(["map", "after", "ts", "data"]);
  for (const sample of samples) expect(Object.keys(sample)).toEqual(["map", "cpu", "after", "ts", "data", "type", "value"]);
  // A perf sample is filled up, so that its record is a multiple of 8 bytes.
  expect(samples.map(({ data }) => data)).toEqual(events.map(({ data }) => `${data}00000000`));
  expect(samples[0]).toMatchObject({ cpu: 0, type: "event", value: { length: 76, direction: "TOWARDS_PORT", label: "dns", count: 1 } });
  // Behind the packet that is named, and no earlier than the program saw its own.
  const first = Number(samples[0].value.time) - 3_600_000_000_000;
  expect(Number(samples[0].ts.slice(-9))).toBeGreaterThanOrEqual(first + 80_994);
  expect(samples.map(({ after }) => after)).toEqual(samples.map(({ after }) => after).sort((a, b) => a - b));
});

test("records that find no room are told: of a CPU's perf ring with the window, of a ring buffer in the end", () => {
  const { status, stdout } = replay(burst, "--queues", "2", "--events", "-", "--perf-pages", "1");
  expect(status).toBe(0);
  const lines = jsonLines(stdout);
  const lost = lines.filter((line) => "lost" in line);
  expect(lost.map(({ map, cpu }) => [map, cpu])).toEqual([
    ["samples", 0],
    ["samples", 1],
    ["events", undefined],
  ]);
  // 48 bytes a record in 64 KiB; 56 bytes a sample in a page of each CPU.
  expect(lines.filter(({ map, data }) => map === "events" && data !== undefined)).toHaveLength(1365);
  expect(lost[2].lost).toBe(3600 - 1365);
  expect(lines.filter(({ map, data }) => map === "samples" && data !== undefined)).toHaveLength(2 * 73);
  expect(lost[0].lost + lost[1].lost).toBe(3600 - 2 * 73);
  expect(lost[0]).toMatchObject({ after: 4000, ts: expect.any(String) });
  const summary = replay(burst, "--queues", "2", "--events", join(folder, "lost.jsonl"), "--perf-pages", "1");
  expect(summary.stdout).toContain(" events 1,365 records read, 2,235 lost · samples 146 records read, 3,454 lost\n");
  const json = JSON.parse(replay(burst, "--events", join(folder, "lost.jsonl"), "--json").stdout);
  expect(json.events).toEqual({ events: { read: 1365, lost: 2235 }, samples: { read: 3600, lost: 0 } });
});

test("without --events nobody listens: programs find no perf ring, and records of a ring buffer stay in it", () => {
  const { stdout } = replay("pcaps/shop.pcapng", "--dump-maps");
  expect(stdout).toContain(" events 181 records · samples 0/64 ");
});

test.each([
  ["--event-type none=event: no object has such a ring", ["--event-type", "none=event"]],
  ["the rings are events, samples", ["--event-type", "flows=event"]],
  ["map samples: the object has no type evnt", ["--event-type", "samples=evnt"]],
  ["map events: the object has no type evnt", ["--event-type", "evnt"]],
  ["--events - both write to standard output", ["--jsonl", "-"]],
  ["--perf-pages 0: out of range", ["--perf-pages", "0"]],
])("exit code 2: %s", (text, args) => {
  const { status, stderr, stdout } = replay("pcaps/shop.pcapng", "--events", "-", ...args);
  expect(stderr).toContain(text);
  expect([status, stdout]).toEqual([2, ""]);
});

test.skipIf(process.platform !== "linux")("a full disk is a named failure", () => {
  const { status, stderr } = replay("pcaps/shop.pcapng", "--events", "/dev/full");
  expect(stderr).toContain("error: the output cannot be written: no space left on the device");
  expect(status).toBe(3);
});
