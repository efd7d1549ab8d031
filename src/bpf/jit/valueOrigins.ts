/** In place of the value that a byte came from: the byte is 0. */
const ZERO = -1;
/** In place of the epoch: the byte was not read from memory, it is one of the value's own. */
const OWN = -1;

/** Bytes of a value. */
const BYTES = 8;

/** Bytes that stand side by side in memory, as it was in `epoch`: at the value `of` (an address) + `at`. */
export interface BytesInRow {
  readonly of: number;
  readonly at: number;
  readonly epoch: number;
  readonly size: number;
}

/**
 * What is known of the values that instructions of a block make, by their numbers. Each is `root` + `delta`, and each of its 8 bytes, lowest first, came from
 * somewhere: it was read from memory, at an address relative to another value, in an epoch; or it is byte `at` of the value `of` itself; or it is 0.
 * All in typed arrays, which are used again for every block: with objects for values and bytes, collecting these took longer than the rest of the compiler.
 */
export class ValueOrigins {
  readonly #root: Int32Array;
  readonly #delta: Float64Array;
  readonly #of: Int32Array;
  readonly #at: Float64Array;
  readonly #epoch: Int32Array;

  constructor(values: number) {
    this.#root = new Int32Array(values);
    this.#delta = new Float64Array(values);
    this.#of = new Int32Array(BYTES * values);
    this.#at = new Float64Array(BYTES * values);
    this.#epoch = new Int32Array(BYTES * values);
  }

  rootOf(value: number): number {
    return this.#root[value]!;
  }

  deltaOf(value: number): number {
    return this.#delta[value]!;
  }

  /** Nothing is known but that its bytes from `count` on are 0. */
  setUnknown(value: number, count = BYTES): void {
    this.#standAlone(value);
    for (let index = 0; index < BYTES; index++) this.#setByte(value, index, index < count ? value : ZERO, index, OWN);
  }

  /** `from` + `by`, of which the bytes are not known. */
  setMoved(value: number, from: number, by: number): void {
    this.setUnknown(value);
    this.#root[value] = this.#root[from]!;
    this.#delta[value] = this.#delta[from]! + by;
  }

  setCopy(value: number, from: number): void {
    this.setLowBytes(value, from, BYTES);
    this.#root[value] = this.#root[from]!;
    this.#delta[value] = this.#delta[from]!;
  }

  /** The `count` lowest bytes of `from`. */
  setLowBytes(value: number, from: number, count: number): void {
    this.setShifted(value, from, 0, count);
  }

  /** `from` by so many bytes further up (negative: down), within its `count` lowest bytes: zeros come in, what leaves them is lost. */
  setShifted(value: number, from: number, by: number, count: number): void {
    this.#standAlone(value);
    for (let index = 0; index < BYTES; index++) {
      const source = index - by;
      if (index < count && source >= 0 && source < count) this.#copyByte(value, index, from, source);
      else this.#setByte(value, index, ZERO, 0, OWN);
    }
  }

  /** `count` bytes at `address` + `offset`, as they are in this epoch. */
  setLoaded(value: number, address: number, offset: number, count: number, epoch: number): void {
    this.#standAlone(value);
    const of = this.#root[address]!;
    const at = this.#delta[address]! + offset;
    for (let index = 0; index < BYTES; index++) this.#setByte(value, index, index < count ? of : ZERO, at + index, epoch);
  }

  /** The `count` lowest bytes of both, where they have none in common; else false, and nothing is known. */
  setUnion(value: number, a: number, b: number, count: number): boolean {
    for (let index = 0; index < count; index++) {
      if (this.#of[BYTES * a + index] !== ZERO && this.#of[BYTES * b + index] !== ZERO) return false;
    }
    this.#standAlone(value);
    for (let index = 0; index < BYTES; index++) {
      if (index >= count) this.#setByte(value, index, ZERO, 0, OWN);
      else this.#copyByte(value, index, this.#of[BYTES * a + index] === ZERO ? b : a, index);
    }
    return true;
  }

  /** Byte `index` of `a` is known to be byte `other` of `b`, and none that is 0. */
  isSameByte(a: number, index: number, b: number, other: number): boolean {
    const x = BYTES * a + index;
    const y = BYTES * b + other;
    return this.#of[x] !== ZERO && this.#of[x] === this.#of[y] && this.#at[x] === this.#at[y] && this.#epoch[x] === this.#epoch[y];
  }

  /** What the value is, if it is what stands at one place in memory, with zeros above. */
  inRow(value: number): BytesInRow | undefined {
    const first = BYTES * value;
    const of = this.#of[first]!;
    const at = this.#at[first]!;
    const epoch = this.#epoch[first]!;
    if (of === ZERO || epoch === OWN) return undefined;
    let size = 1;
    while (size < BYTES && this.#of[first + size] !== ZERO) {
      const next = first + size;
      if (this.#of[next] !== of || this.#at[next] !== at + size || this.#epoch[next] !== epoch) return undefined;
      size++;
    }
    for (let index = size; index < BYTES; index++) if (this.#of[first + index] !== ZERO) return undefined;
    return { of, at, epoch, size };
  }

  #standAlone(value: number): void {
    this.#root[value] = value;
    this.#delta[value] = 0;
  }

  #setByte(value: number, index: number, of: number, at: number, epoch: number): void {
    const place = BYTES * value + index;
    this.#of[place] = of;
    this.#at[place] = at;
    this.#epoch[place] = epoch;
  }

  #copyByte(value: number, index: number, from: number, source: number): void {
    const place = BYTES * from + source;
    this.#setByte(value, index, this.#of[place]!, this.#at[place]!, this.#epoch[place]!);
  }
}
