import { expect, test } from "vitest";
import { agreedResults, inEveryEngine, keep, ring, withKernel } from "../kernel/everyEngine.ts";

/** A dynptr over bytes 512 to 575 of the results, at r10 - 16. */
const overMemory = (size = 64) => `
  r1 = r6
  r1 += 512
  r2 = ${size}
  r3 = 0
  r4 = r10
  r4 += -16
  call bpf_dynptr_from_mem`;

const dynptr = "r1 = r10\nr1 += -16";

test(`kfuncs over a dynptr of a map value: size, adjust, clone, null and read-only${withKernel}`, () => {
  const results = agreedResults({
    results: 14,
    text: `${overMemory()}\n${keep(0)}
      ${dynptr}\ncall kfunc bpf_dynptr_size\n${keep(1)}
      ${dynptr}\ncall kfunc bpf_dynptr_is_null\nr0 &= 255\n${keep(2)}
      ${dynptr}\ncall kfunc bpf_dynptr_is_rdonly\nr0 &= 255\n${keep(3)}
      ${dynptr}\nr2 = 9\nr3 = 8\ncall kfunc bpf_dynptr_adjust\n${keep(4)}
      ${dynptr}\nr2 = 8\nr3 = 65\ncall kfunc bpf_dynptr_adjust\n${keep(5)}
      ${dynptr}\nr2 = 65\nr3 = 70\ncall kfunc bpf_dynptr_adjust\n${keep(6)}
      ${dynptr}\nr2 = r10\nr2 += -32\ncall kfunc bpf_dynptr_clone\n${keep(7)}
      ${dynptr}\nr2 = 8\nr3 = 40\ncall kfunc bpf_dynptr_adjust\n${keep(8)}
      ${dynptr}\ncall kfunc bpf_dynptr_size\n${keep(9)}
      r1 = r10\nr1 += -32\ncall kfunc bpf_dynptr_size\n${keep(10)}
      ${dynptr}\nr2 = 32\nr3 = 32\ncall kfunc bpf_dynptr_adjust\n${keep(11)}
      ${dynptr}\ncall kfunc bpf_dynptr_size\n${keep(12)}
      ${dynptr}\nr2 = 0\nr3 = 1\ncall kfunc bpf_dynptr_adjust\n${keep(13)}
      r0 = 0\nexit`,
  });
  const [einval, erange] = [0xffffffean, 0xffffffden];
  expect(results).toEqual([0n, 64n, 0n, 0n, einval, erange, erange, 0n, 0n, 32n, 64n, 0n, 0n, erange]);
});

test(`reads, writes, fills and copies over map values${withKernel}`, () => {
  const results = agreedResults({
    results: 80,
    text: `${overMemory()}
      r1 = 0x1122334455667788 ll\n*(u64 *)(r10 -40) = r1
      ${dynptr}\nr2 = 3\nr3 = r10\nr3 += -40\nr4 = 8\nr5 = 0\ncall bpf_dynptr_write\n${keep(0)}
      ${dynptr}\nr2 = 57\nr3 = r10\nr3 += -40\nr4 = 8\nr5 = 0\ncall bpf_dynptr_write\n${keep(1)}
      ${dynptr}\nr2 = 0\nr3 = r10\nr3 += -40\nr4 = 8\nr5 = 1\ncall bpf_dynptr_write\n${keep(2)}
      r1 = r10\nr1 += -48\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 3\nr5 = 0\ncall bpf_dynptr_read\n${keep(3)}
      r1 = r10\nr1 += -48\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 3\nr5 = 7\ncall bpf_dynptr_read\n${keep(4)}
      ${dynptr}\nr2 = 20\nr3 = 12\nr4 = 0xab\ncall kfunc bpf_dynptr_memset\n${keep(5)}
      ${dynptr}\nr2 = 60\nr3 = 5\nr4 = 0xab\ncall kfunc bpf_dynptr_memset\n${keep(6)}
      ${dynptr}\nr2 = r10\nr2 += -32\ncall kfunc bpf_dynptr_clone
      r1 = r10\nr1 += -32\nr2 = 22\nr3 = r10\nr3 += -16\nr4 = 2\nr5 = 16\ncall kfunc bpf_dynptr_copy\n${keep(7)}
      r1 = r10\nr1 += -32\nr2 = 50\nr3 = r10\nr3 += -16\nr4 = 2\nr5 = 16\ncall kfunc bpf_dynptr_copy\n${keep(8)}
      ${dynptr}\nr2 = 1\nr3 = 0\nr4 = 4\ncall kfunc bpf_dynptr_slice\nif r0 == 0 goto +1\nr0 = *(u32 *)(r0 +0)\n${keep(9)}
      ${dynptr}\nr2 = 61\nr3 = 0\nr4 = 4\ncall kfunc bpf_dynptr_slice_rdwr\n${keep(10)}
      ${dynptr}\nr2 = 1\nr3 = 4\ncall bpf_dynptr_data\nif r0 == 0 goto +1\nr0 = *(u32 *)(r0 +0)\n${keep(11)}
      r0 = 0\nexit`,
  });
  const e2big = 0xfffffff9n;
  expect(results.slice(0, 12)).toEqual([0n, -7n, -22n, 0n, -22n, 0n, e2big, 0n, e2big, 0x77880000n, 0n, 0x77880000n]);
  expect(results.slice(64, 72).map((word) => BigInt.asUintN(64, word).toString(16))).toEqual([
    "4455667788000000",
    "112233",
    "8800abab00000000",
    "11223344556677",
    "0",
    "0",
    "0",
    "0",
  ]);
});

