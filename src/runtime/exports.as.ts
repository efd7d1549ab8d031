export { jiffies64, ktimeGetBootNs, ktimeGetCoarseNs, ktimeGetNs, ktimeGetTaiNs } from "./clock.as";
export { cold } from "./cold.as";
export { cpu, getNumaNodeId, getSmpProcessorId, setCpu } from "./cpu.as";
export { dynptrData, dynptrFromMem, dynptrRead, dynptrWrite } from "./dynptr.as";
export { releaseLocks, spinLock, spinUnlock } from "./lock.as";
export { arrayLookup, percpuArrayLookup } from "./maps/array.as";
export {
  hashDelete,
  hashLookup,
  hashLookup4,
  hashLookup8,
  hashLookup16,
  hashUpdate,
  percpuHashLookup,
  percpuHashLookup4,
} from "./maps/hash.as";
export { hostLookupElem, hostUpdateElem, mapDeleteElem, mapLookupElem, mapUpdateElem } from "./maps/operations.as";
export { tailCallSlot } from "./maps/progArray.as";
export { getPrandomU32 } from "./random.as";
export { repeatProgram } from "./repeat.as";
export { runProgram } from "./run.as";
