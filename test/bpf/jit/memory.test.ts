import { expect, test } from "vitest";
import { evaluate, Machine, programSpec } from "./machine.ts";

test("what is stored to the frame is loaded back, through r10 and through copies of it", () => {
  expect(
    evaluate(`
      r2 = r10
      r2 += -16
      r3 = 0x1122334455667788 ll
      *(u64 *)(r10 -8) = r3
      *(u32 *)(r2 +8) = -2
      r4 = r2
      r4 += 4
      r0 = *(u64 *)(r4 +4)
      exit`),
  ).toBe(0x11223344fffffffen);
});

test("loads extend with zeros or the sign", () => {
  const load = (text: string) => evaluate(`*(u64 *)(r10 -8) = -2\n${text}\nexit`);
  expect(load("r0 = *(u8 *)(r10 -8)")).toBe(0xfen);
  expect(load("r0 = *(u16 *)(r10 -8)")).toBe(0xfffen);
  expect(load("r0 = *(u32 *)(r10 -8)")).toBe(0xfffffffen);
  expect(load("r0 = *(s8 *)(r10 -8)")).toBe(0xfffffffffffffffen);
  expect(load("r0 = *(s16 *)(r10 -8)")).toBe(0xfffffffffffffffen);
  expect(load("r0 = *(s32 *)(r10 -8)")).toBe(0xfffffffffffffffen);
});

test("offsets from a register may be negative", () => {
  const machine = new Machine();
  const at = machine.memory.allocate("program", 32, 8, "context");
  machine.memory.view.setUint32(at, 7, true);
  const program = machine.load(programSpec("r1 += 16\nr0 = *(u32 *)(r1 -16)\n*(u8 *)(r1 -8) = 9\nexit"));
  expect(machine.run(program, at)).toBe(7n);
  expect(machine.memory.view.getUint8(at + 8)).toBe(9);
});

test("a value kept at r10 - 8 survives, and its neighbours are not touched", () => {
  expect(
    evaluate(`
      *(u64 *)(r10 -16) = 0
      *(u64 *)(r10 -8) = 0
      *(u16 *)(r10 -10) = -1
      r0 = *(u64 *)(r10 -8)
      r1 = *(u64 *)(r10 -16)
      r0 += r1
      exit`),
  ).toBe(0xffff000000000000n);
});

/** Runs `text` with r1 pointing to `value`, `misaligned` bytes off; returns r0 and what stands there then. */
function atomically(text: string, value: bigint, misaligned: number): [bigint, bigint] {
  const machine = new Machine();
  const at = machine.memory.allocate("program", 32, 8, "value") + misaligned;
  machine.memory.view.setBigUint64(at, value, true);
  const result = machine.run(machine.load(programSpec(`${text}\nexit`)), at);
  return [result, machine.memory.view.getBigUint64(at, true)];
}

for (const misaligned of [0, 1, 4]) {
  const place = misaligned === 0 ? "aligned" : `${misaligned} bytes off`;

  test(`atomics of 64 bits, ${place}`, () => {
    const run = (text: string, value = 0xf0f0n) => atomically(`r2 = 0xff0\nr0 = 1\n${text}`, value, misaligned);
    expect(run("lock *(u64 *)(r1 +0) += r2")).toEqual([1n, 0xf0f0n + 0xff0n]);
    expect(run("lock *(u64 *)(r1 +0) |= r2")).toEqual([1n, 0xfff0n]);
    expect(run("lock *(u64 *)(r1 +0) &= r2")).toEqual([1n, 0xf0n]);
    expect(run("lock *(u64 *)(r1 +0) ^= r2")).toEqual([1n, 0xff00n]);
    expect(run("r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)\nr0 = r2")).toEqual([0xf0f0n, 0xf0f0n + 0xff0n]);
    expect(run("r2 = atomic64_fetch_and((u64 *)(r1 +0), r2)\nr0 = r2")).toEqual([0xf0f0n, 0xf0n]);
    expect(run("r2 = atomic64_xchg((u64 *)(r1 +0), r2)\nr0 = r2")).toEqual([0xf0f0n, 0xff0n]);
    expect(run("r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)")).toEqual([0xf0f0n, 0xf0f0n]);
    expect(run("r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)", 1n)).toEqual([1n, 0xff0n]);
  });

  test(`atomics of 32 bits leave the upper half and extend what they fetch with zeros, ${place}`, () => {
    const run = (text: string, value: bigint) => atomically(`r2 = -1\nr0 = -1\n${text}`, value, misaligned);
    const value = 0xaaaaaaaa_fffffffen;
    expect(run("lock *(u32 *)(r1 +0) += r2", value)).toEqual([0xffffffffffffffffn, 0xaaaaaaaa_fffffffdn]);
    expect(run("r2 = atomic_fetch_or((u32 *)(r1 +0), r2)\nr0 = r2", value)).toEqual([0xfffffffen, 0xaaaaaaaa_ffffffffn]);
    expect(run("r2 = atomic_xchg((u32 *)(r1 +0), r2)\nr0 = r2", value)).toEqual([0xfffffffen, 0xaaaaaaaa_ffffffffn]);
    // r0 is -1: only its low half is compared.
    expect(run("r2 = 5\nr0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)", 0xaaaaaaaa_ffffffffn)).toEqual([0xffffffffn, 0xaaaaaaaa_00000005n]);
  });

  test(`load_acquire and store_release, ${place}`, () => {
    expect(atomically("r0 = load_acquire((u32 *)(r1 +0))", 0xaaaaaaaa_fffffffen, misaligned)[0]).toBe(0xfffffffen);
    expect(atomically("r0 = load_acquire((u16 *)(r1 +1))", 0xaaaaaaaa_fffffffen, misaligned)[0]).toBe(0xffffn);
    expect(atomically("r0 = 0\nr2 = -1\nstore_release((u16 *)(r1 +1), r2)", 0n, misaligned)[1]).toBe(0xffff00n);
    expect(atomically("r0 = 0\nr2 = -1\nstore_release((u64 *)(r1 +0), r2)", 0n, misaligned)[1]).toBe(0xffffffffffffffffn);
  });
}

test("atomics on the frame, at offsets that are and are not multiples of their size", () => {
  const add = (offset: number) =>
    evaluate(`
    r1 = 40
    *(u64 *)(r10 ${offset}) = 2
    lock *(u64 *)(r10 ${offset}) += r1
    r0 = *(u64 *)(r10 ${offset})
    exit`);
  expect(add(-8)).toBe(42n);
  expect(add(-12)).toBe(42n);
});

test.each([
  "*(u8 *)(r1 +32) = 7",
  "*(u64 *)(r1 +32) = r2",
  "r0 = *(u64 *)(r1 +32)",
  "lock *(u64 *)(r1 +32) += r2",
  "r0 = load_acquire((u64 *)(r1 +32))",
  "store_release((u64 *)(r1 +32), r2)",
])("an address that is known does not wrap around at the end of 32 bits: %s", (access) => {
  const map = { address: 0, type: 2, keySize: 4, valueSize: 64, maxEntries: 1, stride: 64, elements: 0x50000000, cpuStride: 64, flags: 0 };
  const machine = new Machine();
  const program = machine.load(programSpec(`r2 = 1\nr1 = map[0][0]+0\nr1 += 0x7ffffff0\nr1 += 0x30000000\n${access}\nexit`), {
    maps: [map],
  });
  const before = machine.memory.bytes.slice(0, 64);
  expect(() => machine.run(program)).toThrow(WebAssembly.RuntimeError);
  expect(machine.memory.bytes.slice(0, 64)).toEqual(before);
});
