import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { Piscina } from "piscina";
import { ProblemError } from "../problem/index.ts";
import type { WorkerPool } from "./pool.ts";
import { problems } from "./problems.ts";
import type { WindowRecords } from "./ringRecords.ts";
import type { WorkerReport, WorkerTask } from "./workerTask.ts";

/** What a worker's thread is started with: its task, and its end of the line for orders and records. */
export interface ThreadStart {
  readonly task: WorkerTask;
  readonly orders: MessagePort;
}

/** The built worker: beside this file in the package, in dist/ when the sources run (tests). */
function workerFile(): string {
  for (const place of ["./worker.js", "../../dist/worker.js"]) {
    const file = fileURLToPath(new URL(place, import.meta.url));
    if (existsSync(file)) return file;
  }
  throw new ProblemError(problems.worker_not_built({}));
}

/** As many threads as tasks will run, from the first to the last; each task is one thread's whole life. */
export function openWorkerPool(workers: number): WorkerPool {
  const pool = new Piscina<ThreadStart, WorkerReport>({
    filename: workerFile(),
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: 1,
    // A program's trap is caught in the worker; what still ends one must not take the process along.
    resourceLimits: { stackSizeMb: 4 },
  });
  const ports: MessagePort[] = [];
  return {
    parallelism: availableParallelism(),
    start: (task) => {
      const { port1, port2 } = new MessageChannel();
      ports.push(port1);
      const report = pool.run({ task, orders: port2 }, { transferList: [port2] });
      return {
        report,
        send: (order) => port1.postMessage(order),
        receive: () => (receiveMessageOnPort(port1) as { readonly message: WindowRecords } | undefined)?.message,
      };
    },
    close: async () => {
      for (const port of ports) port.close();
      await pool.destroy();
    },
  };
}
