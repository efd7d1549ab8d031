import { PROGRAM_ZONE } from "../layout/index.ts";
import { defineProblems, ProblemError } from "../problem/index.ts";

const PAGE = 65536;
/** 32-bit memory: 65,536 pages are 4 GiB. memory64 is not in Node.js 20. */
const MAX_PAGES = 65536;
/** The memory grows in steps of this many bytes. */
const CHUNK = 1 << 20;

const problems = defineProblems({
  memory_exhausted: {
    message: "{what} needs {bytes} bytes, and {left} of the 4 GiB of simulated memory are left (-ENOMEM)",
    hint: "make it smaller, for a map with --set {what}.max_entries=N",
  },
});

/**
 * Which part of the memory an allocation belongs to. `engine`: CPU blocks, map headers, allocators, rings: no program writes there (layout/zones.ts).
 * `program`: frames, contexts, stacks, map values: a program may hold pointers to it.
 */
export type Zone = "engine" | "program";

/**
 * The memory: one shared WebAssembly.Memory that all workers see. Allocation is by bump, on the main thread; whoever allocates
 * while workers run lets them acknowledge that the memory has grown (dataplane/orders.ts) before an address in it can reach them. Nothing is freed but everything
 * at once (`reset`). The first page of each zone stays unused: 0 is NULL, and small offsets from it are seldom data. What lies between the zones is address space
 * that nobody touches, and costs nothing.
 */
export class SimulatedMemory {
  readonly memory: WebAssembly.Memory;
  readonly #top: Record<Zone, number> = { engine: PAGE, program: PROGRAM_ZONE + PAGE };
  #view: DataView | undefined;
  #bytes: Uint8Array | undefined;

  constructor() {
    this.memory = new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES, shared: true });
  }

  /** A view over all of the memory as it is now; ask again after an allocation. */
  get view(): DataView {
    if (this.#view?.buffer !== this.memory.buffer) this.#view = new DataView(this.memory.buffer);
    return this.#view;
  }

  get bytes(): Uint8Array {
    if (this.#bytes?.buffer !== this.memory.buffer) this.#bytes = new Uint8Array(this.memory.buffer);
    return this.#bytes;
  }

  /** `size` zeroed bytes at a multiple of `align` (a power of two). `what` names it in the error. When the engine's zone is full, the rest goes into the other one. */
  allocate(zone: Zone, size: number, align: number, what: string): number {
    const at = Math.ceil(this.#top[zone] / align) * align;
    if (zone === "engine" && at + size > PROGRAM_ZONE) return this.allocate("program", size, align, what);
    if (at + size > MAX_PAGES * PAGE) {
      const left = MAX_PAGES * PAGE - this.#top[zone];
      throw new ProblemError(problems.memory_exhausted({ what, bytes: size, left: Math.max(left, 0) }));
    }
    this.#grow(at + size);
    this.#top[zone] = at + size;
    return at;
  }

  /**
   * `size` bytes in both zones, PROGRAM_ZONE apart; the address of the engine's. For what is partly the engine's and partly the programs', one of many: each part
   * lies where the other's address says.
   */
  allocateTwice(size: number, align: number, what: string): number {
    const at = Math.ceil(Math.max(this.#top.engine, this.#top.program - PROGRAM_ZONE) / align) * align;
    if (at + size > PROGRAM_ZONE)
      throw new ProblemError(problems.memory_exhausted({ what, bytes: size, left: Math.max(PROGRAM_ZONE - at, 0) }));
    this.#top.engine = at + size;
    this.#top.program = PROGRAM_ZONE + at + size;
    this.#grow(this.#top.program);
    return at;
  }

  #grow(to: number): void {
    if (to <= this.memory.buffer.byteLength) return;
    const end = Math.min(Math.ceil(to / CHUNK) * CHUNK, MAX_PAGES * PAGE);
    this.memory.grow((end - this.memory.buffer.byteLength) / PAGE);
  }

  /** Forgets every allocation and zeroes what was used, so that one memory serves many runs. Nothing may be running. */
  reset(): void {
    this.bytes.fill(0, 0, this.#top.engine);
    if (this.#top.program > PROGRAM_ZONE + PAGE) this.bytes.fill(0, PROGRAM_ZONE, this.#top.program);
    Object.assign(this.#top, { engine: PAGE, program: PROGRAM_ZONE + PAGE });
  }
}
