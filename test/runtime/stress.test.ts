import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import {
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  HashElement,
  HashHeader,
  LPM_ENTRY,
  LPM_FREE,
  LpmHeader,
  LpmNode,
} from "../../src/layout/index.ts";
import { type BpfMap, createMap, runtimeModule } from "../../src/runtime/index.ts";
import { lruLists } from "./lruLists.ts";
import { mapSpec, TestMachine, u32Key, u64Value } from "./machine.ts";
import { STRESS_MS } from "./stressTime.ts";

/** What a worker does, as plain JavaScript: it knows nothing but the runtime's exports and the shared memory. */
const workerSource = `
const { workerData, parentPort } = require("node:worker_threads");
const { module, memory, cpu, map, keySize, keys, milliseconds, buffer, valueOffset, seed, permanent, kind } = workerData;
const table = new WebAssembly.Table({ element: "anyfunc", initial: 4096 });
const { exports } = new WebAssembly.Instance(module, { env: { memory, table }, "cold.as": { slow() {} } });
exports.setCpu(cpu);
const words = new Uint32Array(memory.buffer);
const wide = new BigUint64Array(memory.buffer);
let state = seed;
const random = (below) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 4294967296) * below);
};
const key = buffer, value = buffer + 64;
const setKey = (number) => {
  if (kind === "lpm") { words[key / 4] = 32; words[key / 4 + 1] = number; }
  else { words[key / 4] = number; for (let at = 4; at < keySize; at += 4) words[key / 4 + at / 4] = ~number; }
};
const counted = {};
let foreign = 0, errors = {}, found = 0;
const end = Date.now() + milliseconds;
for (let round = 0; round % 1024 !== 0 || Date.now() < end; round++) {
  // As each run of a program begins with: changes of an LPM_TRIE burn some.
  if (round % 1024 === 0) exports.fuel.value = 1n << 26n;
  const number = random(keys);
  setKey(number);
  const what = number < permanent ? 0 : random(8);
  if (what < 4) {
    const at = exports.mapLookupElem(map, key) >>> 0;
    if (number < permanent) {
      if (at === 0) { errors.lost = (errors.lost || 0) + 1; continue; }
      Atomics.add(wide, at / 8, 1n);
      counted[number] = (counted[number] || 0) + 1;
    } else if (at !== 0) {
      found++;
      if (kind === "lpm") {
        // The node's data in front of the value; both stay as they are while the same lookup gives the same node.
        const data = (at - valueOffset) / 4;
        const before = Atomics.load(words, data), upper = Atomics.load(words, at / 4 + 1), after = Atomics.load(words, data);
        if ((exports.mapLookupElem(map, key) >>> 0) === at && before === number && after === number && upper !== number) foreign++;
        continue;
      }
      const element = at - 16 - Math.ceil(keySize / 8) * 8;
      const before = Atomics.load(words, element / 4 + 2);
      const stored = words[element / 4 + 4];
      const upper = words[at / 4 + 1];
      const after = Atomics.load(words, element / 4 + 2);
      if (before === after && (before & 1) === 0 && stored === number && upper !== number) foreign++;
    }
  } else if (what < 7) {
    words[value / 4] = round;
    words[value / 4 + 1] = number;
    const error = exports.mapUpdateElem(map, key, value, 0n);
    if (error !== 0) errors[error] = (errors[error] || 0) + 1;
  } else {
    exports.mapDeleteElem(map, key);
  }
}
parentPort.postMessage({ counted, foreign, errors, found });
`;

interface Report {
  readonly counted: Readonly<Record<number, number>>;
  readonly foreign: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly found: number;
}

interface Load {
  readonly map: BpfMap;
  readonly keys: number;
  readonly permanent: number;
  readonly kind?: "lpm";
}

