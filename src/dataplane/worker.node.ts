/** A worker's whole life is one task: it runs its CPUs of every window, until the control word says that no more will come. It never prints. */
import { coldHelpers, installPortable, instantiateRuntime } from "../runtime/index.ts";
import { Control, runWindow } from "./control.ts";
import { CpuRunner } from "./cpuRunner.ts";
import { TraceLog } from "./traceLog.ts";
import type { WorkerReport, WorkerTask } from "./workerTask.ts";

export default function run(task: WorkerTask): WorkerReport {
  const trace = new TraceLog();
  const runtime = instantiateRuntime(task.memory, coldHelpers(task.memory, { trace: trace.add }), task.runtime);
  for (const program of task.programs) installPortable(program, runtime);
  runtime.table.set(task.cloneSlot, runtime.exports.redirectClone);
  const programs = task.programs.map((portable) => ({ portable, slot: portable.compiled.slot }));
  const runner = new CpuRunner({ runtime, layout: task.layout, cpus: task.cpus, programs, deterministic: task.deterministic });
  const control = new Control(task.memory, task.layout.control);
  control.add("ready", 1);
  control.wake("ready");
  for (let next = 0; ; next++) {
    while (control.load("published") <= next) {
      if (control.load("stop") !== 0) return { traps: runner.traps, trace: trace.report };
      control.waitWhile("published", next, 100);
    }
    runWindow(runner, control, next, task.workers);
  }
}
