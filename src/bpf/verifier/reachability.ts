import { type Instruction, LOAD_IMMEDIATE_64, type Slot, targetOf } from "../isa/index.ts";
import { Rejected } from "./rejection.ts";

/** Where control may go from a slot: the next instruction, a jump's target, and the function that is called or referred to. */
function successorsOf(slot: Slot, instruction: Instruction | undefined): number[] {
  if (instruction === undefined) return [slot.index + 1];
  const { row } = instruction;
  if (row.kind === "exit") return [];
  const target = targetOf(instruction);
  if (row.kind === "jump") return [target as number];
  const next = slot.index + (slot.code === LOAD_IMMEDIATE_64 ? 2 : 1);
  return target === undefined ? [next] : [next, target];
}

/** Every instruction can be reached from the program's start or the exception callback's, and no jump leads into a ld_imm64. kernel/bpf/verifier.c: check_cfg. */
export function checkReachability(
  slots: readonly Slot[],
  instructions: readonly (Instruction | undefined)[],
  exceptionCallback?: number,
): void {
  const reached = new Uint8Array(slots.length);
  const pending = [0, ...(exceptionCallback === undefined ? [] : [exceptionCallback])];
  for (const start of pending) reached[start] = 1;
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const slot = slots[at] as Slot;
    for (const next of successorsOf(slot, instructions[at])) {
      if (next >= slots.length || reached[next] === 1) continue;
      reached[next] = 1;
      pending.push(next);
    }
  }
  for (let index = 0; index < slots.length; index++) {
    if (reached[index] === 0) throw new Rejected("unreachable", index);
    if ((slots[index] as Slot).code !== LOAD_IMMEDIATE_64) continue;
    if (reached[index + 1] === 1) throw new Rejected("jump_into_wide_load", index);
    index++;
  }
}
