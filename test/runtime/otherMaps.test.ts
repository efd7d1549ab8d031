import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BPF_EXIST,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_BLOOM_FILTER,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_STACK,
  CpuBlock,
  E2BIG,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOENT,
  EOVERFLOW,
} from "../../src/layout/index.ts";
import { createMap } from "../../src/runtime/index.ts";
import { hex, mapSpec, TestMachine, u32Key, u64Value } from "./machine.ts";

const target = (first: number, second = 0): Uint8Array => new Uint8Array(Uint32Array.of(first, second).buffer);

describe.each([
  { name: "QUEUE", type: BPF_MAP_TYPE_QUEUE },
  { name: "STACK", type: BPF_MAP_TYPE_STACK },
])("$name", ({ type }) => {
  test("pushes, pops and peeks answer as a list with a limit does", () => {
    const machine = new TestMachine();
    machine.useCpu(0);
    const operation = fc.record({
      kind: fc.constantFrom("push", "push", "pop", "peek"),
      value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      flags: fc.constantFrom(0, 0, BPF_EXIST, 1),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const map = createMap(machine.host, mapSpec(type, { keySize: 0, maxEntries: 3 }));
        const list: bigint[] = [];
        const next = () => (type === BPF_MAP_TYPE_QUEUE ? 0 : list.length - 1);
        for (const { kind, value, flags } of operations) {
          if (kind === "push") {
            const full = list.length === 3;
            const expected = flags === 1 ? -EINVAL : full && flags === 0 ? -E2BIG : 0;
            expect(machine.call("mapPushElem", map.address, machine.put(0, u64Value(value)), BigInt(flags))).toBe(expected);
            if (expected !== 0) continue;
            if (full) list.shift();
            list.push(value);
          } else {
            const at = machine.put(1, new Uint8Array(8).fill(0xee));
            const answer = machine.call(kind === "pop" ? "mapPopElem" : "mapPeekElem", map.address, at);
            expect(answer).toBe(list.length === 0 ? -ENOENT : 0);
            expect(machine.memory.view.getBigUint64(at, true)).toBe(list[next()] ?? 0n);
            if (kind === "pop") list.splice(next(), 1);
          }
        }
        const order = type === BPF_MAP_TYPE_QUEUE ? list : list.toReversed();
        expect([...map.entries()].map(([, value]) => hex(value as Uint8Array))).toEqual(order.map((value) => hex(u64Value(value))));
        expect(map.used).toBe(list.length);
      }),
      { numRuns: 100 },
    );
  });
});

test("a BLOOM_FILTER never denies what was pushed", () => {
  const machine = new TestMachine();
  machine.useCpu(0);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_BLOOM_FILTER, { keySize: 0, maxEntries: 1000 }));
  for (let number = 0n; number < 1000n; number++)
    expect(machine.call("mapPushElem", map.address, machine.put(0, u64Value(number)), 0n)).toBe(0);
  expect(machine.call("mapPushElem", map.address, machine.put(0, u64Value(1n)), 2n)).toBe(-EINVAL);
  const peek = (number: bigint) => machine.call("mapPeekElem", map.address, machine.put(0, u64Value(number)));
  let wrong = 0;
  for (let number = 0n; number < 1000n; number++) {
    expect(peek(number)).toBe(0);
    if (peek(number + 5000n) === 0) wrong++;
  }
  expect(wrong).toBeLessThan(30);
});

describe("maps of redirect targets", () => {
  test("DEVMAP: ifindex 0 empties an entry, a program needs a device, and the last entry has a next", () => {
    const machine = new TestMachine();
    machine.useCpu(0);
    const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_DEVMAP, { maxEntries: 2 }));
    expect([map.update(u32Key(0), target(7, 30)), map.update(u32Key(1), target(0, 5)), map.update(u32Key(2), target(7))]).toEqual([
      0,
      -EINVAL,
      -E2BIG,
    ]);
    expect([map.update(u32Key(0), target(7), 1), map.update(u32Key(0), target(7), 3)]).toEqual([-EEXIST, -EINVAL]);
    expect([...map.entries()]).toEqual([[u32Key(0), target(7, 30)]]);
    expect(machine.call("xdpRedirectMap", map.address, 0n, 0n)).toBe(4);
    expect(machine.call("xdpRedirectMap", map.address, 1n, 2n)).toBe(2);
    expect([map.update(u32Key(0), target(0)), map.delete(u32Key(1)), map.delete(u32Key(9))]).toEqual([0, 0, -EINVAL]);
    expect(map.used).toBe(0);
  });

  test("DEVMAP_HASH: any key, found by bpf_redirect_map", () => {
    const machine = new TestMachine();
    machine.useCpu(0);
    const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_DEVMAP_HASH, { maxEntries: 2 }));
    expect([map.update(u32Key(1000), target(3)), map.update(u32Key(70_000), target(4)), map.update(u32Key(5), target(5))]).toEqual([
      0,
      0,
      -E2BIG,
    ]);
    expect([map.update(u32Key(1000), target(0)), map.update(u32Key(1000), target(9), 1), map.update(u32Key(1000), target(9), 2)]).toEqual([
      -EINVAL,
      -EEXIST,
      0,
    ]);
    expect([machine.call("xdpRedirectMap", map.address, 1000n, 1n), machine.call("xdpRedirectMap", map.address, 1001n, 1n)]).toEqual([
      4, 1,
    ]);
    expect([map.delete(u32Key(1000)), map.delete(u32Key(1000))]).toEqual([0, -ENOENT]);
  });

  test("CPUMAP: queue sizes up to 16,384, on CPUs that exist", () => {
    const machine = new TestMachine(2);
    const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_CPUMAP, { maxEntries: 4 }));
    expect([16384, 16385, 0].map((size) => map.update(u32Key(1), target(size)))).toEqual([0, -EOVERFLOW, 0]);
    expect(map.update(u32Key(2), target(100))).toBe(-ENODEV);
  });
});

