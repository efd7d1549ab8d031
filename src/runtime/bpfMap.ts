import type { MapSpec } from "../bpf/spec.ts";
import {
  BPF_ANY,
  BPF_F_NO_COMMON_LRU,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_BLOOM_FILTER,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_STACK,
  BPF_MAP_TYPE_USER_RINGBUF,
  EINVAL,
  ENOSPC,
  EPERM,
  HashHeader,
  LruState,
  MapHeader,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
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
  #frozen = false;
  #buffer: { readonly address: number; readonly size: number } | undefined;

  constructor(host: MapHost, spec: MapSpec, address: number, id: number) {
    this.spec = spec;
    this.id = id;
    this.address = address;
    this.#host = host;
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

  /** The value of a key; undefined without one. BPF_F_LOCK reads it under its bpf_spin_lock. QUEUE and STACK take an empty key, and give what pop would. */
  lookup(key: Uint8Array, flags = BPF_ANY): MapValue | undefined {
    return this.#readWith("hostReadElem", key, [BigInt(flags)]);
  }

  /** Takes an entry out of the map (BPF_MAP_LOOKUP_AND_DELETE_ELEM): HASH and LRU kinds, QUEUE, STACK. */
  lookupAndDelete(key: Uint8Array): MapValue | undefined {
    if (this.#frozen) return undefined;
    return this.#readWith("hostTakeElem", key, []);
  }

  #readWith(operation: string, key: Uint8Array, more: readonly bigint[]): MapValue | undefined {
    this.#checkKey(key);
    const keySize = padded(key.length);
    const { address: at } = this.#room(keySize + this.#valueBytes);
    this.#host.memory.bytes.set(key, at);
    if (this.#host.call(operation, [this.address, at, at + keySize, ...more]) !== 0) return undefined;
    const value = this.#valueAt(at + keySize);
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
   * The key behind `key`, of no key the first one; undefined behind the last (BPF_MAP_GET_NEXT_KEY). A key that is not there is followed by the first: a walk in which
   * others delete keys may meet some twice. `entries` does not.
   */
  nextKey(key?: Uint8Array): Uint8Array | undefined {
    if (key !== undefined) this.#checkKey(key);
    if (!hasKeys(this.spec.type)) return undefined;
    const keySize = padded(this.spec.keySize);
    const { address: at } = this.#room(2 * keySize);
    if (key !== undefined) this.#host.memory.bytes.set(key, at);
    if (this.#host.call("hostNextKey", [this.address, key === undefined ? 0 : at, at + keySize]) !== 0) return undefined;
    return sliceWhole(this.#host.memory.bytes, at + keySize, this.spec.keySize);
  }

  /**
   * Some entries from `cursor` on (undefined: the first), and the cursor of those behind them; undefined when there are none (BPF_MAP_LOOKUP_BATCH). Walks from cursor to
   * cursor end, and give a key that is there all the time once.
   */
  lookupBatch(cursor?: number): { readonly entries: readonly MapEntry[]; readonly next: number | undefined } {
    const { records, next } = this.#batch(cursor ?? 0, true);
    const entries = records.map((at): MapEntry => [this.#keyAt(at), this.#valueAt(at + padded(this.#keySize))]);
    const sparse = isSparseArray(this.spec.type);
    return { entries: sparse ? entries.filter(([, value]) => !isZero(value as Uint8Array)) : entries, next };
  }

  /** Writes entries in their order up to the first that is refused: how many were written, and why no more (0, or a negative errno). */
  updateBatch(entries: Iterable<MapEntry>, flags = BPF_ANY): { readonly count: number; readonly error: number } {
    return inTurn(entries, ([key, value]) => this.update(key, value, flags));
  }

  /** Deletes keys in their order up to the first that is refused, as `updateBatch`. */
  deleteBatch(keys: Iterable<Uint8Array>): { readonly count: number; readonly error: number } {
    return inTurn(keys, (key) => this.delete(key));
  }

  /**
   * All entries: array kinds in order of the index (those that name something without their empty entries), QUEUE and STACK in the order in which pop
   * would give them (with empty keys), others in no particular order. Kinds without entries of their own (RINGBUF, PERF_EVENT_ARRAY, BLOOM_FILTER) have none.
   * The map may be changed meanwhile, by programs or by who walks.
   */
  *entries(): Generator<MapEntry> {
    for (let cursor: number | undefined = 0; cursor !== undefined; ) {
      const { entries, next }: ReturnType<BpfMap["lookupBatch"]> = this.lookupBatch(cursor);
      yield* entries;
      cursor = next;
    }
  }

  /** Its keys, likewise. */
  *keys(): Generator<Uint8Array> {
    if (isSparseArray(this.spec.type)) {
      for (const [key] of this.entries()) yield key;
      return;
    }
    for (let cursor: number | undefined = 0; cursor !== undefined; ) {
      const { records, next }: Batch = this.#batch(cursor, false);
      yield* records.map((at) => this.#keyAt(at));
      cursor = next;
    }
  }

  /** How many entries `entries` would give. */
  get used(): number {
    let count = 0;
    for (const _ of this.keys()) count++;
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

  get #keySize(): number {
    return this.spec.keySize;
  }

  /** Addresses of records of keys and values, copied out of the map, until the next operation. */
  #batch(cursor: number, values: boolean): Batch {
    if (!hasEntries(this.spec.type)) return { records: [], next: undefined };
    const size = padded(this.#keySize) + (values || !hasKeys(this.spec.type) ? this.#valueBytes : 0);
    let room = Math.max(this.#host.scratch.size, BATCH_HEADER + size);
    for (;;) {
      const { address } = this.#room(room);
      const error = this.#host.call("hostReadBatch", [this.address, cursor, address, room, values ? 0 : 1]);
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
    return sliceWhole(this.#host.memory.bytes, address, this.#keySize);
  }

  /** Bytes of a value as the host's calls pass it: of all CPUs in per-CPU kinds, each padded to 8. */
  get #valueBytes(): number {
    return padded(this.spec.valueSize) * (this.perCpu ? this.cpuCount : 1);
  }

  #valueAt(address: number): MapValue {
    const { bytes } = this.#host.memory;
    const size = this.spec.valueSize;
    if (!this.perCpu) return sliceWhole(bytes, address, size);
    return Array.from({ length: this.cpuCount }, (_, cpu) => sliceWhole(bytes, address + cpu * padded(size), size));
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
    return this.lookupAndDelete(new Uint8Array(this.spec.keySize)) as Uint8Array | undefined;
  }

  /** Writes the first value of a global data section, frozen or not. */
  setContents(contents: Uint8Array): void {
    this.#host.memory.bytes.set(contents.subarray(0, this.spec.valueSize), this.elements);
  }

  /** Some bytes of the single value of a global data section, as programs see them now. A variable of up to 8 aligned bytes is read whole. */
  readContents(offset: number, size: number): Uint8Array {
    this.#checkContents(offset, size);
    const at = this.elements + offset;
    const word = wordFor(this.#host.memory.memory.buffer, at, size);
    if (word === undefined) return this.#host.memory.bytes.slice(at, at + size);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(Atomics.load(word as BigUint64Array, 0)), true);
    return bytes.slice(0, size);
  }

  /** Writes some bytes of it, likewise. Throws a Problem when the section is frozen, as .rodata is. */
  writeContents(offset: number, bytes: Uint8Array): void {
    if (this.#frozen) throw new ProblemError(problems.map_frozen({ map: this.name }));
    this.#checkContents(offset, bytes.length);
    const at = this.elements + offset;
    const word = wordFor(this.#host.memory.memory.buffer, at, bytes.length);
    if (word === undefined) {
      this.#host.memory.bytes.set(bytes, at);
      return;
    }
    const value = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    if (word instanceof BigUint64Array) Atomics.store(word, 0, value);
    else Atomics.store(word, 0, Number(value));
  }

  #checkContents(offset: number, size: number): void {
    if (offset >= 0 && offset + size <= this.spec.valueSize) return;
    const part = `what begins at byte ${offset}`;
    throw new ProblemError(problems.map_size_wrong({ map: this.name, part, given: size, expected: this.spec.valueSize - offset }));
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
}

/** Records of a batch by address, and the cursor behind them. */
interface Batch {
  readonly records: readonly number[];
  readonly next: number | undefined;
}

/** runtime/maps/hostAccess.as.ts: what stands in front of a batch, and the cursor behind the last entry. */
const BATCH_HEADER = 8;
const NO_CURSOR = 0xffffffff;

const hasKeys = (type: number): boolean => hasEntries(type) && type !== BPF_MAP_TYPE_QUEUE && type !== BPF_MAP_TYPE_STACK;

const hasEntries = (type: number): boolean =>
  type !== BPF_MAP_TYPE_RINGBUF &&
  type !== BPF_MAP_TYPE_USER_RINGBUF &&
  type !== BPF_MAP_TYPE_PERF_EVENT_ARRAY &&
  type !== BPF_MAP_TYPE_BLOOM_FILTER;

function inTurn<T>(given: Iterable<T>, work: (one: T) => number): { readonly count: number; readonly error: number } {
  let count = 0;
  for (const one of given) {
    const error = work(one);
    if (error < 0) return { count, error };
    count++;
  }
  return { count, error: 0 };
}

const namesSecondProgram = (type: number): boolean =>
  type === BPF_MAP_TYPE_DEVMAP || type === BPF_MAP_TYPE_DEVMAP_HASH || type === BPF_MAP_TYPE_CPUMAP;

/** The word of the memory at an address that a variable of this size fills, for Atomics; undefined for others. */
function wordFor(buffer: ArrayBufferLike, at: number, size: number): Uint8Array | Uint16Array | Uint32Array | BigUint64Array | undefined {
  if (at % size !== 0) return undefined;
  if (size === 8) return new BigUint64Array(buffer, at, 1);
  if (size === 4) return new Uint32Array(buffer, at, 1);
  if (size === 2) return new Uint16Array(buffer, at, 1);
  return size === 1 ? new Uint8Array(buffer, at, 1) : undefined;
}

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
