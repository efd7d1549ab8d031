import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BPF_EXIST,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_NOEXIST,
  E2BIG,
  EEXIST,
  EINVAL,
  ENOENT,
  HashElement,
  HashHeader,
} from "../../src/layout/index.ts";
import { createMap } from "../../src/runtime/index.ts";
import { hex, mapSpec, TestMachine, u32Key, u64Value } from "./machine.ts";

const key = (number: number, size: number): Uint8Array => {
  const bytes = new Uint8Array(size);
  bytes.set(u32Key(number).subarray(0, Math.min(4, size)));
  bytes.fill(number & 0xff, 4);
  return bytes;
};

describe.each([1, 3, 4, 8, 12, 16, 20, 37])("HASH with keys of %i bytes", (keySize) => {
  test("random updates, lookups and deletes answer as a Map with a limit does", () => {
    const operation = fc.record({
      kind: fc.constantFrom("update", "lookup", "delete"),
      key: fc.nat(11),
      value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      flags: fc.constantFrom(0, BPF_NOEXIST, BPF_EXIST, 3),
      cpu: fc.nat(1),
    });
    const machine = new TestMachine(2);
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_HASH, { keySize, maxEntries: 6 }));
        const model = new Map<string, bigint>();
        for (const { kind, key: number, value, flags, cpu } of operations) {
          machine.useCpu(cpu);
          const bytes = key(number, keySize);
          const at = machine.put(0, bytes);
          const name = hex(bytes);
          if (kind === "lookup") {
            const found = machine.call("mapLookupElem", map.address, at) >>> 0;
            expect(found === 0 ? undefined : machine.memory.view.getBigUint64(found, true)).toBe(model.get(name));
            if (keySize === 4 || keySize === 8 || keySize === 16) {
              expect(machine.call(`hashLookup${keySize}`, map.address, at) >>> 0).toBe(found);
            }
          } else if (kind === "delete") {
            expect(machine.call("mapDeleteElem", map.address, at)).toBe(model.delete(name) ? 0 : -ENOENT);
          } else {
            const error = machine.call("mapUpdateElem", map.address, at, machine.put(1, u64Value(value)), BigInt(flags));
            const expected =
              flags > BPF_EXIST
                ? -EINVAL
                : model.has(name) && flags === BPF_NOEXIST
                  ? -EEXIST
                  : !model.has(name) && flags === BPF_EXIST
                    ? -ENOENT
                    : !model.has(name) && model.size === 6
                      ? -E2BIG
                      : 0;
            expect(error).toBe(expected);
            if (error === 0) model.set(name, value);
          }
        }
        const entries = [...map.entries()].map(([k, v]) => [hex(k), hex(v as Uint8Array)]).sort();
        expect(entries).toEqual([...model].map(([k, v]) => [k, hex(u64Value(v))]).sort());
      }),
      { numRuns: 60 },
    );
  });
});

test("an update gives the key another element: a pointer to the old value no longer reaches the map", () => {
  const machine = new TestMachine();
  machine.useCpu(0);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_HASH));
  map.update(u32Key(1), u64Value(10n));
  const at = machine.put(0, u32Key(1));
  const old = machine.call("mapLookupElem", map.address, at);
  expect(machine.call("mapUpdateElem", map.address, at, machine.put(1, u64Value(20n)), 0n)).toBe(0);
  machine.memory.view.setBigUint64(old, 99n, true);
  expect(map.lookup(u32Key(1))).toEqual(u64Value(20n));
});

test("the element freed last is the one handed out next, as in the kernel's free list", () => {
  const machine = new TestMachine();
  machine.useCpu(0);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_HASH));
  const value = machine.put(1, u64Value(5n));
  const update = (number: number) => machine.call("mapUpdateElem", map.address, machine.put(0, u32Key(number)), value, 0n);
  for (const number of [1, 2, 3]) expect(update(number)).toBe(0);
  const old = machine.call("mapLookupElem", map.address, machine.put(0, u32Key(2)));
  expect(machine.call("mapDeleteElem", map.address, machine.put(0, u32Key(2)))).toBe(0);
  expect(update(7)).toBe(0);
  expect(machine.call("mapLookupElem", map.address, machine.put(0, u32Key(7)))).toBe(old);
});

