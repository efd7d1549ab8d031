import { expect, test } from "vitest";
import { type CompiledMap, compileProgram } from "../../../src/bpf/jit/index.ts";
import type { HelperSpec } from "../../../src/bpf/spec.ts";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PROG_ARRAY } from "../../../src/layout/index.ts";
import { printModule } from "../../../src/wasm/index.ts";
import { programSpec, unchecked } from "./machine.ts";

/** The code of these programs is reviewed as a diff: run `npx vitest run test/bpf/jit/golden.test.ts -u` and look at what changed. */
const helpers = new Map<number, HelperSpec>(
  (
    [
      [1, "mapLookupElem", ["i32", "i32"], "u32"],
      [12, "tailCall", [], "none"],
    ] as const
  ).map(([id, entry, parameters, result]) => [id, { id, name: entry, call: { entry, parameters, result } }]),
);

const map = (type: number, fields: Partial<CompiledMap> = {}): CompiledMap => ({
  address: 0x10000,
  type,
  keySize: 4,
  valueSize: 16,
  maxEntries: 256,
  stride: 16,
  elements: 0x20000,
  cpuStride: 0,
  flags: 0,
  ...fields,
});

const lookupAndCount = `
  r1 = *(u32 *)(r1 +0)
  r2 = *(u8 *)(r1 +23)
  *(u32 *)(r10 -4) = r2
  r2 = r10
  r2 += -4
  r1 = map[0]
  call 1
  if r0 == 0 goto out
  r1 = *(u64 *)(r0 +0)
  r1 += 1
  *(u64 *)(r0 +0) = r1
out:
  r0 = 2
  exit`;

const programs: Record<string, { text: string; maps?: CompiledMap[]; functions?: { instruction: number; name: string }[] }> = {
  div64: { text: "r0 = r1\nr2 = *(u64 *)(r1 +8)\nr0 /= r2\nr0 s%= r2\nr0 /= 10\nw0 s/= w2\nexit" },
  perCpuCounter: { text: lookupAndCount, maps: [map(BPF_MAP_TYPE_PERCPU_ARRAY, { cpuStride: 4096 })] },
  hashCounter: { text: lookupAndCount, maps: [map(BPF_MAP_TYPE_HASH)] },
  constantKey: {
    text: "*(u32 *)(r10 -4) = 3\nr2 = r10\nr2 += -4\nr1 = map[0]\ncall 1\nif r0 == 0 goto out\nr1 = 1\nlock *(u64 *)(r0 +8) += r1\nout:\nr0 = 2\nexit",
    maps: [map(BPF_MAP_TYPE_ARRAY)],
  },
  checksumLoop: {
    text: `
      r3 = *(u32 *)(r1 +4)
      r2 = *(u32 *)(r1 +0)
      r0 = 0
    again:
      r4 = r2
      r4 += 2
      if r4 > r3 goto out
      r5 = *(u16 *)(r2 +0)
      r0 += r5
      r2 = r4
      goto again
    out:
      r1 = r0
      r1 >>= 16
      r0 &= 0xffff
      r0 += r1
      r0 = be16 r0
      exit`,
  },
  tailCall: { text: "r6 = r1\nr3 = *(u32 *)(r1 +16)\nr2 = map[0]\ncall 12\nr0 = 2\nexit", maps: [map(BPF_MAP_TYPE_PROG_ARRAY)] },
  twoEntryLoop: {
    text: "r0 = 0\nif r1 > 5 goto second\nfirst:\nr0 += 1\nsecond:\nr0 += 2\nif r0 < 100 goto first\nexit",
  },
  subprogram: {
    text: "r6 = r1\ncall part\nr0 += r6\nexit\npart:\nr2 = *(u32 *)(r1 -8)\n*(u64 *)(r10 -8) = r2\nr0 = *(u32 *)(r10 -8)\nexit",
    functions: [{ instruction: 4, name: "part" }],
  },
};

for (const [name, { text, maps = [], functions }] of Object.entries(programs)) {
  test(`the code of ${name} is as reviewed`, async () => {
    const spec = { ...programSpec(text, {}, functions), name };
    const { bytes } = compileProgram(unchecked(spec, { helpers }), { slot: 1, maps });
    expect(WebAssembly.validate(bytes)).toBe(true);
    await expect(printModule(bytes)).toMatchFileSnapshot(`golden/${name}.wat`);
  });
}
