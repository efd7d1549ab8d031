import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { dumpMap } from "../../src/dataplane/mapContents.ts";
import { BPF_F_MMAPABLE, BPF_F_NO_USER_CONV, BPF_F_SEGV_ON_FAULT, BPF_MAP_TYPE_ARENA } from "../../src/layout/index.ts";
import { ProblemError } from "../../src/problem/index.ts";
import { createMap } from "../../src/runtime/index.ts";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";
import { hex, mapSpec, TestMachine } from "./machine.ts";

/** An arena of four pages, of which the first is there. */
const arena: MapSpec = mapSpec(BPF_MAP_TYPE_ARENA, {
  name: "arena",
  keySize: 0,
  valueSize: 0,
  maxEntries: 4,
  flags: BPF_F_MMAPABLE,
  contents: Uint8Array.from({ length: 64 }, (_, index) => index + 1),
});

/** r8 = a pointer to byte `offset` of the arena, as accesses take it. */
const at = (offset: number) => `r8 = map[arena][0]\nr8 += ${offset}\nr8 = addr_space_cast(r8, 0, 1)`;
const type = ["xdp", "sched_cls"] as const;

describe.each(type)("%s programs", (program) => {
  const run = (text: string, results: number, maps = [arena]) =>
    agreedResults({ type: program, maps, results, text: `${text}\nr0 = 0\nexit` });

  test(`load and store an arena's bytes in all widths${withKernel}`, () => {
    const text = `
      ${at(8)}
      r0 = *(u8 *)(r8 +0)\n${keep(0)}
      r0 = *(u16 *)(r8 +1)\n${keep(1)}
      r0 = *(u32 *)(r8 -8)\n${keep(2)}
      r0 = *(u64 *)(r8 +3)\n${keep(3)}
      *(u8 *)(r8 +0) = 0xee
      *(u16 *)(r8 +1) = 0x1234
      *(u32 *)(r8 +4) = -2
      *(u64 *)(r8 +8) = -3
      r1 = 0x1122334455667788 ll
      *(u8 *)(r8 +16) = r1
      *(u16 *)(r8 +18) = r1
      *(u32 *)(r8 +21) = r1
      *(u64 *)(r8 +32) = r1
      r0 = *(u64 *)(r8 +16)\n${keep(4)}`;
    expect(run(text, 5)).toEqual([9n, 0x0b0an, 0x04030201n, 0x131211100f0e0d0cn, 0x6677881d77881a88n]);
  });

  test(`atomics work on an arena${withKernel}`, () => {
    const text = `
      ${at(16)}
      r1 = 5
      lock *(u64 *)(r8 +0) += r1
      r1 = 6
      lock *(u32 *)(r8 +8) |= r1
      r1 = 7
      r1 = atomic_fetch_add((u64 *)(r8 +0), r1)
      r0 = r1\n${keep(0)}
      r1 = -1
      w1 = atomic_fetch_add((u32 *)(r8 +16), w1)
      r0 = r1\n${keep(1)}
      r1 = 3
      r1 = xchg_64(r8 +24, r1)
      r0 = r1\n${keep(2)}
      r0 = *(u64 *)(r8 +0)
      r1 = 99
      r0 = cmpxchg_64(r8 +0, r0, r1)\n${keep(3)}
      r0 = 1
      r1 = 98
      r0 = cmpxchg_64(r8 +0, r0, r1)\n${keep(4)}`;
    // Bytes 17 to 24 of the contents, moved on by 5; what the others held before.
    expect(run(text, 5)).toEqual([0x1817161514131216n, 0x24232221n, 0x302f2e2d2c2b2a29n, 0x181716151413121dn, 99n]);
  });

  test(`what is not there reads as 0, and takes no stores${withKernel}`, () => {
    const missing = [4096, 8192 + 5, 4093, 16384, -1, -70000].map(
      (offset, index) => `
      ${at(offset)}
      r0 = 77
      r0 = *(u64 *)(r8 +0)\n${keep(3 * index)}
      *(u64 *)(r8 +0) = 5
      r1 = 6
      *(u32 *)(r8 +0) = r1
      r0 = *(u64 *)(r8 +0)\n${keep(3 * index + 1)}
      r0 = 78
      r0 = *(u8 *)(r8 +0)\n${keep(3 * index + 2)}`,
    );
    // Of eight bytes on the border of the first page none is read; one of them by itself is there.
    expect(run(missing.join("\n"), 18)).toEqual(Array.from({ length: 18 }, () => 0n));
  });

  test(`atomics on what is not there leave registers as they were${withKernel}`, () => {
    const text = `
      ${at(4096)}
      r1 = 5
      r1 = atomic_fetch_add((u64 *)(r8 +0), r1)
      r0 = r1\n${keep(0)}
      r1 = -5
      w1 = atomic_fetch_add((u32 *)(r8 +0), w1)
      r0 = r1\n${keep(1)}
      r1 = 9
      r1 = xchg_64(r8 +0, r1)
      r0 = r1\n${keep(2)}
      r0 = -4
      r1 = 99
      r0 = cmpxchg_64(r8 +0, r0, r1)\n${keep(3)}
      r1 = 1
      lock *(u64 *)(r8 +0) += r1
      r0 = *(u64 *)(r8 +0)\n${keep(4)}
      r0 = 55
      r0 = load_acquire((u64 *)(r8 +0))\n${keep(5)}
      r1 = 7
      store_release((u64 *)(r8 +0), r1)
      r0 = *(u64 *)(r8 +0)\n${keep(6)}`;
    expect(run(text, 7)).toEqual([5n, -5n, 9n, -4n, 0n, 55n, 0n]);
  });
});

