import { decodeBase64, MAX_PROGRAMS } from "../layout/index.ts";
import { runtimeBase64 } from "./runtime.generated.ts";

/** What runtime.wasm exports: functions by the names of their AssemblyScript sources, and the mutable global `cpu`. */
export type RuntimeExports = Readonly<Record<string, WebAssembly.ExportValue>>;

/** One thread's surroundings for compiled programs: the shared memory, its own table, its own instance of the runtime. */
export interface RuntimeInstance {
  readonly memory: WebAssembly.Memory;
  /** Slot n holds the function of the program (or callback) with id n, the same in every worker. Slot 0 stays empty. */
  readonly table: WebAssembly.Table;
  readonly exports: RuntimeExports;
}

/** Runs a cold helper, by its number; arguments and result stand in the CPU block at address `cpu` (`arguments`, `result`). */
export type SlowCall = (helper: number, cpu: number) => void;

let compiled: WebAssembly.Module | undefined;

/** The runtime's module, compiled once per thread. */
export function runtimeModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(decodeBase64(runtimeBase64));
  return compiled;
}

export function instantiateRuntime(memory: WebAssembly.Memory, slow: SlowCall, module = runtimeModule()): RuntimeInstance {
  const table = new WebAssembly.Table({ element: "anyfunc", initial: MAX_PROGRAMS });
  const instance = new WebAssembly.Instance(module, { env: { memory, table }, "cold.as": { slow } });
  return { memory, table, exports: instance.exports };
}
