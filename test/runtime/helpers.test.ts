import { describe, expect, test } from "vitest";
import type { Btf } from "../../src/bpf/btf/index.ts";
import {
  BPF_F_LOCK,
  BPF_F_RDONLY_PROG,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  CpuBlock,
  EINVAL,
  ERANGE,
  MapHeader,
} from "../../src/layout/index.ts";
import { createMap, generalHelpers, mapOperation, ProgramLoader, runOnce } from "../../src/runtime/index.ts";
import { mapSpec, TestMachine, u32Key, u64Value } from "./machine.ts";
import { programSpec, verified } from "./programs.ts";

const machine = new TestMachine(2);
machine.useCpu(0);
const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

describe("numbers in text", () => {
  const read = (name: "strtol" | "strtoul", text: string, base = 0): readonly [number, bigint] => {
    const result = machine.put(1, u64Value(77n));
    const answer = machine.call(name, machine.put(0, ascii(text)), text.length, BigInt(base), result);
    const value = machine.memory.view.getBigUint64(result, true);
    return [answer, name === "strtol" ? BigInt.asIntN(64, value) : value];
  };

  test.each<[string, number, number, bigint]>([
    ["42", 0, 2, 42n],
    [" \t-42x", 0, 5, -42n],
    ["0x1fz", 0, 4, 0x1fn],
    ["017", 0, 3, 0o17n],
    ["0xz", 0, 1, 0n],
    ["ff", 16, 2, 255n],
    ["0xff", 16, 4, 255n],
    ["9223372036854775807", 10, 19, 2n ** 63n - 1n],
    ["-9223372036854775808", 10, 20, -(2n ** 63n)],
  ])("bpf_strtol(%j, base %i)", (text, base, length, value) => {
    expect(read("strtol", text, base)).toEqual([length, value]);
  });

  test("what is no number, or too big, gives an error and 0", () => {
    expect(["", " ", "-", "x", "+1"].map((text) => read("strtol", text))).toEqual(Array.from({ length: 5 }, () => [-EINVAL, 0n]));
    expect([read("strtol", "9223372036854775808"), read("strtoul", "18446744073709551616")]).toEqual([
      [-ERANGE, 0n],
      [-ERANGE, 0n],
    ]);
    expect([read("strtoul", "-1"), read("strtoul", "1", 7), read("strtoul", "1", 64)]).toEqual(
      Array.from({ length: 3 }, () => [-EINVAL, 0n]),
    );
    expect(read("strtoul", "18446744073709551615")).toEqual([20, 2n ** 64n - 1n]);
  });
});

test("bpf_strncmp compares up to the size or the end of both, as unsigned bytes", () => {
  const compare = (a: string, size: number, b: string) =>
    machine.call("strncmp", machine.put(0, ascii(a)), size, machine.put(1, ascii(`${b}\0`)));
  expect([
    compare("abc", 3, "abc"),
    compare("abc", 3, "abd"),
    compare("b", 1, "abc"),
    compare("ab\0x", 4, "ab"),
    compare("\xff", 1, "a"),
  ]).toEqual([0, -1, 1, 0, 1]);
});

test("random numbers follow from seed and CPU", () => {
  const draw = (cpu: number): number[] => {
    const fresh = new TestMachine(2);
    fresh.useCpu(cpu);
    return Array.from({ length: 4 }, () => fresh.call("getPrandomU32") >>> 0);
  };
  expect(draw(0)).toEqual(draw(0));
  expect(draw(0)).not.toEqual(draw(1));
});

test("clocks give the CPU block's times", () => {
  const { view } = machine.memory;
  CpuBlock.writeBig(view, machine.block, "ktime_ns", 3_600_000_000_123n);
  CpuBlock.writeBig(view, machine.block, "boot_ns", 3_600_000_000_123n);
  CpuBlock.writeBig(view, machine.block, "real_ns", 1_700_000_000_000_000_000n);
  const times = ["ktimeGetNs", "ktimeGetBootNs", "ktimeGetCoarseNs", "ktimeGetTaiNs", "jiffies64"].map(
    (name) => machine.call(name) as unknown,
  );
  expect(times).toEqual([
    3_600_000_000_123n,
    3_600_000_000_123n,
    3_600_000_000_000n,
    1_700_000_000_000_000_000n,
    4_294_892_296n + 900_000n,
  ]);
});

