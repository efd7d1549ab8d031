export type { Arena } from "./arena.ts";
export { callbackSlots } from "./asyncCallbacks.ts";
export { BpfMap, type MapEntry, type MapValue } from "./bpfMap.ts";
export { type ColdSinks, coldHelpers, type TraceLine } from "./coldHelpers.ts";
export { type CpuOptions, createCpus, resetCpu, type SimulatedCpus } from "./cpus.ts";
export { createMap } from "./createMap.ts";
export { generalHelpers } from "./helpers.ts";
export { instantiateRuntime, type RuntimeExports, type RuntimeInstance, runtimeModule, type SlowCall } from "./instance.ts";
export { generalKfuncs } from "./kfuncs.ts";
export {
  compiledMap,
  type Engine,
  installPortable,
  type LoadedProgram,
  type PortableProgram,
  ProgramLoader,
  type RunResult,
  runOnce,
  type Trap,
  takeTrap,
  uninstallProgram,
} from "./loadedProgram.ts";
export { MapHost } from "./mapHost.ts";
export { mapOperation, tailCallSlot } from "./mapOperation.ts";
export { isPerCpu } from "./mapRules.ts";
export { SimulatedMemory, type Zone } from "./memory.ts";
export {
  closePerfBuffer,
  drainPerfBuffer,
  drainRing,
  openPerfBuffer,
  type PerfRecords,
  type RingMap,
  type RingMemory,
  ringLost,
  writeUserRing,
} from "./rings.ts";
export { type PerCpu, TypedMap, type Writable } from "./typedMap.ts";
