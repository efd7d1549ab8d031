import type { MapSpec } from "../bpf/spec.ts";
import { BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK, ENOSPC } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { MapEntry, MapValue } from "./bpfMap.ts";
import type { MapHost } from "./mapHost.ts";
import { padded } from "./mapLayout.ts";
import { isPerCpu } from "./mapRules.ts";
import { problems } from "./problems.ts";

/** Some entries of a map, and the cursor of those behind them; undefined when there are none. */
interface Batch<Entry> {
  readonly entries: readonly Entry[];
  readonly next: number | undefined;
}

/** runtime/maps/hostAccess.as.ts: what stands in front of a batch, and the cursor behind the last entry. */
const BATCH_HEADER = 8;
const NO_CURSOR = 0xffffffff;

/**
 * The runtime's operations on one map, with keys and values as bytes: these are put where the functions find them, and what they leave is copied out. Sizes are checked
 * here (a Problem); who may do what is the caller's to know.
 */
export class MapCalls {
  readonly #host: MapHost;
  readonly #spec: MapSpec;
  readonly #address: number;
  #buffer: { readonly address: number; readonly size: number } | undefined;

  constructor(host: MapHost, spec: MapSpec, address: number) {
    this.#host = host;
    this.#spec = spec;
    this.#address = address;
  }

  /** Copies a value out (`hostReadElem`, with flags), or takes it out of the map (`hostTakeElem`); undefined when there is none. */
  read(operation: "hostReadElem" | "hostTakeElem", key: Uint8Array, more: readonly bigint[] = []): MapValue | undefined {
    this.#checkKey(key);
    const keySize = padded(key.length);
    const { address: at } = this.#room(keySize + this.#valueBytes);
    this.#host.memory.bytes.set(key, at);
    if (this.#host.call(operation, [this.#address, at, at + keySize, ...more]) !== 0) return undefined;
    return this.#valueAt(at + keySize);
  }

  /** 0 or a negative errno. `value`: in per-CPU kinds one for each CPU, or a single one that all CPUs get. */
  update(key: Uint8Array, value: MapValue, flags: number): number {
    this.#checkKey(key);
    const values = this.#valuesOf(value);
    const keySize = padded(key.length);
    const valueSize = padded(this.#spec.valueSize);
    const { address: keyAt } = this.#room(keySize + valueSize * values.length);
    const { bytes: memory } = this.#host.memory;
    memory.set(key, keyAt);
    for (const [cpu, bytes] of values.entries()) memory.set(bytes, keyAt + keySize + cpu * valueSize);
    return this.#host.call("hostUpdateElem", [this.#address, keyAt, keyAt + keySize, BigInt(flags)]);
  }

  delete(key: Uint8Array): number {
    this.#checkKey(key);
    const { address: at } = this.#room(padded(key.length));
    this.#host.memory.bytes.set(key, at);
    return this.#host.call("hostDeleteElem", [this.#address, at]);
  }

  nextKey(key?: Uint8Array): Uint8Array | undefined {
    if (key !== undefined) this.#checkKey(key);
    const keySize = padded(this.#spec.keySize);
    const { address: at } = this.#room(2 * keySize);
    if (key !== undefined) this.#host.memory.bytes.set(key, at);
    if (this.#host.call("hostNextKey", [this.#address, key === undefined ? 0 : at, at + keySize]) !== 0) return undefined;
    return this.#keyAt(at + keySize);
  }

  entries(cursor: number): Batch<MapEntry> {
    const { records, next } = this.#batch(cursor, true);
    return { entries: records.map((at): MapEntry => [this.#keyAt(at), this.#valueAt(at + padded(this.#spec.keySize))]), next };
  }

  keys(cursor: number): Batch<Uint8Array> {
    const { records, next } = this.#batch(cursor, false);
    return { entries: records.map((at) => this.#keyAt(at)), next };
  }

  /** Addresses of records of keys and values, copied out of the map, until the next operation. */
  #batch(cursor: number, values: boolean): { readonly records: readonly number[]; readonly next: number | undefined } {
    const { type, keySize } = this.#spec;
    const isQueue = type === BPF_MAP_TYPE_QUEUE || type === BPF_MAP_TYPE_STACK;
    const size = padded(keySize) + (values || isQueue ? this.#valueBytes : 0);
    let room = Math.max(this.#host.scratch.size, BATCH_HEADER + size);
    for (;;) {
      const { address } = this.#room(room);
      const error = this.#host.call("hostReadBatch", [this.#address, cursor, address, room, values ? 0 : 1]);
      const { view } = this.#host.memory;
      const count = view.getUint32(address, true);
      if (error === -ENOSPC) {
        room = Math.max(room, BATCH_HEADER + count * size) * 2;
        continue;
      }
      if (error !== 0) return { records: [], next: undefined };
      const next = view.getUint32(address + 4, true);
      const records = Array.from({ length: count }, (_, index) => address + BATCH_HEADER + index * size);
      return { records, next: next === NO_CURSOR ? undefined : next };
    }
  }

  #keyAt(address: number): Uint8Array {
    return sliceWhole(this.#host.memory.bytes, address, this.#spec.keySize);
  }

  /** Simulated CPUs that a value has parts for. */
  get #parts(): number {
    return isPerCpu(this.#spec.type) ? this.#host.cpus.blocks.length : 1;
  }

  /** Bytes of a value as the host's calls pass it: of all CPUs in per-CPU kinds, each padded to 8. */
  get #valueBytes(): number {
    return padded(this.#spec.valueSize) * this.#parts;
  }

  #valueAt(address: number): MapValue {
    const { bytes } = this.#host.memory;
    const size = this.#spec.valueSize;
    if (!isPerCpu(this.#spec.type)) return sliceWhole(bytes, address, size);
    return Array.from({ length: this.#parts }, (_, cpu) => sliceWhole(bytes, address + cpu * padded(size), size));
  }

  #checkKey(key: Uint8Array): void {
    if (key.length !== this.#spec.keySize) throw this.#wrongSize("the key", key.length, this.#spec.keySize);
  }

  #valuesOf(value: MapValue): readonly Uint8Array[] {
    const parts = this.#parts;
    const values = !(value instanceof Uint8Array) ? value : Array.from({ length: parts }, () => value);
    const size = this.#spec.valueSize;
    for (const { length } of values) if (length !== size) throw this.#wrongSize("the value", length, size);
    if (values.length === parts) return values;
    throw this.#wrongSize("the value of all CPUs", values.length * size, parts * size);
  }

  #wrongSize(part: string, given: number, expected: number): ProblemError {
    return new ProblemError(problems.map_size_wrong({ map: this.#spec.name, part, given, expected }));
  }

  /** Where the arguments of a call can stand: the host's scratch area, or, when that is too small, a buffer of the map's own. */
  #room(size: number): { readonly address: number } {
    const { scratch } = this.#host;
    if (size <= scratch.size) return scratch;
    if (this.#buffer === undefined || this.#buffer.size < size) {
      this.#buffer = { address: this.#host.memory.allocate("engine", size, 8, this.#spec.name), size };
    }
    return this.#buffer;
  }
}

/** `size` bytes even where the memory ends before. */
function sliceWhole(memory: Uint8Array, address: number, size: number): Uint8Array {
  const value = new Uint8Array(size);
  value.set(memory.subarray(address, address + size));
  return value;
}
