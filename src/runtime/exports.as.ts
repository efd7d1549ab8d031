export { jiffies64, ktimeGetBootNs, ktimeGetCoarseNs, ktimeGetNs, ktimeGetTaiNs } from "./clock.as";
export { cold } from "./cold.as";
export { cpu, getNumaNodeId, getSmpProcessorId, setCpu } from "./cpu.as";
export { dynptrData, dynptrFromMem, dynptrRead, dynptrWrite } from "./dynptr.as";
export { releaseLocks, spinLock, spinUnlock } from "./lock.as";
export { forEachMapElem, loop } from "./loop.as";
export { arrayLookup, percpuArrayLookup } from "./maps/array.as";
export { hashLookup, hashLookup4, hashLookup8, hashLookup16, percpuHashLookup, percpuHashLookup4 } from "./maps/hash.as";
export { lpmLookup } from "./maps/lpm.as";
export { lruLookup, lruLookup4, lruLookup8, lruLookup16, lruUpdate } from "./maps/lruHash.as";
export { innerOfArray, innerOfHash } from "./maps/mapInMap.as";
export {
  hostDeleteElem,
  hostLookupElem,
  hostUpdateElem,
  mapDeleteElem,
  mapLookupElem,
  mapLookupPercpuElem,
  mapPeekElem,
  mapPopElem,
  mapPushElem,
  mapUpdateElem,
} from "./maps/operations.as";
export { tailCallSlot } from "./maps/progArray.as";
export { ringbufDiscard, ringbufOutput, ringbufQuery, ringbufReserve, ringbufSubmit } from "./maps/ringbuf.as";
export { getPrandomU32 } from "./random.as";
export { repeatProgram } from "./repeat.as";
export { runProgram } from "./run.as";
export { strncmp, strtol, strtoul } from "./strings.as";
