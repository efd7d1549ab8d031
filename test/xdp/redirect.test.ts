import { expect, test } from "vitest";
import {
  BPF_F_BROADCAST,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  CpuBlock,
  MapHeader,
  REDIRECT_BROADCAST,
  REDIRECT_IFINDEX,
  REDIRECT_MAP,
  XDP_ABORTED,
  XDP_PASS,
  XDP_REDIRECT,
  XDP_TX,
} from "../../src/layout/index.ts";
import { HelperBench } from "../helperBench.ts";

/** A devmap or cpumap of four entries, of which entry 2 is filled. */
function redirectMap(bench: HelperBench, type: number): number {
  const map = bench.memory.allocate("engine", MapHeader.size, 64, "map");
  const set = (field: Parameters<typeof MapHeader.write>[2], value: number) => MapHeader.write(bench.view, map, field, value);
  set("type", type);
  set("id", 7);
  set("max_entries", 4);
  set("stride", 8);
  set("elements", bench.place(Uint8Array.of(...new Array(16).fill(0), 5, ...new Array(15).fill(0))));
  return map;
}

const left = (bench: HelperBench) => ({
  kind: CpuBlock.read(bench.view, bench.cpu, "redirect_kind"),
  index: CpuBlock.read(bench.view, bench.cpu, "redirect_index"),
});

test("bpf_redirect remembers the ifindex without looking it up, and aborts on any flag", () => {
  const bench = new HelperBench();
  expect(bench.call("xdpRedirect", 999, 0n)).toBe(XDP_REDIRECT);
  expect(left(bench)).toEqual({ kind: REDIRECT_IFINDEX, index: 999 });
  expect(bench.call("xdpRedirect", 3, 1n)).toBe(XDP_ABORTED);
  expect(left(bench)).toEqual({ kind: REDIRECT_IFINDEX, index: 999 });
});

test("a miss returns the action bits, forgets the map and keeps the index of the call before", () => {
  const bench = new HelperBench();
  const map = redirectMap(bench, BPF_MAP_TYPE_DEVMAP);
  expect(bench.call("xdpRedirectMap", map, 2n, 0n)).toBe(XDP_REDIRECT);
  expect(left(bench)).toEqual({ kind: REDIRECT_MAP, index: 2 });
  expect(bench.call("xdpRedirectMap", map, 3n, BigInt(XDP_TX))).toBe(XDP_TX);
  expect(bench.call("xdpRedirectMap", map, 4n, BigInt(XDP_PASS))).toBe(XDP_PASS);
  expect(left(bench)).toEqual({ kind: REDIRECT_IFINDEX, index: 2 });
});

test("broadcast ignores the key, in devmaps only; a refused call changes nothing", () => {
  const bench = new HelperBench();
  const devmap = redirectMap(bench, BPF_MAP_TYPE_DEVMAP);
  expect(bench.call("xdpRedirectMap", devmap, 99n, BigInt(BPF_F_BROADCAST | XDP_PASS))).toBe(XDP_REDIRECT);
  expect(left(bench)).toEqual({ kind: REDIRECT_BROADCAST, index: 99 });
  const cpumap = redirectMap(bench, BPF_MAP_TYPE_CPUMAP);
  expect(bench.call("xdpRedirectMap", cpumap, 2n, BigInt(BPF_F_BROADCAST))).toBe(XDP_ABORTED);
  expect(bench.call("xdpRedirectMap", devmap, 2n, 0x20n)).toBe(XDP_ABORTED);
  expect(left(bench)).toEqual({ kind: REDIRECT_BROADCAST, index: 99 });
});