test(`any accesses do what they do in the live kernel${withKernel}`, () => {
  // Two pages of four are there.
  const two = { ...arena, contents: Uint8Array.from({ length: 5000 }, (_, index) => (index * 7) & 255) };
  const access = fc.record({
    base: fc.oneof(fc.integer({ min: 0, max: 4 * 4096 }), fc.constantFrom(4080, 4088, 8184, 8192, 16380, -8, 0)),
    offset: fc.integer({ min: -24, max: 24 }),
    size: fc.constantFrom(8, 16, 32, 64),
    kind: fc.constantFrom("load", "loadSigned", "store", "storeNumber", "add", "fetchAdd", "xchg", "cmpxchg", "acquire", "release"),
    value: fc.integer(),
  });
  const textOf = (
    { base, offset, size, kind, value }: { base: number; offset: number; size: number; kind: string; value: number },
    index: number,
  ) => {
    const place = `(u${size} *)(r8 ${offset < 0 ? offset : `+${offset}`})`;
    const wide = size === 64 ? size : 32;
    const word = place.replace(`u${size}`, `u${wide}`);
    const register = wide === 64 ? "r1" : "w1";
    const texts: Record<string, string> = {
      load: `r0 = *${place}`,
      loadSigned: size === 64 ? `r0 = *${place}` : `r0 = *(s${size} *)(r8 ${offset < 0 ? offset : `+${offset}`})`,
      store: `*${place} = r1`,
      storeNumber: `*${place} = ${value}`,
      add: `lock *${word} += r1`,
      fetchAdd: `${register} = atomic_fetch_add(${word}, ${register})\nr0 = r1`,
      xchg: `${register} = xchg${wide === 64 ? "_64" : "32_32"}(r8 ${offset < 0 ? offset : `+${offset}`}, ${register})\nr0 = r1`,
      cmpxchg:
        wide === 64
          ? `r0 = cmpxchg_64(r8 ${offset < 0 ? offset : `+${offset}`}, r0, r1)`
          : `w0 = cmpxchg32_32(r8 ${offset < 0 ? offset : `+${offset}`}, w0, w1)`,
      acquire: `${size === 64 ? "r0" : "w0"} = load_acquire(${place})`,
      release: `store_release(${place}, ${size === 64 ? "r1" : "w1"})`,
    };
    return `${at(base)}\nr1 = ${value}\nr0 = ${index}\n${texts[kind]}\n${keep(index)}`;
  };
  fc.assert(
    fc.property(fc.array(access, { minLength: 1, maxLength: 40 }), (accesses) => {
      const text = accesses.map(textOf).join("\n");
      expect(agreedResults({ maps: [two], results: accesses.length, text: `${text}\nr0 = 0\nexit` })).toHaveLength(accesses.length);
    }),
    { numRuns: 60 },
  );
});

