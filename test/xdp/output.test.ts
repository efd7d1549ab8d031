import { expect, test } from "vitest";
import { BPF_MAP_TYPE_PERF_EVENT_ARRAY, EFAULT, EINVAL, ENOENT } from "../../src/layout/index.ts";
import { createCpus, createMap, drainPerfBuffer, MapHost, openPerfBuffer } from "../../src/runtime/index.ts";
import { HelperBench } from "../helperBench.ts";

const frame = Array.from({ length: 20 }, (_, index) => index);
const CURRENT_CPU = 0xffffffffn;

function perfMap(bench: HelperBench) {
  const host = new MapHost(bench.memory, bench.runtime, createCpus(bench.memory, { count: 1 }));
  const spec = { name: "events", type: BPF_MAP_TYPE_PERF_EVENT_ARRAY, keySize: 4, valueSize: 4, maxEntries: 1, flags: 0 };
  return createMap(host, spec);
}

test("a sample holds the program's data and then as much of the frame as the flags say", () => {
  const bench = new HelperBench();
  const map = perfMap(bench);
  const data = bench.place([0xaa, 0xbb, 0xcc, 0xdd]);
  const context = bench.xdpFrame(frame.slice(0, 15), [frame.slice(15)]);
  expect(bench.call("xdpEventOutput", context, map.address, CURRENT_CPU, data, 4)).toBe(-ENOENT);
  openPerfBuffer(bench.memory, map, 1);
  expect(bench.call("xdpEventOutput", context, map.address, CURRENT_CPU | (20n << 32n), data, 4)).toBe(0);
  expect(bench.call("xdpEventOutput", context, map.address, CURRENT_CPU | (21n << 32n), data, 4)).toBe(-EFAULT);
  expect(bench.call("xdpEventOutput", context, map.address, CURRENT_CPU | (1n << 52n), data, 4)).toBe(-EINVAL);
  const skb = bench.skb([...frame.slice(0, 12), 8, 0, ...frame.slice(14)], bench.addDevice(1));
  expect(bench.call("skbEventOutput", skb, map.address, CURRENT_CPU | (2n << 32n), data, 2)).toBe(0);
  const [records] = drainPerfBuffer(bench.memory, map);
  expect(records?.samples.map((sample) => Array.from(sample))).toEqual([
    [0xaa, 0xbb, 0xcc, 0xdd, ...frame, 0, 0, 0, 0],
    [0xaa, 0xbb, 0, 1],
  ]);
});
