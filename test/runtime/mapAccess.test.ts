import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MapSpec, ProgramSpec } from "../../src/bpf/spec.ts";
import { dumpMap } from "../../src/dataplane/mapContents.ts";
import { openKernel } from "../../src/kernel/index.ts";
import {
  BPF_F_NO_PREALLOC,
  BPF_F_RDONLY,
  BPF_F_RDONLY_PROG,
  BPF_F_WRONLY,
  BPF_F_WRONLY_PROG,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_BLOOM_FILTER,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_STACK,
  EPERM,
  MapHeader,
} from "../../src/layout/index.ts";
import { ProblemError } from "../../src/problem/index.ts";
import { type BpfMap, createMap, type Engine, ProgramLoader, runOnce } from "../../src/runtime/index.ts";
import { keep, agreedResults as resultsOf } from "../kernel/everyEngine.ts";
import { mapSpec, TestMachine, u32Key } from "./machine.ts";
import { programSpec, verified } from "./programs.ts";

const opened = openKernel();
const kernel = () => {
  if (!opened.ok) throw new Error(opened.problem.message);
  return opened.value;
};

/** The value of an operation, or -EPERM where it is refused. */
function permitted<T>(operation: () => T): T | number {
  try {
    return operation();
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === "map_access") return -EPERM;
    throw error;
  }
}

const kinds = [
  { name: "ARRAY", type: BPF_MAP_TYPE_ARRAY },
  { name: "HASH", type: BPF_MAP_TYPE_HASH },
  { name: "LRU_HASH", type: BPF_MAP_TYPE_LRU_HASH },
  { name: "PERCPU_HASH", type: BPF_MAP_TYPE_PERCPU_HASH },
  { name: "LPM_TRIE", type: BPF_MAP_TYPE_LPM_TRIE, keySize: 8, flags: BPF_F_NO_PREALLOC },
  { name: "QUEUE", type: BPF_MAP_TYPE_QUEUE, keySize: 0 },
  { name: "STACK", type: BPF_MAP_TYPE_STACK, keySize: 0 },
  { name: "BLOOM_FILTER", type: BPF_MAP_TYPE_BLOOM_FILTER, keySize: 0 },
];

type Operation = "update" | "delete" | "lookup" | "take" | "nextKey" | "freeze";
const operations: readonly Operation[] = ["update", "delete", "lookup", "take", "nextKey", "freeze"];

/** Whether our map answers with -EPERM. */
function isForbidden(map: BpfMap, operation: Operation, key: Uint8Array): boolean {
  const value = new Uint8Array(map.spec.valueSize);
  const work: Record<Operation, () => unknown> = {
    update: () => map.update(key, value),
    delete: () => map.delete(key),
    lookup: () => map.lookup(key),
    take: () => map.lookupAndDelete(key),
    nextKey: () => map.nextKey(key.length === 0 ? undefined : key),
    freeze: () => map.freeze(),
  };
  return permitted(work[operation]) === -EPERM;
}

describe.runIf(opened.ok)(
  `user space may do to a map what its flags and its freezing leave it${opened.ok ? "" : " (skipped: no live kernel)"}`,
  () => {
    test.each(kinds)("$name", ({ type, ...rest }) => {
      const machine = new TestMachine(2);
      fc.assert(
        fc.property(
          fc.constantFrom(0, BPF_F_RDONLY, BPF_F_WRONLY),
          fc.array(fc.constantFrom(...operations), { maxLength: 12 }),
          (access, sequence) => {
            const spec = mapSpec(type, { ...rest, flags: (rest.flags ?? 0) | access });
            const ours = createMap(machine.host, spec);
            const theirs = kernel().createMap(spec);
            try {
              const key = new Uint8Array(spec.keySize);
              for (const operation of sequence) {
                const answer =
                  operation === "update"
                    ? theirs.update(key, new Uint8Array(theirs.valueSize))
                    : operation === "delete"
                      ? theirs.delete(key)
                      : operation === "freeze"
                        ? theirs.freeze()
                        : theirs.answer(operation, key);
                expect(isForbidden(ours, operation, key), `${operation}, which the kernel answers with ${answer}`).toBe(answer === -EPERM);
              }
            } finally {
              theirs.close();
            }
          },
        ),
        { numRuns: 60 },
      );
    });
  },
);

