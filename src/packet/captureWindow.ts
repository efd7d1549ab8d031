import { CaptureState, MAX_RECORD } from "../layout/index.ts";
import { type Problem, ProblemError } from "../problem/index.ts";
import { type ByteSource, whenThere } from "./byteSource.ts";
import type { ReleaseWindows } from "./source.ts";

/** The part of the simulated memory that a capture needs (runtime/memory.ts). Views must be asked for anew after an allocation. */
export interface CaptureMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  allocate(zone: "engine" | "program", size: number, align: number, what: string): number;
}

/** A stretch of the memory that holds bytes of the capture. */
interface Region {
  /** Where reading begins. In front of it lie MAX_RECORD bytes for the beginning of a record that the region before could not finish. */
  readonly start: number;
  readonly limit: number;
  /** Room for packets that get an Ethernet header: as large as the region and what lies in front of it; 0 for none. */
  readonly room: number;
  readonly roomLimit: number;
}

/** A window is moved on to the next region when less than this is left of it: tiny reads cost more than the rest is worth. */
const LEAST_READ = 4096;

/**
 * The bytes of a capture that are in the memory, and how more come in. Between two regions the unfinished record is copied in front of the next one, so that the
 * walker always sees records whole.
 */
export class CaptureWindow {
  readonly #memory: CaptureMemory;
  readonly #state: number;
  readonly #regions: readonly Region[];
  readonly #source: ByteSource;
  readonly #release: ReleaseWindows;
  #region = 0;
  /** Offset in the file of address 0, so to speak. */
  #shift: number;
  #exhausted = false;
  #wholeEnd = 0;
  #problem: Problem | null = null;

  constructor(memory: CaptureMemory, state: number, regions: readonly Region[], source: ByteSource, release: ReleaseWindows = () => {}) {
    this.#memory = memory;
    this.#state = state;
    this.#regions = regions;
    this.#source = source;
    this.#release = release;
    const first = this.#current;
    this.#shift = -first.start;
    this.#place(first.start, first.start);
  }

  get #current(): Region {
    const region = this.#regions[this.#region];
    if (region === undefined) throw new RangeError("a capture needs at least one region");
    return region;
  }

  get cursor(): number {
    return CaptureState.read(this.#memory.view, this.#state, "cursor");
  }

  /** Bytes that are there from the cursor on. */
  get available(): number {
    return CaptureState.read(this.#memory.view, this.#state, "end") - this.cursor;
  }

  /** Why no more bytes came, where it was not the end of the input. */
  get problem(): Problem | null {
    return this.#problem;
  }

  /** Offset in the (unpacked) file of an address of this region. */
  offsetOf(address: number): number {
    return address + this.#shift;
  }

  /** The next `length` bytes as a copy of their own; they must be there. */
  copy(length: number): Uint8Array {
    return this.#memory.bytes.slice(this.cursor, this.cursor + length);
  }

  skip(length: number): void {
    CaptureState.write(this.#memory.view, this.#state, "cursor", this.cursor + length);
  }

  /** Keeps the walker from going on. */
  stop(): void {
    CaptureState.write(this.#memory.view, this.#state, "end", this.cursor);
  }

  /** Back to the first byte. Only after `fillWhole`. */
  rewind(): void {
    this.#place(this.#current.start, this.#wholeEnd);
  }

  /** Brings in at least one byte more behind those that are there; false when none will come. */
  fill(): boolean | Promise<boolean> {
    if (this.#exhausted) return false;
    const end = CaptureState.read(this.#memory.view, this.#state, "end");
    if (this.#current.limit - end >= LEAST_READ) return this.#read(end);
    return whenThere(this.#release(), () => this.#read(this.#moveOn()));
  }

  /** Reads all that is left into the only region; what does not fit (a file that grew meanwhile) is left out. */
  async fillWhole(): Promise<void> {
    for (;;) {
      const end = CaptureState.read(this.#memory.view, this.#state, "end");
      if (end === this.#current.limit || !(await this.#read(end))) break;
    }
    // One read more brings out a fault that stands behind the last byte.
    if (!this.#exhausted) await whenThere(this.#attempt(new Uint8Array(1)), () => {});
    this.#exhausted = true;
    this.#wholeEnd = CaptureState.read(this.#memory.view, this.#state, "end");
  }

  #read(end: number): boolean | Promise<boolean> {
    const target = this.#memory.bytes.subarray(end, this.#current.limit);
    return whenThere(this.#attempt(target), (count) => this.#arrived(end, count));
  }

  /** Bytes read; 0 at the end and at a fault of the input, which is then the window's problem. */
  #attempt(target: Uint8Array): number | Promise<number> {
    try {
      const count = this.#source.read(target);
      return count instanceof Promise ? count.catch((error) => this.#failed(error)) : count;
    } catch (error) {
      return this.#failed(error);
    }
  }

  #arrived(end: number, count: number): boolean {
    CaptureState.write(this.#memory.view, this.#state, "end", end + count);
    this.#exhausted = count === 0;
    return count > 0;
  }

  #failed(error: unknown): 0 {
    if (!(error instanceof ProblemError)) throw error;
    this.#problem = error.problem;
    return 0;
  }

  /** Goes to the next region with the unfinished record; gives the address where new bytes go. */
  #moveOn(): number {
    const { cursor, available } = this;
    this.#region = (this.#region + 1) % this.#regions.length;
    const { start } = this.#current;
    this.#memory.bytes.copyWithin(start - available, cursor, cursor + available);
    this.#shift += cursor - (start - available);
    this.#place(start - available, start);
    return start;
  }

  #place(cursor: number, end: number): void {
    const { room, roomLimit } = this.#current;
    CaptureState.write(this.#memory.view, this.#state, "cursor", cursor);
    CaptureState.write(this.#memory.view, this.#state, "end", end);
    CaptureState.write(this.#memory.view, this.#state, "convert_cursor", room);
    CaptureState.write(this.#memory.view, this.#state, "convert_end", roomLimit);
  }

  close(): void | Promise<void> {
    return this.#source.close();
  }
}

/** Regions for a stream: `count` windows of `size` bytes, each with room in front and, where asked, room for made headers. */
export function streamRegions(memory: CaptureMemory, count: number, size: number, convert: boolean): Region[] {
  return Array.from({ length: count }, () => {
    const start = memory.allocate("engine", MAX_RECORD + size, 64, "a window of the capture") + MAX_RECORD;
    return { start, limit: start + size, ...conversionRoom(memory, MAX_RECORD + size, convert) };
  });
}

/** One region for a whole capture of `size` bytes. */
export function residentRegion(memory: CaptureMemory, size: number, convert: boolean): Region {
  const start = memory.allocate("engine", size, 64, "the capture");
  return { start, limit: start + size, ...conversionRoom(memory, size, convert) };
}

function conversionRoom(memory: CaptureMemory, size: number, convert: boolean): { room: number; roomLimit: number } {
  if (!convert) return { room: 0, roomLimit: 0 };
  const room = memory.allocate("engine", size, 64, "packets with made Ethernet headers");
  return { room, roomLimit: room + size };
}
