import type { KernelMap } from "../../src/kernel/index.ts";
import * as uapi from "../../src/layout/index.ts";
import type { BpfMap } from "../../src/runtime/index.ts";
import { hex } from "./contents.ts";
import type { Answer } from "./simulated.ts";

/** Entries of an array that are looked at: its first ones. */
const ARRAY_ENTRIES = 1024;

const comparable: ReadonlySet<number> = new Set([
  uapi.BPF_MAP_TYPE_HASH,
  uapi.BPF_MAP_TYPE_ARRAY,
  uapi.BPF_MAP_TYPE_PERCPU_HASH,
  uapi.BPF_MAP_TYPE_PERCPU_ARRAY,
  uapi.BPF_MAP_TYPE_LRU_HASH,
  uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH,
  uapi.BPF_MAP_TYPE_LPM_TRIE,
]);

/** What the kernel says of a frame, or of a map's contents, when it is asked on two fresh sets of maps one after the other. */
export interface Twice<T> {
  readonly first: T;
  readonly second: T;
}

const shown = (answer: Answer): string => ("failed" in answer ? answer.failed : `${answer.returned | 0}, ${answer.packet.length} bytes`);

/** What differs between the live kernel and ours in one frame; undefined for nothing. What the kernel answers otherwise the second time is not looked at. */
export function frameDifference({ first, second }: Twice<Answer>, ours: Answer): string | undefined {
  if ("failed" in first || "failed" in second || "failed" in ours) {
    return shown(first) === shown(second) && shown(first) !== shown(ours) ? `${shown(first)} in Linux, here ${shown(ours)}` : undefined;
  }
  if (first.returned !== second.returned || first.packet.length !== second.packet.length) return undefined;
  if (first.returned !== ours.returned || first.packet.length !== ours.packet.length)
    return `${shown(first)} in Linux, here ${shown(ours)}`;
  const at = first.packet.findIndex((byte, index) => byte !== ours.packet[index] && !changes(first.packet, second.packet, index));
  return at < 0
    ? undefined
    : `byte ${at} of the packet is ${hex(first.packet.slice(at, at + 4))} in Linux, here ${hex(ours.packet.slice(at, at + 4))}`;
}

/** Whether a byte or one beside it, within a 64-bit word, is another each time: part of a time or a random number. */
function changes(first: Uint8Array, second: Uint8Array, at: number): boolean {
  for (let near = Math.max(0, at - 7); near < Math.min(first.length, at + 8); near++) if (first[near] !== second[near]) return true;
  return false;
}

type Snapshot = ReadonlyMap<string, BigUint64Array>;

/** A value as 64-bit words; of a per-CPU value the sums over all CPUs. */
function words(values: readonly Uint8Array[]): BigUint64Array {
  const sums = new BigUint64Array(Math.ceil((values[0]?.length ?? 0) / 8));
  for (const value of values) {
    const whole = new Uint8Array(sums.length * 8);
    whole.set(value);
    for (const [at, word] of new BigUint64Array(whole.buffer).entries()) sums[at] = sums[at]! + word;
  }
  return sums;
}

/** Contents of a map of the live kernel; undefined for kinds that are not compared. */
export function liveSnapshot(map: KernelMap): Snapshot | undefined {
  const { spec } = map;
  if (!comparable.has(spec.type)) return undefined;
  const found = new Map<string, BigUint64Array>();
  const slice = map.perCpu ? (spec.valueSize + 7) & ~7 : spec.valueSize;
  for (const [key, value] of map.entries()) {
    const values = Array.from({ length: value.length / slice }, (_, cpu) => value.subarray(cpu * slice, cpu * slice + spec.valueSize));
    found.set(hex(key), words(values));
    if (isArray(spec.type) && found.size >= ARRAY_ENTRIES) break;
  }
  return found;
}

function ownSnapshot(map: BpfMap): Snapshot {
  const found = new Map<string, BigUint64Array>();
  for (const [key, value] of map.entries()) {
    found.set(hex(key), words(value instanceof Uint8Array ? [value] : value));
    if (isArray(map.type) && found.size >= ARRAY_ENTRIES) break;
  }
  return found;
}

const isArray = (type: number): boolean => type === uapi.BPF_MAP_TYPE_ARRAY || type === uapi.BPF_MAP_TYPE_PERCPU_ARRAY;

/** The first difference between a map of the live kernel and ours; undefined for none. Words that the kernel itself leaves otherwise the second time are not looked at. */
export function mapDifference({ first, second }: Twice<Snapshot>, map: BpfMap): string | undefined {
  const ours = ownSnapshot(map);
  for (const [key, value] of first) {
    const again = second.get(key);
    if (again === undefined) continue;
    const own = ours.get(key);
    if (own === undefined) return `${map.name}: key ${key} is missing`;
    const at = value.findIndex((word, index) => word === again[index] && word !== own[index]);
    if (at >= 0) return `${map.name}: word ${at} of key ${key} is ${value[at]!.toString(16)} in Linux, here ${own[at]!.toString(16)}`;
  }
  const more = [...ours.keys()].find((key) => !first.has(key) && !second.has(key));
  // Keys that only one run of the kernel's has are made of time or chance.
  const stable = [...first.keys()].every((key) => second.has(key));
  return more === undefined || !stable ? undefined : `${map.name}: key ${more} is not there in Linux`;
}