test("what a map that may only be written holds is counted, and its dump says why it shows nothing", () => {
  const map = createMap(new TestMachine(1).host, mapSpec(BPF_MAP_TYPE_HASH, { flags: BPF_F_WRONLY }));
  expect(map.update(u32Key(1), new Uint8Array(8))).toBe(0);
  expect(map.used).toBe(1);
  expect(dumpMap(map)).toEqual([{ error: "EPERM, its user space may not read it (BPF_F_WRONLY)" }]);
  expect(permitted(() => [...map.entries()])).toBe(-EPERM);
  expect(permitted(() => [...map.keys()])).toBe(-EPERM);
  expect(permitted(() => map.lookupBatch())).toBe(-EPERM);
});

/** Programs of one helper call on map `m`, key and value zeros on the stack. */
const calls = (helper: string): string => `
  r1 = 0
  *(u64 *)(r10 -8) = r1
  *(u64 *)(r10 -16) = r1
  r1 = map[m]
  r2 = r10
  r2 += -8
  ${helper === "bpf_map_push_elem" ? "r3 = 0" : "r3 = r10\nr3 += -16"}
  r4 = 0
  call ${helper}
  r0 = 7
  exit`;

const writing = [
  { helper: "bpf_map_update_elem", type: BPF_MAP_TYPE_HASH },
  { helper: "bpf_map_update_elem", type: BPF_MAP_TYPE_ARRAY },
  { helper: "bpf_map_update_elem", type: BPF_MAP_TYPE_LRU_HASH },
  { helper: "bpf_map_delete_elem", type: BPF_MAP_TYPE_HASH },
  { helper: "bpf_map_push_elem", type: BPF_MAP_TYPE_QUEUE },
  { helper: "bpf_map_pop_elem", type: BPF_MAP_TYPE_STACK },
  { helper: "bpf_map_push_elem", type: BPF_MAP_TYPE_BLOOM_FILTER },
];

const specOf = (type: number, flags: number): MapSpec => {
  const keyless = type === BPF_MAP_TYPE_QUEUE || type === BPF_MAP_TYPE_STACK || type === BPF_MAP_TYPE_BLOOM_FILTER;
  return mapSpec(type, { flags, ...(keyless ? { keySize: 0 } : {}) });
};

function run(program: ProgramSpec, engine: Engine) {
  const machine = new TestMachine(1);
  const maps = program.maps.map((spec) => createMap(machine.host, spec));
  const loaded = new ProgramLoader(machine.host).load(verified(program), maps, engine);
  const context = machine.memory.allocate("program", 256, 64, "context");
  return { result: runOnce(machine.host, loaded, context), id: MapHeader.read(machine.memory.view, maps[0]!.address, "id") };
}

/** The last line of the kernel's log, or undefined where it loads the program. */
function kernelsRefusal(program: ProgramSpec): string | undefined {
  const maps = kernel().createMaps(program.maps);
  try {
    kernel().loadProgram(program, maps).close();
    return undefined;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return error.problem.hint;
  } finally {
    for (const map of maps.values()) map.close();
  }
}

describe.each(writing)("$helper on map type $type", ({ helper, type }) => {
  const program = (flags: number) => programSpec(calls(helper), [specOf(type, flags)]);

  test.each(["jit", "interp"] as const)("that programs may only read ends the run and names the map, %s", (engine) => {
    const { result, id } = run(program(BPF_F_RDONLY_PROG), engine);
    expect(result).toMatchObject({ trap: { reason: "map_access", detail: id } });
    expect(run(program(BPF_F_WRONLY_PROG), engine).result).toEqual({ returned: 7n });
    expect(run(program(0), engine).result).toEqual({ returned: 7n });
  });

  test.runIf(opened.ok)("is refused by Linux", () => {
    expect(kernelsRefusal(program(BPF_F_RDONLY_PROG))).toContain("write into map forbidden");
    expect(kernelsRefusal(program(BPF_F_WRONLY_PROG))).toBeUndefined();
  });
});

test("programs change a frozen map, and one that user space may only read", () => {
  const maps = [specOf(BPF_MAP_TYPE_HASH, BPF_F_RDONLY), { ...specOf(BPF_MAP_TYPE_ARRAY, 0), name: "a" }];
  const text = `
    *(u64 *)(r10 -8) = 5
    r1 = map[m]
    r2 = r10
    r2 += -8
    r3 = r2
    r4 = 0
    call bpf_map_update_elem
    ${keep(0)}
    r1 = map[m]
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r0 = *(u64 *)(r0 +0)
    ${keep(1)}
  out:
    r0 = 0
    exit`;
  expect(resultsOf({ text, maps, results: 2 })).toEqual([0n, 5n]);
});
