export { instantiateRuntime, type RuntimeExports, type RuntimeInstance, runtimeModule, type SlowCall } from "./instance.ts";
export { SimulatedMemory, type Zone } from "./memory.ts";
