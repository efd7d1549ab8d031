import { BPF_MAX_LOOPS, CpuBlock, MAX_BPF_STACK, TRAP_BUDGET } from "../../layout/index.ts";
import type { RuntimeFunction } from "../spec.ts";
import { fuelCosts, type PricedInstructions, priceInstructions, type VerifiedProgram } from "../verifier/index.ts";
import { low32 } from "./calls.ts";
import { type Frame, type Machine, RETURN, type RuntimeCall, type Step } from "./machine.ts";
import { InterpreterMemory } from "./memory.ts";
import { type InterpreterEnvironment, stepsOf } from "./steps.ts";
import { InterpreterTrap } from "./trap.ts";

/** What a program runs in: the memory, the function table, and what runtime.wasm exports (functions, and the global `cpu`). */
export interface InterpreterRuntime {
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  readonly exports: Readonly<Record<string, WebAssembly.ExportValue>>;
}

/** A program that runs in the interpreter. */
export interface InterpretedProgram {
  readonly name: string;
  readonly slot: number;
  /** The program: context address to return value, 64 bits without sign. Its stack frame is taken from the CPU block. Throws WebAssembly.RuntimeError on a trap. */
  run(context: bigint): bigint;
  /** One for each of the program's callbacks, in order; r1 to r5 to r0. Their frame is the CPU block's `callback_fp`. */
  readonly callbacks: readonly ((...given: readonly bigint[]) => bigint)[];
}

/**
 * Prepares a program for the interpreter: each instruction becomes a function, once. This is the reference that the compiler is compared with; both call the
 * same functions of the runtime for helpers.
 */
export function interpretProgram(
  verified: VerifiedProgram,
  environment: InterpreterEnvironment,
  runtime: InterpreterRuntime,
): InterpretedProgram {
  const interpreter = new Interpreter(verified, environment, runtime);
  return {
    name: verified.spec.name,
    slot: environment.slot,
    run: (context) => interpreter.run(context),
    callbacks: verified.callbacks.map(
      (start) =>
        (...given: readonly bigint[]) =>
          interpreter.runCallback(start, given),
    ),
  };
}

class Interpreter implements Machine {
  readonly memory: InterpreterMemory;
  readonly table: WebAssembly.Table;
  readonly cpu: () => number;
  readonly context: () => number;
  readonly callbacks: Machine["callbacks"];
  readonly #exports: InterpreterRuntime["exports"];
  readonly #name: string;
  readonly #entryCosts: ReadonlyMap<number, number>;
  readonly #fuel: WebAssembly.Global;
  readonly #spent: WebAssembly.Global;
  readonly #touched: WebAssembly.Global;
  readonly #steps: readonly (Step | undefined)[];
  readonly #throws: boolean;
  readonly #exceptionCallback: number | undefined;
  /** The instruction that runs, for traps. */
  #at = 0;

