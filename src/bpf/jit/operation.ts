import {
  type AccessSize,
  type AluMeaning,
  type AtomicOperation,
  type BranchMeaning,
  type Instruction,
  targetOf,
  wideImmediate,
} from "../isa/index.ts";
import type { ProgramType, ShortField } from "../spec.ts";
import type { VerifiedProgram } from "../verifier/index.ts";

/** The second operand of an instruction: a register, an immediate sign-extended to 64 bits, or none. */
export type Source = { readonly register: number } | { readonly immediate: number };

interface Access {
  readonly base: number;
  readonly offset: number;
  readonly bytes: AccessSize;
}

/** What an instruction does, as the compiler sees it: rows and fields of the instruction brought together. Jump targets are instruction indices. */
export type Operation =
  | {
      readonly kind: "alu";
      readonly name: string;
      readonly meaning: AluMeaning;
      readonly width: 32 | 64;
      readonly dst: number;
      readonly source: Source;
    }
  | { readonly kind: "constant"; readonly dst: number; readonly value: bigint }
  /** addr_space_cast between an arena's addresses as user space has them and as accesses take them. */
  | { readonly kind: "cast"; readonly to: "kernel" | "user"; readonly dst: number; readonly src: number }
  | { readonly kind: "map"; readonly dst: number; readonly map: number }
  | { readonly kind: "mapValue"; readonly dst: number; readonly map: number; readonly offset: number }
  | { readonly kind: "callback"; readonly dst: number; readonly target: number }
  | ({ readonly kind: "load"; readonly dst: number; readonly signed: boolean } & Access)
  /** `short`: if `base` is the context, the field that is stored to is shorter than it looks. */
  | ({ readonly kind: "store"; readonly source: Source; readonly short: ShortField | undefined } & Access)
  | ({
      readonly kind: "atomic";
      readonly name: AtomicOperation;
      readonly src: number;
      readonly fetch: boolean;
    } & Access)
  | ({ readonly kind: "loadAcquire"; readonly dst: number } & Access)
  | ({ readonly kind: "storeRelease"; readonly src: number } & Access)
  /** LD_ABS, or LD_IND with an index register, from the packet of the context in r6. */
  | { readonly kind: "packetLoad"; readonly bytes: 1 | 2 | 4; readonly offset: number; readonly index: number | undefined }
  | { readonly kind: "helper"; readonly id: number }
  | { readonly kind: "kfunc"; readonly id: number }
  | { readonly kind: "call"; readonly target: number }
  | {
      readonly kind: "branch";
      readonly name: string;
      readonly condition: BranchMeaning;
      readonly width: 32 | 64;
      readonly dst: number;
      readonly source: Source;
      readonly target: number;
    }
  | { readonly kind: "mayGoto"; readonly target: number }
  | { readonly kind: "jump"; readonly target: number }
  | { readonly kind: "exit" }
  /** Cannot run here (unknown helpers, failed relocations): a trap. `number` is the helper's or kfunc's, else 0. */
  | { readonly kind: "unbuilt"; readonly number: number }
  /** The second half of a 16-byte load, and what was merged into another operation. */
  | { readonly kind: "continuation" };

/** For `if rN == 0` true, for `if rN != 0` false: does the branch go where the register is NULL? Undefined for all else. */
export function comparesWithNull(operation: Operation, register: number): boolean | undefined {
  if (operation.kind !== "branch" || operation.width !== 64 || operation.dst !== register) return undefined;
  if (!("immediate" in operation.source) || operation.source.immediate !== 0) return undefined;
  return operation.name === "jeq" ? true : operation.name === "jne" ? false : undefined;
}

/** The operations of instructions `start` to end - 1 of a program. They live as long as these are being compiled: there may be a million. */
export interface Operations {
  readonly start: number;
  readonly end: number;
  /** By place: instruction - start. */
  readonly list: Operation[];
}

export const operationAt = ({ list, start }: Operations, instruction: number): Operation => list[instruction - start]!;

