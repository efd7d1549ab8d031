import type { RuntimeFunction } from "../spec.ts";
import type { InterpreterMemory } from "./memory.ts";

/** A function while it runs. */
export interface Frame {
  /** r0 to r10, 64 bits without sign. A callee has its own; r10 is set once. */
  readonly registers: BigUint64Array;
  /** Lowest address of the 512 bytes of stack. */
  readonly fp: number;
  /** Times that may_goto still goes on. */
  mayGoto: number;
}

/** Does one instruction and gives the next; -1 ends the function, with its result in r0. */
export type Step = (frame: Frame) => number;

/** Ends a function. */
export const RETURN = -1;

/** What instructions need beside their frame. */
export interface Machine {
  readonly memory: InterpreterMemory;
  /** Address of the CPU block whose turn it is. */
  readonly cpu: () => number;
  /** The context that the program was started with. */
  readonly context: () => number;
  readonly table: WebAssembly.Table;
  /** Table indices of the program's callbacks. */
  readonly callbacks: { readonly first: number; readonly count: number };
  /** A function of the runtime, from its export's name. Throws when the runtime has none. */
  runtimeFunction(called: RuntimeFunction): RuntimeCall;
  /** Runs the function at `start` with r1..r5 of `caller`, on the frame below the caller's. */
  callFunction(start: number, caller: Frame): bigint;
  /** Ends the run: TRAP_* and a detail go to the CPU block. */
  trap(reason: number, detail: number, message: string): never;
  /** A bpf_throw is under way: every function ends at once. */
  thrown(): boolean;
  /** Burns so much fuel; ends the run when there is none left. */
  burn(units: number): void;
}

/** A function of the runtime with its arguments as registers hold them; the result is what r0 gets, modulo 2^64. */
export type RuntimeCall = (registers: readonly bigint[]) => bigint;