test("maps of maps give the inner map's address, and take only what resembles the template", () => {
  const machine = new TestMachine();
  machine.useCpu(0);
  const template = mapSpec(BPF_MAP_TYPE_ARRAY, { name: "inner", maxEntries: 2 });
  const inner = createMap(machine.host, template);
  const longer = createMap(machine.host, { ...template, maxEntries: 3 });
  for (const type of [BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS]) {
    const outer = createMap(machine.host, mapSpec(type, { valueSize: 4, inner: template }));
    expect([outer.setInner(u32Key(3), inner), outer.setInner(u32Key(4), longer)]).toEqual([0, -EINVAL]);
    expect(machine.call("mapLookupElem", outer.address, machine.put(0, u32Key(3)))).toBe(inner.address);
    expect(machine.call("mapLookupElem", outer.address, machine.put(0, u32Key(4)))).toBe(0);
    expect([outer.inner(u32Key(3)), outer.inner(u32Key(4))]).toEqual([inner, undefined]);
    expect([outer.used, outer.delete(u32Key(3)), outer.used]).toEqual([1, 0, 0]);
  }
});

test("a full HASH_OF_MAPS takes another inner map for a key that it has", () => {
  const machine = new TestMachine(1);
  const template = mapSpec(BPF_MAP_TYPE_ARRAY, { name: "inner", maxEntries: 2 });
  const [first, second] = [createMap(machine.host, template), createMap(machine.host, template)];
  const outer = createMap(machine.host, mapSpec(BPF_MAP_TYPE_HASH_OF_MAPS, { valueSize: 4, maxEntries: 3, inner: template }));
  const keys = [1, 2, 3].map(u32Key);
  expect(keys.map((key) => outer.setInner(key, first!))).toEqual([0, 0, 0]);
  expect(keys.map((key) => outer.setInner(key, second!))).toEqual([0, 0, 0]);
  expect([outer.setInner(u32Key(4), first!), outer.inner(u32Key(2)), outer.used]).toEqual([-E2BIG, second, 3]);
});

test("an LRU map counts what it gave up, and a trap in its lists leaves no lock behind", () => {
  const machine = new TestMachine(1);
  machine.useCpu(0);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_LRU_HASH, { maxEntries: 4 }));
  const update = (number: number) =>
    machine.call("mapUpdateElem", map.address, machine.put(0, u32Key(number)), machine.put(1, u64Value(1n)), 0n);
  for (let number = 0; number < 10; number++) expect(update(number)).toBe(0);
  expect([map.used, map.evicted]).toEqual([4, 6]);
  const heads = machine.memory.view.getUint32(map.address + 64, true);
  for (let bucket = 0; bucket < 4; bucket++) machine.memory.view.setUint32(heads + bucket * 4, 0xffff_fff0, true);
  expect(() => {
    for (let number = 10; number < 20; number++) update(number);
  }).toThrow(WebAssembly.RuntimeError);
  const held = CpuBlock.read(machine.memory.view, machine.block, "map_lock_depth");
  expect(held).toBeGreaterThan(0);
  const words = Array.from({ length: held }, (_, depth) =>
    machine.memory.view.getUint32(machine.block + CpuBlock.at.map_locks + depth * 4, true),
  );
  expect(words.map((word) => machine.memory.view.getUint32(word, true))).toEqual(words.map(() => 1));
  machine.call("releaseLocks");
  expect(words.map((word) => machine.memory.view.getUint32(word, true))).toEqual(words.map(() => 0));
});
