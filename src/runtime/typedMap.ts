import { type Btf, decodePlain, encodePlain, type PlainValue } from "../bpf/btf/index.ts";
import { BPF_ANY, BPF_EXIST, BPF_NOEXIST, EEXIST, ENOENT } from "../layout/index.ts";
import { ProblemError, type Result } from "../problem/index.ts";
import type { BpfMap, MapEntry, MapValue } from "./bpfMap.ts";
import { problems } from "./problems.ts";

/** Values of a per-CPU map: one for each simulated CPU. */
export type PerCpu<T> = readonly T[];

/** What may be written where T is read: members may be left out (they are 0 then), numbers and bigints stand for each other, lists for bytes. */
export type Writable<T> = T extends number | bigint
  ? number | bigint
  : T extends Uint8Array
    ? Uint8Array | readonly number[]
    : T extends string | boolean
      ? T
      : T extends readonly (infer E)[]
        ? readonly Writable<E>[]
        : { readonly [M in keyof T]?: Writable<T[M]> };

/**
 * A map with keys and values as plain objects by their BTF types (see PlainValue for the form of each type); without types they are Uint8Arrays. In per-CPU
 * maps a value is a list, one for each CPU. K and V are the caller's word for what the types say: `xdplane skeleton` writes them. All of it may be used while
 * packets flow.
 */
export class TypedMap<K = PlainValue, V = PlainValue> {
  /** The same map, by bytes. */
  readonly map: BpfMap;

  constructor(map: BpfMap) {
    this.map = map;
  }

  get name(): string {
    return this.map.name;
  }

  /** Entries there are. */
  get size(): number {
    return this.map.used;
  }

  /** The value of a key, or undefined. BPF_F_LOCK reads it under its bpf_spin_lock. */
  lookup(key: Writable<K>, flags = BPF_ANY): V | undefined {
    return this.#maybe(this.map.lookup(this.#keyBytes(key), flags));
  }

  /** Takes an entry out (HASH and LRU kinds), or the next value of a QUEUE or STACK, whose key is `undefined`. */
  lookupAndDelete(key: Writable<K>): V | undefined {
    return this.#maybe(this.map.lookupAndDelete(this.#keyBytes(key)));
  }

  /**
   * Writes a value. False when BPF_NOEXIST meets a key that is there, or BPF_EXIST one that is not; what else the map refuses (no room, an index past the end, a frozen
   * map) is thrown as a Problem with the errno. A per-CPU map takes a list, or one value for all CPUs.
   */
  update(key: Writable<K>, value: Writable<V> | (V extends PerCpu<infer T> ? Writable<T> : never), flags = BPF_ANY): boolean {
    const error = this.map.update(this.#keyBytes(key), this.#valueBytes(value), flags);
    if (error === 0) return true;
    if ((error === -EEXIST && flags === BPF_NOEXIST) || (error === -ENOENT && (flags & BPF_EXIST) !== 0)) return false;
    throw new ProblemError(problems.map_update_failed({ map: this.name, key: JSON.stringify(key, digits) ?? "none", errno: -error }));
  }

  /** Deletes a key; whether it was there. What the map refuses otherwise is thrown as a Problem. */
  delete(key: Writable<K>): boolean {
    const error = this.map.delete(this.#keyBytes(key));
    if (error === 0 || error === -ENOENT) return error === 0;
    throw new ProblemError(problems.map_update_failed({ map: this.name, key: JSON.stringify(key, digits) ?? "none", errno: -error }));
  }

  /** Some entries from a cursor on (undefined: the first), and the cursor of those behind them. */
  lookupBatch(cursor?: number): { readonly entries: readonly (readonly [K, V])[]; readonly next: number | undefined } {
    const { entries, next } = this.map.lookupBatch(cursor);
    return { entries: entries.map((entry) => this.#entry(entry)), next };
  }

  /** Writes entries in their order; throws at the first that the map refuses. */
  updateBatch(entries: Iterable<readonly [Writable<K>, Writable<V>]>, flags = BPF_ANY): void {
    for (const [key, value] of entries) this.update(key, value, flags);
  }

  /** Deletes keys; how many of them were there. */
  deleteBatch(keys: Iterable<Writable<K>>): number {
    let count = 0;
    for (const key of keys) if (this.delete(key)) count++;
    return count;
  }

  /** Each entry once; the map may change meanwhile. */
  *entries(): Generator<readonly [K, V]> {
    for (const entry of this.map.entries()) yield this.#entry(entry);
  }

  *keys(): Generator<K> {
    for (const key of this.map.keys()) yield this.#key(key);
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): Generator<readonly [K, V]> {
    return this.entries();
  }

  #entry([key, value]: MapEntry): readonly [K, V] {
    return [this.#key(key), this.#value(value)];
  }

  #key(bytes: Uint8Array): K {
    const { spec } = this.map;
    return (spec.keySize === 0 ? undefined : decoded(spec.btf, spec.keyTypeId, bytes, `${spec.name}.key`)) as K;
  }

  #value(value: MapValue): V {
    const { btf, valueTypeId, name } = this.map.spec;
    const one = (bytes: Uint8Array) => decoded(btf, valueTypeId, bytes, `${name}.value`);
    return (value instanceof Uint8Array ? one(value) : value.map(one)) as V;
  }

  #maybe(value: MapValue | undefined): V | undefined {
    return value === undefined ? undefined : this.#value(value);
  }

  #keyBytes(key: unknown): Uint8Array {
    const { btf, keyTypeId, keySize, name } = this.map.spec;
    return keySize === 0 ? new Uint8Array(0) : encoded(btf, keyTypeId, key, `${name}.key`);
  }

  #valueBytes(value: unknown): MapValue {
    const { btf, valueTypeId, name } = this.map.spec;
    const one = (given: unknown) => encoded(btf, valueTypeId, given, `${name}.value`);
    return this.map.perCpu && Array.isArray(value) ? value.map(one) : one(value);
  }
}

const digits = (_name: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);

function decoded(btf: Btf | undefined, typeId: number | undefined, bytes: Uint8Array, path: string): PlainValue {
  return btf === undefined || !typeId ? bytes : taken(decodePlain(btf, typeId, bytes, path));
}

/** Bytes stand for themselves, whatever the type; their number is the map's to check. */
function encoded(btf: Btf | undefined, typeId: number | undefined, value: unknown, path: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (btf !== undefined && typeId) return taken(encodePlain(btf, typeId, value, path));
  throw new ProblemError(problems.map_use_wrong({ map: path, type: "value without a type", why: "it is written as a Uint8Array" }));
}

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
