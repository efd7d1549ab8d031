import {
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_USER_RINGBUF,
} from "../../layout/index.ts";
import type { MapSpec } from "../spec.ts";

const PAGE_SIZE = 4096;
/** Bytes of the keys and values that stand for CPUs, slots and file descriptors. */
const INDEX_SIZE = 4;

/**
 * Fills in what an object leaves to its loader, as libbpf, cilium/ebpf and xdp-loader do: PERF_EVENT_ARRAY and CPUMAP without max_entries get one for each CPU;
 * keys and values of PERF_EVENT_ARRAY, PROG_ARRAY and maps of maps are 4 bytes where nothing is said; records of a ring, which may be declared for their
 * type's sake, are no values; a RINGBUF's size is rounded up to a power of two of pages.
 */
export function sizeMaps(maps: readonly MapSpec[], { cpus }: { readonly cpus: number }): MapSpec[] {
  return maps.map((map): MapSpec => {
    switch (map.type) {
      case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
        return { ...map, keySize: INDEX_SIZE, valueSize: INDEX_SIZE, maxEntries: map.maxEntries || cpus };
      case BPF_MAP_TYPE_PROG_ARRAY:
      case BPF_MAP_TYPE_ARRAY_OF_MAPS:
        return { ...map, keySize: map.keySize || INDEX_SIZE, valueSize: map.valueSize || INDEX_SIZE };
      case BPF_MAP_TYPE_CPUMAP:
        return { ...map, maxEntries: map.maxEntries || cpus };
      case BPF_MAP_TYPE_HASH_OF_MAPS:
        return { ...map, valueSize: map.valueSize || INDEX_SIZE };
      case BPF_MAP_TYPE_RINGBUF:
      case BPF_MAP_TYPE_USER_RINGBUF:
        return { ...map, keySize: 0, valueSize: 0, maxEntries: ringSize(map.maxEntries) };
      default:
        return map;
    }
  });
}

/** 0 stays 0, which no kernel accepts. */
function ringSize(asked: number): number {
  if (asked === 0) return 0;
  let size = PAGE_SIZE;
  while (size < asked) size *= 2;
  return size;
}
