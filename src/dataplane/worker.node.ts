/** A worker's whole life is one task: it runs its CPUs of every window, until the control word says that no more will come. It never prints. */
import { receiveMessageOnPort } from "node:worker_threads";
import { ProblemError } from "../problem/index.ts";
import { coldHelpers, instantiateRuntime } from "../runtime/index.ts";
import { Control, runWindow } from "./control.ts";
import { CpuRunner } from "./cpuRunner.ts";
import { carryOut, installProgramIn, type Order } from "./orders.ts";
import type { ThreadStart } from "./pool.node.ts";
import { TraceLog } from "./traceLog.ts";
import type { WorkerReport } from "./workerTask.ts";

export default function run({ task, orders: port }: ThreadStart): WorkerReport {
  const trace = new TraceLog();
  const runtime = instantiateRuntime(task.memory, coldHelpers(task.memory, { trace: trace.add }), task.runtime);
  const programs = [...task.programs];
  for (const program of programs) installProgramIn(runtime, program);
  runtime.table.set(task.cloneSlot, runtime.exports.redirectClone);
  const { layout, cpus, deterministic, fuel } = task;
  const runner = new CpuRunner({ runtime, layout, cpus, programs, deterministic, fuel });
  const control = new Control(task.memory, task.layout.control);
  let carriedOut = 0;
  /** Carries out the orders that were given since the last time. Their messages are posted before the word is raised, so they are there. */
  const obey = (): void => {
    const given = control.load("orders");
    if (given === carriedOut) return;
    for (; carriedOut < given; carriedOut++) {
      const received = receiveMessageOnPort(port) as { readonly message: Order } | undefined;
      if (received !== undefined) carryOut(received.message, runtime, programs);
    }
    control.acknowledge(task.worker, carriedOut);
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
      runWindow(runner, control, next, task.workers, () => {});
    }
  };
  try {
    work();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return { traps: runner.traps, trace: trace.report, problem: error.problem };
  }
  return { traps: runner.traps, trace: trace.report };
}
