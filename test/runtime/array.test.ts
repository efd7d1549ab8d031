import { expect, test } from "vitest";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_NOEXIST,
  E2BIG,
  EEXIST,
  EINVAL,
  ENOENT,
  EPERM,
} from "../../src/layout/index.ts";
import { ProblemError } from "../../src/problem/index.ts";
import { createMap } from "../../src/runtime/index.ts";
import { mapSpec, TestMachine, u32Key, u64Value } from "./machine.ts";

test("an ARRAY has all its entries from the start and none past its end", () => {
  const machine = new TestMachine();
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_ARRAY, { maxEntries: 3, valueSize: 12 }));
  machine.useCpu(0);
  const at = (index: number) => machine.call("mapLookupElem", map.address, machine.put(0, u32Key(index)));
  expect([at(0) !== 0, at(1) - at(0), at(2) - at(0), at(3), at(0xffffffff)]).toEqual([true, 16, 32, 0, 0]);
  const update = (index: number, flags: number) =>
    machine.call(
      "mapUpdateElem",
      map.address,
      machine.put(0, u32Key(index)),
      machine.put(1, new Uint8Array(12).fill(index)),
      BigInt(flags),
    );
  expect([update(2, 0), update(3, 0), update(1, BPF_NOEXIST), update(1, 8), update(1, 4)]).toEqual([0, -E2BIG, -EEXIST, -EINVAL, -EINVAL]);
  expect(map.lookup(u32Key(2))).toEqual(new Uint8Array(12).fill(2));
  expect(machine.call("mapDeleteElem", map.address, machine.put(0, u32Key(1)))).toBe(-EINVAL);
});

test("a PERCPU_ARRAY gives each CPU its own value", () => {
  const machine = new TestMachine(2);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_PERCPU_ARRAY, { maxEntries: 2 }));
  for (const cpu of [0, 1]) {
    machine.useCpu(cpu);
    const at = machine.call("mapLookupElem", map.address, machine.put(0, u32Key(1)));
    machine.memory.view.setBigUint64(at, BigInt(cpu + 40), true);
  }
  expect([...map.entries()]).toEqual([
    [u32Key(0), [u64Value(0n), u64Value(0n)]],
    [u32Key(1), [u64Value(40n), u64Value(41n)]],
  ]);
  expect(map.update(u32Key(1), u64Value(3n))).toBe(0);
  expect(map.lookup(u32Key(1))).toEqual([u64Value(3n), u64Value(3n)]);
});

test("a PROG_ARRAY holds table slots, and an empty or missing entry falls through", () => {
  const machine = new TestMachine();
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_PROG_ARRAY, { valueSize: 4, maxEntries: 3 }));
  map.setProgram(1, 77);
  expect([0, 1, 2, 3, 0xffffffff].map((index) => machine.call("tailCallSlot", map.address, index))).toEqual([0, 77, 0, 0, 0]);
  expect([map.delete(u32Key(0)), map.delete(u32Key(1)), map.delete(u32Key(1)), map.delete(u32Key(3))]).toEqual([
    -ENOENT,
    0,
    -ENOENT,
    -E2BIG,
  ]);
});

test("a frozen map keeps its first contents", () => {
  const machine = new TestMachine();
  const contents = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_ARRAY, { maxEntries: 1, contents, frozen: true }));
  expect(map.lookup(u32Key(0))).toEqual(contents);
  expect(map.update(u32Key(0), new Uint8Array(8))).toBe(-EPERM);
  expect(map.lookup(u32Key(0))).toEqual(contents);
});

test("a declaration that the kernel refuses is refused with its errno", () => {
  const machine = new TestMachine();
  const refusal = (type: number, rest: object): string => {
    try {
      createMap(machine.host, mapSpec(type, rest));
    } catch (error) {
      if (error instanceof ProblemError) return `${error.problem.code}: ${error.problem.message}`;
      throw error;
    }
    return "made";
  };
  expect(refusal(BPF_MAP_TYPE_ARRAY, { keySize: 8 })).toMatch(/^map_refused: map m \(ARRAY\): a key of 8 bytes .*-22$/);
  expect(refusal(BPF_MAP_TYPE_ARRAY, { maxEntries: 0 })).toMatch(/max_entries is 0.*-22$/);
  expect(refusal(BPF_MAP_TYPE_PERCPU_ARRAY, { valueSize: 32769 })).toMatch(/-7$/);
  expect(refusal(BPF_MAP_TYPE_ARRAY, { flags: 1 })).toMatch(/map_flags 0x1 .*-22$/);
});
