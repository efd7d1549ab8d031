import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import {
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_HASH,
} from "../../src/layout/index.ts";
import { createMap, runtimeModule } from "../../src/runtime/index.ts";
import { mapSpec, TestMachine, u32Key } from "./machine.ts";
import { STRESS_MS } from "./stressTime.ts";

/**
 * Words of a value: all are (round << 8 | key), so that a value mixed of two, or another key's, shows. Only long values take long enough to be caught at it.
 */
const WORDS = 8192;

/** A CPU that updates and deletes keys; it ends when the second word of its buffer is set, and counts its rounds in the first. */
const workerSource = `
const { workerData } = require("node:worker_threads");
const { module, memory, cpu, map, keys, buffer, size } = workerData;
const table = new WebAssembly.Table({ element: "anyfunc", initial: 4096 });
const { exports } = new WebAssembly.Instance(module, { env: { memory, table }, "cold.as": { slow() {} } });
exports.setCpu(cpu);
const words = new Uint32Array(memory.buffer);
const key = buffer + 64, value = buffer + 128;
for (let round = 1; Atomics.load(words, buffer / 4 + 1) === 0; round++) {
  if (round % 1024 === 0) exports.fuel.value = 1n << 40n;
  const number = round % keys;
  words[key / 4] = number;
  if (round % 7 === 0) exports.mapDeleteElem(map, key);
  else {
    words.fill((round << 8) | number, value / 4, value / 4 + size);
    exports.mapUpdateElem(map, key, value, 0n);
  }
  Atomics.store(words, buffer / 4, round);
}
`;

test.each([
  { name: "HASH", type: BPF_MAP_TYPE_HASH, maxEntries: 16 },
  { name: "PERCPU_HASH", type: BPF_MAP_TYPE_PERCPU_HASH, maxEntries: 16 },
  { name: "LRU_HASH", type: BPF_MAP_TYPE_LRU_HASH, maxEntries: 4 },
  { name: "LRU_PERCPU_HASH", type: BPF_MAP_TYPE_LRU_PERCPU_HASH, maxEntries: 4 },
])(
  "$name: what user space reads while a CPU writes is one value, and the key's own",
  async ({ type, maxEntries }) => {
    const machine = new TestMachine(1);
    const map = createMap(machine.host, mapSpec(type, { valueSize: WORDS * 4, maxEntries }));
    const keys = 3;
    const buffer = machine.memory.allocate("program", 128 + WORDS * 4, 64, "worker");
    const worker = new Worker(workerSource, {
      eval: true,
      workerData: {
        module: runtimeModule(),
        memory: machine.memory.memory,
        cpu: machine.host.cpus.blocks[0],
        map: map.address,
        keys,
        buffer,
        size: WORDS,
      },
    });
    const words = new Uint32Array(machine.memory.memory.buffer, buffer, 2);
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    await new Promise((resolve) => worker.once("online", resolve));
    while (Atomics.load(words, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    let found = 0;
    let turn = 0;
    const wrong: string[] = [];
    const check = (number: number, value: unknown): void => {
      const bytes = (Array.isArray(value) ? value[0] : value) as Uint8Array;
      const read = new Uint32Array(bytes.buffer, bytes.byteOffset, WORDS);
      found++;
      const first = read[0]!;
      // Values are copied from their beginning to their end: a mixed one has two ends. To look at every word would take the time of many reads.
      if ((first & 255) !== number || read[WORDS >> 1] !== first || read[WORDS - 1] !== first)
        wrong.push(`key ${number}: ${[...new Set(read)].join()}`);
    };
    for (const end = Date.now() + STRESS_MS; Date.now() < end && wrong.length === 0; ) {
      for (let number = 0; number < keys; number++) {
        const value = map.lookup(u32Key(number));
        if (value !== undefined) check(number, value);
      }
      if (turn++ % 64 === 0) for (const [key, value] of map.entries()) check(key[0]!, value);
    }
    Atomics.store(words, 1, 1);
    await ended;
    expect(wrong).toEqual([]);
    expect(found).toBeGreaterThan(100);
  },
  STRESS_MS * 4 + 20_000,
);
