import type { WorkerReport, WorkerTask } from "./workerTask.ts";

/** Threads that tasks run on: Piscina's in Node.js (pool.node.ts). */
export interface WorkerPool {
  run(task: WorkerTask): Promise<WorkerReport>;
  close(): Promise<void>;
}

/** Makes a pool of so many threads. The dataplane is given it, so that it knows no Node.js. */
export type OpenPool = (workers: number) => WorkerPool;
