import type { MapSpec } from "../bpf/spec.ts";
import {
  BPF_ANY,
  BPF_F_NO_COMMON_LRU,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_STACK,
  EINVAL,
  EPERM,
  HashHeader,
  LruState,
  MapHeader,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { type ElementPlace, elementsInUse } from "./mapElements.ts";
import { type SpecialField, specialFields } from "./mapFields.ts";
import type { MapHost } from "./mapHost.ts";
import { isPerCpu, isSparseArray } from "./mapRules.ts";
import { problems } from "./problems.ts";
import { peekRing, ringLost } from "./rings.ts";

/** A value of a map: its bytes; in per-CPU kinds one array of bytes for each simulated CPU. */
export type MapValue = Uint8Array | readonly Uint8Array[];

export type MapEntry = readonly [key: Uint8Array, value: MapValue];

/**
 * A map in the memory, as user space sees it: keys and values are bytes in the machine's order. Operations answer with 0 or a negative errno, as bpf(2)
 * would. What is read from the memory is checked against what was laid out, so that a map which a program overwrote gives wrong values, and nothing
 * worse.
 *
 * All of it may be used while CPUs run: every operation goes through the same functions as the programs' own, with their locks. An entry that leads packets to a
 * device or CPU (DEVMAP, DEVMAP_HASH, CPUMAP) has two words, which packets read one after the other; such entries change when the CPUs stand between two windows.
 *
 * Values that name something: PROG_ARRAY a function table slot (u32); DEVMAP and DEVMAP_HASH an ifindex and the slot of the device's program, CPUMAP a
 * queue size and the slot of the CPU's program; maps of maps the address of the inner map (see `setInner`).
 */
export class BpfMap {
  readonly spec: MapSpec;
  readonly id: number;
  /** Address of its MapHeader: what programs hold. */
  readonly address: number;
  /** Constant words of its header: address of the first value or element, and bytes to the next; bytes from one CPU's values to the next one's. */
  readonly elements: number;
  readonly stride: number;
  readonly cpuStride: number;
  readonly #host: MapHost;
  /** What user space does not see of a value. */
  readonly #special: readonly SpecialField[];
  #frozen = false;
  #buffer: { readonly address: number; readonly size: number } | undefined;

  constructor(host: MapHost, spec: MapSpec, address: number, id: number) {
    this.spec = spec;
    this.id = id;
    this.address = address;
    this.#host = host;
    this.#special = specialFields(spec);
    const { view } = host.memory;
    this.elements = MapHeader.read(view, address, "elements");
    this.stride = MapHeader.read(view, address, "stride");
    this.cpuStride = MapHeader.read(view, address, "cpu_stride");
    host.register(this);
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

  /** Simulated CPUs that the machine has: values of a per-CPU kind. */
  get cpuCount(): number {
    return this.#host.cpus.blocks.length;
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
    const { address: at } = this.#room(padded(key.length));
    this.#host.memory.bytes.set(key, at);
    const address = this.#host.call("hostLookupElem", [this.address, at], 0) >>> 0;
    if (address === 0) return undefined;
    const value = this.#read(address);
    return isSparseArray(this.spec.type) && isZero(value as Uint8Array) ? undefined : value;
  }

  /** `value`: in per-CPU kinds one for each CPU, or a single one that all CPUs get. QUEUE, STACK and BLOOM_FILTER take an empty key, and push. */
  update(key: Uint8Array, value: MapValue, flags = BPF_ANY): number {
    if (this.#frozen) return -EPERM;
    this.#checkKey(key);
    const values = this.#valuesOf(value);
    const keySize = padded(key.length);
    const valueSize = padded(this.spec.valueSize);
    const { address: keyAt } = this.#room(keySize + valueSize * values.length);
    const { bytes: memory } = this.#host.memory;
    memory.set(key, keyAt);
    for (const [cpu, bytes] of values.entries()) memory.set(bytes, keyAt + keySize + cpu * valueSize);
    if (namesSecondProgram(this.spec.type)) this.#host.standStill();
    return this.#host.call("hostUpdateElem", [this.address, keyAt, keyAt + keySize, BigInt(flags)]);
  }

  delete(key: Uint8Array): number {
    if (this.#frozen) return -EPERM;
    this.#checkKey(key);
    const { address: at } = this.#room(padded(key.length));
    this.#host.memory.bytes.set(key, at);
    if (namesSecondProgram(this.spec.type)) this.#host.standStill();
    return this.#host.call("hostDeleteElem", [this.address, at]);
  }

  /**
   * All entries: array kinds in order of the index (those that name something without their empty entries), QUEUE and STACK in the order in which pop
   * would give them (with empty keys), others in no particular order. Kinds without entries of their own (RINGBUF, PERF_EVENT_ARRAY, BLOOM_FILTER) have none.
   */
  *entries(): Generator<MapEntry> {
    for (const { key, valueAt } of elementsInUse(this.#place)) {
      const value = this.#read(valueAt);
      if (!isSparseArray(this.spec.type) || !isZero(value as Uint8Array)) yield [key, value];
    }
  }

  /** How many entries `entries` would give, without reading their values where the kind allows it. */
  get used(): number {
    if (isSparseArray(this.spec.type)) return [...this.entries()].length;
    let count = 0;
    for (const _ of elementsInUse(this.#place)) count++;
    return count;
  }

  /** Records of a RINGBUF that nobody has taken, oldest first; undefined for other kinds. */
  get records(): Uint8Array[] | undefined {
    return this.spec.type === BPF_MAP_TYPE_RINGBUF ? peekRing(this.#host.memory, this) : undefined;
  }

  /** Records of a RINGBUF that found no room, since it was made; 0 for other kinds. */
  get lost(): number {
    return this.spec.type === BPF_MAP_TYPE_RINGBUF ? Number(ringLost(this.#host.memory, this)) : 0;
  }

  /** Entries that an LRU map gave up to make room for others, since it was made; undefined for other kinds. */
  get evicted(): number | undefined {
    if (this.spec.type !== BPF_MAP_TYPE_LRU_HASH && this.spec.type !== BPF_MAP_TYPE_LRU_PERCPU_HASH) return undefined;
    const { view } = this.#host.memory;
    const first = HashHeader.read(view, this.address, "lru");
    const states = (this.spec.flags & BPF_F_NO_COMMON_LRU) === 0 ? 1 : this.#host.cpus.blocks.length;
    let sum = 0;
    for (let state = 0; state < states; state++) sum += LruState.read(view, first + state * LruState.size, "evicted");
    return sum;
  }

  /** Removes every entry; array kinds are zeroed. */
  clear(): void {
    const isArray = this.spec.type === BPF_MAP_TYPE_ARRAY || this.spec.type === BPF_MAP_TYPE_PERCPU_ARRAY;
    const isQueue = this.spec.type === BPF_MAP_TYPE_QUEUE || this.spec.type === BPF_MAP_TYPE_STACK;
    for (const [key] of [...this.entries()]) {
      if (isArray) this.update(key, new Uint8Array(this.spec.valueSize));
      else if (isQueue) this.pop();
      else this.delete(key);
    }
  }

  /** Takes the next value of a QUEUE or STACK (BPF_MAP_LOOKUP_AND_DELETE_ELEM). */
  pop(): Uint8Array | undefined {
    const { address } = this.#room(padded(this.spec.valueSize));
    const error = this.#host.call("mapPopElem", [this.address, address]);
    return error === 0 ? this.#host.memory.bytes.slice(address, address + this.spec.valueSize) : undefined;
  }

  /** Writes the first value of a global data section, frozen or not. */
  setContents(contents: Uint8Array): void {
    this.#host.memory.bytes.set(contents.subarray(0, this.spec.valueSize), this.elements);
  }

  /** Puts a program into an entry of a PROG_ARRAY; `slot` is its index in the function table, 0 empties the entry. */
  setProgram(index: number, slot: number): void {
    const error = slot === 0 ? this.delete(u32Bytes(index)) : this.update(u32Bytes(index), u32Bytes(slot));
    if (error !== 0 && slot !== 0) throw new ProblemError(problems.map_update_failed({ map: this.name, key: index, errno: -error }));
  }

  /** Table slots of the programs that its entries name; empty for kinds that name none. */
  programSlots(): ReadonlySet<number> {
    const { type, valueSize } = this.spec;
    const at = type === BPF_MAP_TYPE_PROG_ARRAY ? 0 : namesSecondProgram(type) && valueSize >= 8 ? 4 : undefined;
    if (at === undefined) return new Set();
    return new Set([...this.entries()].map(([, value]) => readU32((value as Uint8Array).subarray(at, at + 4))));
  }

  /** Puts a map into an entry of a map of maps: 0, or -EINVAL when it does not resemble the template. kernel/bpf/map_in_map.c: bpf_map_meta_equal. */
  setInner(key: Uint8Array, inner: BpfMap, flags = BPF_ANY): number {
    const template = this.spec.inner;
    if (template !== undefined && !resembles(inner.spec, template)) return -EINVAL;
    return this.update(key, u32Bytes(inner.address), flags);
  }

  /** The map in an entry of a map of maps. */
  inner(key: Uint8Array): BpfMap | undefined {
    const value = this.lookup(key);
    return value === undefined ? undefined : this.#host.mapAt(readU32(value as Uint8Array));
  }

  get #place(): ElementPlace {
    return { memory: this.#host.memory, spec: this.spec, address: this.address, elements: this.elements, stride: this.stride };
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

  /** Where the arguments of a call can stand: the host's scratch area, or, when that is too small, a buffer of the map's own. */
  #room(size: number): { readonly address: number } {
    const { scratch } = this.#host;
    if (size <= scratch.size) return scratch;
    if (this.#buffer === undefined || this.#buffer.size < size) {
      this.#buffer = { address: this.#host.memory.allocate("engine", size, 8, this.name), size };
    }
    return this.#buffer;
  }

  #read(address: number): MapValue {
    const { bytes } = this.#host.memory;
    const size = this.spec.valueSize;
    if (!this.perCpu) {
      const value = sliceWhole(bytes, address, size);
      for (const { offset, size } of this.#special) value.fill(0, offset, offset + size);
      return value;
    }
    return this.#host.cpus.blocks.map((_, cpu) => sliceWhole(bytes, address + cpu * this.cpuStride, size));
  }
}

const namesSecondProgram = (type: number): boolean =>
  type === BPF_MAP_TYPE_DEVMAP || type === BPF_MAP_TYPE_DEVMAP_HASH || type === BPF_MAP_TYPE_CPUMAP;

const padded = (size: number): number => Math.ceil(size / 8) * 8;

/** `size` bytes even where the memory ends before. */
function sliceWhole(memory: Uint8Array, address: number, size: number): Uint8Array {
  const value = new Uint8Array(size);
  value.set(memory.subarray(address, address + size));
  return value;
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

const readU32 = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);

function u32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** BPF_F_INNER_MAP: arrays of any length may stand in the place of one. include/uapi/linux/bpf.h. */
const BPF_F_INNER_MAP = 4096;

function resembles(map: MapSpec, template: MapSpec): boolean {
  if (map.type !== template.type || map.keySize !== template.keySize || map.valueSize !== template.valueSize) return false;
  if (map.flags !== template.flags) return false;
  return map.type !== BPF_MAP_TYPE_ARRAY || (map.flags & BPF_F_INNER_MAP) !== 0 || map.maxEntries === template.maxEntries;
}
