import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { type KernelMap, type KernelProgram, openKernel } from "../../src/kernel/index.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
} from "../../src/layout/index.ts";
import { type BpfMap, createMap } from "../../src/runtime/index.ts";
import { hex, mapSpec, TestMachine, u32Key } from "./machine.ts";
import { programSpec } from "./programs.ts";

const opened = openKernel();
const live = describe.runIf(opened.ok);
const why = opened.ok ? "" : ` (skipped: ${opened.problem.message})`;
const kernel = () => {
  if (!opened.ok) throw new Error(opened.problem.message);
  return opened.value;
};

/** One operation on a map: by a program on CPU 0, or by user space. */
interface Operation {
  readonly kind: "update" | "lookup" | "delete";
  readonly by: "program" | "user";
  readonly key: Uint8Array;
  readonly value: number;
  readonly flags: number;
}

/**
 * Programs that do one operation each: the packet holds flags (8 bytes), key (8), value (8); they answer with what the helper returned, a
 * lookup with 1 or 0.
 */
const program = (call: string, map: MapSpec) =>
  programSpec(
    `
      r2 = *(u32 *)(r1 +0)
      r3 = *(u32 *)(r1 +4)
      r4 = r2
      r4 += 24
      if r4 > r3 goto out
      r4 = *(u64 *)(r2 +0)
      r5 = *(u64 *)(r2 +8)
      *(u64 *)(r10 -8) = r5
      r5 = *(u64 *)(r2 +16)
      *(u64 *)(r10 -16) = r5
      r1 = map[m]
      r2 = r10
      r2 += -8
      r3 = r10
      r3 += -16
      call ${call}
      ${call === "bpf_map_lookup_elem" ? "if r0 == 0 goto out\nr0 = 1\nexit" : "exit"}
    out:
      r0 = 0
      exit`,
    [map],
  );

interface BothMaps {
  readonly ours: BpfMap;
  readonly theirs: KernelMap;
  readonly programs: Readonly<Record<Operation["kind"], KernelProgram>>;
}

const machine = new TestMachine(2);
machine.useCpu(0);

function makeBoth(spec: MapSpec): BothMaps {
  const theirs = kernel().createMap(spec);
  const maps = new Map([[spec.name, theirs]]);
  const load = (call: string): KernelProgram => kernel().loadProgram(program(call, spec), maps);
  const programs = { update: load("bpf_map_update_elem"), lookup: load("bpf_map_lookup_elem"), delete: load("bpf_map_delete_elem") };
  return { ours: createMap(machine.host, spec), theirs, programs };
}

function packetOf({ key, value, flags }: Operation): Uint8Array {
  const packet = new Uint8Array(64);
  const view = new DataView(packet.buffer);
  view.setBigUint64(0, BigInt(flags), true);
  packet.set(key, 8);
  view.setUint32(16, value, true);
  return packet;
}

/** Does it on both sides and gives both answers. */
function apply({ ours, theirs, programs }: BothMaps, operation: Operation): { ours: number; theirs: number } {
  const { kind, by, key, value, flags } = operation;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, value, true);
  if (by === "user") {
    const slices = new Uint8Array(theirs.valueSize);
    for (let at = 0; at < slices.length; at += 8) slices.set(bytes, at);
    if (kind === "update") return { ours: ours.update(key, bytes, flags), theirs: theirs.update(key, slices, flags) };
    if (kind === "delete") return { ours: ours.delete(key), theirs: theirs.delete(key) };
    return { ours: Number(ours.lookup(key) !== undefined), theirs: Number(theirs.lookup(key) !== undefined) };
  }
  const keyAt = machine.put(0, key);
  const valueAt = machine.put(1, bytes);
  const theirAnswer = programs[kind].run({ packet: packetOf(operation) }).returned | 0;
  if (kind === "update") return { ours: machine.call("mapUpdateElem", ours.address, keyAt, valueAt, BigInt(flags)), theirs: theirAnswer };
  if (kind === "delete") return { ours: machine.call("mapDeleteElem", ours.address, keyAt), theirs: theirAnswer };
  return { ours: Number(machine.call("mapLookupElem", ours.address, keyAt) !== 0), theirs: theirAnswer };
}

const ourContents = (map: BpfMap): string[] =>
  [...map.entries()].map(([key, value]) => `${hex(key)}: ${value instanceof Uint8Array ? hex(value) : value.map(hex).join("")}`).sort();
const theirContents = (map: KernelMap): string[] => [...map.entries()].map(([key, value]) => `${hex(key)}: ${hex(value)}`).sort();

