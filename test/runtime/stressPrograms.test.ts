import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { Btf } from "../../src/bpf/btf/index.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  CpuBlock,
  XdpContext,
} from "../../src/layout/index.ts";
import { type BpfMap, createMap, type LoadedProgram, ProgramLoader, runtimeModule } from "../../src/runtime/index.ts";
import { mapSpec, TestMachine, u32Key } from "./machine.ts";
import { programSpec, verified } from "./programs.ts";
import { STRESS_MS } from "./stressTime.ts";

/** A worker runs one BPF program over and over on its own CPU; after a trap it does what the dataplane's does. */
const workerSource = `
const { workerData, parentPort } = require("node:worker_threads");
const { runtime, program, memory, cpu, context, slot, milliseconds, rest } = workerData;
const table = new WebAssembly.Table({ element: "anyfunc", initial: 4096 });
const { exports } = new WebAssembly.Instance(runtime, { env: { memory, table }, "cold.as": { slow() {} } });
const instance = new WebAssembly.Instance(program, { env: { memory, table }, runtime: exports });
table.set(slot, instance.exports[Object.keys(instance.exports)[0]]);
exports.setCpu(cpu);
const view = new DataView(memory.buffer);
const returned = {};
let traps = 0;
const end = Date.now() + milliseconds;
while (Date.now() < end) {
  for (let run = 0; run < 1000; run++) {
    try {
      const code = Number(exports.runProgram(slot, context));
      returned[code] = (returned[code] || 0) + 1;
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      traps++;
      exports.releaseLocks();
      for (const [offset, value] of rest) view.setUint32(cpu + offset, value, true);
    }
  }
}
parentPort.postMessage({ returned, traps });
`;

interface Report {
  /** How often the program returned what. */
  readonly returned: Readonly<Record<number, number>>;
  readonly traps: number;
}

/** Bits of what the program returns: which operation, which key, and that something was wrong. */
const ATOMIC = 0x100;
const LOCKED = 0x200;
const WRITTEN = 0x300;
const READ = 0x400;
const WRONG = 0x1000;

/**
 * One of four operations on one of four keys, by chance:
 *   adds 1 atomically to the key's value in a HASH, an LRU_HASH and an LPM_TRIE
 *   under the value's bpf_spin_lock adds 1 to its four numbers; one time in 256 it traps instead while it holds the lock
 *   writes four equal numbers with BPF_F_LOCK
 *   reads four numbers under the lock: they must be equal
 */
const text = `
    call 7
    r7 = r0
    r9 = r7
    r9 >>= 8
    r9 &= 3
    *(u32 *)(r10 -4) = r9
    r8 = r7
    r8 &= 3
    if r8 == 1 goto locked
    if r8 == 2 goto write
    if r8 == 3 goto read
    r1 = 32
    *(u32 *)(r10 -16) = r1
    *(u32 *)(r10 -12) = r9
    r1 = map[hash]
    r2 = r10
    r2 += -4
    call 1
    if r0 == 0 goto wrong
    r1 = 1
    lock *(u64 *)(r0 +0) += r1
    r1 = map[lru]
    r2 = r10
    r2 += -4
    call 1
    if r0 == 0 goto wrong
    r1 = 1
    lock *(u64 *)(r0 +0) += r1
    r1 = map[lpm]
    r2 = r10
    r2 += -16
    call 1
    if r0 == 0 goto wrong
    r1 = 1
    lock *(u64 *)(r0 +0) += r1
    r0 = ${ATOMIC}
    r0 += r9
    exit
  locked:
    r1 = map[values]
    r2 = r10
    r2 += -4
    call 1
    if r0 == 0 goto wrong
    r6 = r0
    r1 = r6
    call 93
    r1 = r7
    r1 >>= 16
    r1 &= 255
    if r1 == 0 goto trap
    r1 = *(u64 *)(r6 +8)
    r1 += 1
    *(u64 *)(r6 +8) = r1
    r1 = *(u64 *)(r6 +16)
    r1 += 1
    *(u64 *)(r6 +16) = r1
    r1 = *(u64 *)(r6 +24)
    r1 += 1
    *(u64 *)(r6 +24) = r1
    r1 = *(u64 *)(r6 +32)
    r1 += 1
    *(u64 *)(r6 +32) = r1
    r1 = r6
    call 94
    r0 = ${LOCKED}
    r0 += r9
    exit
  trap:
    r1 = 0xfffffff0
    r0 = *(u64 *)(r1 +8)
    exit
  write:
    r9 += 4
    *(u32 *)(r10 -4) = r9
    r1 = 0
    *(u64 *)(r10 -48) = r1
    *(u64 *)(r10 -40) = r7
    *(u64 *)(r10 -32) = r7
    *(u64 *)(r10 -24) = r7
    *(u64 *)(r10 -16) = r7
    r1 = map[values]
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -48
    r4 = 4
    call 2
    if r0 != 0 goto wrong
    r0 = ${WRITTEN}
    r0 += r9
    exit
  read:
    r9 += 4
    *(u32 *)(r10 -4) = r9
    r1 = map[values]
    r2 = r10
    r2 += -4
    call 1
    if r0 == 0 goto wrong
    r6 = r0
    r1 = r6
    call 93
    r1 = *(u64 *)(r6 +8)
    r2 = *(u64 *)(r6 +16)
    r3 = *(u64 *)(r6 +24)
    r7 = *(u64 *)(r6 +32)
    *(u64 *)(r10 -40) = r1
    *(u64 *)(r10 -32) = r2
    *(u64 *)(r10 -24) = r3
    r1 = r6
    call 94
    r1 = *(u64 *)(r10 -40)
    r2 = *(u64 *)(r10 -32)
    r3 = *(u64 *)(r10 -24)
    if r1 != r2 goto wrong
    if r1 != r3 goto wrong
    if r1 != r7 goto wrong
    r0 = ${READ}
    r0 += r9
    exit
  wrong:
    r0 = ${WRONG}
    exit`;

