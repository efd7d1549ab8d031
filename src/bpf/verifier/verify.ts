import { BPF_COMPLEXITY_LIMIT_INSNS } from "../../layout/index.ts";
import { decodeSlots, type Instruction, readSlots, rowsOfCode, type Slot, targetOf } from "../isa/index.ts";
import { calledKfunc, type ProgramSpec, type ProgramType } from "../spec.ts";
import { checkCallDepth } from "./callGraph.ts";
import { type LiveCode, readsFrozenValues, withoutDeadCode } from "./deadCode.ts";
import { unavoidableFault } from "./faults.ts";
import { findFaults } from "./fields.ts";
import { checkFunctionInfo } from "./functionInfo.ts";
import { checkFunctions, type FunctionRange, findFunctions } from "./functions.ts";
import { checkReachability } from "./reachability.ts";
import { Rejected, type Rejection, rejectionOf } from "./rejection.ts";
import { checkSlots } from "./slots.ts";
import { mint, type VerifiedFunction, type VerifiedProgram } from "./verified.ts";

/**
 * The structural checks: what Linux refuses of a program by its shape alone, before and beside its main pass over register states, which is not built
 * yet. A program that passes is well formed; whether its memory accesses are right is not known, so they are bounded when it runs.
 */
export function verify(spec: ProgramSpec, type: ProgramType): VerifiedProgram | Rejection {
  try {
    return check(spec, type);
  } catch (error) {
    if (error instanceof Rejected) return rejectionOf(spec, error);
    throw error;
  }
}

/** In the kernel's order: the first fault is the one that is reported. kernel/bpf/verifier.c: bpf_check. */
function check(spec: ProgramSpec, type: ProgramType): VerifiedProgram {
  const slots = readSlots(spec.instructions);
  if (slots.length === 0 || slots.length > BPF_COMPLEXITY_LIMIT_INSNS) {
    throw new Rejected("program_size", undefined, { count: slots.length, limit: BPF_COMPLEXITY_LIMIT_INSNS });
  }
  const { exceptionCallback } = spec;
  const ranges = findFunctions(slots, exceptionCallback);
  checkFunctions(slots, ranges);
  const decoded = decodeSlots(slots);
  checkFunctionInfo(spec, ranges, decoded);
  checkSlots(slots, spec.maps);
  checkReachability(slots, decoded, exceptionCallback);
  const faults = findFaults(slots, decoded, spec, type);
  const formed = faults.size === 0 ? decoded : decoded.map((instruction, index) => instruction ?? formOf(slots[index] as Slot, faults));
  checkCallDepth(describeFunctions(ranges, formed, spec));
  const { instructions, isLive } = liveCode(formed, spec, type, faults);
  for (const slot of faults.keys()) if (!isLive(slot)) faults.delete(slot);
  const unavoidable = unavoidableFault(instructions, faults);
  if (unavoidable !== undefined) throw unavoidable;
  const functions = describeFunctions(ranges, instructions, spec).filter(({ start }) => isLive(start));
  return mint({
    spec,
    type,
    instructions,
    functions,
    callbacks: functions.filter(({ callback }) => callback).map(({ start }) => start),
    loops: functions.some(({ loops }) => loops),
    ...findReferences(instructions, spec, type, faults, isLive),
  });
}

/**
 * The program without its dead code, where that can matter: it has branches on constants of frozen values, or something in it would trap. Other programs stay
 * as they are.
 */
function liveCode(
  instructions: readonly (Instruction | undefined)[],
  spec: ProgramSpec,
  type: ProgramType,
  faults: ReadonlyMap<number, Rejected>,
): LiveCode {
  const all = { instructions, isLive: () => true };
  const matters =
    faults.size > 0 ||
    readsFrozenValues(instructions, spec) ||
    findReferences(instructions, spec, type, faults, all.isLive).unbuilt.size > 0;
  return matters ? withoutDeadCode(instructions, spec) : all;
}

/** An instruction that has no form with these fields stands for its code's first one: it traps before its meaning matters, but control flow needs its kind. */
function formOf(slot: Slot, faults: ReadonlyMap<number, Rejected>): Instruction | undefined {
  return faults.has(slot.index) ? { ...slot, row: rowsOfCode(slot.code)[0]! } : undefined;
}

function describeFunctions(
  ranges: readonly FunctionRange[],
  instructions: readonly (Instruction | undefined)[],
  spec: ProgramSpec,
): VerifiedFunction[] {
  const names = new Map(spec.functions.map(({ instruction, name }) => [instruction, name]));
  const callbacks = new Set<number>();
  const bodies = ranges.map(({ start, end }, number) => {
    const calls = new Set<number>();
    let loops = false;
    for (let at = start; at < end; at++) {
      const instruction = instructions[at];
      if (instruction === undefined) continue;
      const target = targetOf(instruction);
      if (target === undefined) continue;
      if (instruction.row.kind === "call") calls.add(target);
      else if (instruction.row.kind === "load_imm64") callbacks.add(target);
      else if (target <= instruction.index) loops = true;
    }
    const name = names.get(start) ?? (number === 0 ? spec.name : `subprog_${number}`);
    return { start, end, name, calls, loops };
  });
  return bodies.map((body) => ({ ...body, callback: callbacks.has(body.start) }));
}

/** Maps, helpers, and what is not built. */
function findReferences(
  instructions: readonly (Instruction | undefined)[],
  spec: ProgramSpec,
  type: ProgramType,
  faults: ReadonlyMap<number, Rejected>,
  isLive: (slot: number) => boolean,
): Pick<VerifiedProgram, "maps" | "helpers" | "throws" | "unbuilt"> {
  const maps = new Set<number>();
  const helpers = new Set<number>();
  let throws = false;
  const unbuilt = new Map<number, string>([...(spec.poisoned ?? [])].filter(([slot]) => isLive(slot)));
  for (const [index, fault] of faults) unbuilt.set(index, rejectionOf(spec, fault).problem.message);
  for (const instruction of instructions) {
    if (instruction === undefined || unbuilt.has(instruction.index)) continue;
    const { index, row, imm } = instruction;
    if (row.kind === "load_imm64" && (row.source === "map" || row.source === "map_value")) maps.add(imm);
    if (row.kind === "load_imm64" && row.source === "variable") unbuilt.set(index, `variable ${imm} of the kernel`);
    if (row.kind !== "call") continue;
    if (row.callee === "kfunc") {
      const kfunc = calledKfunc(spec, type, imm);
      if (kfunc === undefined) unbuilt.set(index, `kfunc ${spec.kfuncs?.get(imm) ?? imm}`);
      else if (kfunc.throws) throws = true;
    } else if (row.callee === "helper" && type.helpers.has(imm)) helpers.add(imm);
    else if (row.callee === "helper") unbuilt.set(index, `helper ${imm}`);
  }
  return { maps, helpers, throws, unbuilt };
}