test(`a null dynptr refuses everything, a range that does not exist first of all${withKernel}`, () => {
  const results = agreedResults({
    results: 12,
    text: `r1 = r6\nr1 += 512\nr2 = 64\nr3 = 5\nr4 = r10\nr4 += -16\ncall bpf_dynptr_from_mem\n${keep(0)}
      ${dynptr}\ncall kfunc bpf_dynptr_is_null\nr0 &= 255\n${keep(1)}
      ${dynptr}\ncall kfunc bpf_dynptr_size\n${keep(2)}
      ${dynptr}\nr2 = 0\nr3 = 0\ncall kfunc bpf_dynptr_adjust\n${keep(3)}
      ${dynptr}\nr2 = r10\nr2 += -32\ncall kfunc bpf_dynptr_clone\n${keep(4)}
      ${dynptr}\nr2 = 0\nr3 = 0\nr4 = 1\ncall kfunc bpf_dynptr_memset\n${keep(5)}
      ${dynptr}\nr2 = 0\nr3 = 4\nr4 = 1\ncall kfunc bpf_dynptr_memset\n${keep(6)}
      r1 = r10\nr1 += -32\nr2 = 0\nr3 = r10\nr3 += -16\nr4 = 0\nr5 = 0\ncall kfunc bpf_dynptr_copy\n${keep(7)}
      r1 = r10\nr1 += -32\nr2 = 0\nr3 = r10\nr3 += -16\nr4 = 0\nr5 = 4\ncall kfunc bpf_dynptr_copy\n${keep(8)}
      ${dynptr}\nr2 = 0\nr3 = 0\nr4 = 4\ncall kfunc bpf_dynptr_slice\n${keep(9)}
      ${dynptr}\ncall kfunc bpf_dynptr_is_rdonly\nr0 &= 255\n${keep(10)}
      ${overMemory()}
      r1 = r10\nr1 += -16\nr2 = 4\nr3 = r10\nr3 += -32\nr4 = 0\nr5 = 0\ncall kfunc bpf_dynptr_copy\n${keep(11)}
      r0 = 0\nexit`,
  });
  const [e2big, einval] = [0xfffffff9n, 0xffffffean];
  expect(results).toEqual([-22n, 1n, einval, einval, einval, 0n, e2big, 0n, e2big, 0n, 0n, einval]);
});

test(`ring buffer records through dynptrs${withKernel}`, () => {
  const program = {
    results: 5,
    maps: [ring],
    text: `r1 = map[ring]\nr2 = 16\nr3 = 0\nr4 = r10\nr4 += -16\ncall bpf_ringbuf_reserve_dynptr\n${keep(0)}
      *(u64 *)(r10 -40) = 77
      ${dynptr}\nr2 = 8\nr3 = r10\nr3 += -40\nr4 = 8\nr5 = 0\ncall bpf_dynptr_write\n${keep(1)}
      ${dynptr}\nr2 = 0\nr3 = 8\nr4 = 0x11\ncall kfunc bpf_dynptr_memset
      ${dynptr}\nr2 = 0\ncall bpf_ringbuf_submit_dynptr
      r1 = map[ring]\nr2 = 5000\nr3 = 0\nr4 = r10\nr4 += -16\ncall bpf_ringbuf_reserve_dynptr\n${keep(2)}
      ${dynptr}\nr2 = 0\ncall bpf_ringbuf_discard_dynptr
      r1 = map[ring]\nr2 = 8\nr3 = 1\nr4 = r10\nr4 += -16\ncall bpf_ringbuf_reserve_dynptr\n${keep(3)}
      ${dynptr}\nr2 = 0\ncall bpf_ringbuf_submit_dynptr
      r1 = map[ring]\nr2 = 24\nr3 = 0\nr4 = r10\nr4 += -16\ncall bpf_ringbuf_reserve_dynptr
      ${dynptr}\nr2 = 0\ncall bpf_ringbuf_discard_dynptr
      r1 = map[ring]\nr2 = 3\ncall bpf_ringbuf_query\n${keep(4)}
      r0 = 0\nexit`,
  };
  expect(agreedResults(program)).toEqual([0n, 0n, -22n, -22n, 56n]);
  expect(inEveryEngine(program).jit.records).toEqual(["11111111111111114d00000000000000"]);
});
