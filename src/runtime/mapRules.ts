import type { MapSpec } from "../bpf/spec.ts";
import {
  BPF_F_NO_COMMON_LRU,
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_BLOOM_FILTER,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_STACK,
  BPF_MAP_TYPE_XSKMAP,
  E2BIG,
  EINVAL,
  ENOTSUPP,
  mapTypeName,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { problems } from "./problems.ts";

/** What the kernel asks of a map's declaration: measured by creating maps on Linux 6.18 with one attribute varied at a time. */
interface MapRule {
  readonly keySize: (size: number) => boolean;
  readonly valueSize: (size: number) => boolean;
  /** Largest value; beyond it -E2BIG. */
  readonly largestValue: number;
  /** map_flags that are allowed; BPF_F_NUMA_NODE (4), BPF_F_ZERO_SEED (64) and BPF_F_PRESERVE_ELEMS (2048) have no effect here. */
  readonly flags: number;
  readonly requiredFlags?: number;
  readonly perCpu?: boolean;
}

/** KMALLOC_MAX_SIZE less room for the element's own words. */
const KMALLOC_VALUE = 4194303 - 64;
const KMALLOC_MAX = 4194304;
/** PCPU_MIN_UNIT_SIZE, include/linux/percpu.h. */
const PER_CPU_MAX = 32768;
const INT_MAX = 0x7fffffff;
/** CONFIG_NR_CPUS of the kernel measured lies between 100 and 1,000; x86-64 distributions' usual least is 512. */
const NR_CPUS = 512;
const RINGBUF_PAGE = 4096;

const any = (size: number): boolean => size > 0;
const exactly =
  (...sizes: number[]) =>
  (size: number): boolean =>
    sizes.includes(size);
const access = 8 | 16;
const programAccess = 128 | 256;
const hashFlags = 4 | 64 | access | programAccess;

export const mapRules: ReadonlyMap<number, MapRule> = new Map<number, MapRule>([
  [BPF_MAP_TYPE_HASH, { keySize: any, valueSize: any, largestValue: KMALLOC_VALUE, flags: hashFlags | BPF_F_NO_PREALLOC }],
  [BPF_MAP_TYPE_ARRAY, { keySize: exactly(4), valueSize: any, largestValue: INT_MAX, flags: 4 | access | programAccess | 1024 | 4096 }],
  [BPF_MAP_TYPE_PROG_ARRAY, { keySize: exactly(4), valueSize: exactly(4), largestValue: 4, flags: 4 | access }],
  [BPF_MAP_TYPE_PERF_EVENT_ARRAY, { keySize: exactly(4), valueSize: exactly(4), largestValue: 4, flags: 4 | access | 2048 }],
  [
    BPF_MAP_TYPE_PERCPU_HASH,
    {
      keySize: any,
      valueSize: any,
      largestValue: PER_CPU_MAX,
      flags: access | 64 | programAccess | BPF_F_NO_PREALLOC,
      perCpu: true,
    },
  ],
  [
    BPF_MAP_TYPE_PERCPU_ARRAY,
    { keySize: exactly(4), valueSize: any, largestValue: PER_CPU_MAX, flags: access | programAccess, perCpu: true },
  ],
  [BPF_MAP_TYPE_LRU_HASH, { keySize: any, valueSize: any, largestValue: KMALLOC_VALUE, flags: hashFlags | BPF_F_NO_COMMON_LRU }],
  [
    BPF_MAP_TYPE_LRU_PERCPU_HASH,
    {
      keySize: any,
      valueSize: any,
      largestValue: PER_CPU_MAX,
      flags: access | 64 | programAccess | BPF_F_NO_COMMON_LRU,
      perCpu: true,
    },
  ],
  [
    BPF_MAP_TYPE_LPM_TRIE,
    {
      keySize: (size) => size >= 5 && size <= 260,
      valueSize: any,
      largestValue: KMALLOC_VALUE - 260,
      flags: BPF_F_NO_PREALLOC | 4 | access | programAccess,
      requiredFlags: BPF_F_NO_PREALLOC,
    },
  ],
  [BPF_MAP_TYPE_ARRAY_OF_MAPS, { keySize: exactly(4), valueSize: exactly(4), largestValue: 4, flags: 4 | access }],
  [BPF_MAP_TYPE_HASH_OF_MAPS, { keySize: any, valueSize: exactly(4), largestValue: 4, flags: hashFlags | BPF_F_NO_PREALLOC }],
  [BPF_MAP_TYPE_DEVMAP, { keySize: exactly(4), valueSize: exactly(4, 8), largestValue: 8, flags: 4 | access }],
  [BPF_MAP_TYPE_DEVMAP_HASH, { keySize: exactly(4), valueSize: exactly(4, 8), largestValue: 8, flags: 4 | access }],
  [BPF_MAP_TYPE_CPUMAP, { keySize: exactly(4), valueSize: exactly(4, 8), largestValue: 8, flags: 4 }],
  [BPF_MAP_TYPE_XSKMAP, { keySize: exactly(4), valueSize: exactly(4), largestValue: 4, flags: 4 | access }],
  [BPF_MAP_TYPE_QUEUE, { keySize: exactly(0), valueSize: any, largestValue: KMALLOC_MAX, flags: 4 | access | programAccess }],
  [BPF_MAP_TYPE_STACK, { keySize: exactly(0), valueSize: any, largestValue: KMALLOC_MAX, flags: 4 | access | programAccess }],
  [BPF_MAP_TYPE_BLOOM_FILTER, { keySize: exactly(0), valueSize: any, largestValue: KMALLOC_MAX, flags: hashFlags }],
  [BPF_MAP_TYPE_RINGBUF, { keySize: exactly(0), valueSize: exactly(0), largestValue: 0, flags: 4 }],
]);

/** Name of a map type without BPF_MAP_TYPE_. */
const kernelName = (type: number): string => mapTypeName(type).toUpperCase();

export const isPerCpu = (type: number): boolean => mapRules.get(type)?.perCpu === true;

/** Arrays whose entries are empty until user space fills them: value 0 stands for "none". */
export const isSparseArray = (type: number): boolean => sparseArrays.has(type);
const sparseArrays: ReadonlySet<number> = new Set([
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_XSKMAP,
]);

/** Throws the Problem that the kernel's refusal of this declaration amounts to; returns quietly when the kernel would create the map. */
export function checkMapSpec(spec: MapSpec): void {
  const rule = mapRules.get(spec.type);
  if (rule === undefined) throw new ProblemError(problems.map_type_unsupported({ map: spec.name, type: kernelName(spec.type) }));
  const refuse = (reason: string, errno: number): never => {
    throw new ProblemError(problems.map_refused({ map: spec.name, type: kernelName(spec.type), reason, errno }));
  };
  if (spec.maxEntries === 0) refuse("max_entries is 0", EINVAL);
  if (!rule.keySize(spec.keySize)) refuse(`a key of ${spec.keySize} bytes is not possible`, EINVAL);
  const isLru = spec.type === BPF_MAP_TYPE_LRU_HASH || spec.type === BPF_MAP_TYPE_LRU_PERCPU_HASH;
  if (isLru && (spec.flags & BPF_F_NO_PREALLOC) !== 0) refuse("LRU maps cannot have BPF_F_NO_PREALLOC", ENOTSUPP);
  if ((spec.flags & ~rule.flags) !== 0) refuse(`map_flags 0x${spec.flags.toString(16)} are not possible`, EINVAL);
  if (((rule.requiredFlags ?? 0) & ~spec.flags) !== 0) refuse("BPF_F_NO_PREALLOC (1) is missing in map_flags", EINVAL);
  if ((spec.flags & programAccess) === programAccess) refuse("BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other", EINVAL);
  if (spec.valueSize > rule.largestValue) refuse(`a value of ${spec.valueSize} bytes is too big`, rule.largestValue < 16 ? EINVAL : E2BIG);
  if (!rule.valueSize(spec.valueSize)) refuse(`a value of ${spec.valueSize} bytes is not possible`, EINVAL);
  if (spec.type === BPF_MAP_TYPE_CPUMAP && spec.maxEntries > NR_CPUS) refuse(`max_entries ${spec.maxEntries} is above ${NR_CPUS}`, E2BIG);
  const isRing = spec.type === BPF_MAP_TYPE_RINGBUF;
  if (isRing && ((spec.maxEntries & (spec.maxEntries - 1)) !== 0 || spec.maxEntries % RINGBUF_PAGE !== 0)) {
    refuse(`max_entries ${spec.maxEntries} is not a power of two and a multiple of ${RINGBUF_PAGE}`, EINVAL);
  }
}
