import type { MapSpec } from "../bpf/spec.ts";
import {
  BPF_ANY,
  BPF_F_NO_COMMON_LRU,
  BPF_F_RDONLY,
  BPF_F_WRONLY,
  BPF_MAP_TYPE_ARENA,
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
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_STACK,
  BPF_MAP_TYPE_USER_RINGBUF,
  EINVAL,
  EPERM,
  HashHeader,
  LruState,
  MapHeader,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { Arena } from "./arena.ts";
import { DataSection } from "./dataSection.ts";
import { MapCalls } from "./mapCalls.ts";
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
 * Keys that name something: SK_STORAGE the number of a declared socket, from 1, in the place of a file descriptor.
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
  /** The map's first value as a data section of global variables. */
  readonly section: DataSection;
  /** The memory of an ARENA; undefined for other kinds. */
  readonly arena: Arena | undefined;
  readonly #host: MapHost;
  readonly #calls: MapCalls;
  #frozen = false;

  constructor(host: MapHost, spec: MapSpec, address: number, id: number) {
    this.spec = spec;
    this.id = id;
    this.address = address;
    this.#host = host;
    this.#calls = new MapCalls(host, spec, address);
    this.arena = spec.type === BPF_MAP_TYPE_ARENA ? new Arena(host.memory, this) : undefined;
    this.section = new DataSection(host.memory, this);
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

  /** Whether user space may look entries up: not in a map made with BPF_F_WRONLY. */
  get readable(): boolean {
    return (this.spec.flags & BPF_F_WRONLY) === 0;
  }

  /** Whether user space may change entries: neither in a map made with BPF_F_RDONLY nor in a frozen one. */
  get writable(): boolean {
    return !this.#frozen && (this.spec.flags & BPF_F_RDONLY) === 0;
  }

  /** BPF_MAP_FREEZE: from now on `update` and `delete` answer -EPERM. 0, or -EPERM for who may not write the map himself. kernel/bpf/syscall.c: map_freeze. */
  freeze(): number {
    if (!this.writable) return -EPERM;
    this.#frozen = true;
    MapHeader.write(this.#host.memory.view, this.address, "frozen", 1);
    return 0;
  }

  /**
   * The value of a key; undefined without one. BPF_F_LOCK reads it under its bpf_spin_lock. QUEUE and STACK take an empty key, and give what pop would. This and all else
   * that reads throws a Problem where the map is not `readable`.
   */
  lookup(key: Uint8Array, flags = BPF_ANY): MapValue | undefined {
    this.#checkReadable();
    return this.#present(this.#calls.read("hostReadElem", key, [BigInt(flags)]));
  }

  /** Takes an entry out of the map (BPF_MAP_LOOKUP_AND_DELETE_ELEM): HASH and LRU kinds, QUEUE, STACK. Throws a Problem where the map is not `writable` too. */
  lookupAndDelete(key: Uint8Array): MapValue | undefined {
    this.#checkReadable();
    if (!this.writable) throw this.#forbidden("change");
    return this.#calls.read("hostTakeElem", key);
  }

  #checkReadable(): void {
    if (!this.readable) throw this.#forbidden("read");
  }

  #forbidden(what: "read" | "change"): ProblemError {
    const why = what === "read" ? "BPF_F_WRONLY" : this.#frozen ? "frozen" : "BPF_F_RDONLY";
    return new ProblemError(problems.map_access({ map: this.name, what, why }));
  }

  /** Undefined for what stands for "none" in arrays of names. */
  #present(value: MapValue | undefined): MapValue | undefined {
    return value !== undefined && isSparseArray(this.spec.type) && isZero(value as Uint8Array) ? undefined : value;
  }

  /** `value`: in per-CPU kinds one for each CPU, or a single one that all CPUs get. QUEUE, STACK and BLOOM_FILTER take an empty key, and push. */
  update(key: Uint8Array, value: MapValue, flags = BPF_ANY): number {
    if (!this.writable) return -EPERM;
    if (namesSecondProgram(this.spec.type)) this.#host.standStill();
    return this.#calls.update(key, value, flags);
  }

  delete(key: Uint8Array): number {
    if (!this.writable) return -EPERM;
    if (namesSecondProgram(this.spec.type)) this.#host.standStill();
    return this.#calls.delete(key);
  }

  /**
   * The key behind `key`, of no key the first one; undefined behind the last (BPF_MAP_GET_NEXT_KEY). A key that is not there is followed by the first: a walk in which
   * others delete keys may meet some twice. `entries` does not.
   */
  nextKey(key?: Uint8Array): Uint8Array | undefined {
    this.#checkReadable();
    return hasKeys(this.spec.type) ? this.#calls.nextKey(key) : undefined;
  }

  /**
   * Some entries from `cursor` on (undefined: the first), and the cursor of those behind them; undefined when there are none (BPF_MAP_LOOKUP_BATCH). Walks from cursor to
   * cursor end, and give a key that is there all the time once.
   */
  lookupBatch(cursor?: number): { readonly entries: readonly MapEntry[]; readonly next: number | undefined } {
    this.#checkReadable();
    return this.#entriesFrom(cursor ?? 0);
  }

  #entriesFrom(cursor: number): ReturnType<BpfMap["lookupBatch"]> {
    if (!hasEntries(this.spec.type)) return { entries: [], next: undefined };
    const { entries, next } = this.#calls.entries(cursor);
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
    this.#checkReadable();
    yield* this.#allEntries();
  }

  *#allEntries(): Generator<MapEntry> {
    for (let cursor: number | undefined = 0; cursor !== undefined; ) {
      const { entries, next }: ReturnType<BpfMap["lookupBatch"]> = this.#entriesFrom(cursor);
      yield* entries;
      cursor = next;
    }
  }

  /** Its keys, likewise. */
  *keys(): Generator<Uint8Array> {
    this.#checkReadable();
    yield* this.#allKeys();
  }

  *#allKeys(): Generator<Uint8Array> {
    if (isSparseArray(this.spec.type)) {
      for (const [key] of this.#allEntries()) yield key;
      return;
    }
    if (!hasEntries(this.spec.type)) return;
    for (let cursor: number | undefined = 0; cursor !== undefined; ) {
      const { entries, next }: ReturnType<MapCalls["keys"]> = this.#calls.keys(cursor);
      yield* entries;
      cursor = next;
    }
  }

  /** How many entries there are, or pages of an ARENA; also of a map that is not `readable`. */
  get used(): number {
    if (this.arena !== undefined) return this.arena.pages.length;
    let count = 0;
    for (const _ of this.#allKeys()) count++;
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
    return this.lookupAndDelete(new Uint8Array(this.spec.keySize)) as Uint8Array | undefined;
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
    return new Set([...this.#allEntries()].map(([, value]) => readU32((value as Uint8Array).subarray(at, at + 4))));
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
}

const hasKeys = (type: number): boolean =>
  hasEntries(type) && type !== BPF_MAP_TYPE_QUEUE && type !== BPF_MAP_TYPE_STACK && type !== BPF_MAP_TYPE_SK_STORAGE;

const hasEntries = (type: number): boolean =>
  type !== BPF_MAP_TYPE_ARENA &&
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
