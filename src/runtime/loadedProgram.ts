import { installInterpreted, interpretProgram } from "../bpf/interp/index.ts";
import { type CompiledMap, type CompiledProgram, compileProgram, installProgram, locateTrap } from "../bpf/jit/index.ts";
import type { ProgramSpec } from "../bpf/spec.ts";
import type { InstructionPrices, VerifiedProgram } from "../bpf/verifier/index.ts";
import {
  BPF_F_NO_USER_CONV,
  BPF_MAP_TYPE_ARENA,
  CpuBlock,
  MAX_PROGRAMS,
  ProgramStats,
  TRAP_BUDGET,
  TRAP_DEPTH,
  TRAP_HELPER,
  TRAP_MAP_ACCESS,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { arenaStart } from "./arena.ts";
import type { BpfMap } from "./bpfMap.ts";
import { resetCpu } from "./cpus.ts";
import type { RuntimeInstance } from "./instance.ts";
import type { MapHost } from "./mapHost.ts";
import { mapOperation, tailCallSlot } from "./mapOperation.ts";
import type { SimulatedMemory } from "./memory.ts";
import { problems } from "./problems.ts";
import { timeProgram } from "./timedProgram.ts";

export type Engine = "jit" | "interp";

/** A program that stands in the function table and can run. */
export interface LoadedProgram {
  readonly name: string;
  /** Its id: index in the function table, the same in every worker. Callbacks take the `slots` - 1 indices behind it. */
  readonly slot: number;
  readonly slots: number;
  readonly engine: Engine;
  /** Bytes of its WebAssembly module; 0 for an interpreted program. */
  readonly wasmBytes: number;
  readonly verified: VerifiedProgram;
  /** The maps that its references stand for, by index in the spec's `maps`. */
  readonly maps: readonly BpfMap[];
  /** What a worker needs to have it too. */
  readonly portable: PortableProgram;
}

/** A program in a form that can be posted to a worker. A compiled one's module brings its optimised code along. `timed`: its running time is measured. */
export type PortableProgram =
  | {
      readonly engine: "jit";
      readonly slot: number;
      readonly timed: boolean;
      readonly module: WebAssembly.Module;
      readonly compiled: Omit<CompiledProgram, "bytes">;
    }
  | {
      readonly engine: "interp";
      readonly slot: number;
      readonly timed: boolean;
      readonly spec: ProgramSpec;
      readonly maps: readonly CompiledMap[];
      readonly prices?: InstructionPrices;
    };

/** What `installPortable` takes: a `VerifiedProgram` cannot be posted, so whoever installs an interpreted program checks it again. */
type InstallableProgram =
  | Extract<PortableProgram, { engine: "jit" }>
  | (Extract<PortableProgram, { engine: "interp" }> & { readonly verified: VerifiedProgram });

/** What compiled and interpreted programs know of a map. */
export const compiledMap = ({ address, spec, elements, stride, cpuStride }: BpfMap): CompiledMap => ({
  address,
  type: spec.type,
  keySize: spec.keySize,
  valueSize: spec.valueSize,
  maxEntries: spec.maxEntries,
  stride,
  elements,
  cpuStride,
  flags: spec.flags,
  ...(spec.type === BPF_MAP_TYPE_ARENA ? { arena: { start: arenaStart(spec), converts: (spec.flags & BPF_F_NO_USER_CONV) === 0 } } : {}),
});

/** Instantiates a program in a thread and puts it into that thread's table. */
export function installPortable(program: InstallableProgram, runtime: RuntimeInstance): void {
  const { memory, table, exports } = runtime;
  if (program.engine === "interp") {
    installInterpreted(interpretProgram(program.verified, program, runtime), table);
  } else {
    const instance = new WebAssembly.Instance(program.module, { env: { memory, table }, runtime: exports });
    installProgram(program.compiled as CompiledProgram, instance, table);
  }
  if (program.timed) timeProgram(program.slot, runtime);
}

/** Takes a program and its callbacks out of a thread's table. Nothing may refer to them any more. */
export function uninstallProgram({ slot, slots }: Pick<LoadedProgram, "slot" | "slots">, { table }: RuntimeInstance): void {
  for (let index = slot; index < slot + slots; index++) table.set(index, null);
}

/** Gives programs their places in the function table of the main thread. */
export class ProgramLoader {
  readonly #host: MapHost;
  readonly #timed: boolean;
  readonly #prices: { readonly prices?: InstructionPrices };
  #next = 1;
  /** Places that programs gave up, by how many indices they take. */
  readonly #free = new Map<number, number[]>();

  /** `timed`: measure the programs' running time. `prices`: they add what they execute to `spent`. */
  constructor(host: MapHost, { timed = false, prices }: { readonly timed?: boolean; readonly prices?: InstructionPrices } = {}) {
    this.#host = host;
    this.#timed = timed;
    this.#prices = prices === undefined ? {} : { prices };
  }

  /** `maps`: one for each of the spec's, in its order. Throws when the table is full. */
  load(verified: VerifiedProgram, maps: readonly BpfMap[], engine: Engine = "jit"): LoadedProgram {
    const slots = 1 + verified.callbacks.length;
    const slot = this.#take(slots, verified.spec.name);
    const known = maps.map(compiledMap);
    const loaded = { name: verified.spec.name, slot, slots, engine, verified, maps };
    const { runtime } = this.#host;
    const timed = this.#timed;
    if (engine === "interp") {
      const portable: PortableProgram = { engine, slot, timed, spec: verified.spec, maps: known, ...this.#prices };
      installPortable({ ...portable, verified }, runtime);
      return { ...loaded, wasmBytes: 0, portable };
    }
    const { bytes, ...compiled } = compileProgram(verified, { slot, maps: known, mapOperation, tailCallSlot, ...this.#prices });
    const portable: PortableProgram = { engine, slot, timed, module: new WebAssembly.Module(bytes), compiled };
    installPortable(portable, runtime);
    return { ...loaded, wasmBytes: bytes.length, portable };
  }

  #take(slots: number, program: string): number {
    const free = this.#free.get(slots)?.pop();
    if (free !== undefined) return free;
    const slot = this.#next;
    if (slot + slots > MAX_PROGRAMS) throw new ProblemError(problems.program_table_full({ program, limit: MAX_PROGRAMS }));
    this.#next += slots;
    return slot;
  }

  /** Gives a program's place to whoever is loaded next. No CPU may be able to reach it, and nobody may want its statistics any more. */
  release({ slot, slots }: Pick<LoadedProgram, "slot" | "slots">): void {
    uninstallProgram({ slot, slots }, this.#host.runtime);
    const { view } = this.#host.memory;
    for (const block of this.#host.cpus.blocks) {
      const stats = CpuBlock.read(view, block, "program_stats") + slot * ProgramStats.size;
      this.#host.memory.bytes.fill(0, stats, stats + slots * ProgramStats.size);
    }
    const free = this.#free.get(slots);
    if (free === undefined) this.#free.set(slots, [slot]);
    else free.push(slot);
  }
}

/** Why a run ended early. */
export interface Trap {
  /** `budget`, `helper`, `depth`, `map_access`, or `memory` for what WebAssembly itself refused. */
  readonly reason: "budget" | "helper" | "depth" | "map_access" | "memory";
  readonly message: string;
  /** `helper`: the number of the helper or kernel function that is not there. `map_access`: the map's id. */
  readonly detail: number;
  /** The program's instruction that ran, where the stack shows it. */
  readonly instruction: number | undefined;
}

export type RunResult = { readonly returned: bigint } | { readonly trap: Trap };

const reasons: Readonly<Record<number, Trap["reason"]>> = {
  [TRAP_BUDGET]: "budget",
  [TRAP_HELPER]: "helper",
  [TRAP_DEPTH]: "depth",
  [TRAP_MAP_ACCESS]: "map_access",
};

/**
 * Reads why the current CPU's run ended from its block, releases what it held and puts the CPU back to rest. `error` is what the call of the
 * run threw; anything but a trap is thrown on.
 */
export function takeTrap(
  memory: Pick<SimulatedMemory, "view">,
  runtime: RuntimeInstance,
  programs: readonly PortableProgram[],
  error: unknown,
): Trap {
  const isTrap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
  if (!isTrap) throw error;
  const block = (runtime.exports.cpu as WebAssembly.Global).value as number;
  const { view } = memory;
  const reason = reasons[CpuBlock.read(view, block, "trap")] ?? "memory";
  const detail = CpuBlock.read(view, block, "trap_detail");
  (runtime.exports.releaseLocks as () => void)();
  (runtime.exports.releaseConnections as () => void)();
  resetCpu(memory, block);
  return { reason, message: error.message, detail, instruction: locate(programs, error) };
}

function locate(programs: readonly PortableProgram[], error: Error & { readonly instruction?: number }): number | undefined {
  if (typeof error.instruction === "number") return error.instruction;
  for (const program of programs) {
    if (program.engine !== "jit") continue;
    const at = locateTrap(program.compiled.name, program.compiled.traps, error.stack ?? "");
    if (at !== undefined) return at;
  }
  return undefined;
}

/** Runs a program once on CPU `cpu` (index), on the context at this address: its return value, or the trap that ended it. */
export function runOnce(host: MapHost, program: LoadedProgram, context: number, cpu = 0): RunResult {
  const { runtime, memory, cpus } = host;
  const global = runtime.exports.cpu as WebAssembly.Global;
  const before = global.value;
  global.value = cpus.blocks[cpu];
  try {
    return { returned: (runtime.exports.runProgram as (slot: number, context: number) => bigint)(program.slot, context) };
  } catch (error) {
    return { trap: takeTrap(memory, runtime, [program.portable], error) };
  } finally {
    global.value = before;
  }
}
