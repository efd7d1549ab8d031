import { ProblemError } from "../problem/index.ts";
import type { SimulatedMemory } from "./memory.ts";
import { problems } from "./problems.ts";

/** What a data section needs of its map. */
interface SectionMap {
  readonly name: string;
  readonly frozen: boolean;
  /** Address of the map's one value. */
  readonly elements: number;
  readonly spec: { readonly valueSize: number };
}

/**
 * The bytes of an ARRAY's first value, where the global variables of an object stand (.data, .rodata, .bss, .kconfig), as user space has them through mmap: no copies,
 * no locks. A variable of up to 8 aligned bytes is read and written whole.
 */
export class DataSection {
  readonly #memory: SimulatedMemory;
  readonly #map: SectionMap;

  constructor(memory: SimulatedMemory, map: SectionMap) {
    this.#memory = memory;
    this.#map = map;
  }

  /** Writes the first contents, frozen or not; what is longer is cut. */
  initialise(contents: Uint8Array): void {
    this.#memory.bytes.set(contents.subarray(0, this.#map.spec.valueSize), this.#map.elements);
  }

  /** Some bytes, as programs see them now. */
  read(offset: number, size: number): Uint8Array {
    this.#checkRange(offset, size);
    const at = this.#map.elements + offset;
    const word = wordFor(this.#memory.memory.buffer, at, size);
    if (word === undefined) return this.#memory.bytes.slice(at, at + size);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(Atomics.load(word as BigUint64Array, 0)), true);
    return bytes.slice(0, size);
  }

  /** Writes some bytes. Throws a Problem when the section is frozen, as .rodata is. */
  write(offset: number, bytes: Uint8Array): void {
    if (this.#map.frozen) throw new ProblemError(problems.map_frozen({ map: this.#map.name }));
    this.#checkRange(offset, bytes.length);
    const at = this.#map.elements + offset;
    const word = wordFor(this.#memory.memory.buffer, at, bytes.length);
    if (word === undefined) {
      this.#memory.bytes.set(bytes, at);
      return;
    }
    const value = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    if (word instanceof BigUint64Array) Atomics.store(word, 0, value);
    else Atomics.store(word, 0, Number(value));
  }

  #checkRange(offset: number, size: number): void {
    const { name, spec } = this.#map;
    if (offset >= 0 && offset + size <= spec.valueSize) return;
    const part = `what begins at byte ${offset}`;
    throw new ProblemError(problems.map_size_wrong({ map: name, part, given: size, expected: spec.valueSize - offset }));
  }
}

/** The word of the memory at an address that a variable of this size fills, for Atomics; undefined for others. */
function wordFor(buffer: ArrayBufferLike, at: number, size: number): Uint8Array | Uint16Array | Uint32Array | BigUint64Array | undefined {
  if (at % size !== 0) return undefined;
  if (size === 8) return new BigUint64Array(buffer, at, 1);
  if (size === 4) return new Uint32Array(buffer, at, 1);
  if (size === 2) return new Uint16Array(buffer, at, 1);
  return size === 1 ? new Uint8Array(buffer, at, 1) : undefined;
}
