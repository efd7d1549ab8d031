import { expect, test } from "vitest";
import type { RunResult } from "../../src/dataplane/index.ts";
import { byteCount, duration, packetRate } from "../../src/report/quantity.ts";
import { loadedLines, mapLines, summaryText } from "../../src/report/summary.ts";

const result: RunResult = {
  packets: 20_000,
  bytes: 9_200_000,
  firstNs: 1_000_000_000n,
  lastNs: 1_019_900_000n,
  elapsedNs: 1_900_000,
  workers: 2,
  fates: [
    { fate: "tx", to: "eth0", reason: null, packets: 18_220, bytes: 8_901_244 },
    { fate: "stack", to: null, reason: null, packets: 1_410, bytes: 240_112 },
    { fate: "drop", to: null, reason: "tc_shot", packets: 310, bytes: 50_000 },
    { fate: "drop", to: null, reason: "xdp_drop", packets: 60, bytes: 8_044 },
  ],
  programs: [
    { name: "balancer", hook: "xdp", device: "eth0", runs: 20_000, traps: 0, verdicts: { XDP_TX: 18_220, XDP_PASS: 1_720, XDP_DROP: 60 } },
  ],
  queues: [
    { device: "eth0", queue: 0, cpu: 0, packets: 12_000, bytes: 5_000_000, fates: { tx: 11_000, stack: 900, drop: 100 } },
    { device: "eth0", queue: 1, cpu: 1, packets: 8_000, bytes: 4_200_000, fates: { tx: 7_220, stack: 510, drop: 270 } },
  ],
  devices: { eth0: { rx_packets: 20_000, tx_packets: 18_220 } },
  timing: null,
  traps: [{ program: "balancer", instruction: 17, reason: "budget", source: "balancer.c:40", packets: 3 }],
  trace: { lines: [{ cpu: 1, nanoseconds: 3_600_000_012_345n, text: "hello\n" }], lost: 3 },
  snapped: 2,
  padded: 0,
  unrecordedCopies: 0,
  filtered: null,
  interrupted: true,
};

const lines = (text: string) => text.split("\n");

test("the summary names totals, fates with their reasons, and the spread over queues", () => {
  const text = lines(summaryText(result));
  expect(text[0]).toBe(" 20,000 packets   9.2 MB   19.9 ms of capture   replayed in 1.9 ms on 2 workers (10.5 Mpps)");
  expect(text).toContain(" fate    packets      %       bytes");
  expect(text).toContain(" tx       18,220   91.1   8,901,244   eth0");
  expect(text).toContain(" stack     1,410    7.0     240,112");
  expect(text).toContain(" drop        370    1.9      58,044   tc_shot 310 · xdp_drop 60");
  expect(text).toContain("     0     0    12,000      60.0   11,000     900    100");
  expect(text).toContain(" eth0  rx_packets 20,000 · tx_packets 18,220");
});

test("what went wrong is said: the interruption, cut packets, traps with their place", () => {
  const text = summaryText(result);
  expect(text).toContain("interrupted: this is what was done so far");
  expect(text).toContain("2 packets were cut short in the capture");
  expect(text).toContain(" [001] 3600.000012: bpf_trace_printk: hello\n … 3 more lines of bpf_trace_printk\n");
  expect(text).toContain("balancer at instruction 17 (balancer.c:40): budget, 3 packets");
});

test("a run without packets says so", () => {
  const empty: RunResult = {
    ...result,
    packets: 0,
    bytes: 0,
    firstNs: null,
    lastNs: null,
    fates: [],
    programs: [],
    queues: [],
    devices: {},
    traps: [],
    trace: { lines: [], lost: 0 },
    snapped: 0,
    padded: 0,
    unrecordedCopies: 0,
    filtered: null,
    interrupted: false,
  };
  expect(summaryText(empty)).toContain(" no packets\n");
});

test("a loaded program tells its hook, size and what would trap", () => {
  const text = loadedLines([
    {
      name: "a.o:main",
      program: "main",
      device: "eth0",
      hook: "xdp",
      where: "xdp, native on eth0",
      instructions: 812,
      wasmBytes: 9_400,
      elapsedNs: 31e6,
      engine: "jit",
      unbuilt: ["bpf_sk_lookup_tcp"],
    },
    {
      name: "policy.o:ingress",
      program: "ingress",
      device: "eth0",
      hook: "clsact/ingress",
      where: "clsact ingress on eth0",
      instructions: 96,
      wasmBytes: 0,
      elapsedNs: 4e6,
      engine: "interp",
      unbuilt: [],
    },
  ]);
  expect(lines(text)).toEqual([
    "a.o:main           xdp, native on eth0      812 insns, 9.4 kB of wasm, 31.0 ms",
    "   not built yet, traps when reached: bpf_sk_lookup_tcp",
    "policy.o:ingress   clsact ingress on eth0   96 insns, interpreted, 4.0 ms",
    "",
  ]);
});

test.each([
  [duration(950), "950 ns"],
  [duration(75e9), "1 min 15 s"],
  [duration(7_265e9), "2 h 1 min"],
  [byteCount(999), "999 B"],
  [packetRate(25_580_000), "25.6 Mpps"],
])("%s reads as %s", (actual, expected) => {
  expect(actual).toBe(expected);
});

test("maps show entries in use, ring buffers the records that wait, in lines of the width asked for", () => {
  const maps = [
    { name: "backends", used: 12, limit: 512 },
    { name: "events", records: 1, lost: 0 },
    { name: "log", records: 4096, lost: 17 },
  ];
  expect(mapLines(maps)).toBe("\n maps  backends 12/512 · events 1 record · log 4,096 records, 17 lost\n");
  expect(mapLines(maps, 40)).toBe("\n maps  backends 12/512 · events 1 record\n       log 4,096 records, 17 lost\n");
});
