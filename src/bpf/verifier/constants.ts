import { type AluRow, type BranchRow, type Instruction, LOAD_IMMEDIATE_64, on32, on64, targetOf, wideImmediate } from "../isa/index.ts";
import type { MapSpec, ProgramSpec } from "../spec.ts";

/** An address in the one value of a frozen map. */
interface FrozenAddress {
  readonly map: number;
  readonly offset: bigint;
}

/** What is known of a register before an instruction: its number, that it points into a frozen value, or nothing. */
type Known = bigint | FrozenAddress | null;

/** r0 to r9; r10 is never known. */
type State = Known[];

const REGISTERS = 10;
const nothingKnown = (): State => new Array<Known>(REGISTERS).fill(null);

/** Where control can go, given what is constant. */
export interface Flow {
  /** By slot: 1 where some run may come by. */
  readonly reached: Uint8Array;
  /** Conditional jumps that always go the same way: by slot, whether they are taken. */
  readonly decided: ReadonlyMap<number, boolean>;
}

/** Ways that a branch was seen to go. */
const TAKEN = 1;
const NOT_TAKEN = 2;

/**
 * Follows numbers through a program's registers: immediates, and what it loads from frozen values (.rodata, .kconfig), which no run can change. Only ways that
 * such numbers leave open are followed, as by the kernel's verifier; states of ways that meet are merged, functions start with what all their callers
 * give them. A state changes at most once a register, so the time is linear in the program's length.
 */
export function followConstants(instructions: readonly (Instruction | undefined)[], spec: ProgramSpec): Flow {
  return new ConstantFlow(instructions, spec).run();
}

class ConstantFlow {
  readonly #instructions: readonly (Instruction | undefined)[];
  readonly #maps: readonly MapSpec[];
  readonly #starts: readonly number[];
  readonly #reached: Uint8Array;
  /** Slots where ways meet: their state is kept. */
  readonly #meeting: Uint8Array;
  readonly #states: (State | undefined)[];
  readonly #ways = new Map<number, number>();
  readonly #pending: number[] = [];

  constructor(instructions: readonly (Instruction | undefined)[], { maps, exceptionCallback }: ProgramSpec) {
    this.#instructions = instructions;
    this.#maps = maps;
    this.#starts = [0, ...(exceptionCallback === undefined ? [] : [exceptionCallback])];
    this.#reached = new Uint8Array(instructions.length);
    this.#meeting = new Uint8Array(instructions.length);
    this.#states = new Array<State | undefined>(instructions.length);
    for (const instruction of instructions) {
      const target = instruction === undefined ? undefined : targetOf(instruction);
      if (target !== undefined) this.#meeting[target] = 1;
    }
  }

  run(): Flow {
    for (const start of this.#starts) this.#meet(start, nothingKnown());
    for (let at = this.#pending.pop(); at !== undefined; at = this.#pending.pop()) this.#walk(at, this.#states[at]!.slice());
    const decided = new Map<number, boolean>();
    for (const [at, ways] of this.#ways) if (ways === TAKEN || ways === NOT_TAKEN) decided.set(at, ways === TAKEN);
    return { reached: this.#reached, decided };
  }

  /** Merges a state into the one that is kept for a slot; if that changes it, the slot is walked from again. */
  #meet(at: number, state: State): void {
    const kept = this.#states[at];
    if (kept === undefined) {
      this.#states[at] = state.slice();
      this.#pending.push(at);
      return;
    }
    let changed = false;
    for (let register = 0; register < REGISTERS; register++) {
      if (kept[register] === null || isSame(kept[register]!, state[register]!)) continue;
      kept[register] = null;
      changed = true;
    }
    if (changed) this.#pending.push(at);
  }

  /** Straight on from a slot, to the end of the way or to where it meets another. */
  #walk(start: number, state: State): void {
    for (let at = start; at < this.#instructions.length; ) {
      if (at !== start && this.#meeting[at] === 1) {
        this.#meet(at, state);
        return;
      }
      this.#reached[at] = 1;
      const instruction = this.#instructions[at];
      if (instruction === undefined) return;
      const { row } = instruction;
      const target = targetOf(instruction);
      if (row.kind === "exit") return;
      if (row.kind === "jump") {
        this.#meet(target!, state);
        return;
      }
      if (row.kind === "branch64" || row.kind === "branch32") {
        const taken = outcomeOf(row, instruction, state);
        if (taken !== false) this.#go(at, TAKEN, target!, state);
        if (taken === true) return;
        this.#ways.set(at, (this.#ways.get(at) ?? 0) | NOT_TAKEN);
      } else if (row.kind === "may_goto") {
        this.#meet(target!, state);
      } else {
        this.#step(instruction, target, state);
      }
      if (instruction.code === LOAD_IMMEDIATE_64) this.#reached[at + 1] = 1;
      at += instruction.code === LOAD_IMMEDIATE_64 ? 2 : 1;
    }
  }

  #go(at: number, way: number, to: number, state: State): void {
    this.#ways.set(at, (this.#ways.get(at) ?? 0) | way);
    this.#meet(to, state);
  }

  /** What an instruction that goes on to the next leaves in the registers. */
  #step(instruction: Instruction, target: number | undefined, state: State): void {
    const { row, dst, src, offset } = instruction;
    switch (row.kind) {
      case "alu64":
      case "alu32":
        state[dst] = aluResult(row, instruction, state);
        return;
      case "load":
        state[dst] = this.#loaded(state[src] ?? null, offset, row.size, row.signed);
        return;
      case "load_imm64":
        state[dst] = this.#immediate(instruction);
        // A callback: whoever calls it gives it what it likes.
        if (target !== undefined) this.#meet(target, nothingKnown());
        return;
      case "call":
        if (target !== undefined) {
          const entry = nothingKnown();
          for (let register = 1; register <= 5; register++) entry[register] = state[register] ?? null;
          this.#meet(target, entry);
        }
        state.fill(null, 0, 6);
        return;
      case "legacy_load":
        state.fill(null, 0, 6);
        return;
      default:
        if (row.writes.includes("dst")) state[dst] = null;
        if (row.writes.includes("src")) state[src] = null;
        if (row.writes.includes("r0")) state[0] = null;
    }
  }

