import { assemble, decode, type Symbols, targetOf } from "../../../src/bpf/isa/index.ts";
import { type CompiledProgram, type CompileEnvironment, compileProgram, installProgram } from "../../../src/bpf/jit/index.ts";
import type { FunctionSpec, ProgramSpec, ProgramType } from "../../../src/bpf/spec.ts";
import type { VerifiedProgram } from "../../../src/bpf/verifier/index.ts";
import { CPU_STACK_SIZE, CpuBlock } from "../../../src/layout/index.ts";
import { instantiateRuntime } from "../../../src/runtime/instance.ts";
import { SimulatedMemory } from "../../../src/runtime/memory.ts";

/** A program's text, and the places of its functions behind the first. */
export function programSpec(text: string, symbols: Symbols = {}, functions: readonly FunctionSpec[] = []): ProgramSpec {
  return {
    name: "program",
    section: "xdp",
    type: "xdp",
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    instructions: assemble(text, symbols),
    maps: [],
    functions: [{ instruction: 0, name: "program" }, ...functions],
    lines: [],
  };
}

/**
 * Tests of the compiler give it programs that no check would let pass, with helpers of their own, so they state by themselves what the checks
 * would have stated.
 */
export function unchecked(spec: ProgramSpec, type: Partial<ProgramType> = {}): VerifiedProgram {
  const instructions = decode(spec.instructions);
  const starts = spec.functions.map(({ instruction }) => instruction);
  const callbacks = instructions.flatMap((made) =>
    made?.row.kind === "load_imm64" && made.row.source === "function" ? [targetOf(made)!] : [],
  );
  return {
    spec,
    type: { helpers: new Map(), ...type },
    instructions,
    functions: spec.functions.map(({ name }, index) => ({ name, start: starts[index], end: starts[index + 1] ?? instructions.length })),
    callbacks: [...new Set(callbacks)].sort((a, b) => a - b),
    unbuilt: spec.poisoned ?? new Map(),
  } as unknown as VerifiedProgram;
}

export type Surroundings = Partial<CompileEnvironment & Pick<ProgramType, "helpers" | "legacyLoads">>;

/** One CPU in a memory of its own: compiles programs into the table and runs them. */
export class Machine {
  readonly memory = new SimulatedMemory();
  readonly cpu: number;
  readonly stacks: number;
  readonly runtime;
  #slot = 1;

  constructor(extra: Record<string, WebAssembly.ExportValue> = {}) {
    this.cpu = this.memory.allocate("engine", CpuBlock.size, 64, "CPU block");
    this.stacks = this.memory.allocate("program", CPU_STACK_SIZE, 64, "stacks");
    const { memory, table, exports } = instantiateRuntime(this.memory.memory, () => {});
    this.runtime = { memory, table, exports: { ...exports, ...extra } };
    (exports.cpu as WebAssembly.Global).value = this.cpu;
    this.write("stacks", this.stacks);
  }

  read(field: keyof typeof CpuBlock.at): number {
    return CpuBlock.read(this.memory.view, this.cpu, field);
  }

  write(field: keyof typeof CpuBlock.at, value: number): void {
    CpuBlock.write(this.memory.view, this.cpu, field, value);
  }

  get fuel(): bigint {
    return (this.runtime.exports.fuel as WebAssembly.Global).value as bigint;
  }

  /** Compiles into the next free slots. */
  load(spec: ProgramSpec, { helpers, legacyLoads, ...environment }: Surroundings = {}): CompiledProgram {
    const type = { ...(helpers && { helpers }), ...(legacyLoads && { legacyLoads }) };
    const compiled = compileProgram(unchecked(spec, type), { slot: this.#slot, maps: [], ...environment });
    this.#slot += compiled.slots;
    const { memory, table, exports } = this.runtime;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), { env: { memory, table }, runtime: exports });
    installProgram(compiled, instance, table);
    return compiled;
  }

  /** Readies the CPU block as whoever starts a program does, and runs it. r0 without a sign. */
  run({ slot }: Pick<CompiledProgram, "slot">, context = 0, fuel = 1_000_000n): bigint {
    this.write("fp", this.stacks + CPU_STACK_SIZE - 1024);
    this.write("tail_calls", 0);
    this.write("trap", 0);
    this.write("trap_detail", 0);
    (this.runtime.exports.fuel as WebAssembly.Global).value = fuel;
    const run = this.runtime.table.get(slot) as (context: bigint) => bigint;
    return BigInt.asUintN(64, run(BigInt(context)));
  }
}

export const evaluate = (text: string, context = 0): bigint => {
  const machine = new Machine();
  return machine.run(machine.load(programSpec(text)), context);
};
