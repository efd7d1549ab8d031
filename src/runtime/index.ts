export { BpfMap, type MapEntry, type MapValue } from "./bpfMap.ts";
export { type CpuOptions, createCpus, DEFAULT_FUEL, resetCpu, type SimulatedCpus } from "./cpus.ts";
export { createMap } from "./createMap.ts";
export { generalHelpers } from "./helpers.ts";
export { instantiateRuntime, type RuntimeExports, type RuntimeInstance, runtimeModule, type SlowCall } from "./instance.ts";
export { MapHost } from "./mapHost.ts";
export { mapTypeName } from "./mapRules.ts";
export { SimulatedMemory, type Zone } from "./memory.ts";
