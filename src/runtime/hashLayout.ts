import {
  BPF_F_NO_COMMON_LRU,
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  HashElement,
  HashHeader,
  LruLocal,
  LruNode,
  LruState,
  MapHeader,
} from "../layout/index.ts";
import { type MapPlace, padded, powerOfTwo } from "./mapLayout.ts";
import { isPerCpu } from "./mapRules.ts";

/** Largest number of lock words of a hash table; with fewer buckets each has its own. */
const MAX_LOCKS = 1024;
/** Bytes that a map which need not hold all of its entries at once (BPF_F_NO_PREALLOC) sets aside at most; beyond them its updates fail with -E2BIG. */
const POOL_LIMIT = 256 << 20;

/** Lays out a hash table (runtime/maps/chain.as.ts, pool.as.ts) and, for LRU kinds, its lists. */
export function layOutHash(place: MapPlace): void {
  const { memory, spec, address, cpuCount } = place;
  const slots = cpuCount + 1;
  const perCpu = isPerCpu(spec.type);
  const valueOffset = HashElement.size + padded(spec.keySize);
  const stride = valueOffset + (perCpu ? 8 : padded(spec.valueSize));
  const valueStride = perCpu ? padded(spec.valueSize) : 0;
  const isLru = spec.type === BPF_MAP_TYPE_LRU_HASH || spec.type === BPF_MAP_TYPE_LRU_PERCPU_HASH;
  const capacity = capacityOf(place, stride + valueStride * cpuCount, isLru);
  const spares = perCpu || isLru ? 0 : slots;

  const buckets = powerOfTwo(capacity);
  const locks = Math.min(buckets, MAX_LOCKS);
  const heads = memory.allocate("engine", buckets * 4, 64, spec.name);
  const lockWords = memory.allocate("engine", locks * 4, 64, spec.name);
  const freeLists = memory.allocate("engine", slots * 8, 64, spec.name);
  const spareWords = memory.allocate("engine", slots * 4, 64, spec.name);
  const elements = memory.allocate("program", (capacity + spares) * stride, 64, spec.name);
  const cpuStride = Math.ceil((capacity * valueStride) / 64) * 64;
  const values = perCpu ? memory.allocate("program", cpuStride * cpuCount, 64, spec.name) : 0;
  const lru = isLru ? layOutLru(place, capacity) : 0;

  const { view } = memory;
  MapHeader.write(view, address, "max_entries", isLru ? capacity : spec.maxEntries);
  MapHeader.write(view, address, "stride", stride);
  MapHeader.write(view, address, "elements", elements);
  MapHeader.write(view, address, "cpu_stride", cpuStride);
  HashHeader.write(view, address, "buckets", heads);
  HashHeader.write(view, address, "bucket_mask", buckets - 1);
  HashHeader.write(view, address, "locks", lockWords);
  HashHeader.write(view, address, "lock_mask", locks - 1);
  HashHeader.write(view, address, "value_offset", valueOffset);
  HashHeader.write(view, address, "capacity", capacity);
  HashHeader.write(view, address, "free_lists", freeLists);
  HashHeader.write(view, address, "spares", spareWords);
  HashHeader.write(view, address, "slots", slots);
  HashHeader.write(view, address, "values", values);
  HashHeader.write(view, address, "value_stride", valueStride);
  HashHeader.write(view, address, "lru", lru);
  for (let slot = 0; slot < spares; slot++) view.setUint32(spareWords + slot * 4, elements + (capacity + slot) * stride, true);
}

/** With lists for each CPU an LRU map is rounded up so that all have the same number of elements, at least one. kernel/bpf/hashtab.c: htab_map_alloc. */
function capacityOf({ spec, cpuCount }: MapPlace, bytesPerElement: number, isLru: boolean): number {
  if (isLru && (spec.flags & BPF_F_NO_COMMON_LRU) !== 0) return Math.ceil(spec.maxEntries / cpuCount) * cpuCount;
  if ((spec.flags & BPF_F_NO_PREALLOC) === 0) return spec.maxEntries;
  return Math.min(spec.maxEntries, Math.max(1, Math.floor(POOL_LIMIT / bytesPerElement)));
}

/** kernel/bpf/bpf_lru_list.c: LOCAL_FREE_TARGET, LOCAL_NR_SCANS, PERCPU_FREE_TARGET, PERCPU_NR_SCANS. */
const LOCAL_FREE_TARGET = 128;
const LOCAL_SCANS = 128;
const PERCPU_TARGET = 4;

/** Address of the LruState of CPU 0 (or of all CPUs). */
function layOutLru({ memory, spec, cpuCount }: MapPlace, capacity: number): number {
  const perCpuLists = (spec.flags & BPF_F_NO_COMMON_LRU) !== 0;
  const states = perCpuLists ? cpuCount : 1;
  const heads = states * 3 + (perCpuLists ? 0 : cpuCount * 2);
  const nodes = memory.allocate("engine", (capacity + heads) * LruNode.size, 64, spec.name);
  const state = memory.allocate("engine", states * LruState.size, 64, spec.name);
  const locals = perCpuLists ? 0 : memory.allocate("engine", cpuCount * LruLocal.size, 64, spec.name);
  const { view } = memory;
  for (let head = capacity; head < capacity + heads; head++) {
    LruNode.write(view, nodes + head * LruNode.size, "previous", head);
    LruNode.write(view, nodes + head * LruNode.size, "next", head);
  }
  const share = capacity / states;
  const target = perCpuLists ? PERCPU_TARGET : Math.min(Math.max(Math.floor(Math.floor(capacity / cpuCount) / 2), 1), LOCAL_FREE_TARGET);
  for (let index = 0; index < states; index++) {
    const at = state + index * LruState.size;
    const head = capacity + index * 3;
    LruState.write(view, at, "nodes", nodes);
    LruState.write(view, at, "active", head);
    LruState.write(view, at, "inactive", head + 1);
    LruState.write(view, at, "free", head + 2);
    LruState.write(view, at, "cursor", head + 1);
    LruState.write(view, at, "fresh", index * share);
    LruState.write(view, at, "fresh_end", (index + 1) * share);
    LruState.write(view, at, "target_free", target);
    LruState.write(view, at, "scans", perCpuLists ? PERCPU_TARGET : LOCAL_SCANS);
    LruState.write(view, at, "locals", locals);
    LruState.write(view, at, "cpu_count", cpuCount);
    LruState.write(view, at, "limit", capacity);
  }
  for (let cpu = 0; cpu < cpuCount && !perCpuLists; cpu++) {
    const at = locals + cpu * LruLocal.size;
    LruLocal.write(view, at, "pending", capacity + 3 + cpu * 2);
    LruLocal.write(view, at, "free", capacity + 4 + cpu * 2);
    LruLocal.write(view, at, "next_steal", cpu);
  }
  return state;
}
