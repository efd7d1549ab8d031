import { assemble, INSTRUCTION_SIZE } from "../../bpf/isa/index.ts";
import type { MapSpec } from "../../bpf/spec.ts";
import { BPF_MAP_TYPE_ARRAY } from "../../layout/index.ts";

/** What programs of the compile bench are made of: units of a kind, one after the other. r6 is the context; r7 and r8 hold numbers, the others nothing. */
const units = {
  arithmetic: `
    r7 += r8
    r8 ^= r7
    r3 = r7
    r3 *= 7
    r8 += r3
    r7 >>= 3
    w8 += w7
    r7 &= 0xffff`,
  branches: `
    if r7 == 5 goto +1
    r7 += 1
    r8 += 3
    if r7 > r8 goto +2
    r7 += 2
    r8 ^= r7`,
  /** Bytes of a packet that a compiler split, and a store to the frame between branches. */
  bytes: `
    r3 = *(u8 *)(r6 +0)
    r4 = *(u8 *)(r6 +1)
    r4 <<= 8
    r3 |= r4
    r7 += r3
    *(u64 *)(r10 -8) = r7
    if r3 != 0x1234 goto +2
    r7 = *(u64 *)(r10 -8)
    r7 += 1`,
  frame: `
    *(u64 *)(r10 -8) = r7
    *(u32 *)(r10 -16) = r8
    r3 = *(u64 *)(r10 -8)
    r4 = *(u32 *)(r10 -16)
    r7 += r3
    r8 += r4
    *(u16 *)(r10 -24) = r7
    r5 = *(u16 *)(r10 -24)
    r7 ^= r5`,
  /** bpf_get_smp_processor_id, bpf_get_prandom_u32. */
  helpers: `
    call 8
    r7 += r0
    call 7
    r8 ^= r0`,
  lookups: `
    *(u32 *)(r10 -4) = r7
    r2 = r10
    r2 += -4
    r1 = map[0]
    call 1
    if r0 == 0 goto +2
    r3 = *(u64 *)(r0 +0)
    r7 += r3
    r7 += 1`,
  loops: `
    r2 = 3
    r7 += r2
    r2 += -1
    if r2 != 0 goto -3`,
} as const satisfies Record<string, string>;

type UnitName = keyof typeof units;

export type CompileShape = UnitName | "mixed";

export const compileShapes: readonly CompileShape[] = [...(Object.keys(units) as UnitName[]), "mixed"];

/** The map that lookups go to. */
export const shapeMaps: readonly MapSpec[] = [
  { name: "values", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 8, maxEntries: 1 << 16, flags: 0 },
];

const begin = assemble("r6 = r1\nr7 = 1\nr8 = 2");
const end = assemble("r0 = r7\nexit");

/** A program of the shape with at most so many instructions, and less than a unit less. The same every time: "mixed" takes units in a fixed disorder. */
export function shapedProgram(shape: CompileShape, instructions: number): Uint8Array {
  const kinds = (shape === "mixed" ? (Object.keys(units) as UnitName[]) : [shape]).map((name) => assemble(units[name]));
  const program = new Uint8Array(instructions * INSTRUCTION_SIZE);
  program.set(begin);
  let length = begin.length;
  let random = 1;
  for (;;) {
    // Minimal standard generator (Park and Miller 1988).
    random = (random * 48271) % 0x7fffffff;
    const unit = kinds[random % kinds.length]!;
    if (length + unit.length + end.length > program.length) break;
    program.set(unit, length);
    length += unit.length;
  }
  program.set(end, length);
  return program.subarray(0, length + end.length);
}
