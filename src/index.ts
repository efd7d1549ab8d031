/** The library: open objects and captures, build a simulated machine, run packets through it. */
export { type ObjectFile, openObject, selectProgram } from "./bpf/elf/index.ts";
export type { MapSpec, ProgramSpec } from "./bpf/spec.ts";
export {
  Dataplane,
  type DataplaneDevice,
  type DataplaneEvent,
  type DataplaneOptions,
  dumpMap,
  type ExpandedOutcome,
  type Fate,
  type FinishedWindow,
  fillMap,
  type Globals,
  type Hook,
  type HostSpec,
  type Link,
  type LoadedObject,
  type Outcome,
  type OutcomeStep,
  openSkeleton,
  type PerfBuffer,
  type PerfBufferOptions,
  type PerfEvent,
  type ProgramInfo,
  type RingBuffer,
  type RingBufferOptions,
  type RunOptions,
  type RunResult,
  type Skeleton,
  type XdpSocketHandle,
} from "./dataplane/index.ts";
export { openWorkerPool } from "./dataplane/pool.node.ts";
export { BPF_ANY, BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST } from "./layout/index.ts";
export { bytesFromFile } from "./packet/file.node.ts";
export { gunzip } from "./packet/gzip.node.ts";
export {
  type ByteSource,
  bytesFromMemory,
  bytesFromStream,
  openCapture,
  type PacketSource,
  PcapngWriter,
  PcapWriter,
} from "./packet/index.ts";
export { type Place, type Problem, ProblemError, type Result } from "./problem/index.ts";
export { type BpfMap, type LoadedProgram, type MapEntry, type MapValue, type PerCpu, TypedMap, type Writable } from "./runtime/index.ts";
export {
  type ConnectionSpec,
  parseConnection,
  parseNeighbour,
  parsePrefix,
  parseRoute,
  parseSocket,
  parseXfrmState,
  type SocketSpec,
  type SynCookieSettings,
} from "./stack/index.ts";
