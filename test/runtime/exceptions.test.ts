import { expect, test } from "vitest";
import { agreedResults, inEveryEngine, keep, withKernel } from "../kernel/everyEngine.ts";

test(`bpf_throw in the program ends it with the cookie${withKernel}`, () => {
  const program = { results: 2, text: `r0 = 5\n${keep(0)}\nr1 = 0x1234\ncall kfunc bpf_throw\nr0 = 6\n${keep(1)}\nr0 = 2\nexit` };
  expect(agreedResults(program)).toEqual([5n, 0n]);
  expect(inEveryEngine(program).jit.returned).toBe(0x1234);
});

test(`bpf_throw two calls deep ends all of them${withKernel}`, () => {
  const program = {
    results: 3,
    text: `r1 = r6
      call first
      r0 = 1\n${keep(0)}
      r0 = 2
      exit
    first:
      r6 = r1
      call second
      r0 = 1\n${keep(1)}
      r0 = 0
      exit
    second:
      r0 = 7\n*(u64 *)(r1 +16) = r0
      r1 = -1
      call kfunc bpf_throw
      r0 = 0
      exit`,
  };
  expect(agreedResults(program)).toEqual([0n, 0n, 7n]);
  expect(inEveryEngine(program).jit.returned).toBe(0xffffffff);
});

test("a callback that throws, which Linux refuses, ends the loop and the program", () => {
  const loop = (limit: number) => ({
    results: 2,
    kernel: false,
    text: `r1 = 0
      *(u64 *)(r10 -8) = r1
      r1 = 100
      r2 = subprog[callback]
      r3 = r10
      r3 += -8
      r4 = 0
      call bpf_loop
      ${keep(0)}
      r0 = *(u64 *)(r10 -8)
      ${keep(1)}
      r0 = 3
      exit
    callback:
      r3 = *(u64 *)(r2 +0)
      r3 += 1
      *(u64 *)(r2 +0) = r3
      if r3 != ${limit} goto out
      r1 = r3
      call kfunc bpf_throw
    out:
      r0 = 0
      exit`,
  });
  expect(agreedResults(loop(9))).toEqual([0n, 0n]);
  expect(inEveryEngine(loop(9)).jit.returned).toBe(9);
  expect(agreedResults(loop(1000))).toEqual([100n, 100n]);
});

test(`the exception callback makes the program's result of the cookie, on a frame of its own${withKernel}`, () => {
  const program = {
    results: 1,
    // Behind three instructions that the program begins with, and eleven of its own.
    exceptionCallback: 14,
    text: `r1 = 5
      *(u64 *)(r10 -8) = 99
      if r1 == 6 goto +2
      call thrower
      exit
      r0 = 0
      exit
    thrower:
      r1 = 41
      call kfunc bpf_throw
      r0 = 0
      exit
    caught:
      *(u64 *)(r10 -8) = r1
      r0 = *(u64 *)(r10 -8)
      r0 += 1
      exit`,
  };
  expect(agreedResults(program)).toEqual([0n]);
  expect(inEveryEngine(program).jit.returned).toBe(42);
});
