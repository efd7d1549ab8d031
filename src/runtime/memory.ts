import { defineProblems, ProblemError } from "../problem/index.ts";

const PAGE = 65536;
/** 32-bit memory: 65,536 pages are 4 GiB. memory64 is not in Node.js 20. */
const MAX_PAGES = 65536;
/** Zones grow in steps of this many bytes, so that engine state and program data alternate seldom. */
const CHUNK = 1 << 20;

const problems = defineProblems({
  memory_exhausted: {
    message: "{what} needs {bytes} bytes, and {left} of the 4 GiB of simulated memory are left (-ENOMEM)",
    hint: "make it smaller, for a map with --set {what}.max_entries=N",
  },
});

/**
 * Which part of the memory an allocation belongs to. `engine`: CPU blocks, map headers, allocators, rings: only the engine writes there.
 * `program`: frames, contexts, stacks, map values: a program may hold pointers to it.
 */
export type Zone = "engine" | "program";

/**
 * The memory: one shared WebAssembly.Memory that all workers see. Allocation is by bump, on the main thread; whoever allocates
 * while workers run lets them acknowledge that the memory has grown (dataplane/orders.ts) before an address in it can reach them. Nothing is freed but everything at once (`reset`). Page 0 stays unused, so that 0 is NULL and small offsets from it are seldom data.
 */
export class SimulatedMemory {
  readonly memory: WebAssembly.Memory;
  #top = PAGE;
  #cursor: Record<Zone, { at: number; end: number }> = { engine: { at: 0, end: 0 }, program: { at: 0, end: 0 } };
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

  /** Bytes handed out so far, the unused page 0 included. */
  get used(): number {
    return this.#top;
  }

  /** `size` zeroed bytes at a multiple of `align` (a power of two). `what` names it in the error. */
  allocate(zone: Zone, size: number, align: number, what: string): number {
    const cursor = this.#cursor[zone];
    let at = Math.ceil(cursor.at / align) * align;
    if (cursor.at === 0 || at + size > cursor.end) {
      const start = Math.ceil(this.#top / Math.max(align, 64)) * Math.max(align, 64);
      const chunk = Math.max(size, CHUNK);
      this.#grow(start + size, what, size);
      at = start;
      cursor.end = Math.min(start + chunk, MAX_PAGES * PAGE);
      this.#grow(cursor.end, what, size);
      this.#top = cursor.end;
    }
    cursor.at = at + size;
    return at;
  }

  #grow(to: number, what: string, size: number): void {
    if (to > MAX_PAGES * PAGE) {
      const left = MAX_PAGES * PAGE - this.#top;
      throw new ProblemError(problems.memory_exhausted({ what, bytes: size, left: Math.max(left, 0) }));
    }
    const missing = Math.ceil((to - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.memory.grow(missing);
  }

  /** Forgets every allocation and zeroes what was used, so that one memory serves many runs. Nothing may be running. */
  reset(): void {
    this.bytes.fill(0, 0, this.#top);
    this.#top = PAGE;
    this.#cursor = { engine: { at: 0, end: 0 }, program: { at: 0, end: 0 } };
  }
}
