import { PROGRAM_ZONE } from "../../layout/index.ts";
import type { AccessSize, AtomicOperation } from "../isa/index.ts";

type AtomicView = BigUint64Array | Uint32Array;

/**
 * The memory as instructions see it: little endian, addresses of 32 bits, values of 64. An access that leaves the memory throws a RangeError,
 * and so does a store below the program's zone (layout/zones.ts).
 */
export class InterpreterMemory {
  readonly #memory: WebAssembly.Memory;
  view: DataView;
  #bytes: Uint8Array;
  #words16: Uint16Array;
  #words32: Uint32Array;
  #words64: BigUint64Array;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    const { buffer } = memory;
    this.view = new DataView(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#words16 = new Uint16Array(buffer);
    this.#words32 = new Uint32Array(buffer);
    this.#words64 = new BigUint64Array(buffer);
  }

  /** Memory grows between runs, never in one. */
  refresh(): void {
    const { buffer } = this.#memory;
    if (this.view.buffer === buffer) return;
    this.view = new DataView(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#words16 = new Uint16Array(buffer);
    this.#words32 = new Uint32Array(buffer);
    this.#words64 = new BigUint64Array(buffer);
  }

  /** Zero-extended. */
  load(at: number, size: AccessSize): bigint {
    switch (size) {
      case 1:
        return BigInt(this.view.getUint8(at));
      case 2:
        return BigInt(this.view.getUint16(at, true));
      case 4:
        return BigInt(this.view.getUint32(at, true));
      case 8:
        return this.view.getBigUint64(at, true);
    }
  }

  /** Sign-extended; the result may be negative. */
  loadSigned(at: number, size: AccessSize): bigint {
    return BigInt.asIntN(size * 8, this.load(at, size));
  }

  /** Only the engine writes below the program's zone. */
  #check(at: number): void {
    if (at < PROGRAM_ZONE) throw new RangeError(`nothing is written at ${at}`);
  }

  /** The lowest bytes of the value. */
  store(at: number, size: AccessSize, value: bigint): void {
    this.#check(at);
    switch (size) {
      case 1:
        this.view.setUint8(at, Number(value & 0xffn));
        return;
      case 2:
        this.view.setUint16(at, Number(value & 0xffffn), true);
        return;
      case 4:
        this.view.setUint32(at, Number(value & 0xffffffffn), true);
        return;
      case 8:
        this.view.setBigUint64(at, value, true);
        return;
    }
  }

  #wordsOf(size: AccessSize): Uint8Array | Uint16Array | Uint32Array {
    return size === 1 ? this.#bytes : size === 2 ? this.#words16 : this.#words32;
  }

  /** With acquire semantics where the address is aligned, as x86 has it everywhere. */
  loadAcquire(at: number, size: AccessSize): bigint {
    if (at % size !== 0) return this.load(at, size);
    if (size === 8) return Atomics.load(this.#words64, at / 8);
    return BigInt(Atomics.load(this.#wordsOf(size), at / size));
  }

  storeRelease(at: number, size: AccessSize, value: bigint): void {
    this.#check(at);
    if (at % size !== 0) this.store(at, size, value);
    else if (size === 8) Atomics.store(this.#words64, at / 8, value);
    else Atomics.store(this.#wordsOf(size), at / size, Number(BigInt.asUintN(size * 8, value)));
  }

  /**
   * Changes a word of 4 or 8 bytes and gives its old value. Atomic where the address is aligned; elsewhere x86 would lock the bus, and this does it in
   * two steps. `expected` is what cmpxchg compares with.
   */
  update(at: number, size: 4 | 8, operation: AtomicOperation, value: bigint, expected: bigint): bigint {
    this.#check(at);
    const operand = BigInt.asUintN(size * 8, value);
    const compared = BigInt.asUintN(size * 8, expected);
    if (at % size === 0) {
      return size === 8
        ? atomicUpdate(this.#words64, at / 8, operation, operand, compared)
        : BigInt(atomicUpdate(this.#words32, at / 4, operation, Number(operand), Number(compared)));
    }
    const old = this.load(at, size);
    this.store(at, size, updated(operation, old, operand, compared));
    return old;
  }
}

/** Both kinds of words have the same operations; TypeScript knows each by itself only. */
function atomicUpdate<Value extends number | bigint>(
  words: Value extends bigint ? BigUint64Array : Uint32Array,
  index: number,
  operation: AtomicOperation,
  operand: Value,
  expected: Value,
): Value {
  const atomics = Atomics as unknown as Record<
    AtomicOperation | "exchange",
    (words: AtomicView, index: number, operand: Value) => Value
  > & {
    compareExchange(words: AtomicView, index: number, expected: Value, operand: Value): Value;
  };
  if (operation === "cmpxchg") return atomics.compareExchange(words, index, expected, operand);
  return atomics[operation === "xchg" ? "exchange" : operation](words, index, operand);
}

function updated(operation: AtomicOperation, old: bigint, operand: bigint, expected: bigint): bigint {
  switch (operation) {
    case "add":
      return old + operand;
    case "or":
      return old | operand;
    case "and":
      return old & operand;
    case "xor":
      return old ^ operand;
    case "xchg":
      return operand;
    case "cmpxchg":
      return old === expected ? operand : old;
  }
}
