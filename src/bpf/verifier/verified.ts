import type { Instruction } from "../isa/index.ts";
import type { ProgramSpec, ProgramType } from "../spec.ts";

declare const verified: unique symbol;

/** A function of a verified program: instructions start to end - 1. */
export interface VerifiedFunction {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  /** A ld_imm64 takes its address: helpers may call it. Callbacks take the table slots behind their program's, in the order of `callbacks`. */
  readonly callback: boolean;
  /** Starts of the functions that it calls. */
  readonly calls: ReadonlySet<number>;
  /** A jump leads backwards. */
  readonly loops: boolean;
}

/** A program that passed the checks; only `verify` makes one. */
export interface VerifiedProgram {
  readonly [verified]: true;
  readonly accepted: true;
  readonly spec: ProgramSpec;
  readonly type: ProgramType;
  /** By slot; undefined stands in the second slot of every ld_imm64 and nowhere else. */
  readonly instructions: readonly (Instruction | undefined)[];
  /** In the order of their places; the first is the program itself. */
  readonly functions: readonly VerifiedFunction[];
  /** First instructions of the callbacks, ascending. */
  readonly callbacks: readonly number[];
  /** Some function loops. */
  readonly loops: boolean;
  /** Indices into `spec.maps`. */
  readonly maps: ReadonlySet<number>;
  /** Numbers of the helpers that it calls and that its type has. */
  readonly helpers: ReadonlySet<number>;
  /** It holds a call of bpf_throw: what follows calls and callbacks has to look whether one threw. */
  readonly throws: boolean;
  /**
   * Instructions that trap when they are reached, and why: helpers, kfuncs, variables and relocations that are not built, and faults that the
   * kernel's main pass would reject if it came to them. What else the instruction says means nothing.
   */
  readonly unbuilt: ReadonlyMap<number, string>;
}

/** What `verify` states of a program: not exported beyond this folder. */
export const mint = (facts: Omit<VerifiedProgram, typeof verified | "accepted">): VerifiedProgram =>
  ({ ...facts, accepted: true }) as unknown as VerifiedProgram;