/** The program has been checked: every slot holds an instruction of the table, or the second half of one. */
export function readOperations(
  { instructions, unbuilt, type }: Pick<VerifiedProgram, "instructions" | "unbuilt" | "type">,
  { start, end }: { readonly start: number; readonly end: number },
): Operations {
  const list: Operation[] = new Array(end - start);
  for (let at = start; at < end; at++) {
    const instruction = instructions[at];
    if (instruction === undefined) list[at - start] = CONTINUATION;
    // The other fields of what cannot run may make no sense.
    else if (unbuilt.size > 0 && unbuilt.has(at))
      list[at - start] = { kind: "unbuilt", number: instruction.row.kind === "call" ? instruction.imm : 0 };
    else list[at - start] = operationOf(instruction, type);
  }
  return { start, end, list };
}

export const CONTINUATION: Operation = { kind: "continuation" };

/** Sources that are registers: many instructions share one. */
const registerSources: readonly Source[] = Array.from({ length: 11 }, (_, register) => ({ register }));

const sourceOf = ({ src, imm }: Instruction, operand: "imm" | "src" | "none"): Source =>
  operand === "src" ? registerSources[src]! : { immediate: imm };

/** The short field of the context that an instruction stores to, if the context is what it stores to. */
export function shortFieldOf({ row, dst, offset }: Instruction, { shortFields }: ProgramType): ShortField | undefined {
  return row.kind === "store" && row.size === 4 && dst !== 10 ? shortFields?.get(offset) : undefined;
}

function operationOf(instruction: Instruction, type: ProgramType): Operation {
  const { row, dst, src, offset, imm, high } = instruction;
  switch (row.kind) {
    case "alu64":
    case "alu32":
      return {
        kind: "alu",
        name: row.operation,
        meaning: row.meaning,
        width: row.kind === "alu64" ? 64 : 32,
        dst,
        source: sourceOf(instruction, row.operand),
      };
    case "load":
      return { kind: "load", dst, base: src, offset, bytes: row.size, signed: row.signed };
    case "store": {
      const short = shortFieldOf(instruction, type);
      return { kind: "store", base: dst, offset, bytes: row.size, source: sourceOf(instruction, row.operand), short };
    }
    case "atomic":
      return { kind: "atomic", name: row.operation, base: dst, offset, bytes: row.size, src, fetch: row.fetch };
    case "load_acquire":
      return { kind: "loadAcquire", dst, base: src, offset, bytes: row.size };
    case "store_release":
      return { kind: "storeRelease", src, base: dst, offset, bytes: row.size };
    case "load_imm64":
      switch (row.source) {
        case "value":
          return { kind: "constant", dst, value: wideImmediate(instruction) };
        case "map":
        case "map_index":
          return { kind: "map", dst, map: imm };
        case "map_value":
        case "map_index_value":
          return { kind: "mapValue", dst, map: imm, offset: high };
        case "function":
          return { kind: "callback", dst, target: targetOf(instruction)! };
        case "variable":
          return { kind: "unbuilt", number: 0 };
      }
      break;
    case "legacy_load":
      return { kind: "packetLoad", bytes: row.size, offset: imm, index: row.mode === "ind" ? src : undefined };
    case "branch64":
    case "branch32":
      return {
        kind: "branch",
        name: row.operation,
        condition: row.condition,
        width: row.kind === "branch64" ? 64 : 32,
        dst,
        source: sourceOf(instruction, row.operand),
        target: targetOf(instruction)!,
      };
    case "may_goto":
      return { kind: "mayGoto", target: targetOf(instruction)! };
    case "jump":
      return { kind: "jump", target: targetOf(instruction)! };
    case "call":
      if (row.callee === "function") return { kind: "call", target: targetOf(instruction)! };
      return { kind: row.callee, id: imm };
    case "exit":
      return { kind: "exit" };
    case "address_space_cast":
      return { kind: "cast", to: row.to, dst, src };
  }
}