/** Runs a sequence on both sides; contents are compared every `every` operations and at the end. */
function compare(spec: MapSpec, operations: readonly Operation[], every: number): void {
  const maps = makeBoth(spec);
  try {
    for (const [at, operation] of operations.entries()) {
      const { ours, theirs } = apply(maps, operation);
      expect(ours, `operation ${at}: ${operation.kind} by ${operation.by}`).toBe(theirs);
      if (at % every === 0) expect(ourContents(maps.ours), `contents after operation ${at}`).toEqual(theirContents(maps.theirs));
    }
    expect(ourContents(maps.ours)).toEqual(theirContents(maps.theirs));
  } finally {
    for (const made of Object.values(maps.programs)) made.close();
    maps.theirs.close();
  }
}

const operationOn = (key: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Operation> =>
  fc.record({
    kind: fc.constantFrom("update", "update", "update", "lookup", "lookup", "delete"),
    by: fc.constantFrom("program", "program", "user"),
    key,
    value: fc.nat(0xffff),
    flags: fc.constantFrom(0, 0, 0, 0, 1, 2, 3, 4),
  });

const numbered = (count: number): fc.Arbitrary<Uint8Array> => fc.nat(count - 1).map(u32Key);

live(`answers and contents of maps are the live kernel's${why}`, () => {
  // The host's operations count as CPU 0's here; so they must on the other side.
  if (opened.ok) execFileSync("taskset", ["-cp", "0", String(process.pid)], { stdio: "ignore" });

  test.each([
    { name: "ARRAY", type: BPF_MAP_TYPE_ARRAY, flags: 0, maxEntries: 5 },
    { name: "PERCPU_ARRAY", type: BPF_MAP_TYPE_PERCPU_ARRAY, flags: 0, maxEntries: 5 },
    { name: "HASH", type: BPF_MAP_TYPE_HASH, flags: 0, maxEntries: 5 },
    { name: "HASH without preallocation", type: BPF_MAP_TYPE_HASH, flags: 1, maxEntries: 5 },
    { name: "PERCPU_HASH", type: BPF_MAP_TYPE_PERCPU_HASH, flags: 0, maxEntries: 5 },
  ])("$name", ({ type, flags, maxEntries }) => {
    const spec = mapSpec(type, { flags, maxEntries });
    fc.assert(
      fc.property(fc.array(operationOn(numbered(9)), { maxLength: 40 }), (operations) => compare(spec, operations, 7)),
      { numRuns: 40 },
    );
  });

  test("LPM_TRIE", () => {
    const key = fc.tuple(fc.nat(33), fc.constantFrom(0x0a000000, 0x0a010000, 0x0a010180, 0xc0a80000, 0)).map(([length, address]) => {
      const bytes = new Uint8Array(8);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, length, true);
      view.setUint32(4, address);
      return bytes;
    });
    const masked = key.map((bytes) => {
      const view = new DataView(bytes.buffer);
      const length = Math.min(view.getUint32(0, true), 32);
      const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
      view.setUint32(4, view.getUint32(4) & mask);
      return bytes;
    });
    const spec = mapSpec(BPF_MAP_TYPE_LPM_TRIE, { keySize: 8, flags: 1, maxEntries: 6 });
    fc.assert(
      fc.property(fc.array(operationOn(masked), { maxLength: 60 }), (operations) => compare(spec, operations, 9)),
      { numRuns: 60 },
    );
  });

  test.each([
    { maxEntries: 1, keys: 4, flags: 0 },
    { maxEntries: 3, keys: 8, flags: 0 },
    { maxEntries: 8, keys: 14, flags: 0 },
    { maxEntries: 50, keys: 90, flags: 0 },
    { maxEntries: 700, keys: 1000, flags: 0 },
    { maxEntries: 8, keys: 14, flags: 2 },
    { maxEntries: 61, keys: 100, flags: 2 },
  ])("LRU_HASH of $maxEntries entries, $keys keys, flags $flags gives up the same entries", ({ maxEntries, keys, flags }) => {
    const spec = mapSpec(BPF_MAP_TYPE_LRU_HASH, { maxEntries, flags });
    fc.assert(
      fc.property(
        fc.array(operationOn(numbered(keys)), { minLength: Math.min(maxEntries * 4, 1500), maxLength: maxEntries * 6 + 20 }),
        (operations) => compare(spec, operations, Math.ceil(maxEntries / 4)),
      ),
      { numRuns: maxEntries > 100 ? 6 : 40 },
    );
  });

  test("LRU_PERCPU_HASH of 20 entries gives up the same entries", () => {
    const spec = mapSpec(BPF_MAP_TYPE_LRU_PERCPU_HASH, { maxEntries: 20 });
    fc.assert(
      fc.property(fc.array(operationOn(numbered(40)), { minLength: 100, maxLength: 200 }), (operations) => compare(spec, operations, 5)),
      { numRuns: 30 },
    );
  });
});
