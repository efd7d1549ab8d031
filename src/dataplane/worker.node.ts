/** A worker's whole life is one task: it runs its CPUs of every window, until the control word says that no more will come. It never prints. */
import { receiveMessageOnPort } from "node:worker_threads";
import { WORKER_GONE } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { coldHelpers, instantiateRuntime } from "../runtime/index.ts";
import { Control, runWindow } from "./control.ts";
import { CpuRunner } from "./cpuRunner.ts";
import { carryOut, installProgramIn, type Order, type WorkerState } from "./orders.ts";
import type { ThreadStart } from "./pool.node.ts";
import { emptyRings, type WindowRecords } from "./ringRecords.ts";
import { TraceLog } from "./traceLog.ts";
import type { WorkerReport } from "./workerTask.ts";

export default function run({ task, orders: port }: ThreadStart): WorkerReport {
  const trace = new TraceLog();
  const runtime = instantiateRuntime(task.memory, coldHelpers(task.memory, { trace: trace.add }), task.runtime);
  const programs = [...task.programs];
  const state: WorkerState = { runtime, programs, rings: task.rings };
  for (const program of programs) installProgramIn(runtime, program);
  runtime.table.set(task.cloneSlot, runtime.exports.redirectClone);
  const { layout, cpus, deterministic, fuel } = task;
  const runner = new CpuRunner({ runtime, layout, cpus, programs, deterministic, fuel });
  const control = new Control(task.memory, task.layout.control);
  if (task.sharesProcessors) control.shareProcessors();
  let carriedOut = 0;
  /** Carries out the orders that were given since the last time. Their messages are posted before the word is raised, so they are there. */
  const obey = (): void => {
    const given = control.load("orders");
    if (given === carriedOut) return;
    for (; carriedOut < given; carriedOut++) {
      const received = receiveMessageOnPort(port) as { readonly message: Order } | undefined;
      if (received !== undefined) carryOut(received.message, state);
    }
    control.acknowledge(task.worker, carriedOut);
  };
  /** The last to leave a window empties the rings that somebody listens to. */
  const atEnd = (window: number): void => {
    if (state.rings.length === 0) return;
    const { buffer } = task.memory;
    const batches = emptyRings({ view: new DataView(buffer), bytes: new Uint8Array(buffer) }, state.rings);
    if (batches.length > 0) port.postMessage({ window, batches } satisfies WindowRecords);
  };
  obey();
  control.add("ready", 1);
  control.wake("ready");
  const work = (): void => {
    for (let next = 0; ; next++) {
      for (;;) {
        obey();
        if (control.load("published") > next) break;
        if (control.load("stop") !== 0) {
          runner.finish();
          return;
        }
        control.waitWhile("published", next, 100);
      }
      runWindow(runner, control, next, task.workers, atEnd);
    }
  };
  try {
    work();
  } catch (error) {
    // Nobody need wait for this worker any more.
    control.acknowledge(task.worker, WORKER_GONE);
    if (!(error instanceof ProblemError)) throw error;
    return { traps: runner.traps, trace: trace.report, problem: error.problem };
  }
  return { traps: runner.traps, trace: trace.report };
}
