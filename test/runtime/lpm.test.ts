import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BPF_EXIST, BPF_MAP_TYPE_LPM_TRIE, BPF_NOEXIST, EEXIST, EINVAL, ENOENT, ENOSPC } from "../../src/layout/index.ts";
import { createMap } from "../../src/runtime/index.ts";
import { hex, mapSpec, TestMachine, u32Key, u64Value } from "./machine.ts";

const prefixKey = (length: number, data: Uint8Array): Uint8Array => Uint8Array.from([...u32Key(length), ...data]);

/** The first `length` bits of the data, as text. */
const bits = (data: Uint8Array, length: number): string =>
  Array.from(data, (byte) => byte.toString(2).padStart(8, "0"))
    .join("")
    .slice(0, length);

const data = (size: number) => fc.array(fc.constantFrom(0, 1, 0x0f, 0x10, 0x80, 0xc0, 0xff), { minLength: size, maxLength: size });

describe.each([
  { size: 1, maxEntries: 5 },
  { size: 4, maxEntries: 3 },
  { size: 4, maxEntries: 6 },
  { size: 4, maxEntries: 40 },
  { size: 5, maxEntries: 40 },
  { size: 8, maxEntries: 40 },
  { size: 16, maxEntries: 40 },
])("LPM_TRIE of $maxEntries prefixes of $size bytes", ({ size, maxEntries }) => {
  test("random updates, deletes and lookups answer as a search through all prefixes does", () => {
    const machine = new TestMachine(1);
    machine.useCpu(0);
    const operation = fc.record({
      kind: fc.constantFrom("update", "update", "lookup", "lookup", "delete"),
      data: data(size).map((bytes) => Uint8Array.from(bytes)),
      length: fc.nat(size * 8 + 1),
      value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      flags: fc.constantFrom(0, 0, 0, BPF_NOEXIST, BPF_EXIST, 4),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
        const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_LPM_TRIE, { keySize: size + 4, maxEntries, flags: 1 }));
        const model = new Map<string, bigint>();
        for (const { kind, data: key, length, value, flags } of operations) {
          const at = machine.put(0, prefixKey(length, key));
          const prefix = bits(key, length);
          const tooLong = length > size * 8;
          if (kind === "lookup") {
            let expected: bigint | undefined;
            for (let cut = length; cut >= 0 && expected === undefined && !tooLong; cut--) expected = model.get(bits(key, cut));
            const found = machine.call("lpmLookup", map.address, at) >>> 0;
            expect(found === 0 ? undefined : machine.memory.view.getBigUint64(found, true)).toBe(expected);
          } else if (kind === "delete") {
            const expected = tooLong ? -EINVAL : model.delete(prefix) ? 0 : -ENOENT;
            expect(machine.call("mapDeleteElem", map.address, at)).toBe(expected);
          } else {
            const error = machine.call("mapUpdateElem", map.address, at, machine.put(1, u64Value(value)), BigInt(flags));
            const known = model.has(prefix);
            const expected =
              flags > BPF_EXIST || tooLong
                ? -EINVAL
                : known
                  ? flags === BPF_NOEXIST
                    ? -EEXIST
                    : 0
                  : flags === BPF_EXIST
                    ? -ENOENT
                    : model.size === maxEntries
                      ? -ENOSPC
                      : 0;
            expect(error).toBe(expected);
            if (error === 0) model.set(prefix, value);
          }
        }
        const entries = [...map.entries()].map(([k, v]) => [
          bits(k.subarray(4), new DataView(k.buffer).getUint32(0, true)),
          hex(v as Uint8Array),
        ]);
        expect(entries.sort()).toEqual([...model].map(([prefix, value]) => [prefix, hex(u64Value(value))]).sort());
      }),
      { numRuns: 150 },
    );
  });
});

test("an update of a prefix gives it another node: a pointer to the old value no longer reaches the map", () => {
  const machine = new TestMachine();
  machine.useCpu(0);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_LPM_TRIE, { keySize: 8, maxEntries: 4, flags: 1 }));
  const key = prefixKey(16, Uint8Array.from([10, 1, 0, 0]));
  map.update(key, u64Value(1n));
  const old = machine.call("lpmLookup", map.address, machine.put(0, key));
  map.update(key, u64Value(2n));
  machine.memory.view.setBigUint64(old, 77n, true);
  expect(map.lookup(key)).toEqual(u64Value(2n));
});

test("a trie that a wrong program made circular ends its walks", () => {
  const machine = new TestMachine();
  machine.useCpu(0);
  const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_LPM_TRIE, { keySize: 8, maxEntries: 3, flags: 1 }));
  const key = (length: number, first: number) => prefixKey(length, Uint8Array.from([first, 0, 0, 0]));
  for (const [length, first] of [
    [0, 0],
    [8, 10],
    [16, 10],
  ] as const)
    map.update(key(length, first), u64Value(BigInt(length)));
  const value = machine.call("lpmLookup", map.address, machine.put(0, key(8, 10)));
  const node = value - 8 - 24;
  machine.memory.view.setUint32(node, node, true);
  machine.memory.view.setUint32(node + 4, node, true);
  machine.memory.view.setUint32(node + 8, 0, true);
  expect(machine.call("lpmLookup", map.address, machine.put(0, key(32, 10)))).toBe(value);
  machine.call("mapUpdateElem", map.address, machine.put(0, key(24, 10)), machine.put(1, u64Value(5n)), 0n);
  machine.call("mapDeleteElem", map.address, machine.put(0, key(24, 10)));
  expect([...map.entries()].length).toBeLessThanOrEqual(7);
});
