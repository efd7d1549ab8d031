import { expect, test } from "vitest";
import { EFAULT, EINVAL, ENOMEM } from "../../src/layout/index.ts";
import { HelperBench } from "../helperBench.ts";

const frame = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00, ...Array.from({ length: 50 }, (_, index) => 0x80 + index)];

test("bytes are loaded by offset from the frame, the MAC and the network header; a failing load clears the buffer", () => {
  const bench = new HelperBench();
  const skb = bench.skb(frame, bench.addDevice(1));
  const to = bench.place(new Array(8).fill(0xee));
  expect(bench.call("skbLoadBytes", skb, 12, to, 4)).toBe(0);
  expect(bench.read(to, 5)).toEqual([0x08, 0x00, 0x80, 0x81, 0xee]);
  expect(bench.call("skbLoadBytesRelative", skb, 1, to, 4, 1)).toBe(0);
  expect(bench.read(to, 4)).toEqual([0x81, 0x82, 0x83, 0x84]);
  expect(bench.call("skbLoadBytesRelative", skb, 0, to, 4, 0)).toBe(0);
  expect(bench.read(to, 4)).toEqual([2, 0, 0, 0]);
  expect(bench.call("skbLoadBytes", skb, 57, to, 8)).toBe(-EFAULT);
  expect(bench.read(to, 8)).toEqual(new Array(8).fill(0));
  expect(bench.call("skbLoadBytes", skb, 0x80000000, to, 1)).toBe(-EFAULT);
  expect(bench.call("skbLoadBytesRelative", skb, 47, to, 4, 1)).toBe(-EFAULT);
  expect(bench.call("skbLoadBytesRelative", skb, 0, to, 4, 2)).toBe(-EFAULT);
});

test("bytes are stored inside the frame only; a flag forgets the flow hash", () => {
  const bench = new HelperBench();
  const skb = bench.skb(frame, bench.addDevice(1));
  const from = bench.place([1, 2, 3, 4]);
  bench.call("skbSetHash", skb, 1234);
  expect(bench.call("skbStoreBytes", skb, 61, from, 4, 0n)).toBe(-EFAULT);
  expect(bench.call("skbStoreBytes", skb, 0, from, 4, 4n)).toBe(-EINVAL);
  expect(bench.call("skbStoreBytes", skb, 60, from, 4, 0n)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual([...frame.slice(0, 60), 1, 2, 3, 4]);
  expect(bench.field(skb, "hash")).toBe(1234);
  expect(bench.call("skbStoreBytes", skb, 0, from, 4, 2n)).toBe(0);
  expect(bench.field(skb, "hash")).toBe(0);
  expect(bench.call("skbPullData", skb, 64)).toBe(0);
  expect(bench.call("skbPullData", skb, 65)).toBe(-ENOMEM);
});

test("legacy loads take network order, reach headers by negative offsets, and fail outside", () => {
  const bench = new HelperBench();
  const skb = bench.skb(frame, bench.addDevice(1));
  const load = (bytes: 8 | 16 | 32, offset: number): bigint => BigInt(bench.call(`skbLegacyLoad${bytes}`, skb, offset));
  expect(load(16, 12)).toBe(0x0800n);
  expect(load(32, 12)).toBe(0x08008081n);
  expect(load(8, -0x100000 + 2)).toBe(0x82n);
  expect(load(16, -0x200000 + 12)).toBe(0x0800n);
  expect(load(32, 61)).toBeLessThan(0n);
  expect(load(8, 64)).toBeLessThan(0n);
  expect(load(8, -0x200001)).toBeLessThan(0n);
});

test("the flow hash is the same in both directions and another for other ports", () => {
  const bench = new HelperBench();
  const device = bench.addDevice(1);
  const ip = (a: number, b: number, p: number, q: number) => [
    ...frame.slice(0, 14),
    ...[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, a, 10, 0, 0, b, 0, p, 0, q, 0, 8, 0, 0],
  ];
  const hash = (bytes: number[]) => bench.call("skbGetHashRecalc", bench.skb(bytes, device));
  expect(hash(ip(1, 2, 30, 40))).toBe(hash(ip(2, 1, 40, 30)));
  expect(hash(ip(1, 2, 30, 40))).not.toBe(hash(ip(1, 2, 30, 41)));
  const skb = bench.skb(ip(1, 2, 30, 40), device);
  bench.call("skbSetHash", skb, 77);
  expect(bench.call("skbGetHashRecalc", skb)).toBe(77);
});
