import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import type { Btf, BtfType } from "../../src/bpf/btf/index.ts";
import { assemble } from "../../src/bpf/isa/index.ts";
import type { MapSpec, ProgramSpec } from "../../src/bpf/spec.ts";
import { openKernel } from "../../src/kernel/index.ts";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PERCPU_ARRAY, ENOENT, XDP_PASS } from "../../src/layout/index.ts";
import { ProblemError } from "../../src/problem/index.ts";

const opened = openKernel();
const why = opened.ok ? "" : ` (skipped: ${opened.problem.message})`;
const live = test.runIf(opened.ok);
const kernel = () => {
  if (!opened.ok) throw new Error(opened.problem.message);
  return opened.value;
};

const helpers: ReadonlyMap<number, string> = new Map([
  [1, "bpf_map_lookup_elem"],
  [93, "bpf_spin_lock"],
  [94, "bpf_spin_unlock"],
]);
const counters: MapSpec = { name: "counters", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 8, maxEntries: 1, flags: 0 };

const program = (instructions: readonly bigint[], maps: readonly MapSpec[] = []): ProgramSpec => ({
  name: "under_test",
  section: "xdp",
  type: "xdp",
  expectedAttachType: 0,
  flags: 0,
  license: "GPL",
  instructions: new Uint8Array(BigUint64Array.from(instructions).buffer),
  maps,
  functions: [{ instruction: 0, name: "under_test" }],
  lines: [],
});

const moveToR0 = (value: number) => 0x00000000000000b7n | (BigInt(value) << 32n);
const exit = 0x0000000000000095n;

live(`a program that returns XDP_PASS leaves the packet as it was${why}`, () => {
  const packet = Uint8Array.from({ length: 64 }, (_, at) => at);
  const result = kernel()
    .loadProgram(program([moveToR0(XDP_PASS), exit]))
    .run({ packet });
  expect(result).toMatchObject({ error: 0, returned: XDP_PASS, packet });
});

live(`a program reaches the map that its spec names by index${why}`, () => {
  const maps = kernel().createMaps([counters]);
  // r1 = the map's value + 4; *(u32 *)(r1 + 0) = 7; return 2
  const store = program([(2n << 12n) | (1n << 8n) | 0x18n, 4n << 32n, 0x0000000700000162n, moveToR0(2), exit], [counters]);
  kernel()
    .loadProgram(store, maps)
    .run({ packet: new Uint8Array(64) });
  expect([...maps.get("counters")!.entries()]).toEqual([[new Uint8Array(4), Uint8Array.of(0, 0, 0, 0, 7, 0, 0, 0)]]);
});

live(`a lock in a map's value may be taken: the map is made with the types that say where it is${why}`, () => {
  const int: BtfType = { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, signed: true, char: false, bool: false };
  const member = (name: string, type: number, bitOffset: number) => ({ name, type, bitOffset, bitSize: 0 });
  const lock: BtfType = { kind: "struct", name: "bpf_spin_lock", size: 4, members: [member("val", 1, 0)] };
  const value: BtfType = { kind: "struct", name: "account", size: 8, members: [member("lock", 2, 0), member("sum", 1, 32)] };
  const btf: Btf = { types: [{ kind: "void" }, int, lock, value], littleEndian: true };
  const accounts: MapSpec = { ...counters, name: "accounts", btf, keyTypeId: 1, valueTypeId: 3 };
  const symbols = { helpers: new Map([...helpers].map(([id, name]) => [name, id])), maps: new Map([["accounts", 0]]) };
  const text = `r2 = r10; r2 += -4; *(u32 *)(r2 +0) = 0; r1 = map[accounts]; call bpf_map_lookup_elem; if r0 == 0 goto +8
    r6 = r0; r1 = r0; call bpf_spin_lock; *(u32 *)(r6 +4) = 5; r1 = r6; call bpf_spin_unlock; r0 = 2; exit; r0 = 0; exit`;
  const instructions = assemble(text.replaceAll(";", "\n"), symbols);
  const maps = kernel().createMaps([accounts]);
  const loaded = kernel().loadProgram({ ...program([], [accounts]), instructions }, maps);
  expect(loaded.run({ packet: new Uint8Array(64) })).toMatchObject({ error: 0, returned: XDP_PASS });
  expect(maps.get("accounts")!.lookup(new Uint8Array(4))).toEqual(Uint8Array.of(0, 0, 0, 0, 5, 0, 0, 0));
});

live(`map calls return the kernel's own errors${why}`, () => {
  const map = kernel().createMap({ ...counters, name: "hash", type: 1 });
  expect(map.delete(Uint8Array.of(9, 0, 0, 0))).toBe(-ENOENT);
  expect(map.lookup(Uint8Array.of(9, 0, 0, 0))).toBeUndefined();
  expect(map.update(Uint8Array.of(9, 0, 0, 0), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))).toBe(0);
  expect(map.lookup(Uint8Array.of(9, 0, 0, 0))).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
});

live(`a per-CPU value is a slice for every possible CPU${why}`, () => {
  const map = kernel().createMap({ ...counters, type: BPF_MAP_TYPE_PERCPU_ARRAY, valueSize: 4 });
  expect(map.lookup(new Uint8Array(4))!.length % 8).toBe(0);
  expect(map.valueSize).toBeGreaterThanOrEqual(8);
});

live(`a rejection carries the end of the verifier's log${why}`, () => {
  const readsUninitialised = program([exit]);
  expect(() => kernel().loadProgram(readsUninitialised)).toThrow(ProblemError);
  try {
    kernel().loadProgram(readsUninitialised);
  } catch (error) {
    expect((error as ProblemError).problem).toMatchObject({ code: "kernel_rejected", exit: 4 });
    expect((error as ProblemError).problem.hint).toContain("R0 !read_ok");
  }
});

live(`a network namespace of its own has no devices but lo, and is left behind${why}`, async () => {
  const devices = () => execFileSync("ip", ["-o", "link"], { encoding: "utf8" });
  const before = devices();
  const inside = await kernel().inNetworkNamespace(devices);
  expect(inside.trim().split("\n")).toHaveLength(1);
  expect(devices()).toBe(before);
});