  #immediate(instruction: Instruction): Known {
    const { row, imm, high } = instruction;
    if (row.kind !== "load_imm64") return null;
    if (row.source === "value") return wideImmediate(instruction);
    return row.source === "map_value" && this.#maps[imm]?.frozen === true ? { map: imm, offset: BigInt(high) } : null;
  }

  /** Bytes of a frozen value, little-endian; a section of zeros has no contents of its own. */
  #loaded(from: Known, offset: number, size: number, signed: boolean): Known {
    if (from === null || typeof from === "bigint") return null;
    const { contents, valueSize } = this.#maps[from.map]!;
    const at = from.offset + BigInt(offset);
    if (at < 0n || at + BigInt(size) > BigInt(valueSize)) return null;
    let value = 0n;
    for (let index = size - 1; index >= 0; index--) value = (value << 8n) | BigInt(contents?.[Number(at) + index] ?? 0);
    return signed ? BigInt.asUintN(64, BigInt.asIntN(size * 8, value)) : value;
  }
}

function isSame(a: Known, b: Known): boolean {
  if (a === null || b === null || typeof a === "bigint" || typeof b === "bigint") return a === b;
  return a.map === b.map && a.offset === b.offset;
}

/** The operand that a register or the immediate gives, at the width of the instruction. */
function operandOf({ operand }: AluRow | BranchRow, { src, imm }: Instruction, state: State): Known {
  return operand === "src" ? (state[src] ?? null) : BigInt.asUintN(64, BigInt(imm));
}

const low = (value: bigint): bigint => BigInt.asUintN(32, value);

function aluResult(row: AluRow, instruction: Instruction, state: State): Known {
  const operand = row.operand === "none" ? 0n : operandOf(row, instruction, state);
  const isMove = row.operation === "mov";
  const before = isMove ? 0n : (state[instruction.dst] ?? null);
  if (operand === null || before === null) return null;
  if (typeof operand === "bigint" && typeof before === "bigint")
    return row.kind === "alu64" ? row.meaning(on64, before, operand) : row.meaning(on32, low(before), low(operand));
  return row.kind === "alu64" ? addressResult(row.operation, before, operand) : null;
}

/** Addresses are copied, and moved by numbers. */
function addressResult(operation: string, before: Known, operand: Known): Known {
  if (operation === "mov") return operand;
  if (operation !== "add" && operation !== "sub") return null;
  const [address, by] = typeof before === "bigint" ? [operand, before] : [before, operand];
  if (address === null || typeof address === "bigint" || typeof by !== "bigint" || (operation === "sub" && by !== operand)) return null;
  const distance = BigInt.asIntN(64, by);
  return { map: address.map, offset: address.offset + (operation === "add" ? distance : -distance) };
}

/** Whether a branch is taken; null where that is not known. */
function outcomeOf(row: BranchRow, instruction: Instruction, state: State): boolean | null {
  const operand = operandOf(row, instruction, state);
  const tested = state[instruction.dst] ?? null;
  if (typeof operand !== "bigint" || typeof tested !== "bigint") return null;
  return row.kind === "branch64" ? row.condition(on64, tested, operand) : row.condition(on32, low(tested), low(operand));
}
