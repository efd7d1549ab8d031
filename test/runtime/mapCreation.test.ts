import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { openKernel } from "../../src/kernel/index.ts";
import {
  BPF_MAP_TYPE_ARENA,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_USER_RINGBUF,
  mapTypeName,
} from "../../src/layout/index.ts";
import { ProblemError } from "../../src/problem/index.ts";
import { checkMapSpec, mapRules } from "../../src/runtime/mapRules.ts";
import { mapSpec } from "./machine.ts";

/** What creating the map would answer: 0 or an errno. */
function ourAnswer(spec: MapSpec): number {
  try {
    checkMapSpec(spec);
    return 0;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return Number(/with -(\d+)/.exec(error.problem.message)?.[1]);
  }
}

interface MapFacts {
  readonly id: number;
  readonly base: { readonly k: number; readonly v: number; readonly n: number; readonly f: number; readonly btf: number };
  readonly key_size: Readonly<Record<string, number>>;
  readonly value_size: Readonly<Record<string, number>>;
  /** null: not measured. */
  readonly max_entries: Readonly<Record<string, number | null>>;
  readonly flag_bits_added_to_base: Readonly<Record<string, number>>;
  readonly flags_zero: number;
}

/** Types of a key (1) and of a value of `size` bytes (3). */
const types = (size: number): Partial<MapSpec> => {
  const int = (name: string, bytes: number) =>
    ({ kind: "int", name, size: bytes, bits: bytes * 8, bitOffset: 0, signed: false, char: false, bool: false }) as const;
  const value = { kind: "array", element: 2, index: 1, length: size } as const;
  return { btf: { littleEndian: true, types: [{ kind: "void" }, int("int", 4), int("__u8", 1), value] }, keyTypeId: 1, valueTypeId: 3 };
};

const factsPath = fileURLToPath(new URL("../../../shared/kernel/facts/map_types.json", import.meta.url));
const hasFacts = existsSync(factsPath);
const facts: readonly (readonly [string, MapFacts])[] = hasFacts
  ? Object.entries<MapFacts>(JSON.parse(readFileSync(factsPath, "utf8")).types).filter(([, { id }]) => mapRules.has(id))
  : [];
const ENOMEM = 12;

test.runIf(hasFacts)(
  `declarations are refused as recorded, one attribute varied at a time${hasFacts ? "" : " (skipped: no recorded facts)"}`,
  () => {
    expect(facts.length).toBeGreaterThanOrEqual(24);
    for (const [name, { id, base, ...varied }] of facts) {
      const spec = mapSpec(id, {
        keySize: base.k,
        valueSize: base.v,
        maxEntries: base.n,
        flags: base.f,
        ...(base.btf ? types(base.v) : {}),
      });
      const check = (what: string, rest: Partial<MapSpec>, expected: number | null) => {
        // How much memory the kernel's machine had is not a rule.
        if (expected !== null && expected !== ENOMEM) expect(ourAnswer({ ...spec, ...rest }), `${name}: ${what}`).toBe(expected);
      };
      for (const [size, errno] of Object.entries(varied.key_size)) check(`key_size ${size}`, { keySize: Number(size) }, errno);
      for (const [size, errno] of Object.entries(varied.value_size)) check(`value_size ${size}`, { valueSize: Number(size) }, errno);
      for (const [count, errno] of Object.entries(varied.max_entries)) check(`max_entries ${count}`, { maxEntries: Number(count) }, errno);
      for (const [bit, errno] of Object.entries(varied.flag_bits_added_to_base))
        check(`flag ${bit}`, { flags: (base.f | (1 << Number(bit.slice(3)))) >>> 0 }, errno);
      check("no flags", { flags: 0 }, varied.flags_zero);
    }
  },
);

const opened = openKernel();

describe.runIf(opened.ok)(`any declaration is refused with the live kernel's errno${opened.ok ? "" : " (skipped: no live kernel)"}`, () => {
  const theirAnswer = (spec: MapSpec): number => {
    if (!opened.ok) throw new Error(opened.problem.message);
    try {
      opened.value.createMap(spec).close();
      return 0;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      return Number(/(\d+)\)?$/.exec(error.problem.message)?.[1]);
    }
  };
  const inner = mapSpec(2, { valueSize: 4 });
  /** Few flags at a time, so that most declarations are wrong in one way or two. */
  const flags = fc
    .subarray([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192], { maxLength: 2 })
    .map((bits) => bits.reduce((a, b) => a | b, 0));

  test.each([...mapRules.keys()].map((type) => ({ type, name: mapTypeName(type) })))("$name", ({ type }) => {
    const base = facts.find(([, { id }]) => id === type)?.[1].base ?? { k: 4, v: 4, n: 1, f: 0, btf: 0 };
    const isRing = type === BPF_MAP_TYPE_RINGBUF || type === BPF_MAP_TYPE_USER_RINGBUF;
    const declaration = fc.record({
      keySize: fc.oneof(
        { weight: 3, arbitrary: fc.constant(base.k) },
        { weight: 1, arbitrary: fc.constantFrom(0, 1, 3, 4, 5, 8, 260, 261, 512, 513) },
      ),
      valueSize: fc.oneof(
        { weight: 3, arbitrary: fc.constant(base.v) },
        { weight: 1, arbitrary: fc.constantFrom(0, 1, 4, 8, 12, 32768, 32769, 65407, 65408, 4194000, 4194200, 4194252, 4194256, 4194304) },
      ),
      maxEntries: fc.oneof(
        { weight: 4, arbitrary: fc.constant(base.n) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(0, 1, 2, 3, ...(isRing ? [4096, 8192, 12288] : []), ...(type === BPF_MAP_TYPE_CPUMAP ? [1000] : [])),
        },
      ),
      flags: (type === BPF_MAP_TYPE_ARENA ? fc.oneof(flags, fc.constantFrom(0x20000, 0x40000, 0x60000)) : flags).map(
        (added) => base.f | added,
      ),
      mapExtra: type === BPF_MAP_TYPE_ARENA ? fc.constantFrom(0n, 0n, 1n << 44n, 0x1_ffff_f000n, 4097n) : fc.constant(0n),
      typed: fc.constantFrom("right", "right", "right", "of another size", "not"),
    });
    fc.assert(
      fc.property(declaration, ({ typed, ...given }) => {
        const ofValue = base.btf && typed !== "not" ? types(typed === "right" ? given.valueSize : given.valueSize + 1) : {};
        // A NUMA node is named by another attribute: node 0, which exists. NO_COMMON_LRU wants as many entries as CPUs.
        const spec = { ...mapSpec(type, { ...given, name: "m", ...ofValue }), ...(type === 12 || type === 13 ? { inner } : {}) };
        const theirs = theirAnswer(spec);
        if (theirs === ENOMEM) return;
        expect(ourAnswer(spec)).toBe(theirs);
      }),
      { numRuns: 300 },
    );
  });
});
