import type { MapSpec } from "../bpf/spec.ts";
import {
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_PROG_ARRAY,
  HashElement,
  HashHeader,
  MapHeader,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { BpfMap } from "./bpfMap.ts";
import type { MapHost } from "./mapHost.ts";
import { checkMapSpec, isPerCpu, mapTypeName } from "./mapRules.ts";
import { problems } from "./problems.ts";

/** Largest number of lock words of a hash table; with fewer buckets each has its own. */
const MAX_LOCKS = 1024;
/** Bytes that a map which need not hold all of its entries at once (BPF_F_NO_PREALLOC) sets aside at most; beyond it its updates fail with -E2BIG. */
const POOL_LIMIT = 256 << 20;

const padded = (size: number): number => Math.ceil(size / 8) * 8;
const powerOfTwo = (atLeast: number): number => 2 ** Math.ceil(Math.log2(Math.max(atLeast, 1)));

/** Makes a map and fills in its first contents. Throws a Problem where the kernel would refuse to create it, or when the memory is used up. */
export function createMap(host: MapHost, spec: MapSpec): BpfMap {
  checkMapSpec(spec);
  const { memory } = host;
  const address = memory.allocate("engine", MapHeader.size, 64, spec.name);
  const layout: MapLayout = { host, spec, address, id: host.takeId(), cpuCount: host.cpus.blocks.length };
  writeCommon(layout);
  const build = builders.get(spec.type);
  if (build === undefined) throw new ProblemError(problems.map_type_unsupported({ map: spec.name, type: mapTypeName(spec.type) }));
  build(layout);
  const map = new BpfMap(host, spec, address, layout.id);
  if (spec.contents !== undefined) map.setContents(spec.contents);
  if (spec.frozen === true) map.freeze();
  return map;
}

/** A map that is being laid out. */
interface MapLayout {
  readonly host: MapHost;
  readonly spec: MapSpec;
  /** Of its header. */
  readonly address: number;
  readonly id: number;
  readonly cpuCount: number;
}

function writeCommon({ host, spec, address, id, cpuCount }: MapLayout): void {
  const { view } = host.memory;
  MapHeader.write(view, address, "type", spec.type);
  MapHeader.write(view, address, "key_size", spec.keySize);
  MapHeader.write(view, address, "value_size", spec.valueSize);
  MapHeader.write(view, address, "max_entries", spec.maxEntries);
  MapHeader.write(view, address, "flags", spec.flags);
  MapHeader.write(view, address, "id", id);
  MapHeader.write(view, address, "cpu_count", cpuCount);
}

/** `count` values (or words, with `stride` 4) one behind the other; per-CPU kinds once for each CPU. */
function buildArray({ host, spec, address, cpuCount }: MapLayout, stride = padded(spec.valueSize)): void {
  const perCpu = isPerCpu(spec.type);
  const bytes = Math.ceil((stride * spec.maxEntries) / 64) * 64;
  const elements = host.memory.allocate("program", bytes * (perCpu ? cpuCount : 1), 64, spec.name);
  const { view } = host.memory;
  MapHeader.write(view, address, "stride", stride);
  MapHeader.write(view, address, "elements", elements);
  MapHeader.write(view, address, "cpu_stride", perCpu ? bytes : 0);
}

function buildHash({ host, spec, address, cpuCount }: MapLayout): void {
  const { memory } = host;
  const slots = cpuCount + 1;
  const perCpu = isPerCpu(spec.type);
  const valueOffset = HashElement.size + padded(spec.keySize);
  const stride = valueOffset + (perCpu ? 8 : padded(spec.valueSize));
  const valueStride = perCpu ? padded(spec.valueSize) : 0;
  const perElement = stride + valueStride * cpuCount;
  const affordable = Math.max(1, Math.floor(POOL_LIMIT / perElement));
  const lazily = (spec.flags & BPF_F_NO_PREALLOC) !== 0;
  const capacity = lazily ? Math.min(spec.maxEntries, affordable) : spec.maxEntries;
  const spares = spec.type === BPF_MAP_TYPE_HASH ? slots : 0;

  const buckets = powerOfTwo(capacity);
  const locks = Math.min(buckets, MAX_LOCKS);
  const heads = memory.allocate("engine", buckets * 4, 64, spec.name);
  const lockWords = memory.allocate("engine", locks * 4, 64, spec.name);
  const freeLists = memory.allocate("engine", slots * 8, 64, spec.name);
  const spareWords = memory.allocate("engine", slots * 4, 64, spec.name);
  const elements = memory.allocate("program", (capacity + spares) * stride, 64, spec.name);
  const cpuStride = Math.ceil((capacity * valueStride) / 64) * 64;
  const values = perCpu ? memory.allocate("program", cpuStride * cpuCount, 64, spec.name) : 0;

  const { view } = memory;
  MapHeader.write(view, address, "stride", stride);
  MapHeader.write(view, address, "elements", elements);
  MapHeader.write(view, address, "cpu_stride", perCpu ? cpuStride : 0);
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
  for (let slot = 0; slot < spares; slot++) view.setUint32(spareWords + slot * 4, elements + (capacity + slot) * stride, true);
}

const builders: ReadonlyMap<number, (layout: MapLayout) => void> = new Map([
  [BPF_MAP_TYPE_ARRAY, (layout: MapLayout) => buildArray(layout)],
  [BPF_MAP_TYPE_PERCPU_ARRAY, (layout: MapLayout) => buildArray(layout)],
  [BPF_MAP_TYPE_PROG_ARRAY, (layout: MapLayout) => buildArray(layout, 4)],
  [BPF_MAP_TYPE_HASH, buildHash],
  [BPF_MAP_TYPE_PERCPU_HASH, buildHash],
]);
