import type { Problem } from "../problem/index.ts";
import type { PortableProgram } from "../runtime/index.ts";
import type { TrapCount } from "./cpuRunner.ts";
import type { MachineLayout } from "./machine.ts";
import type { ListenedRing } from "./ringRecords.ts";
import type { TraceReport } from "./traceLog.ts";

/** What a worker is given to start with. The memory is shared, modules bring their optimised code. */
export interface WorkerTask {
  readonly memory: WebAssembly.Memory;
  readonly runtime: WebAssembly.Module;
  readonly programs: readonly PortableProgram[];
  /** Rings to be emptied at the windows' ends. */
  readonly rings: readonly ListenedRing[];
  readonly layout: MachineLayout;
  /** Numbers of the CPUs that this worker runs, ascending. */
  readonly cpus: readonly number[];
  /** Its number among the workers. */
  readonly worker: number;
  readonly workers: number;
  /** Workers and main thread are more than the host runs at the same time. */
  readonly sharesProcessors: boolean;
  readonly deterministic: boolean;
  readonly fuel: bigint;
  /** Table slot for bpf_clone_redirect's other half. */
  readonly cloneSlot: number;
}

/** What a worker leaves when it ends. */
export interface WorkerReport {
  readonly traps: readonly TrapCount[];
  readonly trace: TraceReport;
  /** Why it ended before the run did. An error would lose it on the way between threads. */
  readonly problem?: Problem;
}
