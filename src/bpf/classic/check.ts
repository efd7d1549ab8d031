import { failure, type Problem, type Result, success } from "../../problem/index.ts";
import {
  ancillaryAt,
  type ClassicInstruction,
  type ClassicProgram,
  type ClassicRow,
  classicRow,
  MAX_CLASSIC_INSTRUCTIONS,
  SCRATCH_WORDS,
  SKF_AD_OFF,
} from "./instruction.ts";
import { problems } from "./problems.ts";

declare const checked: unique symbol;

/** A program that passed the checks. Only `checkClassic` makes one. */
export interface CheckedClassic {
  readonly [checked]: true;
  readonly instructions: ClassicProgram;
  readonly rows: readonly ClassicRow[];
  /** It jumps backwards. Linux takes no such program; libpcap writes them for protochain and runs them itself. */
  readonly loops: boolean;
}

/**
 * The checks of Linux (net/core/filter.c: bpf_check_basics_ok, bpf_check_classic, check_load_and_stores), in its order. By libpcap's rules (bpf_validate), under
 * which tcpdump runs programs itself, unconditional jumps may go backwards, offsets that name nothing are outside of the packet, and scratch words are 0 at first.
 */
export function checkClassic(
  program: ClassicProgram,
  { rules = "linux" }: { readonly rules?: "linux" | "libpcap" } = {},
): Result<CheckedClassic> {
  const count = program.length;
  if (count === 0 || count > MAX_CLASSIC_INSTRUCTIONS) {
    return failure(problems.classic_length({ count, limit: MAX_CLASSIC_INSTRUCTIONS }));
  }
  const rows: ClassicRow[] = [];
  let backwards = false;
  for (const [index, instruction] of program.entries()) {
    const row = classicRow(instruction.code);
    if (row === undefined) return failure(problems.classic_code({ code: `0x${instruction.code.toString(16)}` }, { instruction: index }));
    rows.push(row);
    const fault = faultOf(instruction, row, index, count, rules);
    if (fault !== undefined) return failure(fault);
    if (row.kind === "jump" && targetOfJump(instruction, index) <= index) backwards = true;
  }
  if (rows.at(-1)?.kind !== "return") return failure(problems.classic_end({}, { instruction: count - 1 }));
  // libpcap proves nothing of scratch words; the interpreter clears them.
  const unset = rules === "libpcap" ? undefined : unsetScratch(program, rows);
  if (unset !== undefined) return failure(unset);
  return success({ instructions: program, rows, loops: backwards } as unknown as CheckedClassic);
}

/** Where a jump leads. `k` wraps as Linux and libpcap let it: 0xffffffff is one back. */
export const targetOfJump = ({ k }: ClassicInstruction, index: number): number => index + 1 + (k | 0);

function faultOf(
  instruction: ClassicInstruction,
  row: ClassicRow,
  index: number,
  count: number,
  rules: "linux" | "libpcap",
): Problem | undefined {
  const { k, jt, jf } = instruction;
  const at = { instruction: index };
  switch (row.kind) {
    case "operation":
      if (row.operand === "x") return undefined;
      if ((row.operation === "div" || row.operation === "mod") && k === 0) return problems.classic_division({}, at);
      return (row.operation === "lsh" || row.operation === "rsh") && k >= 32 ? problems.classic_shift({ k }, at) : undefined;
    case "load_scratch":
    case "store":
      return k >= SCRATCH_WORDS ? problems.classic_scratch({ k }, at) : undefined;
    case "jump": {
      const target = targetOfJump(instruction, index);
      const fits = target < count && target >= (rules === "libpcap" ? 0 : index + 1);
      return fits ? undefined : problems.classic_jump({ target, last: count - 1 }, at);
    }
    case "branch": {
      const target = index + 1 + Math.max(jt, jf);
      return target < count ? undefined : problems.classic_jump({ target, last: count - 1 }, at);
    }
    case "packet_load":
      if (rules === "libpcap" || row.mode === "ind" || k < SKF_AD_OFF || ancillaryAt(k) !== undefined) return undefined;
      return problems.classic_ancillary({ offset: `0x${k.toString(16)}` }, at);
    default:
      return undefined;
  }
}

const EVERY_WORD = 0xffff;

/** The first load of a scratch word that some way through the program reaches without having stored it. */
function unsetScratch(program: ClassicProgram, rows: readonly ClassicRow[]): Problem | undefined {
  /** Words stored on all ways to each instruction that a jump leads to. */
  const stored = new Uint16Array(program.length).fill(EVERY_WORD);
  let here = 0;
  const meet = (target: number) => {
    stored[target] = (stored[target] ?? 0) & here;
  };
  for (const [index, instruction] of program.entries()) {
    const row = rows[index];
    here &= stored[index] ?? 0;
    if (row?.kind === "store") here |= 1 << instruction.k;
    else if (row?.kind === "load_scratch" && (here & (1 << instruction.k)) === 0) {
      return problems.classic_scratch_unset({ k: instruction.k }, { instruction: index });
    } else if (row?.kind === "jump") {
      meet(targetOfJump(instruction, index));
      here = EVERY_WORD;
    } else if (row?.kind === "branch") {
      meet(index + 1 + instruction.jt);
      meet(index + 1 + instruction.jf);
      here = EVERY_WORD;
    }
  }
  return undefined;
}
