import type { MapSpec } from "../../../src/bpf/spec.ts";
import * as uapi from "../../../src/layout/index.ts";
import type { PresetEntry } from "./input.ts";
import { BUFFER_OFFSET, BUFFER_SIZE, SEED_OFFSET } from "./mapCatalog.ts";
import type { GeneratedSet } from "./program.ts";
import { bytesFrom } from "./writer.ts";

const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

/** What both sides do with a map from user space. Keys and values are whole; a per-CPU value is one for each CPU. */
export interface UserSide {
  update(map: string, key: Uint8Array, value: Uint8Array): void;
  delete(map: string, key: Uint8Array): void;
  /** Writes a record into the USER_RINGBUF, where there is room. */
  produce(record: Uint8Array): void;
}

/** Prefix lengths of the keys that an LPM_TRIE meets, and the address that they are cut from. */
export const LPM_LENGTHS = [0, 8, 12, 16, 20, 24, 31, 32] as const;
const LPM_ADDRESS = 0x0a01_80ff;

/** Key number `key` of an LPM_TRIE with 4 bytes of data: its length, then the address in network order with zeros behind it. */
export function lpmKey(key: number): Uint8Array {
  const length = LPM_LENGTHS[key & 7]!;
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  const address = key >= 8 ? LPM_ADDRESS ^ 0x8000 : LPM_ADDRESS;
  view.setUint32(4, length === 0 ? 0 : (address & (-1 << (32 - length))) >>> 0);
  return bytes;
}

function presetKey({ type, keySize }: MapSpec, key: number): Uint8Array {
  if (keySize === 0) return new Uint8Array(0);
  return type === uapi.BPF_MAP_TYPE_LPM_TRIE ? lpmKey(key) : u32(key);
}

/** Values begin with a zero word where a lock stands. */
function presetValue({ valueSize, btf }: MapSpec, value: number): Uint8Array {
  const bytes = bytesFrom(value, valueSize);
  if (btf !== undefined) bytes.fill(0, 0, 4);
  return bytes;
}

/** Applies user space's updates and deletions to those maps that the programs have. */
export function applyEntries(maps: readonly MapSpec[], entries: readonly PresetEntry[], side: UserSide): void {
  for (const { map: name, key, value } of entries) {
    const spec = maps.find((map) => map.name === name);
    if (spec === undefined) continue;
    if (spec.type === uapi.BPF_MAP_TYPE_USER_RINGBUF) {
      side.produce(bytesFrom(value ?? 0, 4 + key * 3));
      continue;
    }
    if (value !== undefined) side.update(name, presetKey(spec, key), presetValue(spec, value));
    else if (spec.keySize > 0) side.delete(name, presetKey(spec, key));
  }
}

/** First contents: what every program finds in its maps, then the set's own entries. */
export function applyFirstContents(maps: readonly MapSpec[], { entries, runs }: GeneratedSet, side: UserSide): void {
  const results = maps[0]!;
  const value = new Uint8Array(results.valueSize);
  const seed = runs[0]!.packet.seed;
  value.set(bytesFrom(seed + 7, 64), SEED_OFFSET);
  value.set(sharedBytes(seed), BUFFER_OFFSET);
  side.update("results", u32(0), value);
  if (maps.some(({ name }) => name === "devmap")) for (const key of [0, 2]) side.update("devmap", u32(key), u32(1));
  if (maps.some(({ name }) => name === "devmap_hash")) for (const key of [1, 7]) side.update("devmap_hash", u32(key), u32(1, 0));
  if (maps.some(({ name }) => name === "cpumap")) side.update("cpumap", u32(0), u32(64));
  applyEntries(maps, entries, side);
}

const encoder = new TextEncoder();
/** Texts that numbers are read from and that strings are compared with. */
const texts = [
  "-42 rest",
  "0x1Fz",
  "0777",
  " 12",
  "xdplane",
  "XDPlane",
  "plane",
  "99999999999999999999",
  "",
  "a,b;c",
  "%d %s",
  "\u00e9t\u00e9",
];
/** Bytes that each text has to itself. */
export const TEXT_SIZE = 16;

/** The bytes that strings and buffers stand in: a text every 16 bytes, ended by a zero or not. */
function sharedBytes(seed: number): Uint8Array {
  const bytes = bytesFrom(seed, BUFFER_SIZE);
  for (const [index, text] of texts.entries()) {
    const letters = encoder.encode(text).subarray(0, TEXT_SIZE - 1);
    bytes.set(letters, index * TEXT_SIZE);
    bytes[index * TEXT_SIZE + letters.length] = 0;
  }
  return bytes;
}

/** Kinds whose contents user space reads entry by entry. */
const opaque: ReadonlySet<number> = new Set([
  uapi.BPF_MAP_TYPE_PROG_ARRAY,
  uapi.BPF_MAP_TYPE_DEVMAP,
  uapi.BPF_MAP_TYPE_DEVMAP_HASH,
  uapi.BPF_MAP_TYPE_CPUMAP,
  uapi.BPF_MAP_TYPE_XSKMAP,
  uapi.BPF_MAP_TYPE_BLOOM_FILTER,
  uapi.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  uapi.BPF_MAP_TYPE_USER_RINGBUF,
  uapi.BPF_MAP_TYPE_SK_STORAGE,
  uapi.BPF_MAP_TYPE_CGROUP_ARRAY,
]);

export type Reading = "entries" | "next" | "records" | "inner" | "nothing";

/** How the contents of a map are read. */
export function readingOf({ type }: MapSpec): Reading {
  if (opaque.has(type)) return "nothing";
  if (type === uapi.BPF_MAP_TYPE_RINGBUF) return "records";
  if (type === uapi.BPF_MAP_TYPE_QUEUE || type === uapi.BPF_MAP_TYPE_STACK) return "next";
  if (type === uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS || type === uapi.BPF_MAP_TYPE_HASH_OF_MAPS) return "inner";
  return "entries";
}

/** Maps of maps have maps under these keys, with these first entries. */
export const INNER_KEYS = [0, 1] as const;
export const INNER_ENTRIES = [
  [0, 11],
  [2, 13],
] as const;