/** Two workers, a CPU each, do random operations on the same map at once. */
function hammer(machine: TestMachine, { map, keys, permanent, kind }: Load): Promise<Report[]> {
  const runs = machine.host.cpus.blocks.map((cpu, index) => {
    const workerData = {
      module: runtimeModule(),
      memory: machine.memory.memory,
      cpu,
      map: map.address,
      keySize: map.spec.keySize,
      keys,
      permanent,
      kind,
      milliseconds: STRESS_MS,
      valueOffset: kind === "lpm" ? LpmHeader.read(machine.memory.view, map.address, "value_offset") - LpmNode.size : 0,
      buffer: machine.memory.allocate("program", 256, 64, "worker"),
      seed: 17 + index,
    };
    return new Promise<Report>((resolve, reject) => {
      const worker = new Worker(workerSource, { eval: true, workerData });
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  });
  return Promise.all(runs);
}

function checkCounts(map: BpfMap, reports: readonly Report[], permanent: number, keyOf: (number: number) => Uint8Array): void {
  for (let number = 0; number < permanent; number++) {
    const expected = reports.reduce((sum, { counted }) => sum + (counted[number] ?? 0), 0);
    expect(map.lookup(keyOf(number)), `counter ${number}`).toEqual(u64Value(BigInt(expected)));
  }
}

/** Free elements, by walking every slot's stack. */
function freeElements({ memory }: TestMachine, map: BpfMap): number[] {
  const lists = HashHeader.read(memory.view, map.address, "free_lists");
  const free: number[] = [];
  for (let slot = 0; slot < HashHeader.read(memory.view, map.address, "slots"); slot++) {
    let element = memory.view.getUint32(lists + slot * 8, true);
    while (element !== 0 && free.length < 10_000) {
      free.push(element);
      element = HashElement.read(memory.view, element, "link");
    }
  }
  return free;
}

/** Every node that was handed out is an entry, joins two others, or is free: once in the list, and nowhere else. */
function checkNodes({ memory: { view } }: TestMachine, map: BpfMap, entries: number): void {
  const fresh = Math.min(LpmHeader.read(view, map.address, "fresh"), LpmHeader.read(view, map.address, "capacity"));
  const kinds = Array.from({ length: fresh }, (_, index) => LpmNode.read(view, map.elements + index * map.stride, "kind"));
  const count = (kind: number) => kinds.filter((one) => one === kind).length;
  expect([count(LPM_ENTRY), LpmHeader.read(view, map.address, "entries")]).toEqual([entries, entries]);
  const free: number[] = [];
  for (let node = LpmHeader.read(view, map.address, "free"); node !== 0 && free.length <= fresh; ) {
    free.push(node);
    expect(LpmNode.read(view, node, "kind")).toBe(LPM_FREE);
    node = LpmNode.read(view, node, "child0");
  }
  expect(new Set(free).size).toBe(free.length);
  expect(free.length).toBe(count(LPM_FREE));
  const reached: number[] = [];
  const walk = (node: number): void => {
    if (node === 0 || reached.length > fresh) return;
    reached.push(node);
    walk(LpmNode.read(view, node, "child0"));
    walk(LpmNode.read(view, node, "child1"));
  };
  walk(LpmHeader.read(view, map.address, "root"));
  expect(reached.length).toBe(fresh - free.length);
}

/** What a test may take: its own time, and that of a busy machine. */
const LIMIT_MS = STRESS_MS * 4 + 20_000;

const hashKey =
  (size: number) =>
  (number: number): Uint8Array => {
    const words = new Uint32Array(size / 4).fill(~number >>> 0);
    words[0] = number;
    return new Uint8Array(words.buffer);
  };

describe("two workers on one map", () => {
  test.each([4, 8, 16])(
    "HASH with keys of %i bytes: counts are exact, no lookup meets another key's element, no element is lost",
    async (keySize) => {
      const machine = new TestMachine(2);
      const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_HASH, { keySize, maxEntries: 40 }));
      const keyOf = hashKey(keySize);
      for (let number = 0; number < 4; number++) map.update(keyOf(number), u64Value(0n));
      const reports = await hammer(machine, { map, keys: 64, permanent: 4 });
      for (const { foreign, errors, found } of reports) {
        expect(foreign).toBe(0);
        expect(Object.keys(errors).filter((error) => error !== "-7")).toEqual([]);
        expect(found).toBeGreaterThan(1000);
      }
      checkCounts(map, reports, 4, keyOf);
      const entries = [...map.entries()];
      expect(new Set(entries.map(([key]) => key.join())).size).toBe(entries.length);
      const free = freeElements(machine, map);
      expect(new Set(free).size).toBe(free.length);
      const fresh = Math.min(HashHeader.read(machine.memory.view, map.address, "fresh"), 40);
      expect(entries.length + free.length + (40 - fresh)).toBe(40);
    },
    LIMIT_MS,
  );

  test.each([0, 2])(
    "LRU_HASH with flags %i: every element is in exactly one list, and in the table if it is in use",
    async (flags) => {
      const machine = new TestMachine(2);
      const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_LRU_HASH, { maxEntries: 64, flags }));
      const reports = await hammer(machine, { map, keys: 100, permanent: 0 });
      for (const { foreign, errors, found } of reports) {
        expect(foreign).toBe(0);
        expect(Object.keys(errors).filter((error) => error !== "-12")).toEqual([]);
        expect(found).toBeGreaterThan(1000);
      }
      const { inUse, free } = lruLists(machine, map);
      expect([...inUse, ...free].sort((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, index) => index));
      const entries = [...map.entries()];
      expect(entries.length).toBe(inUse.length);
      expect(new Set(entries.map(([key]) => key.join())).size).toBe(entries.length);
    },
    LIMIT_MS,
  );

  test(
    "LPM_TRIE: prefixes that stay are found at every moment",
    async () => {
      const machine = new TestMachine(2);
      const map = createMap(machine.host, mapSpec(BPF_MAP_TYPE_LPM_TRIE, { keySize: 8, maxEntries: 80, flags: 1 }));
      const keyOf = (number: number) => Uint8Array.from([32, 0, 0, 0, ...u32Key(number)]);
      for (let number = 0; number < 4; number++) map.update(keyOf(number), u64Value(0n));
      const reports = await hammer(machine, { map, keys: 64, permanent: 4, kind: "lpm" });
      for (const { foreign, errors, found } of reports) {
        expect(foreign).toBe(0);
        expect(errors).toEqual({});
        expect(found).toBeGreaterThan(1000);
      }
      checkCounts(map, reports, 4, keyOf);
      const entries = [...map.entries()];
      expect(new Set(entries.map(([key]) => key.join())).size).toBe(entries.length);
      for (const [key] of entries) expect(map.lookup(key)).toBeDefined();
      checkNodes(machine, map, entries.length);
    },
    LIMIT_MS,
  );
});
