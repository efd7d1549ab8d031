import { sizeOfType, stripped } from "../bpf/btf/index.ts";
import type { MapSpec } from "../bpf/spec.ts";
import {
  ARENA_PAGE,
  BPF_F_CLONE,
  BPF_F_MMAPABLE,
  BPF_F_NO_COMMON_LRU,
  BPF_F_NO_PREALLOC,
  BPF_F_NO_USER_CONV,
  BPF_F_NUMA_NODE,
  BPF_F_SEGV_ON_FAULT,
  BPF_MAP_TYPE_ARENA,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_BLOOM_FILTER,
  BPF_MAP_TYPE_CGROUP_ARRAY,
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
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_SOCKHASH,
  BPF_MAP_TYPE_SOCKMAP,
  BPF_MAP_TYPE_STACK,
  BPF_MAP_TYPE_USER_RINGBUF,
  BPF_MAP_TYPE_XSKMAP,
  E2BIG,
  EINVAL,
  ENOTSUPP,
  ERANGE,
  MAX_BPF_STACK,
  mapTypeName,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { problems } from "./problems.ts";

/** What the kernel asks of a map's declaration: measured by creating maps on Linux 6.18 with one attribute varied at a time. */
interface MapRule {
  readonly keySize: (size: number) => boolean;
  readonly valueSize: (size: number) => boolean;
  /** Largest key; beyond it -E2BIG. */
  readonly largestKey?: number;
  /** Largest value; beyond it `tooBig`, -E2BIG unless said. */
  readonly largestValue: number;
  readonly tooBig?: number;
  /** Largest sum of key and value; beyond it -E2BIG. */
  readonly largestElement?: number;
  /** map_flags that are allowed; BPF_F_NUMA_NODE (4), BPF_F_ZERO_SEED (64) and BPF_F_PRESERVE_ELEMS (2048) have no effect here. */
  readonly flags: number;
  readonly requiredFlags?: number;
  readonly perCpu?: boolean;
  /** A value for each of something that exists by itself: max_entries is 0, and BTF must say what keys and values are. kernel/bpf/bpf_local_storage.c. */
  readonly local?: boolean;
}

/** include/linux/slab.h: KMALLOC_MAX_SIZE. Of it an element of a hash table needs 49 bytes for itself, one of an LPM trie 280 with its longest key. */
const KMALLOC_MAX = 4194304;
const HASH_ELEMENT_MAX = KMALLOC_MAX - 49;
const LPM_VALUE_MAX = KMALLOC_MAX - 280;
/** Most entries of a hash table: its buckets are a power of two that must fit in 32 bits. */
const HASH_ENTRIES_MAX = 2 ** 31;
/** PCPU_MIN_UNIT_SIZE, include/linux/percpu.h. */
const PER_CPU_MAX = 32768;
/** BPF_LOCAL_STORAGE_MAX_VALUE_SIZE: an element, of which 128 bytes are not the value, must be countable in 16 bits. include/linux/bpf_local_storage.h. */
const LOCAL_VALUE_MAX = 65535 - 128;
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
  [
    BPF_MAP_TYPE_HASH,
    { keySize: any, valueSize: any, largestValue: KMALLOC_MAX, largestElement: HASH_ELEMENT_MAX, flags: hashFlags | BPF_F_NO_PREALLOC },
  ],
  [BPF_MAP_TYPE_ARRAY, { keySize: exactly(4), valueSize: any, largestValue: INT_MAX, flags: 4 | access | programAccess | 1024 | 4096 }],
  [BPF_MAP_TYPE_PROG_ARRAY, { keySize: exactly(4), valueSize: exactly(4), largestValue: 4, flags: 4 | access }],
  [BPF_MAP_TYPE_PERF_EVENT_ARRAY, { keySize: exactly(4), valueSize: exactly(4), largestValue: 4, flags: 4 | access | 2048 }],
  [
    BPF_MAP_TYPE_PERCPU_HASH,
    {
      keySize: any,
      valueSize: any,
      largestValue: PER_CPU_MAX,
      largestElement: HASH_ELEMENT_MAX,
      flags: access | 64 | programAccess | BPF_F_NO_PREALLOC,
      perCpu: true,
    },
  ],
  [
    BPF_MAP_TYPE_PERCPU_ARRAY,
    { keySize: exactly(4), valueSize: any, largestValue: PER_CPU_MAX, flags: access | programAccess, perCpu: true },
  ],
  [
    BPF_MAP_TYPE_LRU_HASH,
    { keySize: any, valueSize: any, largestValue: KMALLOC_MAX, largestElement: HASH_ELEMENT_MAX, flags: hashFlags | BPF_F_NO_COMMON_LRU },
  ],
  [
    BPF_MAP_TYPE_LRU_PERCPU_HASH,
    {
      keySize: any,
      valueSize: any,
      largestValue: PER_CPU_MAX,
      largestElement: HASH_ELEMENT_MAX,
      flags: access | 64 | programAccess | BPF_F_NO_COMMON_LRU,
      perCpu: true,
    },
  ],
  [
    BPF_MAP_TYPE_LPM_TRIE,
    {
      keySize: (size) => size >= 5 && size <= 260,
      valueSize: any,
      largestValue: LPM_VALUE_MAX,
      tooBig: EINVAL,
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
  [BPF_MAP_TYPE_CGROUP_ARRAY, { keySize: exactly(4), valueSize: exactly(4), largestValue: 4, flags: 4 | access }],
  [BPF_MAP_TYPE_SOCKMAP, { keySize: exactly(4), valueSize: exactly(4, 8), largestValue: 8, flags: 4 | access }],
  [BPF_MAP_TYPE_SOCKHASH, { keySize: any, valueSize: exactly(4, 8), largestValue: 8, largestKey: MAX_BPF_STACK, flags: 4 | access }],
  [BPF_MAP_TYPE_QUEUE, { keySize: exactly(0), valueSize: any, largestValue: KMALLOC_MAX, flags: 4 | access | programAccess }],
  [BPF_MAP_TYPE_STACK, { keySize: exactly(0), valueSize: any, largestValue: KMALLOC_MAX, flags: 4 | access | programAccess }],
  [BPF_MAP_TYPE_BLOOM_FILTER, { keySize: exactly(0), valueSize: any, largestValue: KMALLOC_MAX, flags: hashFlags }],
  [
    BPF_MAP_TYPE_SK_STORAGE,
    {
      keySize: exactly(4),
      valueSize: any,
      largestValue: LOCAL_VALUE_MAX,
      flags: BPF_F_NO_PREALLOC | BPF_F_CLONE,
      requiredFlags: BPF_F_NO_PREALLOC,
      local: true,
    },
  ],
  [
    BPF_MAP_TYPE_ARENA,
    {
      keySize: exactly(0),
      valueSize: exactly(0),
      largestValue: 0,
      flags: BPF_F_MMAPABLE | BPF_F_SEGV_ON_FAULT | BPF_F_NO_USER_CONV,
      requiredFlags: BPF_F_MMAPABLE,
    },
  ],
  [BPF_MAP_TYPE_RINGBUF, { keySize: exactly(0), valueSize: exactly(0), largestValue: 0, flags: 4 }],
  [BPF_MAP_TYPE_USER_RINGBUF, { keySize: exactly(0), valueSize: exactly(0), largestValue: 0, flags: 4 }],
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
  BPF_MAP_TYPE_SOCKMAP,
  BPF_MAP_TYPE_CGROUP_ARRAY,
]);

type Refuse = (reason: string, errno: number) => never;

/** Throws the Problem that the kernel's refusal of this declaration amounts to; returns quietly when the kernel would create the map. */
export function checkMapSpec(spec: MapSpec): void {
  const rule = mapRules.get(spec.type);
  if (rule === undefined) throw new ProblemError(problems.map_type_unsupported({ map: spec.name, type: kernelName(spec.type) }));
  const refuse: Refuse = (reason, errno) => {
    throw new ProblemError(problems.map_refused({ map: spec.name, type: kernelName(spec.type), reason, errno }));
  };
  checkFlags(spec, rule, refuse);
  checkSizes(spec, rule, refuse);
  checkEntries(spec, rule, refuse);
  if (rule.local) checkLocalTypes(spec, refuse);
  if (spec.type === BPF_MAP_TYPE_ARENA) checkArena(spec, refuse);
}

/** In the kernel's order: the first fault decides the errno. kernel/bpf/hashtab.c: htab_map_alloc_check. */
function checkFlags({ type, flags }: MapSpec, rule: MapRule, refuse: Refuse): void {
  const impossible = (): never => refuse(`map_flags 0x${flags.toString(16)} are not possible`, EINVAL);
  const isLru = type === BPF_MAP_TYPE_LRU_HASH || type === BPF_MAP_TYPE_LRU_PERCPU_HASH;
  const late = isLru ? BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE : 0;
  if ((flags & ~(rule.flags | late)) !== 0) impossible();
  if ((flags & access) === access) refuse("BPF_F_RDONLY and BPF_F_WRONLY exclude each other", EINVAL);
  if ((flags & programAccess) === programAccess) refuse("BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other", EINVAL);
  if (isLru && (flags & BPF_F_NO_PREALLOC) !== 0) refuse("LRU maps cannot have BPF_F_NO_PREALLOC", ENOTSUPP);
  if ((flags & ~rule.flags) !== 0) impossible();
  if (isLru && (flags & BPF_F_NO_COMMON_LRU) !== 0 && (flags & BPF_F_NUMA_NODE) !== 0)
    refuse("BPF_F_NO_COMMON_LRU and BPF_F_NUMA_NODE exclude each other", EINVAL);
  if (((rule.requiredFlags ?? 0) & ~flags) !== 0) refuse(`${rule.requiredFlags} is missing in map_flags`, EINVAL);
}

function checkSizes({ keySize, valueSize, maxEntries, ...spec }: MapSpec, rule: MapRule, refuse: Refuse): void {
  if (rule.local) {
    if (maxEntries !== 0) refuse(`max_entries is ${maxEntries}, and must be 0`, EINVAL);
    if (!spec.btf || !spec.keyTypeId || !spec.valueTypeId) refuse("its key and value have no types (BTF)", EINVAL);
  } else if (maxEntries === 0) refuse("max_entries is 0", EINVAL);
  if (!rule.keySize(keySize)) refuse(`a key of ${keySize} bytes is not possible`, EINVAL);
  if (valueSize > rule.largestValue)
    refuse(`a value of ${valueSize} bytes is too big`, rule.tooBig ?? (rule.largestValue < 16 ? EINVAL : E2BIG));
  if (keySize + valueSize > (rule.largestElement ?? Number.POSITIVE_INFINITY))
    refuse(`an element of ${keySize + valueSize} bytes is too big`, E2BIG);
  if (!rule.valueSize(valueSize)) refuse(`a value of ${valueSize} bytes is not possible`, EINVAL);
  if (keySize > (rule.largestKey ?? Number.POSITIVE_INFINITY)) refuse(`a key of ${keySize} bytes is too big`, E2BIG);
}

/** Types whose sizes are the declared ones; a key is an integer of 32 bits. kernel/bpf/syscall.c: map_check_btf. */
function checkLocalTypes({ btf, keyTypeId, valueTypeId, valueSize }: MapSpec, refuse: Refuse): void {
  const key = stripped(btf!, keyTypeId!);
  const isInt = key?.kind === "int" && key.size === 4 && key.bits === 32 && key.bitOffset === 0;
  if (!isInt) refuse("its key is no integer of 32 bits", EINVAL);
  if (sizeOfType(btf!, valueTypeId!) !== valueSize) refuse("its value's type has another size", EINVAL);
}

/** kernel/bpf/arena.c: arena_map_alloc. */
function checkArena({ maxEntries, mapExtra = 0n }: MapSpec, refuse: Refuse): void {
  const start = `0x${mapExtra.toString(16)}`;
  const size = BigInt(maxEntries * ARENA_PAGE);
  if (mapExtra % BigInt(ARENA_PAGE) !== 0n) refuse(`map_extra ${start} is not a page's address`, EINVAL);
  if (size > 1n << 32n) refuse(`${maxEntries} pages are more than 4 GiB`, E2BIG);
  if (mapExtra >> 32n !== (mapExtra + size - 1n) >> 32n) refuse(`it crosses a multiple of 4 GiB from ${start} on`, ERANGE);
}

function checkEntries({ type, maxEntries }: MapSpec, rule: MapRule, refuse: Refuse): void {
  const isHash = rule.largestElement !== undefined;
  if (maxEntries > HASH_ENTRIES_MAX && (isHash || type === BPF_MAP_TYPE_DEVMAP_HASH))
    refuse(`max_entries ${maxEntries} is above 2^31`, isHash ? E2BIG : EINVAL);
  if (type === BPF_MAP_TYPE_CPUMAP && maxEntries > NR_CPUS) refuse(`max_entries ${maxEntries} is above ${NR_CPUS}`, E2BIG);
  const isRing = type === BPF_MAP_TYPE_RINGBUF || type === BPF_MAP_TYPE_USER_RINGBUF;
  if (isRing && ((maxEntries & (maxEntries - 1)) !== 0 || maxEntries % RINGBUF_PAGE !== 0))
    refuse(`max_entries ${maxEntries} is not a power of two and a multiple of ${RINGBUF_PAGE}`, EINVAL);
}