  constructor(verified: VerifiedProgram, environment: InterpreterEnvironment, { memory, table, exports }: InterpreterRuntime) {
    this.memory = new InterpreterMemory(memory);
    this.table = table;
    this.#exports = exports;
    this.#name = verified.spec.name;
    const cpu = exports.cpu as WebAssembly.Global;
    const context = exports.context as WebAssembly.Global;
    this.cpu = () => cpu.value >>> 0;
    this.context = () => context.value >>> 0;
    this.callbacks = { first: environment.slot + 1, count: verified.callbacks.length };
    this.#throws = verified.throws;
    this.#exceptionCallback = verified.spec.exceptionCallback;
    this.#fuel = exports.fuel as WebAssembly.Global;
    const { loops, functions } = fuelCosts(verified);
    this.#entryCosts = functions;
    const prices = environment.prices && priceInstructions(verified, environment.prices);
    this.#spent = exports.spent as WebAssembly.Global;
    this.#touched = exports.touched as WebAssembly.Global;
    this.#steps = stepsOf(verified, environment, this).map((step, index) =>
      this.#burning(this.#priced(step, index, prices), loops[index]!),
    );
  }

  run(context: bigint): bigint {
    this.memory.refresh();
    const fp = CpuBlock.read(this.memory.view, this.cpu(), "fp");
    const returned = this.#enter(0, fp, [context]);
    return this.#throws && this.thrown() ? this.#catch(fp) : returned;
  }

  /** Ends a run that threw: its result is the exception callback's, whose frame lies below the program's, or the cookie. */
  #catch(fp: number): bigint {
    const { view } = this.memory;
    const cpu = this.cpu();
    CpuBlock.write(view, cpu, "exception", 0);
    const cookie = CpuBlock.readBig(view, cpu, "exception_cookie");
    if (this.#exceptionCallback === undefined) return cookie;
    const returned = this.#enter(this.#exceptionCallback, (fp - MAX_BPF_STACK) >>> 0, [cookie]);
    CpuBlock.write(view, cpu, "exception", 0);
    return returned;
  }

  thrown(): boolean {
    return CpuBlock.read(this.memory.view, this.cpu(), "exception") !== 0;
  }

  runCallback(start: number, given: readonly bigint[]): bigint {
    this.memory.refresh();
    return this.#enter(start, CpuBlock.read(this.memory.view, this.cpu(), "callback_fp"), given);
  }

  callFunction(start: number, { registers, fp }: Frame): bigint {
    return this.#enter(start, (fp - MAX_BPF_STACK) >>> 0, registers.subarray(1, 6));
  }

  #enter(start: number, fp: number, given: readonly bigint[] | BigUint64Array): bigint {
    const registers = new BigUint64Array(11);
    registers.set(given, 1);
    registers[10] = BigInt(fp + MAX_BPF_STACK);
    this.#at = start;
    this.burn(this.#entryCosts.get(start)!);
    return this.#execute(start, { registers, fp, mayGoto: BPF_MAX_LOOPS });
  }

  #execute(start: number, frame: Frame): bigint {
    const steps = this.#steps;
    let at = start;
    try {
      while (at !== RETURN) {
        this.#at = at;
        at = steps[at]!(frame);
      }
    } catch (error) {
      // What leaves the memory traps in WebAssembly; a DataView and Atomics throw a RangeError.
      if (error instanceof RangeError) throw new InterpreterTrap("memory access out of bounds", this.#name, this.#at);
      throw error;
    }
    return frame.registers[0]!;
  }

  /** A step that a jump leads back to burns fuel each time. */
  #burning(step: Step | undefined, cost: number): Step | undefined {
    if (step === undefined || cost === 0) return step;
    return (frame) => {
      this.burn(cost);
      return step(frame);
    };
  }

  /** Where time is modelled, a step adds what it costs. */
  #priced(step: Step | undefined, index: number, prices: PricedInstructions | undefined): Step | undefined {
    if (step === undefined || prices === undefined) return step;
    const cost = BigInt(prices.costs[index]!);
    const touches = prices.touches[index] === 1;
    return (frame) => {
      this.#spent.value += cost;
      if (touches) this.#touched.value = 1;
      return step(frame);
    };
  }

  burn(units: number): void {
    const left = (this.#fuel.value as bigint) - BigInt(units);
    this.#fuel.value = left;
    if (left < 0n) this.trap(TRAP_BUDGET, 0, "the run used up its fuel");
  }

  trap(reason: number, detail: number, message: string): never {
    const { view } = this.memory;
    CpuBlock.write(view, this.cpu(), "trap", reason);
    CpuBlock.write(view, this.cpu(), "trap_detail", detail);
    throw new InterpreterTrap(message, this.#name, this.#at);
  }

  runtimeFunction({ entry, parameters, result }: RuntimeFunction): RuntimeCall {
    const exported = this.#exports[entry] as ((...values: (number | bigint)[]) => number | bigint | undefined) | undefined;
    if (exported === undefined) throw new Error(`the runtime exports no ${entry}`);
    const narrow = parameters.map((type) => type === "i32");
    return (registers) => {
      const answer = exported(...narrow.map((is32, at) => (is32 ? low32(registers[at]!) : registers[at]!)));
      switch (result) {
        case "i64":
          return answer as bigint;
        case "u32":
          return BigInt((answer as number) >>> 0);
        case "s32":
          return BigInt(answer as number);
        case "none":
          return 0n;
      }
    };
  }
}