describe("callbacks", () => {
  const text = (call: string, setUp: string, result: number): string => `
      r6 = 0
      *(u64 *)(r10 -8) = r6
      ${setUp}
      r2 = subprog[callback]
      r3 = r10
      r3 += -8
      r4 = 0
      call ${call}
      r7 = r0
      r0 = *(u64 *)(r10 -8)
      r7 <<= 32
      r0 |= r7
      exit
    callback:
      ${call === "bpf_loop" ? "r4 = r2" : ""}
      r5 = *(u64 *)(r4 +0)
      r5 += 1
      *(u64 *)(r4 +0) = r5
      r0 = 0
      if r5 != ${result} goto out
      r0 = 1
    out:
      exit`;
  const run = (
    setUp: string,
    call: string,
    start: number,
    stopAt: number,
    map = mapSpec(BPF_MAP_TYPE_HASH, { name: "m", maxEntries: 50 }),
  ) => {
    const own = new TestMachine();
    const made = createMap(own.host, map);
    for (let number = 0; number < 20; number++) made.update(u32Key(number), u64Value(1n));
    const program = new ProgramLoader(own.host).load(verified(programSpec(text(call, setUp, stopAt), [map], [start])), [made]);
    const result = runOnce(own.host, program, 0);
    if ("trap" in result) return result.trap.reason;
    return [Number(BigInt.asIntN(32, result.returned >> 32n)), Number(result.returned & 0xffffffffn)];
  };

  test("bpf_loop calls until it is told to stop, and refuses more than Linux does", () => {
    expect(run("r1 = 100", "bpf_loop", 14, 0xffff)).toEqual([100, 100]);
    expect(run("r1 = 100", "bpf_loop", 14, 7)).toEqual([7, 7]);
    expect(run("r1 = 8388609", "bpf_loop", 14, 7)).toEqual([-7, 0]);
    expect(run("r1 = 8388608", "bpf_loop", 14, 0x7fffffff)).toEqual([8388608, 8388608]);
  });

  test("bpf_for_each_map_elem meets every element once", () => {
    expect(run("r1 = map[m]", "bpf_for_each_map_elem", 15, 0xffff)).toEqual([20, 20]);
    expect(run("r1 = map[m]", "bpf_for_each_map_elem", 15, 5)).toEqual([5, 5]);
    expect(run("r1 = map[m]", "bpf_for_each_map_elem", 15, 0xffff, mapSpec(BPF_MAP_TYPE_ARRAY, { name: "m", maxEntries: 30 }))).toEqual([
      30, 30,
    ]);
  });
});

test("a value with a bpf_spin_lock: copies leave the lock alone, BPF_F_LOCK takes it", () => {
  const btf = {
    types: [
      { kind: "void" },
      { kind: "int", name: "u32", size: 4, bits: 32, bitOffset: 0, signed: false, char: false, bool: false },
      { kind: "struct", name: "bpf_spin_lock", size: 4, members: [{ name: "val", type: 1, bitOffset: 0, bitSize: 0 }] },
      {
        kind: "struct",
        name: "value",
        size: 8,
        members: [
          { name: "n", type: 1, bitOffset: 0, bitSize: 0 },
          { name: "lock", type: 2, bitOffset: 32, bitSize: 0 },
        ],
      },
    ],
  } as unknown as Btf;
  for (const type of [BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH]) {
    const own = new TestMachine(1);
    own.useCpu(0);
    const map = createMap(own.host, mapSpec(type, { btf, valueTypeId: 3 }));
    expect(MapHeader.read(own.memory.view, map.address, "spin_lock")).toBe(5);
    const bytes = (n: number, lock: number) => new Uint8Array(Uint32Array.of(n, lock).buffer);
    expect(map.update(u32Key(1), bytes(5, 99))).toBe(0);
    expect(map.lookup(u32Key(1))).toEqual(bytes(5, 0));
    expect(map.update(u32Key(1), bytes(6, 99), BPF_F_LOCK)).toBe(0);
    expect(map.lookup(u32Key(1))).toEqual(bytes(6, 0));
    expect(CpuBlock.read(own.memory.view, own.host.cpus.host, "held_lock")).toBe(0);
  }
});

test("map operations that are chosen by type and key size are there, and those that are not are left to the general ones", () => {
  const { exports } = machine.host.runtime;
  for (const type of [1, 2, 5, 6, 9, 10, 11, 12, 13]) {
    for (const keySize of [1, 4, 8, 12, 16]) {
      for (const helper of [1, 2, 3]) {
        const chosen = mapOperation(helper, { type, keySize, flags: 0 });
        if (chosen !== undefined) expect(exports[chosen.entry], `${chosen.entry} for type ${type}`).toBeTypeOf("function");
      }
    }
  }
  expect(mapOperation(1, { type: BPF_MAP_TYPE_HASH, keySize: 16, flags: 0 })?.entry).toBe("hashLookup16");
  expect(mapOperation(1, { type: BPF_MAP_TYPE_HASH, keySize: 12, flags: 0 })?.entry).toBe("hashLookup");
  expect(mapOperation(3, { type: BPF_MAP_TYPE_ARRAY, keySize: 4, flags: 0 })).toBeUndefined();
  expect(mapOperation(12, { type: BPF_MAP_TYPE_HASH, keySize: 4, flags: 0 })).toBeUndefined();
  expect(mapOperation(2, { type: BPF_MAP_TYPE_HASH, keySize: 4, flags: BPF_F_RDONLY_PROG })).toBeUndefined();
});

test("every general helper names a function that the runtime exports", () => {
  const missing = [...generalHelpers.values()].filter(({ call }) => typeof machine.host.runtime.exports[call.entry] !== "function");
  expect(missing).toEqual([]);
});
