import { expect, test } from "vitest";
import { EFAULT, EINVAL } from "../../src/layout/index.ts";
import { HelperBench } from "../helperBench.ts";

const frame = Array.from({ length: 40 }, (_, index) => index);

test("bytes are read across the linear part and all fragments", () => {
  const bench = new HelperBench();
  const context = bench.xdpFrame(frame.slice(0, 16), [frame.slice(16, 19), frame.slice(19)]);
  const buffer = bench.place(new Array(40).fill(0xee));
  expect(bench.call("xdpLoadBytes", context, 14, buffer, 10)).toBe(0);
  expect(bench.read(buffer, 11)).toEqual([...frame.slice(14, 24), 0xee]);
  expect(bench.call("xdpLoadBytes", context, 20, buffer, 20)).toBe(0);
  expect(bench.read(buffer, 20)).toEqual(frame.slice(20));
});

test("bytes are written across the linear part and all fragments", () => {
  const bench = new HelperBench();
  const context = bench.xdpFrame(frame.slice(0, 16), [frame.slice(16, 19), frame.slice(19)]);
  const buffer = bench.place([100, 101, 102, 103, 104, 105]);
  expect(bench.call("xdpStoreBytes", context, 15, buffer, 6)).toBe(0);
  expect(bench.xdpBytes(context)).toEqual([...frame.slice(0, 15), 100, 101, 102, 103, 104, 105, ...frame.slice(21)]);
});

test("a range past the end is -EINVAL, an offset or length above 65,535 is -EFAULT, and nothing is touched", () => {
  const bench = new HelperBench();
  const context = bench.xdpFrame(frame);
  const buffer = bench.place(new Array(8).fill(0xee));
  expect(bench.call("xdpLoadBytes", context, 33, buffer, 8)).toBe(-EINVAL);
  expect(bench.call("xdpLoadBytes", context, 0x10000, buffer, 1)).toBe(-EFAULT);
  expect(bench.call("xdpStoreBytes", context, 0, buffer, 0x10000)).toBe(-EFAULT);
  expect(bench.read(buffer, 8)).toEqual(new Array(8).fill(0xee));
  expect(bench.xdpBytes(context)).toEqual(frame);
});
