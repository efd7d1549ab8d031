import { installInterpreted, interpretProgram } from "../../bpf/interp/index.ts";
import { compileProgram, installProgram } from "../../bpf/jit/index.ts";
import type { VerifiedProgram } from "../../bpf/verifier/index.ts";
import { MapHeader } from "../../layout/index.ts";
import { type BpfMap, mapOperation, type RuntimeInstance, type SimulatedMemory, tailCallSlot } from "../../runtime/index.ts";

export type CaseEngine = "jit" | "interp";

/** What programs of a case are loaded into. */
export interface LoadInto {
  readonly memory: SimulatedMemory;
  readonly runtime: RuntimeInstance;
  /** By index in the case's `maps`. */
  readonly maps: readonly BpfMap[];
}

/** Puts a checked program into the function table from `slot` on; gives the number of slots it takes. */
export type LoadProgram = (program: VerifiedProgram, slot: number, into: LoadInto) => number;

const compiledMap = (memory: SimulatedMemory, { address, spec }: BpfMap) => ({
  address,
  type: spec.type,
  keySize: spec.keySize,
  valueSize: spec.valueSize,
  maxEntries: spec.maxEntries,
  flags: spec.flags,
  stride: MapHeader.read(memory.view, address, "stride"),
  elements: MapHeader.read(memory.view, address, "elements"),
  cpuStride: MapHeader.read(memory.view, address, "cpu_stride"),
});

function loadCompiled(program: VerifiedProgram, slot: number, { memory, runtime, maps }: LoadInto): number {
  const environment = { slot, maps: maps.map((map) => compiledMap(memory, map)), mapOperation, tailCallSlot };
  const compiled = compileProgram(program, environment);
  const { table, exports } = runtime;
  const module = new WebAssembly.Module(compiled.bytes);
  const instance = new WebAssembly.Instance(module, { env: { memory: runtime.memory, table }, runtime: exports });
  installProgram(compiled, instance, table);
  return compiled.slots;
}

function loadInterpreted(program: VerifiedProgram, slot: number, { memory, runtime, maps }: LoadInto): number {
  const interpreted = interpretProgram(program, { slot, maps: maps.map((map) => compiledMap(memory, map)) }, runtime);
  installInterpreted(interpreted, runtime.table);
  return 1 + interpreted.callbacks.length;
}

export const engines: Readonly<Record<CaseEngine, LoadProgram>> = { jit: loadCompiled, interp: loadInterpreted };
