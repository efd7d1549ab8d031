import type { Btf, BtfType } from "../../../src/bpf/btf/index.ts";
import type { MapSpec } from "../../../src/bpf/spec.ts";
import * as uapi from "../../../src/layout/index.ts";
import { readOnlyBytes } from "./texts.ts";

/** What the maps of one program vary in. */
export interface MapShape {
  /** Entries of the small hash tables. */
  readonly entries: number;
  /** BPF_F_NO_PREALLOC for HASH and PERCPU_HASH. */
  readonly preallocated: boolean;
  /** BPF_F_NO_COMMON_LRU for the LRU kinds. */
  readonly commonLru: boolean;
  readonly lruEntries: number;
  /** Values of 8 bytes, or of as many as this. */
  readonly valueSize: number;
}

/** Statements with results have a place of 16 bytes each: how often it ran, and its results folded into a word. */
export const RESULT_SIZE = 16;
export const MAX_RESULTS = 64;
/** A word of unknown contents, that loops and functions take their number from. */
export const SEED_OFFSET = MAX_RESULTS * RESULT_SIZE;
/** A word that is 0, which the verifier does not know. */
export const ZERO_OFFSET = SEED_OFFSET + 64;
/** Bytes for strings and buffers behind it. */
export const BUFFER_OFFSET = ZERO_OFFSET + 8;
export const BUFFER_SIZE = 192;
/** Bytes that dynptrs read and write. */
export const WORK_OFFSET = BUFFER_OFFSET + BUFFER_SIZE;
export const WORK_SIZE = 64;

const int: BtfType = { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, signed: true, char: false, bool: false };
const member = (name: string, type: number, bitOffset: number) => ({ name, type, bitOffset, bitSize: 0 });

/** `struct account { struct bpf_spin_lock lock; int sum; … }` of 16 bytes. */
const lockedTypes: Btf = {
  types: [
    { kind: "void" },
    int,
    { kind: "struct", name: "bpf_spin_lock", size: 4, members: [member("val", 1, 0)] },
    {
      kind: "struct",
      name: "account",
      size: 16,
      members: [member("lock", 2, 0), member("sum", 1, 32), member("first", 1, 64), member("second", 1, 96)],
    },
  ],
  littleEndian: true,
};
/** `struct guarded { struct bpf_res_spin_lock lock; int sum; … }` of 16 bytes. */
const resilientTypes: Btf = {
  types: [
    { kind: "void" },
    int,
    { kind: "struct", name: "bpf_res_spin_lock", size: 4, members: [member("val", 1, 0)] },
    {
      kind: "struct",
      name: "guarded",
      size: 16,
      members: [member("lock", 2, 0), member("sum", 1, 32), member("first", 1, 64), member("second", 1, 96)],
    },
  ],
  littleEndian: true,
};
/** `struct later { struct bpf_timer timer; struct bpf_wq work; unsigned long count; }`, of 40 bytes. */
const long: BtfType = { kind: "int", name: "unsigned long", size: 8, bits: 64, bitOffset: 0, signed: false, char: false, bool: false };
const opaque = (name: string): BtfType => ({ kind: "struct", name, size: 16, members: [member("first", 2, 0), member("second", 2, 64)] });
const laterTypes: Btf = {
  types: [
    { kind: "void" },
    int,
    long,
    opaque("bpf_timer"),
    opaque("bpf_wq"),
    { kind: "struct", name: "later", size: 40, members: [member("timer", 3, 0), member("work", 4, 128), member("count", 2, 256)] },
  ],
  littleEndian: true,
};
const later = { btf: laterTypes, keyTypeId: 1, valueTypeId: 5, keySize: 4, valueSize: 40, flags: 0 };

/** A key and a value of 8 bytes, which maps of sockets cannot do without. */
const plainTypes: Btf = {
  types: [{ kind: "void" }, int, { kind: "struct", name: "note", size: 8, members: [member("first", 1, 0), member("second", 1, 32)] }],
  littleEndian: true,
};

const locked = { btf: lockedTypes, keyTypeId: 1, valueTypeId: 3, keySize: 4, valueSize: 16 };

