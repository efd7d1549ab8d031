import { existsSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openWorkerPool } from "../../src/dataplane/pool.node.ts";
import {
  BPF_EXIST,
  BPF_F_LOCK,
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_STACK,
  E2BIG,
  ENOENT,
} from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import type { BpfMap, MapValue } from "../../src/runtime/index.ts";
import { type Sent, spec, TestMachine, word } from "./machine.ts";

const number = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const plain = (value: MapValue | undefined): unknown =>
  value === undefined ? undefined : value instanceof Uint8Array ? hex(value) : value.map(hex);

const keyKinds = [
  ["HASH", BPF_MAP_TYPE_HASH],
  ["PERCPU_HASH", BPF_MAP_TYPE_PERCPU_HASH],
  ["LRU_HASH", BPF_MAP_TYPE_LRU_HASH],
  ["LRU_PERCPU_HASH", BPF_MAP_TYPE_LRU_PERCPU_HASH],
  ["LPM_TRIE", BPF_MAP_TYPE_LPM_TRIE],
] as const;

const sizes = (type: number) =>
  type === BPF_MAP_TYPE_LPM_TRIE ? { keySize: 8, valueSize: 12, flags: BPF_F_NO_PREALLOC } : { keySize: 8, valueSize: 12, flags: 0 };

/** A key of any of these kinds: prefix length 32 where that means something, then a number. */
const keyOf = (value: number): Uint8Array => Uint8Array.from([...word(32), ...word(value)]);

for (const [name, type] of keyKinds) {
  test(`${name}: entries, batches and keys give each entry once, and what lookups give`, () => {
    const machine = new TestMachine({ cpus: 3 });
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(5000), { maxLength: 300 }), (numbers) => {
        const map = machine.map({ name: "walked", type, maxEntries: 4096, ...sizes(type) });
        for (const value of numbers) expect(map.update(keyOf(value), new Uint8Array(12).fill(value & 255))).toBe(0);
        const expected = new Map(numbers.map((value) => [hex(keyOf(value)), plain(map.lookup(keyOf(value)))]));
        expect(new Map([...map.entries()].map(([key, value]) => [hex(key), plain(value)]))).toEqual(expected);
        expect([...map.entries()].length).toBe(numbers.length);
        expect([...map.keys()].map(hex).sort()).toEqual([...expected.keys()].sort());
        expect(map.used).toBe(numbers.length);
        const walked: string[] = [];
        for (let key = map.nextKey(); key !== undefined; key = map.nextKey(key)) walked.push(hex(key));
        expect(walked.sort()).toEqual([...expected.keys()].sort());
      }),
      { numRuns: 20 },
    );
  });
}

test("a walk goes on while the walker deletes and adds: what is there all the time is met once", () => {
  const machine = new TestMachine({});
  const map = machine.map({ name: "changing", type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 2000, maxEntries: 20_000 });
  for (let key = 0; key < 3000; key++) map.update(word(key), new Uint8Array(2000).fill(key & 255));
  const met: number[] = [];
  let added = 10_000;
  for (const [key, value] of map.entries()) {
    const at = number(key);
    met.push(at);
    expect((value as Uint8Array)[1999]).toBe(at & 255);
    if (at < 3000 && at % 3 === 0) map.delete(key);
    if (at < 3000 && at % 3 === 1) {
      map.update(word(added), new Uint8Array(2000).fill(added & 255));
      added++;
    }
    if (met.length > 20_000) break;
  }
  for (let key = 1; key < 3000; key++) if (key % 3 !== 0) expect(met.filter((at) => at === key).length, `key ${key}`).toBe(1);
  expect(met.length).toBe(new Set(met).size);
});

test("a key that is not there is followed by the first; the last by none", () => {
  const machine = new TestMachine({});
  const map = machine.map({ name: "hash", type: BPF_MAP_TYPE_HASH, keySize: 4, maxEntries: 64 });
  expect(map.nextKey()).toBeUndefined();
  for (const key of [1, 2, 3]) map.update(word(key), word(key));
  expect(map.nextKey(word(77))).toEqual(map.nextKey());
  const array = machine.map({ name: "array", type: BPF_MAP_TYPE_ARRAY, maxEntries: 3 });
  expect([undefined, 0, 1, 2, 9].map((key) => array.nextKey(key === undefined ? undefined : word(key)))).toEqual([
    word(0),
    word(1),
    word(2),
    undefined,
    word(0),
  ]);
});

test("batches stop at the first entry that the map refuses", () => {
  const machine = new TestMachine({});
  const map = machine.map({ name: "small", type: BPF_MAP_TYPE_HASH, keySize: 4, maxEntries: 3 });
  const entries = [1, 2, 3, 4, 5].map((key) => [word(key), word(key)] as const);
  expect(map.updateBatch(entries)).toEqual({ count: 3, error: -E2BIG });
  expect(map.updateBatch(entries.slice(0, 2), BPF_EXIST)).toEqual({ count: 2, error: 0 });
  expect(map.deleteBatch([word(1), word(9), word(2)])).toEqual({ count: 1, error: -ENOENT });
  expect(map.used).toBe(2);
});

test("lookupAndDelete takes an entry out whole", () => {
  const machine = new TestMachine({ cpus: 2 });
  for (const type of [BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH, BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_LRU_PERCPU_HASH]) {
    const map = machine.map({ name: "taken", type, maxEntries: 16 });
    const value = map.perCpu ? [word(7), word(8)] : word(7);
    map.update(word(1), value);
    map.update(word(2), value);
    expect(map.lookupAndDelete(word(1))).toEqual(value);
    expect(map.lookupAndDelete(word(1))).toBeUndefined();
    expect(map.lookup(word(1))).toBeUndefined();
    expect([...map.keys()]).toEqual([word(2)]);
  }
});

