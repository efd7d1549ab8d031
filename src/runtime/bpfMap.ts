import type { MapSpec } from "../bpf/spec.ts";
import {
  BPF_ANY,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  E2BIG,
  EINVAL,
  ENOENT,
  EPERM,
  HashElement,
  HashHeader,
  MapHeader,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { MapHost } from "./mapHost.ts";
import { isPerCpu } from "./mapRules.ts";
import { problems } from "./problems.ts";

/** A value of a map: its bytes; in per-CPU kinds one array of bytes for each simulated CPU. */
export type MapValue = Uint8Array | readonly Uint8Array[];

export type MapEntry = readonly [key: Uint8Array, value: MapValue];

/**
 * A map in the memory, as user space sees it: keys and values are bytes in the machine's order. Operations answer with 0 or a negative errno, as bpf(2)
 * would. What is read from the memory is checked against what was laid out, so that a map which a program overwrote gives wrong values, and nothing
 * worse.
 */
export class BpfMap {
  readonly spec: MapSpec;
  readonly id: number;
  /** Address of its MapHeader: what programs hold. */
  readonly address: number;
  readonly #host: MapHost;
  readonly #elements: number;
  readonly #stride: number;
  readonly #cpuStride: number;
  #frozen = false;

  constructor(host: MapHost, spec: MapSpec, address: number, id: number) {
    this.spec = spec;
    this.id = id;
    this.address = address;
    this.#host = host;
    const { view } = host.memory;
    this.#elements = MapHeader.read(view, address, "elements");
    this.#stride = MapHeader.read(view, address, "stride");
    this.#cpuStride = MapHeader.read(view, address, "cpu_stride");
  }

  get name(): string {
    return this.spec.name;
  }

  get type(): number {
    return this.spec.type;
  }

  get perCpu(): boolean {
    return isPerCpu(this.spec.type);
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** BPF_MAP_FREEZE: from now on `update` and `delete` answer -EPERM. */
  freeze(): void {
    this.#frozen = true;
    MapHeader.write(this.#host.memory.view, this.address, "frozen", 1);
  }

  lookup(key: Uint8Array): MapValue | undefined {
    this.#checkKey(key);
    if (this.spec.type === BPF_MAP_TYPE_PROG_ARRAY) return this.#programValue(key);
    const { scratch } = this.#host;
    this.#host.memory.bytes.set(key, scratch.address);
    const address = this.#host.call("hostLookupElem", [this.address, scratch.address], 0) >>> 0;
    return address === 0 ? undefined : this.#read(address);
  }

  /** `value`: in per-CPU kinds one for each CPU, or a single one that all CPUs get. */
  update(key: Uint8Array, value: MapValue, flags = BPF_ANY): number {
    if (this.#frozen) return -EPERM;
    this.#checkKey(key);
    const values = this.#valuesOf(value);
    if (this.spec.type === BPF_MAP_TYPE_PROG_ARRAY) return this.#setProgram(key, values[0] as Uint8Array, flags);
    const { memory, scratch } = this.#host;
    const padding = Math.ceil(this.spec.valueSize / 8) * 8;
    const keyAt = scratch.address;
    const valueAt = keyAt + Math.ceil(key.length / 8) * 8;
    const needed = valueAt + padding * values.length - scratch.address;
    if (needed > scratch.size) return this.#updateLarge(key, values, flags, needed);
    memory.bytes.set(key, keyAt);
    for (const [cpu, bytes] of values.entries()) memory.bytes.set(bytes, valueAt + cpu * padding);
    return this.#host.call("hostUpdateElem", [this.address, keyAt, valueAt, BigInt(flags)]);
  }

  delete(key: Uint8Array): number {
    if (this.#frozen) return -EPERM;
    this.#checkKey(key);
    if (this.spec.type === BPF_MAP_TYPE_PROG_ARRAY) return this.#clearProgram(key);
    const { scratch } = this.#host;
    this.#host.memory.bytes.set(key, scratch.address);
    return this.#host.call("mapDeleteElem", [this.address, scratch.address]);
  }

  /** All entries: arrays in order of the index, others in no particular order. A PROG_ARRAY shows its filled slots. */
  *entries(): Generator<MapEntry> {
    if (this.#isIndexed()) {
      for (let index = 0; index < this.spec.maxEntries; index++) {
        const key = indexKey(index);
        const value = this.lookup(key);
        if (value !== undefined) yield [key, value];
      }
      return;
    }
    for (const element of this.#elementsInUse()) yield [this.#keyOf(element), this.#read(this.#valueAddress(element))];
  }

  /** Removes every entry; array kinds are zeroed. */
  clear(): void {
    for (const [key] of [...this.entries()]) {
      if (this.spec.type === BPF_MAP_TYPE_ARRAY || this.spec.type === BPF_MAP_TYPE_PERCPU_ARRAY)
        this.update(key, new Uint8Array(this.spec.valueSize));
      else this.delete(key);
    }
  }

  /** Writes the first value of a global data section, frozen or not. */
  setContents(contents: Uint8Array): void {
    const bytes = contents.subarray(0, this.spec.valueSize);
    this.#host.memory.bytes.set(bytes, this.#elements);
  }

  /** Puts a program into a slot of a PROG_ARRAY; `slot` is its index in the function table, 0 empties the entry. */
  setProgram(index: number, slot: number): void {
    if (index >= this.spec.maxEntries) throw new RangeError(`${this.name} has ${this.spec.maxEntries} entries, no entry ${index}`);
    Atomics.store(new Uint32Array(this.#host.memory.memory.buffer), (this.#elements + index * 4) / 4, slot);
  }

  #isIndexed(): boolean {
    const { type } = this.spec;
    return type === BPF_MAP_TYPE_ARRAY || type === BPF_MAP_TYPE_PERCPU_ARRAY || type === BPF_MAP_TYPE_PROG_ARRAY;
  }

  #checkKey(key: Uint8Array): void {
    if (key.length === this.spec.keySize) return;
    throw new ProblemError(problems.map_size_wrong({ map: this.name, part: "the key", given: key.length, expected: this.spec.keySize }));
  }

  #valuesOf(value: MapValue): readonly Uint8Array[] {
    const cpus = this.#host.cpus.blocks.length;
    const single = value instanceof Uint8Array;
    const values = !single ? value : this.perCpu ? Array.from({ length: cpus }, () => value) : [value];
    const expected = this.spec.valueSize;
    for (const { length } of values) {
      if (length !== expected)
        throw new ProblemError(problems.map_size_wrong({ map: this.name, part: "the value", given: length, expected }));
    }
    const count = this.perCpu ? cpus : 1;
    if (values.length === count) return values;
    const given = values.length * expected;
    throw new ProblemError(problems.map_size_wrong({ map: this.name, part: "the value of all CPUs", given, expected: count * expected }));
  }

  /** Values that the scratch area cannot hold go through memory of their own. */
  #updateLarge(key: Uint8Array, values: readonly Uint8Array[], flags: number, needed: number): number {
    const { memory } = this.#host;
    const at = memory.allocate("engine", needed, 8, this.name);
    const padding = Math.ceil(this.spec.valueSize / 8) * 8;
    const valueAt = at + Math.ceil(key.length / 8) * 8;
    memory.bytes.set(key, at);
    for (const [cpu, bytes] of values.entries()) memory.bytes.set(bytes, valueAt + cpu * padding);
    return this.#host.call("hostUpdateElem", [this.address, at, valueAt, BigInt(flags)]);
  }

  #read(address: number): MapValue {
    const { bytes } = this.#host.memory;
    const size = this.spec.valueSize;
    if (!this.perCpu) return bytes.slice(address, address + size);
    return this.#host.cpus.blocks.map((_, cpu) => bytes.slice(address + cpu * this.#cpuStride, address + cpu * this.#cpuStride + size));
  }

  #programValue(key: Uint8Array): Uint8Array | undefined {
    const index = readIndex(key);
    if (index >= this.spec.maxEntries) return undefined;
    const slot = this.#host.memory.view.getUint32(this.#elements + index * 4, true);
    return slot === 0 ? undefined : indexKey(slot);
  }

  #setProgram(key: Uint8Array, value: Uint8Array, flags: number): number {
    if (flags !== BPF_ANY) return -EINVAL;
    const index = readIndex(key);
    if (index >= this.spec.maxEntries) return -E2BIG;
    this.setProgram(index, readIndex(value));
    return 0;
  }

  #clearProgram(key: Uint8Array): number {
    const index = readIndex(key);
    if (index >= this.spec.maxEntries) return -E2BIG;
    if (this.#programValue(key) === undefined) return -ENOENT;
    this.setProgram(index, 0);
    return 0;
  }

  #keyOf(element: number): Uint8Array {
    const at = element + HashElement.size;
    return this.#host.memory.bytes.slice(at, at + this.spec.keySize);
  }

  #valueAddress(element: number): number {
    const { view } = this.#host.memory;
    const at = element + HashElement.size + Math.ceil(this.spec.keySize / 8) * 8;
    return this.perCpu ? view.getUint32(at, true) : at;
  }

  /** Addresses of the elements in the chains. A link that leads outside the map's elements ends its chain. */
  *#elementsInUse(): Generator<number> {
    const { view } = this.#host.memory;
    const heads = HashHeader.read(view, this.address, "buckets");
    const buckets = HashHeader.read(view, this.address, "bucket_mask") + 1;
    const slots = HashHeader.read(view, this.address, "slots");
    const limit = HashHeader.read(view, this.address, "capacity") + slots;
    const end = this.#elements + limit * this.#stride;
    let left = limit;
    for (let bucket = 0; bucket < buckets; bucket++) {
      let element = view.getUint32(heads + bucket * 4, true);
      while (element >= this.#elements && element < end && (element - this.#elements) % this.#stride === 0 && left-- > 0) {
        yield element;
        element = view.getUint32(element + HashElement.at.next, true);
      }
    }
  }
}

const readIndex = (key: Uint8Array): number => new DataView(key.buffer, key.byteOffset, 4).getUint32(0, true);

const indexKey = (index: number): Uint8Array => {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, index, true);
  return key;
};
