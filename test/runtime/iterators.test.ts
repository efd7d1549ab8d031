import { expect, test } from "vitest";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";

/** How an iterator of numbers begins, its first three, and its sum over at most 20 turns. */
const numbers = (start: number, end: number, at: number): string => `
  r1 = r10\nr1 += -8\nw2 = ${start}\nw3 = ${end}\ncall kfunc bpf_iter_num_new\n${keep(at)}
  r8 = 0
  loop${at}:
  r1 = r10\nr1 += -8\ncall kfunc bpf_iter_num_next
  if r0 == 0 goto done${at}
  r1 = *(s32 *)(r0 +0)
  *(u64 *)(r6 +${at * 8 + 16}) = r1
  r8 += 1
  if r8 s< 4 goto loop${at}
  done${at}:
  *(u64 *)(r6 +${at * 8 + 8}) = r8
  r1 = r10\nr1 += -8\ncall kfunc bpf_iter_num_destroy`;

test(`bpf_iter_num counts, and refuses what is upside down or too long${withKernel}`, () => {
  const ranges = [
    [3, 5],
    [5, 5],
    [6, 5],
    [0, 8388608],
    [0, 8388609],
    [-2147483648, -2147483646],
    [2147483645, 2147483647],
  ] as const;
  const text = `${ranges.map(([start, end], index) => numbers(start, end, index * 3)).join("\n")}\nr0 = 0\nexit`;
  const results = agreedResults({ results: 21, text });
  const [einval, e2big] = [0xffffffean, 0xfffffff9n];
  expect(results).toEqual([
    ...[0n, 2n, 4n],
    ...[0n, 0n, 0n],
    ...[einval, 0n, 0n],
    ...[0n, 4n, 3n],
    ...[e2big, 0n, 0n],
    ...[0n, 2n, -2147483647n],
    ...[0n, 2n, 2147483646n],
  ]);
});

/** The first bits that are set in `words` words at offset 512 of the results. */
const bits = (from: string, words: number, at: number, count: number): string => `
  r1 = r10\nr1 += -16\n${from}\nr3 = ${words}\ncall kfunc bpf_iter_bits_new\n${keep(at)}
  ${Array.from({ length: count }, (_, index) => `r1 = r10\nr1 += -16\ncall kfunc bpf_iter_bits_next\nif r0 != 0 goto +2\nr0 = -1\ngoto +1\nr0 = *(s32 *)(r0 +0)\n${keep(at + 1 + index)}`).join("\n")}
  r1 = r10\nr1 += -16\ncall kfunc bpf_iter_bits_destroy`;

test(`bpf_iter_bits finds the bits of one word and of several${withKernel}`, () => {
  const text = `r1 = 0x8000000000000005 ll
    *(u64 *)(r6 +512) = r1
    r1 = 0x10
    *(u64 *)(r6 +528) = r1
    ${bits("r2 = r6\nr2 += 512", 1, 0, 5)}
    ${bits("r2 = r6\nr2 += 512", 3, 6, 6)}
    ${bits("r2 = r6\nr2 += 512", 0, 13, 1)}
    ${bits("r2 = r6\nr2 += 512", 512, 15, 1)}
    ${bits("r2 = 0", 1, 17, 1)}
    ${bits("r2 = 8", 1, 19, 1)}
    ${bits("r2 = r6\nr2 += 536", 1, 21, 2)}
    r0 = 0
    exit`;
  const results = agreedResults({ results: 24, text });
  const [einval, e2big, efault] = [0xffffffean, 0xfffffff9n, 0xfffffff2n];
  expect(results).toEqual([
    ...[0n, 0n, 2n, 63n, -1n, -1n],
    ...[0n, 0n, 2n, 63n, 132n, -1n, -1n],
    ...[einval, -1n],
    ...[e2big, -1n],
    ...[einval, -1n],
    ...[efault, -1n],
    ...[0n, -1n, -1n],
  ]);
});

test(`sections that Linux must not interrupt cost nothing here${withKernel}`, () => {
  const results = agreedResults({
    results: 1,
    text: `call kfunc bpf_rcu_read_lock\ncall kfunc bpf_rcu_read_unlock
      call kfunc bpf_preempt_disable\ncall kfunc bpf_preempt_enable
      r1 = r10\nr1 += -8\ncall kfunc bpf_local_irq_save\nr1 = r10\nr1 += -8\ncall kfunc bpf_local_irq_restore
      r0 = 1\n${keep(0)}\nexit`,
  });
  expect(results).toEqual([1n]);
});
