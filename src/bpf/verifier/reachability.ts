import { type Instruction, LOAD_IMMEDIATE_64, type Slot, targetOf } from "../isa/index.ts";
import { Rejected } from "./rejection.ts";

/** The slot behind an instruction, if control may go on there. */
function nextOf({ index, code }: Slot, instruction: Instruction | undefined): number | undefined {
  const kind = instruction?.row.kind;
  if (kind === "exit" || kind === "jump") return undefined;
  return index + (instruction !== undefined && code === LOAD_IMMEDIATE_64 ? 2 : 1);
}

/** Every instruction can be reached from the program's start or the exception callback's, and no jump leads into a ld_imm64. kernel/bpf/verifier.c: check_cfg. */
export function checkReachability(
  slots: readonly Slot[],
  instructions: readonly (Instruction | undefined)[],
  exceptionCallback?: number,
): void {
  const reached = new Uint8Array(slots.length);
  const pending = [0, ...(exceptionCallback === undefined ? [] : [exceptionCallback])];
  const isNew = (at: number): boolean => at < slots.length && reached[at] === 0;
  for (let start = pending.pop(); start !== undefined; start = pending.pop()) {
    // Straight on from there; the target of a jump, or the function that is called or referred to, waits.
    for (let at: number | undefined = start; at !== undefined && isNew(at); at = nextOf(slots[at] as Slot, instructions[at])) {
      reached[at] = 1;
      const instruction: Instruction | undefined = instructions[at];
      const target: number | undefined = instruction === undefined ? undefined : targetOf(instruction);
      if (target !== undefined && isNew(target)) pending.push(target);
    }
  }
  for (let index = 0; index < slots.length; index++) {
    if (reached[index] === 0) throw new Rejected("unreachable", index);
    if ((slots[index] as Slot).code !== LOAD_IMMEDIATE_64) continue;
    if (reached[index + 1] === 1) throw new Rejected("jump_into_wide_load", index);
    index++;
  }
}