describe("casts", () => {
  const start = 0x1000_0000_0000n;
  const cast = (flags: number, mapExtra: bigint) => {
    const text = `
      r8 = map[arena][0]+4660
      r0 = r8\n${keep(0)}
      r8 = addr_space_cast(r8, 0, 1)
      r8 += 4
      r0 = addr_space_cast(r8, 1, 0)\n${keep(1)}
      r8 = 0
      r8 = addr_space_cast(r8, 0, 1)
      r0 = addr_space_cast(r8, 1, 0)\n${keep(2)}
      r8 = 0x77777777abcdef01 ll
      r8 = addr_space_cast(r8, 0, 1)
      r0 = addr_space_cast(r8, 1, 0)\n${keep(3)}
      r0 = 0`;
    const { contents: _, ...empty } = arena;
    return agreedResults({ maps: [{ ...empty, flags: BPF_F_MMAPABLE | flags, mapExtra }], results: 4, text: `${text}\nexit` });
  };

  test(`give user addresses the arena's upper half, but NULL none${withKernel}`, () => {
    expect(cast(0, start)).toEqual([start + 4660n, start + 4664n, 0n, start + 0xabcdef01n]);
    expect(cast(0, 0x7fff_1234_5000n)).toEqual([0x7fff_1234_6234n, 0x7fff_1234_6238n, 0n, 0x7fff_abcd_ef01n]);
  });

  test(`leave the upper half empty with BPF_F_NO_USER_CONV${withKernel}`, () => {
    expect(cast(BPF_F_NO_USER_CONV, start)).toEqual([start + 4660n, 4664n, 0n, 0xabcdef01n]);
  });
});

test(`pointers in an arena lead where user space sees them${withKernel}`, () => {
  // Byte 0 holds the user address of byte 40; there stands a number.
  const text = `
    r8 = map[arena][0]
    r8 = addr_space_cast(r8, 0, 1)
    r1 = map[arena][0]+40
    *(u64 *)(r8 +0) = r1
    r9 = *(u64 *)(r8 +0)
    if r9 == 0 goto out
    r9 = addr_space_cast(r9, 0, 1)
    r0 = *(u64 *)(r9 +0)
    ${keep(0)}
    r9 += 8
    r9 = addr_space_cast(r9, 1, 0)
    *(u64 *)(r8 +8) = r9
    out: r0 = 0
    exit`;
  expect(agreedResults({ maps: [arena], results: 1, text })).toEqual([0x302f2e2d2c2b2a29n]);
});

describe("user space", () => {
  const made = (flags = BPF_F_MMAPABLE, maxEntries = 4) => {
    const { contents: _, ...empty } = arena;
    return createMap(new TestMachine(1).host, { ...empty, flags, maxEntries });
  };

  test("makes the pages that it touches", () => {
    const map = made();
    const memory = map.arena!;
    expect([map.used, [...map.entries()]]).toEqual([0, []]);
    memory.write(memory.start + 4094n, Uint8Array.of(1, 2, 3));
    expect(hex(memory.read(memory.start + 4095n, 4))).toBe("02030000");
    expect(memory.pages.map(({ address }) => address - memory.start)).toEqual([0n, 4096n]);
    expect(memory.read(memory.start + 3n * 4096n, 1)).toEqual(new Uint8Array(1));
    expect(map.used).toBe(3);
    expect(dumpMap(map)).toEqual([
      { address: "0x7e5a10000000", bytes: expect.stringMatching(/00 01 02$/) },
      { address: "0x7e5a10001000", bytes: "03" },
      { address: "0x7e5a10003000", bytes: "" },
    ]);
  });

  const fault = (work: () => unknown): string => {
    try {
      work();
      return "none";
    } catch (error) {
      if (error instanceof ProblemError) return error.problem.message;
      throw error;
    }
  };

  test("is told of addresses outside, and of pages that nobody made with BPF_F_SEGV_ON_FAULT", () => {
    const { arena: memory } = made();
    expect(fault(() => memory!.read(memory!.start - 1n, 1))).toBe("arena arena: address 0x7e5a0fffffff is outside of it");
    expect(fault(() => memory!.write(memory!.start + 16383n, new Uint8Array(2)))).toBe(
      "arena arena: address 0x7e5a10003fff is outside of it",
    );
    const { arena: strict } = made(BPF_F_MMAPABLE | BPF_F_SEGV_ON_FAULT);
    expect(fault(() => strict!.read(strict!.start, 1))).toContain("is on a page that no program has made");
    const { arena: large } = made(BPF_F_MMAPABLE, 65_537);
    expect(large!.read(large!.start + 65_535n * 4096n, 1)).toEqual(new Uint8Array(1));
    expect(fault(() => large!.read(large!.start + 65_536n * 4096n, 1))).toContain("lies behind the 65536 pages");
  });
});