test("a PERCPU_HASH keeps a value for each CPU; a new key reads zero on the others", () => {
  const machine = new TestMachine(3);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_PERCPU_HASH, { valueSize: 4 }));
  const values = (): unknown => map.lookup(u32Key(9));
  machine.useCpu(1);
  expect(machine.call("mapUpdateElem", map.address, machine.put(0, u32Key(9)), machine.put(1, u32Key(5)), 0n)).toBe(0);
  expect(values()).toEqual([u32Key(0), u32Key(5), u32Key(0)]);
  machine.useCpu(2);
  expect(machine.call("mapUpdateElem", map.address, machine.put(0, u32Key(9)), machine.put(1, u32Key(6)), BigInt(BPF_EXIST))).toBe(0);
  expect(values()).toEqual([u32Key(0), u32Key(5), u32Key(6)]);
  expect(map.update(u32Key(9), [u32Key(1), u32Key(2), u32Key(3)])).toBe(0);
  expect(values()).toEqual([u32Key(1), u32Key(2), u32Key(3)]);
  expect(map.delete(u32Key(9))).toBe(0);
  machine.useCpu(0);
  expect(machine.call("mapUpdateElem", map.address, machine.put(0, u32Key(4)), machine.put(1, u32Key(8)), 0n)).toBe(0);
  expect(map.lookup(u32Key(4))).toEqual([u32Key(8), u32Key(0), u32Key(0)]);
});

test("a chain that a wrong program made circular ends its walk, and the walk costs fuel", () => {
  const machine = new TestMachine();
  machine.useCpu(0);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_HASH, { maxEntries: 1 }));
  map.update(u32Key(1), u64Value(1n));
  const value = machine.call("mapLookupElem", map.address, machine.put(0, u32Key(1)));
  const element = value - 8 - HashElement.size;
  HashElement.write(machine.memory.view, element, "next", element);
  expect(machine.call("mapLookupElem", map.address, machine.put(0, u32Key(2)))).toBe(0);
  expect(machine.call("mapDeleteElem", map.address, machine.put(0, u32Key(2)))).toBe(-ENOENT);
  (machine.host.runtime.exports.setFuel as (held: bigint, limit: bigint) => void)(1_000_000n, 1_000_000n);
  expect(() => {
    for (let i = 0; i < 100; i++) machine.call("mapLookupElem", map.address, machine.put(0, u32Key(2)));
  }).toThrow(WebAssembly.RuntimeError);
  expect([...map.entries()].length).toBeLessThanOrEqual(5);
});

test("a run whose fuel ends while an update takes the old element out leaves the key in the map once", () => {
  const machine = new TestMachine(1);
  machine.useCpu(0);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_HASH, { maxEntries: 128 }));
  const { view } = machine.memory;
  // All keys in one bucket: the first one stands at the end of a long chain.
  HashHeader.write(view, map.address, "bucket_mask", 0);
  const update = (number: number, value: bigint) =>
    machine.call("hashUpdate", map.address, machine.put(0, u32Key(number)), machine.put(1, u64Value(value)), 0n);
  for (let number = 0; number < 100; number++) expect(update(number, 1n)).toBe(0);
  const fuel = machine.host.runtime.exports.fuel as WebAssembly.Global;
  fuel.value = 150n;
  expect(update(0, 2n)).toBe(0);
  expect(fuel.value).toBeLessThan(0n);
  const chain: number[] = [];
  const buckets = HashHeader.read(view, map.address, "buckets");
  for (let element = view.getUint32(buckets, true); (element & 1) === 0; element = HashElement.read(view, element, "next"))
    chain.push(view.getUint32(element + HashElement.size, true));
  expect(chain.length).toBe(100);
  expect(chain.filter((number) => number === 0)).toEqual([0]);
  expect(() => update(0, 3n)).toThrow(WebAssembly.RuntimeError);
});
