import { type Instruction, targetOf } from "../isa/index.ts";
import type { Rejected } from "./rejection.ts";

/** What a function does to those who pass through it: whether some way leads to its end, and the first fault on the way. */
interface Passage {
  readonly ends: boolean;
  readonly fault?: Rejected;
}

/**
 * The fault that the kernel's main pass must come to: the first one, when no way through the program avoids all of them. A branch may be one that the
 * kernel can decide from register states, so a fault that can be avoided may lie in dead code; it traps if it is reached.
 */
export function unavoidableFault(
  instructions: readonly (Instruction | undefined)[],
  faults: ReadonlyMap<number, Rejected>,
): Rejected | undefined {
  if (faults.size === 0) return undefined;
  const passages = new Map<number, Passage>();
  const passageOf = (start: number): Passage => {
    const known = passages.get(start);
    if (known !== undefined) return known;
    // A function that calls itself does not end: the call depth is checked on its own.
    passages.set(start, { ends: false });
    const passage = explore(start, instructions, faults, passageOf);
    passages.set(start, passage);
    return passage;
  };
  const { ends, fault } = passageOf(0);
  return ends ? undefined : fault;
}

/** Walks a function as the kernel does: straight on first, branches taken later. */
function explore(
  start: number,
  instructions: readonly (Instruction | undefined)[],
  faults: ReadonlyMap<number, Rejected>,
  passageOf: (start: number) => Passage,
): Passage {
  const seen = new Set<number>();
  const pending = [start];
  let first: Rejected | undefined;
  let ends = false;
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const fault = faults.get(at);
    if (fault !== undefined) {
      first ??= fault;
      continue;
    }
    const instruction = instructions[at] as Instruction;
    const { kind } = instruction.row;
    if (kind === "exit") {
      ends = true;
      continue;
    }
    const target = targetOf(instruction);
    if (kind === "call" && target !== undefined) {
      const callee = passageOf(target);
      first ??= callee.fault;
      if (!callee.ends) continue;
    } else if (target !== undefined && kind !== "load_imm64") pending.push(target);
    if (kind !== "jump") pending.push(at + (kind === "load_imm64" ? 2 : 1));
  }
  return first === undefined ? { ends } : { ends, fault: first };
}
