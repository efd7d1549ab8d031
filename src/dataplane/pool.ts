import type { Order } from "./orders.ts";
import type { WindowRecords } from "./ringRecords.ts";
import type { WorkerReport, WorkerTask } from "./workerTask.ts";

/** One thread, from the beginning of its task to its end. */
export interface WorkerThread {
  /** Settles when the task has ended. */
  readonly report: Promise<WorkerReport>;
  /** Puts an order where the worker finds it at once when it looks. */
  send(order: Order): void;
  /** Takes the records that the worker posted next; undefined when there are none. Never waits. */
  receive(): WindowRecords | undefined;
}

/** Threads that tasks run on: Piscina's in Node.js (pool.node.ts). */
export interface WorkerPool {
  /** Threads that the host runs at the same time; enough for all where it is not said. */
  readonly parallelism?: number;
  start(task: WorkerTask): WorkerThread;
  close(): Promise<void>;
}

/** Makes a pool of so many threads. The dataplane is given it, so that it knows no Node.js. */
export type OpenPool = (workers: number) => WorkerPool;
