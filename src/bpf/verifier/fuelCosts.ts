import { RUN_FUEL } from "../../layout/index.ts";
import { type Instruction, targetOf } from "../isa/index.ts";
import { calledKfunc } from "../spec.ts";
import type { VerifiedProgram } from "./verified.ts";

/** What a call of a helper or kfunc counts for, in instructions: what most of them take; those that may take much longer burn more by themselves. */
const HELPER_CALL = 16;
/** The same of a helper that is written in TypeScript. */
const COLD_CALL = 512;

/**
 * Where a program burns fuel, and how much: the same in every engine, and constants for each program. A loop cannot be without a jump backwards, so the target of one
 * costs, each time it is reached, as much as the way from there to the last jump that leads to it; a function costs its length. What a run burns is then no less
 * than half the instructions that it executes, less the program's length.
 */
export interface FuelCosts {
  /** By instruction: what reaching it costs; 0 where no jump leads backwards. An array: a program may have 100,000 loops. */
  readonly loops: Float64Array;
  /** By first instruction: what entering a function costs. For the program itself, what it costs beyond RUN_FUEL. */
  readonly functions: ReadonlyMap<number, number>;
}

export function fuelCosts({ instructions, functions, spec, type }: VerifiedProgram): FuelCosts {
  const weigh = (instruction: Instruction | undefined): number => {
    if (instruction?.row.kind !== "call" || instruction.row.callee === "function") return 1;
    const { row, imm } = instruction;
    const isCold = row.callee === "helper" ? type.helpers.get(imm)?.cold === true : calledKfunc(spec, type, imm)?.cold !== undefined;
    return isCold ? COLD_CALL : HELPER_CALL;
  };
  /** Weight of all instructions in front of each. */
  const before = new Float64Array(instructions.length + 1);
  for (let index = 0; index < instructions.length; index++) before[index + 1] = before[index]! + weigh(instructions[index]);
  const loops = new Float64Array(instructions.length);
  for (const instruction of instructions) {
    if (instruction === undefined || !jumps.has(instruction.row.kind)) continue;
    const { index } = instruction;
    const target = targetOf(instruction)!;
    if (target <= index) loops[target] = Math.max(loops[target]!, before[index + 1]! - before[target]!);
  }
  const lengths = functions.map(({ start, end }) => [start, before[end]! - before[start]!] as const);
  return { loops, functions: new Map(lengths.map(([start, length]) => [start, start === 0 ? Math.max(length - RUN_FUEL, 0) : length])) };
}

const jumps: ReadonlySet<string> = new Set(["branch64", "branch32", "jump", "may_goto"]);
