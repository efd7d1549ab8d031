import { type Instruction, rowsOfCode } from "../isa/index.ts";
import type { ProgramSpec } from "../spec.ts";
import { followConstants } from "./constants.ts";

/** Codes of the instructions that take the place of others (RFC 9669, section 4.3). */
const GOTO = 0x05;
const EXIT = 0x95;

/** A program without what no run can reach. */
export interface LiveCode {
  readonly instructions: readonly (Instruction | undefined)[];
  readonly isLive: (slot: number) => boolean;
}

/**
 * Takes out what the constants of a program make unreachable, as the kernel does behind its verifier (kernel/bpf/verifier.c: sanitize_dead_code,
 * opt_hard_wire_dead_code_branches): branches that always go one way become jumps, dead instructions become exits which nothing leads to. Slots keep their numbers.
 */
export function withoutDeadCode(instructions: readonly (Instruction | undefined)[], spec: ProgramSpec): LiveCode {
  const { reached, decided } = followConstants(instructions, spec);
  const replaced = (index: number, code: number, offset: number): Instruction => ({
    ...{ index, code, dst: 0, src: 0, offset, imm: 0, high: 0, row: rowsOfCode(code)[0]! },
  });
  return {
    instructions: instructions.map((instruction, index) => {
      if (reached[index] === 0) return replaced(index, EXIT, 0);
      const taken = decided.get(index);
      return taken === undefined || instruction === undefined ? instruction : replaced(index, GOTO, taken ? instruction.offset : 0);
    }),
    isLive: (slot) => reached[slot] === 1,
  };
}

/** Do a program's constants come from frozen values? Only then, or where something is missing, is it worth the while to look for dead code. */
export const readsFrozenValues = (instructions: readonly (Instruction | undefined)[], { maps }: ProgramSpec): boolean =>
  instructions.some(
    (instruction) =>
      instruction?.row.kind === "load_imm64" && instruction.row.source === "map_value" && maps[instruction.imm]?.frozen === true,
  );