/** The maps that a program may use; it gets those that its statements name. Keys of keyed maps are 4 bytes unless said. */
export function mapCatalog(shape: MapShape) {
  const noPrealloc = shape.preallocated ? 0 : uapi.BPF_F_NO_PREALLOC;
  const lruFlags = shape.commonLru ? 0 : uapi.BPF_F_NO_COMMON_LRU;
  const { entries, lruEntries, valueSize } = shape;
  const keyed = { keySize: 4, valueSize, maxEntries: entries, flags: 0 };
  const inner: MapSpec = { name: "inner_array", type: uapi.BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 8, maxEntries: 4, flags: 0 };
  const innerHash: MapSpec = { name: "inner_hash", type: uapi.BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 8, maxEntries: 4, flags: 0 };
  return {
    results: {
      type: uapi.BPF_MAP_TYPE_ARRAY,
      keySize: 4,
      valueSize: WORK_OFFSET + WORK_SIZE,
      maxEntries: 1,
      flags: 0,
    },
    /** Formats, and texts to compare with. */
    texts: {
      type: uapi.BPF_MAP_TYPE_ARRAY,
      keySize: 4,
      valueSize: readOnlyBytes.length,
      maxEntries: 1,
      flags: uapi.BPF_F_RDONLY_PROG,
      contents: readOnlyBytes,
      frozen: true,
    },
    array: { ...keyed, type: uapi.BPF_MAP_TYPE_ARRAY },
    percpu_array: { ...keyed, type: uapi.BPF_MAP_TYPE_PERCPU_ARRAY },
    hash: { ...keyed, type: uapi.BPF_MAP_TYPE_HASH, flags: noPrealloc },
    percpu_hash: { ...keyed, type: uapi.BPF_MAP_TYPE_PERCPU_HASH, flags: noPrealloc },
    lru_hash: { ...keyed, type: uapi.BPF_MAP_TYPE_LRU_HASH, maxEntries: lruEntries, flags: lruFlags },
    lru_percpu_hash: { ...keyed, type: uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH, maxEntries: lruEntries, flags: lruFlags },
    /** 4 bytes of address behind the length. */
    lpm_trie: { ...keyed, type: uapi.BPF_MAP_TYPE_LPM_TRIE, keySize: 8, flags: uapi.BPF_F_NO_PREALLOC },
    queue: { ...keyed, type: uapi.BPF_MAP_TYPE_QUEUE, keySize: 0 },
    stack: { ...keyed, type: uapi.BPF_MAP_TYPE_STACK, keySize: 0 },
    /** So large that no value is found by accident. */
    bloom_filter: { keySize: 0, valueSize: 8, maxEntries: 4096, flags: 0, type: uapi.BPF_MAP_TYPE_BLOOM_FILTER },
    ringbuf: { keySize: 0, valueSize: 0, maxEntries: 4096, flags: 0, type: uapi.BPF_MAP_TYPE_RINGBUF },
    array_of_maps: { keySize: 4, valueSize: 4, maxEntries: 3, flags: 0, type: uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS, inner },
    hash_of_maps: { keySize: 4, valueSize: 4, maxEntries: 3, flags: 0, type: uapi.BPF_MAP_TYPE_HASH_OF_MAPS, inner: innerHash },
    prog_array: { keySize: 4, valueSize: 4, maxEntries: 4, flags: 0, type: uapi.BPF_MAP_TYPE_PROG_ARRAY },
    devmap: { keySize: 4, valueSize: 4, maxEntries: 4, flags: 0, type: uapi.BPF_MAP_TYPE_DEVMAP },
    devmap_hash: { keySize: 4, valueSize: 8, maxEntries: 4, flags: 0, type: uapi.BPF_MAP_TYPE_DEVMAP_HASH },
    cpumap: { keySize: 4, valueSize: 4, maxEntries: 2, flags: 0, type: uapi.BPF_MAP_TYPE_CPUMAP },
    xskmap: { keySize: 4, valueSize: 4, maxEntries: 4, flags: 0, type: uapi.BPF_MAP_TYPE_XSKMAP },
    perf_event_array: { keySize: 4, valueSize: 4, maxEntries: 2, flags: 0, type: uapi.BPF_MAP_TYPE_PERF_EVENT_ARRAY },
    sk_storage: {
      type: uapi.BPF_MAP_TYPE_SK_STORAGE,
      keySize: 4,
      valueSize: 8,
      maxEntries: 0,
      flags: uapi.BPF_F_NO_PREALLOC,
      btf: plainTypes,
      keyTypeId: 1,
      valueTypeId: 2,
    },
    cgroup_array: { keySize: 4, valueSize: 4, maxEntries: 2, flags: 0, type: uapi.BPF_MAP_TYPE_CGROUP_ARRAY },
    user_ringbuf: { keySize: 0, valueSize: 0, maxEntries: 4096, flags: 0, type: uapi.BPF_MAP_TYPE_USER_RINGBUF },
    timer_array: { ...later, type: uapi.BPF_MAP_TYPE_ARRAY, maxEntries: entries },
    timer_hash: { ...later, type: uapi.BPF_MAP_TYPE_HASH, maxEntries: entries },
    locked_array: { ...locked, type: uapi.BPF_MAP_TYPE_ARRAY, maxEntries: entries, flags: 0 },
    locked_hash: { ...locked, type: uapi.BPF_MAP_TYPE_HASH, maxEntries: entries, flags: 0 },
    resilient_array: { ...locked, btf: resilientTypes, type: uapi.BPF_MAP_TYPE_ARRAY, maxEntries: entries, flags: 0 },
  } as const satisfies Record<string, Omit<MapSpec, "name">>;
}

export type MapName = keyof ReturnType<typeof mapCatalog>;