test("a QUEUE and a STACK show and give what pop would; per-CPU and sparse arrays their entries", () => {
  const machine = new TestMachine({ cpus: 2 });
  const none = new Uint8Array(0);
  for (const [type, order] of [
    [BPF_MAP_TYPE_QUEUE, [1, 2, 3]],
    [BPF_MAP_TYPE_STACK, [3, 2, 1]],
  ] as const) {
    const map = machine.map({ name: "line", type, keySize: 0, maxEntries: 3 });
    for (const value of [1, 2, 3]) map.update(none, word(value));
    expect([...map.entries()].map(([, value]) => number(value as Uint8Array))).toEqual(order);
    expect(map.lookup(none)).toEqual(word(order[0]));
    expect([map.pop(), map.pop(), map.pop(), map.pop()]).toEqual([...order.map(word), undefined]);
  }
  const counters = machine.map({ name: "counters", type: BPF_MAP_TYPE_PERCPU_ARRAY, maxEntries: 2 });
  counters.update(word(1), [word(5), word(6)]);
  expect([...counters.entries()].map(([, value]) => plain(value))).toEqual([
    ["00000000", "00000000"],
    ["05000000", "06000000"],
  ]);
  const jumps = machine.map({ name: "jumps", type: BPF_MAP_TYPE_PROG_ARRAY, maxEntries: 5000 });
  jumps.setProgram(4000, 3);
  expect([...jumps.keys()]).toEqual([word(4000)]);
  expect(jumps.used).toBe(1);
});

test("BPF_F_LOCK is refused by a map without a lock", () => {
  const map: BpfMap = new TestMachine({}).map({ name: "hash", type: BPF_MAP_TYPE_HASH, keySize: 4, maxEntries: 4 });
  map.update(word(1), word(1));
  expect(map.lookup(word(1), BPF_F_LOCK)).toBeUndefined();
});

test("an array larger than the scratch area, with values larger than it, is walked whole", () => {
  const map = new TestMachine({}).map({ name: "wide", type: BPF_MAP_TYPE_ARRAY, valueSize: 300_000, maxEntries: 5 });
  for (let key = 0; key < 5; key++) map.update(word(key), new Uint8Array(300_000).fill(key + 1));
  expect([...map.entries()].map(([key, value]) => [number(key), (value as Uint8Array)[299_999]])).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4],
    [4, 5],
  ]);
});

/**
 * Each packet writes the source port (its flow) into all 48 double words of the value of that key and deletes the key of another flow; so elements are handed out again all
 * the time.
 */
const churn = `
    r6 = *(u32 *)(r1 + 0)
    r7 = *(u16 *)(r6 + 34)
    r8 = r10
    r8 += -392
    r9 = 48
    fill:
    *(u64 *)(r8 + 0) = r7
    r8 += 8
    r9 += -1
    if r9 != 0 goto fill
    *(u32 *)(r10 - 4) = r7
    r1 = map[0]
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -392
    r4 = 0
    call 2
    r7 ^= 256
    *(u32 *)(r10 - 4) = r7
    r1 = map[0]
    r2 = r10
    r2 += -4
    call 3
    r0 = 1
    exit`;

const built = existsSync(new URL("../../dist/worker.js", import.meta.url));

for (const [name, type] of keyKinds.slice(0, 3)) {
  test.skipIf(!built)(`${name}: what the main thread reads while two workers change the map is never another key's`, async () => {
    const machine = new TestMachine({ devices: [{ name: "eth0", queues: 8 }], cpus: 2, workers: 2, openPool: openWorkerPool });
    const map = machine.map({ name: "churned", type, valueSize: 384, maxEntries: 64 });
    machine.attach("xdp", machine.load(spec("churn", churn, "xdp", [map.spec]), [map]));
    // All at one time, so that windows are as large as can be and the workers busy while the main thread reads.
    const packets: Sent[] = Array.from({ length: 16_384 }, (_, index) => ({
      bytes: udp({ from: `10.0.0.9:${1 + ((index * 37) % 600)}`, to: "10.0.0.1:53" }),
      afterUs: 0,
    }));
    let reads = 0;
    let wrong = 0;
    const check = (key: Uint8Array, value: MapValue): void => {
      for (const bytes of value instanceof Uint8Array ? [value] : value) {
        const words = new BigUint64Array(bytes.buffer);
        const first = words[0];
        reads++;
        // The other CPUs' values of a per-CPU map are zeros.
        if (words.some((one) => one !== first) || (first !== BigInt(number(key)) && first !== 0n)) wrong++;
      }
    };
    const running = machine.run(packets, { repeat: 60 });
    let done = false;
    void running.then(() => {
      done = true;
    });
    while (!done) {
      for (let turn = 0; turn < 5; turn++) for (const [key, value] of map.entries()) check(key, value);
      for (const key of map.keys()) {
        const value = map.lookup(key);
        if (value !== undefined) check(key, value);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    const result = await running;
    expect(result.packets).toBe(60 * 16_384);
    expect(reads).toBeGreaterThan(1000);
    expect(wrong).toBe(0);
    const keys = [...map.keys()].map(hex);
    expect(new Set(keys).size).toBe(keys.length);
  });
}
