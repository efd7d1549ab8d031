import {
  type Btf,
  type CoreDecision,
  type CoreRelocation,
  type DecidedRelocation,
  decideRelocation,
  type TargetTypes,
} from "../btf/index.ts";
import { type ElfFunction, INSTRUCTION_SIZE } from "./functions.ts";
import type { ProgramCode } from "./programCode.ts";

/** Classes of instructions that CO-RE relocations patch (RFC 9669), and the 64-bit load. */
const LD_IMM64 = 0x18;
const CLASS = 0x07;
const LDX = 0x01;
const ST = 0x02;
const STX = 0x03;
const ALU = 0x04;
const ALU64 = 0x07;
/** Source bit of ALU instructions: a register rather than an immediate. */
const BY_REGISTER = 0x08;
/** Width bits of loads and stores, by bytes. */
const WIDTH = 0x18;
const widths: ReadonlyMap<number, number> = new Map([
  [4, 0x00],
  [2, 0x08],
  [1, 0x10],
  [8, 0x18],
]);
/** The call that libbpf puts in place of an instruction that must not be reached: 0xbad2310, "bad relo". tools/lib/bpf/relo_core.c. */
const BAD_RELOCATION = 195896080;

type Patch = Extract<CoreDecision, { action: "patch" }>;

/** The CO-RE relocations of an object, each decided once against the target's types, and applied wherever its function is copied to. */
export class CoreRelocations {
  /** In the order of sections and offsets in .BTF.ext. */
  readonly decided: readonly DecidedRelocation[];
  readonly #bySection = new Map<string, DecidedRelocation[]>();

  constructor(btf: Btf | null, relocations: readonly CoreRelocation[], target: TargetTypes) {
    this.decided = btf === null ? [] : relocations.map((one) => decideRelocation(btf, one, target));
    for (const one of this.decided) {
      const list = this.#bySection.get(one.section);
      if (list === undefined) this.#bySection.set(one.section, [one]);
      else list.push(one);
    }
    for (const list of this.#bySection.values()) list.sort((a, b) => a.offset - b.offset);
  }

  /** Patches the copy of a function whose first instruction is `base` of the program. Its bytes are little-endian already. */
  apply(program: ProgramCode, { section, from, to }: ElfFunction, base: number): void {
    const list = this.#bySection.get(section.name) ?? [];
    for (let index = firstFrom(list, from); index < list.length && list[index]!.offset < to; index++) {
      const { offset, decision, kind, subject } = list[index]!;
      if (offset % INSTRUCTION_SIZE !== 0) continue;
      const at = base + (offset - from) / INSTRUCTION_SIZE;
      const failed = decision.action === "poison" ? decision.why : patched(program, at, decision);
      if (failed !== null) poison(program, at, decision.action === "poison" ? failed : `CO-RE ${kind} of ${subject}: ${failed}`);
    }
  }
}

/** Index of the first relocation at or behind an offset. */
function firstFrom(list: readonly DecidedRelocation[], offset: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Writes the target's value into an instruction. Why it cannot, or null. */
function patched(program: ProgramCode, at: number, patch: Patch): string | null {
  const opcode = program.opcode(at);
  switch (opcode & CLASS) {
    case ALU:
    case ALU64: {
      if ((opcode & BY_REGISTER) !== 0) return "the instruction has no immediate";
      const imm = program.immediate(at);
      if (differs(patch, BigInt(imm))) return unexpected(patch, imm);
      program.setImmediate(at, Number(BigInt.asIntN(32, patch.after)));
      return null;
    }
    case LDX:
    case ST:
    case STX:
      return accessPatched(program, at, patch);
    default:
      if (opcode !== LD_IMM64 || program.source(at) !== 0 || at + 1 >= program.count) return "the instruction takes no relocation";
      if (differs(patch, program.wideImmediate(at))) return unexpected(patch, program.wideImmediate(at));
      program.setLoad(at, 0, Number(BigInt.asIntN(32, patch.after)), Number(BigInt.asIntN(32, patch.after >> 32n)));
      return null;
  }
}

/** A load or store of a field: its offset, and its width where the field has another one in the target. */
function accessPatched(program: ProgramCode, at: number, patch: Patch): string | null {
  const offset = program.offset(at);
  if (differs(patch, BigInt(offset))) return unexpected(patch, offset);
  if (patch.after > 0x7fffn) return `the field lies ${patch.after} bytes in, beyond what an instruction reaches`;
  if (!patch.widthMayChange)
    return `the field has ${patch.widthAfter} bytes instead of ${patch.widthBefore}, and is neither a pointer nor an unsigned integer`;
  program.setOffset(at, Number(patch.after));
  if (patch.widthAfter === patch.widthBefore) return null;
  const opcode = program.opcode(at);
  const width = widths.get(patch.widthAfter);
  if (widths.get(patch.widthBefore) !== (opcode & WIDTH) || width === undefined)
    return `the instruction's width cannot become ${patch.widthAfter} bytes`;
  program.setOpcode(at, (opcode & ~WIDTH) | width);
  return null;
}

const differs = ({ checked, before }: Patch, value: bigint): boolean => checked && BigInt.asUintN(64, value) !== BigInt.asUintN(64, before);

const unexpected = ({ before }: Patch, value: bigint | number): string => `the instruction holds ${value}, expected ${before}`;

/** Both halves of a 64-bit load are replaced. */
function poison(program: ProgramCode, at: number, why: string): void {
  const halves = program.opcode(at) === LD_IMM64 && at + 1 < program.count ? [at, at + 1] : [at];
  for (const half of halves) {
    program.setUnknownCall(half, BAD_RELOCATION);
    program.poisoned.set(half, why);
  }
}
