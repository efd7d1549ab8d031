import { WORKER_GONE } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { runtimeModule, type SimulatedMemory } from "../runtime/index.ts";
import type { Control } from "./control.ts";
import type { MachineLayout } from "./machine.ts";
import type { Order } from "./orders.ts";
import type { OpenPool, WorkerPool, WorkerThread } from "./pool.ts";
import { problems } from "./problems.ts";
import type { WindowRecords } from "./ringRecords.ts";
import type { WorkerReport, WorkerTask } from "./workerTask.ts";

/** How long an order may take, milliseconds: a worker that has not come to the end of its window by then will not. */
const PATIENCE_MS = 60_000;
/** A worker that fell asleep just before it was called is called again after so long, milliseconds. */
const CALL_MS = 1;

export interface WorkersPlace {
  readonly memory: SimulatedMemory;
  readonly layout: MachineLayout;
  readonly control: Control;
  readonly workers: number;
  readonly openPool: OpenPool | undefined;
}

/** The threads of one run, from the main thread: started, given orders, awaited. */
export class Workers {
  readonly #control: Control;
  readonly #pool: WorkerPool;
  readonly #threads: readonly WorkerThread[];
  #orders = 0;
  #started = false;
  #failure: unknown;

  /** `task`: what all workers are told alike. */
  constructor(place: WorkersPlace, task: Pick<WorkerTask, "programs" | "rings" | "cloneSlot" | "deterministic" | "fuel">) {
    const { memory, layout, control, workers, openPool } = place;
    if (openPool === undefined)
      throw new ProblemError(problems.dataplane_setting({ what: "openPool", value: "absent", expected: "a way to make threads" }));
    this.#control = control;
    this.#pool = openPool(workers);
    const sharesProcessors = workers + 1 > (this.#pool.parallelism ?? workers + 1);
    if (sharesProcessors) control.shareProcessors();
    this.#threads = Array.from({ length: workers }, (_, worker) => {
      const cpus = [...layout.blocks.keys()].filter((cpu) => cpu % workers === worker);
      const runtime = runtimeModule();
      const thread = this.#pool.start({ ...task, memory: memory.memory, runtime, layout, cpus, worker, workers, sharesProcessors });
      thread.report.then(
        ({ problem }) => {
          if (problem !== undefined) this.#failure = new ProblemError(problem);
        },
        (error: unknown) => {
          this.#failure = error;
        },
      );
      return thread;
    });
  }

  /** Brings up what a worker failed with. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** True once all stand ready for the first window. */
  get ready(): boolean {
    this.#started ||= this.#control.load("ready") >= this.#threads.length;
    return this.#started;
  }

  /**
   * Gives all workers an order and waits until each has carried it out: until the end of the window that it is in. Before they stand ready there is nothing to wait
   * for: they carry it out before their first window.
   */
  give(order: Order): void {
    for (const thread of this.#threads) thread.send(order);
    this.#control.store("orders", ++this.#orders);
    this.#control.wake("published");
    if (!this.ready) return;
    for (const worker of this.#threads.keys()) {
      this.waitUntil(() => {
        if (this.#control.waitForAcknowledged(worker, this.#orders, CALL_MS)) return true;
        this.#control.wake("published");
        return false;
      });
    }
  }

  /** Records that the workers took from rings and posted since the last time. */
  *records(): Generator<WindowRecords> {
    for (const thread of this.#threads) for (let next = thread.receive(); next !== undefined; next = thread.receive()) yield next;
  }

  /** Tries, which should itself wait a little, until it is so; or until a worker has failed, which ends the run as soon as its event loop has a turn. */
  waitUntil(isSo: () => boolean): void {
    const end = performance.now() + PATIENCE_MS;
    const gone = (): boolean => this.#threads.some((_, worker) => this.#control.waitForAcknowledged(worker, WORKER_GONE, 0));
    while (!isSo() && !gone())
      if (performance.now() > end) throw new ProblemError(problems.workers_silent({ seconds: PATIENCE_MS / 1000 }));
  }

  /** Waits until all have ended, which `stop` tells them. */
  async end(): Promise<readonly WorkerReport[]> {
    try {
      return await Promise.all(this.#threads.map(({ report }) => report));
    } finally {
      await this.close();
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
