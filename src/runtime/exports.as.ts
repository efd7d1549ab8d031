export { jiffies64, ktimeGetBootNs, ktimeGetCoarseNs, ktimeGetNs, ktimeGetTaiNs } from "./clock.as";
export { cold } from "./cold.as";
export { csumDiff } from "./csumDiff.as";
export { cpu, getNumaNodeId, getSmpProcessorId, setCpu } from "./cpu.as";
export {
  dynptrAdjust,
  dynptrClone,
  dynptrCopy,
  dynptrData,
  dynptrFromMem,
  dynptrIsNull,
  dynptrIsRdonly,
  dynptrMemset,
  dynptrRead,
  dynptrSize,
  dynptrSlice,
  dynptrSliceRdwr,
  dynptrWrite,
  ringbufDiscardDynptr,
  ringbufReserveDynptr,
  ringbufSubmitDynptr,
} from "./dynptr.as";
export { iterBitsDestroy, iterBitsNew, iterBitsNext, iterNumDestroy, iterNumNew, iterNumNext } from "./iterators.as";
export { releaseLocks, spinLock, spinUnlock } from "./lock.as";
export { fuel, setFuel } from "./fuel.as";
export { spent, touched } from "./spent.as";
export { forEachMapElem, loop } from "./loop.as";
export { arenaAddress } from "./maps/arena.as";
export { arrayLookup, arrayUpdate, percpuArrayLookup, percpuArrayUpdate } from "./maps/array.as";
export {
  hashDelete,
  hashLookup,
  hashLookup4,
  hashLookup8,
  hashLookup16,
  hashUpdate,
  percpuHashLookup,
  percpuHashLookup4,
  percpuHashUpdate,
} from "./maps/hash.as";
export { hostNextKey, hostReadBatch, hostReadElem, hostTakeElem } from "./maps/hostAccess.as";
export { lpmDelete, lpmLookup, lpmUpdate } from "./maps/lpm.as";
export {
  lruDelete,
  lruLookup,
  lruLookup4,
  lruLookup8,
  lruLookup16,
  lruPercpuLookup,
  lruPercpuUpdate,
  lruUpdate,
} from "./maps/lruHash.as";
export { mapSumElemCount } from "./maps/count.as";
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
export { probeReadKernel, probeReadKernelStr, probeReadUser } from "./probe.as";
export { skStorageDelete, skStorageGet } from "./maps/skStorage.as";
export { userRingbufDrain } from "./maps/userRing.as";
export { getPrandomU32 } from "./random.as";
export { repeatProgram } from "./repeat.as";
export { runProgram } from "./run.as";
export { localIrqRestore, localIrqSave, noSection } from "./sections.as";
export {
  bpfStrcasecmp,
  bpfStrchr,
  bpfStrchrnul,
  bpfStrcmp,
  bpfStrcspn,
  bpfStrlen,
  bpfStrnchr,
  bpfStrnlen,
  bpfStrnstr,
  bpfStrrchr,
  bpfStrspn,
  bpfStrstr,
} from "./stringKfuncs.as";
export { strncmp, strtol, strtoul } from "./strings.as";
export { fireTimers } from "./fireTimers.as";
export { timerCancel, timerInit, timerSetCallback, timerStart, wqInit, wqSetCallback, wqStart } from "./timers.as";
export { context } from "./zone.as";
export {
  findNothing,
  getBranchSnapshot,
  getCgroupClassid,
  getCurrentAncestorCgroupId,
  getCurrentCgroupId,
  getCurrentComm,
  getNsCurrentPidTgid,
  idleTaskIds,
  keyPut,
  lookupSystemKey,
  modifyReturnTestTp,
  perfEventRead,
  perfEventReadValue,
  rdonlyCast,
  sendSignal,
} from "./surroundings.as";
export { resSpinLock, resSpinLockIrqsave, resSpinUnlock, resSpinUnlockIrqrestore } from "./resilientLock.as";
