import { expect, test } from "vitest";
import { EACCES, EINVAL, XdpContext } from "../../src/layout/index.ts";
import { HelperBench } from "../helperBench.ts";

const numbered = (length: number): number[] => Array.from({ length }, (_, index) => index & 0xff);

test("the head goes back 216 bytes at most and forward until 14 bytes are left", () => {
  const bench = new HelperBench();
  const context = bench.xdpFrame(numbered(100));
  expect(bench.call("xdpAdjustHead", context, -217)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustHead", context, 87)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustHead", context, 0x7fffffff)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustHead", context, -0x80000000)).toBe(-EINVAL);
  expect(bench.xdpBytes(context)).toEqual(numbered(100));
  expect(bench.call("xdpAdjustHead", context, -216)).toBe(0);
  expect(bench.xdpBytes(context).slice(216)).toEqual(numbered(100));
  expect(bench.call("xdpAdjustHead", context, 216 + 86)).toBe(0);
  expect(bench.xdpBytes(context)).toEqual(numbered(100).slice(86));
});

test("metadata moves with the head and stops it from running into the frame's own room", () => {
  const bench = new HelperBench();
  const context = bench.xdpFrame(numbered(60));
  expect(bench.call("xdpAdjustMeta", context, -8)).toBe(0);
  const meta = XdpContext.read(bench.view, context, "data_meta");
  bench.memory.bytes.set([1, 2, 3, 4, 5, 6, 7, 8], meta);
  expect(bench.call("xdpAdjustHead", context, -209)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustHead", context, 4)).toBe(0);
  expect(bench.xdpBytes(context)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, ...numbered(60).slice(4)]);
});

test("metadata comes in steps of four bytes and stays within the headroom", () => {
  const bench = new HelperBench();
  const context = bench.xdpFrame(numbered(60));
  expect(bench.call("xdpAdjustMeta", context, -31)).toBe(-EACCES);
  expect(bench.call("xdpAdjustMeta", context, -220)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustMeta", context, 4)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustMeta", context, -216)).toBe(0);
  expect(bench.xdpBytes(context)).toHaveLength(276);
});

test("the tail grows with zeros to 320 bytes before the end of the frame, and shrinks to 14", () => {
  const bench = new HelperBench();
  const context = bench.xdpFrame(numbered(100));
  expect(bench.call("xdpAdjustTail", context, 3421)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustTail", context, -87)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustTail", context, -90 + 50)).toBe(0);
  expect(bench.call("xdpAdjustTail", context, 40)).toBe(0);
  expect(bench.xdpBytes(context)).toEqual([...numbered(60), ...new Array(40).fill(0)]);
  expect(bench.call("xdpAdjustTail", context, 3420)).toBe(0);
  expect(bench.xdpBytes(context)).toHaveLength(3520);
});

test("a multi-buffer frame shrinks through its fragments into the linear part, and grows in the last one", () => {
  const bench = new HelperBench();
  const context = bench.xdpFrame(numbered(20), [numbered(10), numbered(5)]);
  expect(bench.call("xdpGetBuffLen", context)).toBe(35);
  expect(bench.call("xdpAdjustTail", context, 4096 - 4)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustTail", context, 2)).toBe(0);
  expect(bench.xdpBytes(context)).toEqual([...numbered(20), ...numbered(10), ...numbered(5), 0, 0]);
  expect(bench.call("xdpAdjustTail", context, -8)).toBe(0);
  expect(bench.xdpBytes(context)).toEqual([...numbered(20), ...numbered(9)]);
  expect(bench.call("xdpAdjustTail", context, -16)).toBe(-EINVAL);
  expect(bench.call("xdpAdjustTail", context, -15)).toBe(0);
  expect(XdpContext.read(bench.view, context, "frag_count")).toBe(0);
  expect(bench.xdpBytes(context)).toEqual(numbered(14));
});
