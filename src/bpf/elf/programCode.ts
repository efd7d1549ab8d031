import { type ElfFunction, INSTRUCTION_SIZE } from "./functions.ts";

/** Code of a call (RFC 9669). */
const CALL = 0x85;

/** A function that has its place in a program being put together. */
export interface Placed {
  readonly code: ElfFunction;
  /** Its first instruction in the program. */
  readonly base: number;
  /** The next of its instructions to be looked at. */
  next: number;
}

/** A program being put together: its instructions so far, which function stands where, and what could not be resolved. */
export class ProgramCode {
  readonly name: string;
  readonly functions: Placed[] = [];
  readonly poisoned = new Map<number, string>();
  readonly kfuncs = new Set<number>();
  readonly #placed = new Map<ElfFunction, Placed>();
  #buffer = new Uint8Array(1024);
  #view = new DataView(this.#buffer.buffer);
  count = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Gives a function its place behind all that is there; its instructions are to be appended next. */
  place(code: ElfFunction): Placed {
    const placed = { code, base: this.count, next: 0 };
    this.functions.push(placed);
    this.#placed.set(code, placed);
    return placed;
  }

  /** Hands the place of a function to `patch`, or, if it has none yet, gives it one and returns it. */
  refer(code: ElfFunction, patch: (base: number) => void): Placed | null {
    const placed = this.#placed.get(code);
    if (placed === undefined) return this.place(code);
    patch(placed.base);
    return null;
  }

  append(bytes: Uint8Array): void {
    const used = this.count * INSTRUCTION_SIZE;
    if (used + bytes.length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#buffer.length * 2, used + bytes.length));
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#buffer.set(bytes, used);
    this.count += bytes.length / INSTRUCTION_SIZE;
  }

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.count * INSTRUCTION_SIZE);
  }

  opcode(at: number): number {
    return this.#buffer[at * INSTRUCTION_SIZE]!;
  }

  source(at: number): number {
    return this.#buffer[at * INSTRUCTION_SIZE + 1]! >> 4;
  }

  immediate(at: number): number {
    return this.#view.getInt32(at * INSTRUCTION_SIZE + 4, true);
  }

  wideImmediate(at: number): bigint {
    return (BigInt(this.immediate(at + 1) >>> 0) << 32n) | BigInt(this.immediate(at) >>> 0);
  }

  offset(at: number): number {
    return this.#view.getInt16(at * INSTRUCTION_SIZE + 2, true);
  }

  setOpcode(at: number, opcode: number): void {
    this.#buffer[at * INSTRUCTION_SIZE] = opcode;
  }

  setOffset(at: number, offset: number): void {
    this.#view.setInt16(at * INSTRUCTION_SIZE + 2, offset, true);
  }

  setImmediate(at: number, immediate: number): void {
    this.#view.setInt32(at * INSTRUCTION_SIZE + 4, immediate, true);
  }

  /** Puts a call of a helper that does not exist in place of an instruction. */
  setUnknownCall(at: number, helper: number): void {
    this.#buffer.fill(0, at * INSTRUCTION_SIZE, (at + 1) * INSTRUCTION_SIZE);
    this.setOpcode(at, CALL);
    this.setImmediate(at, helper);
  }

  setLoad(at: number, source: number, low: number, high: number): void {
    this.#setSource(at, source);
    this.#view.setInt32(at * INSTRUCTION_SIZE + 4, low, true);
    this.#view.setInt32((at + 1) * INSTRUCTION_SIZE + 4, high, true);
  }

  setCall(at: number, source: number, immediate: number): void {
    this.#setSource(at, source);
    this.#view.setInt32(at * INSTRUCTION_SIZE + 4, immediate, true);
  }

  #setSource(at: number, source: number): void {
    const byte = at * INSTRUCTION_SIZE + 1;
    this.#buffer[byte] = (this.#buffer[byte]! & 0x0f) | (source << 4);
  }
}
