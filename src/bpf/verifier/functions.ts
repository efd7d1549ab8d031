import { LOAD_IMMEDIATE_64, type Slot } from "../isa/index.ts";
import { Rejected } from "./rejection.ts";

/** Instructions start to end - 1. */
export interface FunctionRange {
  readonly start: number;
  readonly end: number;
}

/** include/linux/bpf_verifier.h: BPF_MAX_SUBPROGS. */
const MAX_FUNCTIONS = 256;

const CLASS_JMP = 0x05;
const CLASS_JMP32 = 0x06;
const EXIT = 0x95;
const GOTO = 0x05;
const GOTO_LONG = 0x06;
const CALL = 0x85;

/** What a call or a function reference leads to. kernel/bpf/verifier.c: bpf_pseudo_call, bpf_pseudo_func. */
function functionTarget({ index, code, src, imm }: Slot): number | undefined {
  if ((code === CALL && src === 1) || (code === LOAD_IMMEDIATE_64 && src === 4)) return index + 1 + imm;
  return undefined;
}

/**
 * Cuts a program into its functions: one begins at 0, one wherever a call or a function reference leads, and one is the exception callback.
 * kernel/bpf/verifier.c: add_subprog_and_kfunc.
 */
export function findFunctions(slots: readonly Slot[], exceptionCallback?: number): FunctionRange[] {
  const starts = new Set([0, ...(exceptionCallback === undefined ? [] : [exceptionCallback])]);
  for (const slot of slots) {
    const target = functionTarget(slot);
    if (target === undefined) continue;
    if (target < 0 || target >= slots.length) throw new Rejected("call_destination", slot.index, { target, last: slots.length - 1 });
    starts.add(target);
    if (starts.size > MAX_FUNCTIONS) throw new Rejected("too_many_functions", slot.index);
  }
  const sorted = [...starts].sort((a, b) => a - b);
  return sorted.map((start, at) => ({ start, end: sorted[at + 1] ?? slots.length }));
}

/** Where a slot jumps to if it is read as a jump; second halves of ld_imm64 and unknown conditions are read so too, as the kernel does. */
function jumpTarget({ index, code, offset, imm }: Slot): number | undefined {
  const family = code & 0x07;
  if (family !== CLASS_JMP && family !== CLASS_JMP32) return undefined;
  const operation = code & 0xf0;
  if (operation === (EXIT & 0xf0) || operation === (CALL & 0xf0)) return undefined;
  return index + 1 + (code === GOTO_LONG ? imm : offset);
}

/** Jumps stay in their function, and no function runs into the next. kernel/bpf/verifier.c: check_subprogs. */
export function checkFunctions(slots: readonly Slot[], functions: readonly FunctionRange[]): void {
  for (const { start, end } of functions) {
    for (let index = start; index < end; index++) {
      const slot = slots[index] as Slot;
      const to = jumpTarget(slot);
      if (to !== undefined && (to < start || to >= end)) {
        throw new Rejected("jump_out_of_range", index, { from: index, to, start, last: end - 1 });
      }
    }
    const last = (slots[end - 1] as Slot).code;
    if (last !== EXIT && last !== GOTO && last !== GOTO_LONG) throw new Rejected("function_end", end - 1);
  }
}
