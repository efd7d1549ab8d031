import { ARENA_PAGE, ARENA_PAGES_MAX, ArenaHeader, BPF_F_SEGV_ON_FAULT, MapHeader } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { MapPlace } from "./mapLayout.ts";
import type { SimulatedMemory } from "./memory.ts";
import { problems } from "./problems.ts";

/** Where an arena begins that names no address (map_extra), as if mmap had chosen it: Linux chooses anew each time. */
const MAPPED_AT = 0x7e5a_1000_0000n;

/** User address of an arena's first byte. */
export const arenaStart = ({ mapExtra }: { readonly mapExtra?: bigint }): bigint => mapExtra || MAPPED_AT;

export function layOutArena({ memory, spec, address }: MapPlace): void {
  const pages = Math.min(spec.maxEntries, ARENA_PAGES_MAX);
  const elements = memory.allocate("program", pages * ARENA_PAGE, ARENA_PAGE, spec.name);
  const present = memory.allocate("engine", pages, 64, spec.name);
  const { view } = memory;
  MapHeader.write(view, address, "elements", elements);
  ArenaHeader.write(view, address, "start", Number(BigInt.asUintN(32, arenaStart(spec))));
  ArenaHeader.write(view, address, "pages", pages);
  ArenaHeader.write(view, address, "present", present);
}

/** What an arena needs of its map. */
interface ArenaMap {
  readonly name: string;
  readonly address: number;
  readonly elements: number;
  readonly spec: { readonly maxEntries: number; readonly flags: number; readonly mapExtra?: bigint };
}

/**
 * The memory of an ARENA as user space has it through mmap, by user address: what is read or written first makes its page, of zeros, unless the map was made with
 * BPF_F_SEGV_ON_FAULT. No locks; programs may use it meanwhile.
 */
export class Arena {
  /** User address of the first byte. */
  readonly start: bigint;
  readonly #memory: SimulatedMemory;
  readonly #map: ArenaMap;
  readonly #pages: number;
  readonly #present: number;

  constructor(memory: SimulatedMemory, map: ArenaMap) {
    this.#memory = memory;
    this.#map = map;
    this.start = arenaStart(map.spec);
    this.#pages = ArenaHeader.read(memory.view, map.address, "pages");
    this.#present = ArenaHeader.read(memory.view, map.address, "present");
  }

  /** Bytes from a user address on. Throws a Problem outside of the arena, and where Linux would end the process with a fault. */
  read(address: bigint, size: number): Uint8Array {
    const at = this.#map.elements + this.#touch(address, size);
    return this.#memory.bytes.slice(at, at + size);
  }

  write(address: bigint, bytes: Uint8Array): void {
    const offset = this.#touch(address, bytes.length);
    this.#memory.bytes.set(bytes, this.#map.elements + offset);
  }

  /** Pages that are there, by user address. */
  get pages(): readonly { readonly address: bigint; readonly bytes: Uint8Array }[] {
    const { bytes } = this.#memory;
    const there = Array.from({ length: this.#pages }, (_, page) => page).filter((page) => bytes[this.#present + page] === 1);
    return there.map((page) => {
      const at = this.#map.elements + page * ARENA_PAGE;
      return { address: this.start + BigInt(page * ARENA_PAGE), bytes: bytes.slice(at, at + ARENA_PAGE) };
    });
  }

  /** Offset of an address in the arena; its pages are there when it returns. */
  #touch(address: bigint, size: number): number {
    const { name, spec } = this.#map;
    const offset = Number(address - this.start);
    const at = `0x${address.toString(16)}`;
    if (offset < 0 || offset + size > spec.maxEntries * ARENA_PAGE)
      throw new ProblemError(problems.arena_fault({ map: name, at, why: "is outside of it" }));
    if (offset + size > this.#pages * ARENA_PAGE)
      throw new ProblemError(
        problems.arena_fault({ map: name, at, why: `lies behind the ${this.#pages} pages that have a place in the memory` }),
      );
    for (let page = Math.floor(offset / ARENA_PAGE); page * ARENA_PAGE < offset + size; page++) {
      if (Atomics.load(this.#memory.bytes, this.#present + page) === 1) continue;
      if ((spec.flags & BPF_F_SEGV_ON_FAULT) !== 0)
        throw new ProblemError(problems.arena_fault({ map: name, at, why: "is on a page that no program has made (BPF_F_SEGV_ON_FAULT)" }));
      Atomics.store(this.#memory.bytes, this.#present + page, 1);
    }
    return offset;
  }
}
