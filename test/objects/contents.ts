import type { MapSpec } from "../../src/bpf/spec.ts";
import * as uapi from "../../src/layout/index.ts";

/** One entry that "user space" put into a map before the traffic. `inner`: a map made from the outer map's template. */
export interface LearntEntry {
  readonly map: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array | "inner";
}

/** Entries that one map is given at most: programs that store a key a packet must keep room of their own. */
const MOST_ENTRIES = 48;

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Inner maps are named by their outer map and the key there. */
export const innerName = (outer: string, key: Uint8Array): string => `${outer}[${hex(key)}]`;

const isMapOfMaps = (type: number): boolean => type === uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS || type === uapi.BPF_MAP_TYPE_HASH_OF_MAPS;

/** Map kinds whose keys can be learnt from look-ups. */
const learnable: ReadonlySet<number> = new Set([
  uapi.BPF_MAP_TYPE_HASH,
  uapi.BPF_MAP_TYPE_ARRAY,
  uapi.BPF_MAP_TYPE_PERCPU_HASH,
  uapi.BPF_MAP_TYPE_PERCPU_ARRAY,
  uapi.BPF_MAP_TYPE_LRU_HASH,
  uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH,
  uapi.BPF_MAP_TYPE_LPM_TRIE,
  uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS,
  uapi.BPF_MAP_TYPE_HASH_OF_MAPS,
]);

/**
 * What user space would put into the maps of a program nobody here knows: the keys that it looks up, found by running it, with values made up from a seed. Real
 * keys make a program take the paths behind a hit; the values are of several kinds, for a program may ask for any.
 */
export class LearntContents {
  readonly entries: LearntEntry[] = [];
  readonly #known = new Set<string>();
  readonly #counts = new Map<string, number>();
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** A program looked this key up. `found`: all bytes of the value there, where there is one. True when the key is given a value from now on. */
  lookedUp(name: string, spec: MapSpec, key: Uint8Array, found: Uint8Array | undefined): boolean {
    if (!learnable.has(spec.type) || spec.contents !== undefined || found?.some((byte) => byte !== 0)) return false;
    const id = `${name} ${hex(key)}`;
    if (this.#known.has(id)) return false;
    const count = this.#counts.get(name) ?? 0;
    const isArray = spec.type === uapi.BPF_MAP_TYPE_ARRAY || spec.type === uapi.BPF_MAP_TYPE_PERCPU_ARRAY;
    if (count >= Math.min(MOST_ENTRIES, isArray ? spec.maxEntries : Math.ceil(spec.maxEntries / 2))) return false;
    this.#known.add(id);
    const random = generator(hash(id, this.#seed));
    // Some stay as they are: misses are as real as hits.
    if (random() % 4 === 0) return false;
    this.#counts.set(name, count + 1);
    const value = isMapOfMaps(spec.type) ? "inner" : madeUp(spec.valueSize, random);
    this.entries.push({ map: name, key: spec.type === uapi.BPF_MAP_TYPE_LPM_TRIE ? shortened(key, random) : key, value });
    return true;
  }
}

/** A prefix of the address that was looked up: all of it, or the first bytes. */
function shortened(key: Uint8Array, random: () => number): Uint8Array {
  const prefix = key.slice();
  const view = new DataView(prefix.buffer);
  const length = Math.min(view.getUint32(0, true), (key.length - 4) * 8);
  view.setUint32(0, random() % 2 === 0 ? length : (length >> 4) * 8, true);
  return prefix;
}

/** Small words, ones, random bytes, or words of which only some are set. */
function madeUp(size: number, random: () => number): Uint8Array {
  const value = new Uint8Array(size);
  const kind = random() % 4;
  for (let at = 0; at < size; at++) {
    if (kind === 0) value[at] = at % 4 === 0 ? 1 + (random() % 3) : 0;
    else if (kind === 1) value[at] = random() % 8 === 0 ? random() & 0xff : 0;
    else if (kind === 2) value[at] = random() & 0xff;
    else value[at] = random() % 2;
  }
  return value;
}

/** FNV-1a. */
function hash(text: string, seed: number): number {
  let state = 0x811c9dc5 ^ seed;
  for (let at = 0; at < text.length; at++) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193);
  return state >>> 0;
}

/** Mulberry32: 32-bit numbers from a seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
