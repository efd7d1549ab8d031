import type { MapSpec } from "../bpf/spec.ts";
import {
  BloomHeader,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_CGROUP_ARRAY,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_SOCKMAP,
  BPF_MAP_TYPE_XSKMAP,
  MapHeader,
  RingHeader,
} from "../layout/index.ts";
import { isPerCpu } from "./mapRules.ts";
import type { SimulatedMemory } from "./memory.ts";

/** A map that is being laid out: its header stands at `address`, with the words that all types share filled in. */
export interface MapPlace {
  readonly memory: SimulatedMemory;
  readonly spec: MapSpec;
  readonly address: number;
  readonly cpuCount: number;
  /** Address of the NetNamespace that the CPUs look into; 0 for none. */
  readonly network: number;
}

/** Bytes that a key or value takes up: a multiple of 8. */
export const padded = (size: number): number => Math.ceil(size / 8) * 8;
export const powerOfTwo = (atLeast: number): number => 2 ** Math.ceil(Math.log2(Math.max(atLeast, 1)));
const toLines = (size: number): number => Math.ceil(size / 64) * 64;

/** Their values are table slots, addresses and entries that the engine follows: no program may write them. */
const enginesOwn: ReadonlySet<number> = new Set([
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_XSKMAP,
  BPF_MAP_TYPE_SOCKMAP,
  BPF_MAP_TYPE_CGROUP_ARRAY,
]);

/** max_entries values of `stride` bytes one behind the other; per-CPU kinds once for each CPU. */
export function layOutArray({ memory, spec, address, cpuCount }: MapPlace, stride: number): void {
  const perCpu = isPerCpu(spec.type);
  const bytes = toLines(stride * spec.maxEntries);
  const zone = enginesOwn.has(spec.type) ? "engine" : "program";
  const elements = memory.allocate(zone, bytes * (perCpu ? cpuCount : 1), 64, spec.name);
  const { view } = memory;
  MapHeader.write(view, address, "stride", stride);
  MapHeader.write(view, address, "elements", elements);
  MapHeader.write(view, address, "cpu_stride", perCpu ? bytes : 0);
}

/** One value more than max_entries is never needed: head and length say which are in use. */
export const layOutQueue = (place: MapPlace): void => layOutArray(place, padded(place.spec.valueSize));

/** Hash functions of a BLOOM_FILTER that names none, and bits for each: hashes / ln 2 bits an entry, as the kernel rounds it. kernel/bpf/bloom_filter.c. */
const BLOOM_HASHES = 5;
/**
 * Fewest bits. The kernel may have as few as 32 for a small filter, and its hash is seeded anew for each map, so that which values collide there is
 * chance; a larger one only makes that chance smaller.
 */
const BLOOM_LEAST_BITS = 65536;
const BLOOM_MOST_BITS = 2 ** 31;

export function layOutBloom({ memory, spec, address }: MapPlace): void {
  const hashes = Number((spec.mapExtra ?? 0n) & 15n) || BLOOM_HASHES;
  const wanted = Math.ceil((spec.maxEntries * hashes * 7) / 5);
  const bits = Math.min(powerOfTwo(Math.max(wanted, BLOOM_LEAST_BITS)), BLOOM_MOST_BITS);
  const at = memory.allocate("engine", bits / 8, 64, spec.name);
  const { view } = memory;
  BloomHeader.write(view, address, "bits", at);
  BloomHeader.write(view, address, "bit_mask", bits - 1);
  BloomHeader.write(view, address, "hashes", hashes);
}

/** The data area is twice the ring, so that a record which begins near its end is in one piece. */
export function layOutRing({ memory, spec, address }: MapPlace): void {
  const data = memory.allocate("program", spec.maxEntries * 2, 64, spec.name);
  const { view } = memory;
  MapHeader.write(view, address, "elements", data);
  RingHeader.write(view, address, "mask", spec.maxEntries - 1);
}