/** struct { struct bpf_spin_lock lock; __u64 numbers[4]; } */
const lockedValue: Btf = {
  types: [
    { kind: "void" },
    { kind: "struct", name: "bpf_spin_lock", size: 4, members: [] },
    { kind: "struct", name: "value", size: 40, members: [{ name: "lock", type: 1, bitOffset: 0, bitSize: 0 }] },
  ],
  littleEndian: true,
};

/** What a test may take: its own time, and that of a busy machine. */
const LIMIT_MS = STRESS_MS * 4 + 20_000;

const lpmKey = (number: number): Uint8Array => new Uint8Array(Uint32Array.of(32, number).buffer);

function moduleOf({ portable }: LoadedProgram): WebAssembly.Module {
  if (portable === undefined || !("module" in portable)) throw new Error("the program is not compiled");
  return portable.module;
}

async function hammer(valuesType: number): Promise<{ reports: Report[]; maps: Readonly<Record<string, BpfMap>> }> {
  const machine = new TestMachine(2);
  const { host, memory } = machine;
  const values = { keySize: 4, valueSize: 40, maxEntries: 8, btf: lockedValue, valueTypeId: 2 };
  const specs = [
    mapSpec(BPF_MAP_TYPE_HASH, { name: "hash" }),
    // Large enough that nothing is given up: each CPU takes free elements in batches.
    mapSpec(BPF_MAP_TYPE_LRU_HASH, { name: "lru", maxEntries: 1024 }),
    mapSpec(BPF_MAP_TYPE_LPM_TRIE, { name: "lpm", keySize: 8, flags: 1 }),
    mapSpec(valuesType, { name: "values", ...values }),
  ];
  const maps = specs.map((spec) => createMap(host, spec));
  const [hash, lru, lpm, locked] = maps as [BpfMap, BpfMap, BpfMap, BpfMap];
  for (let key = 0; key < 8; key++) {
    locked.update(u32Key(key), new Uint8Array(40));
    for (const map of [hash, lru]) map.update(u32Key(key), new Uint8Array(8));
    lpm.update(lpmKey(key), new Uint8Array(8));
  }
  const program = new ProgramLoader(host).load(verified(programSpec(text, specs)), maps);
  const runs = host.cpus.blocks.map((cpu) => {
    const rest = (["program", "tail_calls", "depth", "trap"] as const).map((field) => [CpuBlock.at[field], 0]);
    const workerData = {
      runtime: runtimeModule(),
      program: moduleOf(program),
      memory: memory.memory,
      cpu,
      context: memory.allocate("program", XdpContext.size, 64, "context"),
      slot: program.slot,
      milliseconds: STRESS_MS,
      rest: [...rest, [CpuBlock.at.fp, CpuBlock.read(memory.view, cpu, "fp")]],
    };
    return new Promise<Report>((resolve, reject) => {
      const worker = new Worker(workerSource, { eval: true, workerData });
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  });
  return { reports: await Promise.all(runs), maps: { hash, lru, lpm, values: locked } };
}

const numbersOf = (map: BpfMap, key: Uint8Array): bigint[] => [...new BigUint64Array((map.lookup(key) as Uint8Array).slice().buffer)];

describe("two workers run a program on the same maps", () => {
  test.each([
    ["HASH", BPF_MAP_TYPE_HASH],
    ["ARRAY", BPF_MAP_TYPE_ARRAY],
  ])(
    "atomic and locked additions sum exactly, values in a %s under BPF_F_LOCK are never mixed, a trap under a lock stops nobody",
    async (_, type) => {
      const { reports, maps } = await hammer(type);
      const sum = (code: number): bigint => BigInt(reports.reduce((total, { returned }) => total + (returned[code] ?? 0), 0));
      expect(sum(WRONG)).toBe(0n);
      for (const { returned, traps } of reports) {
        expect(traps).toBeGreaterThan(0);
        for (const what of [ATOMIC, LOCKED]) expect(returned[what]).toBeGreaterThan(0);
      }
      for (let key = 0; key < 4; key++) {
        expect(numbersOf(maps.hash!, u32Key(key))).toEqual([sum(ATOMIC + key)]);
        expect(numbersOf(maps.lru!, u32Key(key))).toEqual([sum(ATOMIC + key)]);
        expect(numbersOf(maps.lpm!, lpmKey(key))).toEqual([sum(ATOMIC + key)]);
        const locked = sum(LOCKED + key);
        expect(numbersOf(maps.values!, u32Key(key))).toEqual([0n, locked, locked, locked, locked]);
        const [, ...written] = numbersOf(maps.values!, u32Key(key + 4));
        expect(new Set(written).size).toBe(1);
        expect(sum(WRITTEN + key + 4) * sum(READ + key + 4)).toBeGreaterThan(0n);
      }
      expect(maps.lru!.evicted).toBe(0);
    },
    LIMIT_MS,
  );
});
