import { array, atomic, bytes, defineStruct, u32, u64 } from "./struct.ts";

/** "map\0" */
export const MAP_MAGIC = 0x0070616d;

/**
 * Header of a map, in the engine's part of the memory; a BPF map pointer is its address. The first 16 words are common to all types and constant
 * once the map is made, so compiled programs bake them in; what follows belongs to the type (runtime/maps).
 */
export const MapHeader = defineStruct(
  "map_header",
  {
    type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    /** Map id as bpftool shows it; from 1. */
    id: u32,
    /** Bytes from one value (array types) or element (hash types) to the next. Values are padded to 8 bytes. */
    stride: u32,
    /** Address of the first value (array types) or element (hash types). */
    elements: u32,
    /** Per-CPU types: value of CPU n stands at address + n * cpu_stride; 0 for the others. */
    cpu_stride: u32,
    cpu_count: u32,
    /** Offset of bpf_spin_lock in a value plus 1; 0 for none. */
    spin_lock: u32,
    /** Frozen by user space. */
    frozen: u32,
    /** Map-in-map: address of the header that inner maps must resemble. */
    inner: u32,
    /** Address of the MapField rows of values with special fields; 0 when values are plain bytes. */
    fields: u32,
    /** Address of the AsyncMap; 0 when values hold neither timer nor workqueue. */
    asyncs: u32,
    /** MAP_MAGIC: so that what a wrong program passes for a map is known to be none. */
    magic: u32,
    /** Owned by the map's type, see its file. */
    words: array(u32, 32),
    lock: atomic("whoever takes it"),
    count: atomic("whoever adds or removes an element"),
    big: array(u64, 6),
    /** DEVMAP, DEVMAP_HASH: NetNamespace that the entries' ifindexes belong to; 0: that of the CPU. */
    network: u32,
  },
  { words: 64 },
);

/** The words that all map types share, where a type's own header begins with them. */
const common = { common: bytes(64, 8) };

/** HASH, PERCPU_HASH and their LRU kinds, HASH_OF_MAPS, DEVMAP_HASH: the type's words of the header. runtime/maps/hash.as.ts has the protocol. */
export const HashHeader = defineStruct(
  "hash_header",
  {
    ...common,
    /** Bucket heads: u32 each, `bucket_mask` + 1 of them, a power of two. */
    buckets: u32,
    bucket_mask: u32,
    /** Lock words; bucket b is guarded by locks[b & lock_mask]. */
    locks: u32,
    lock_mask: u32,
    /** Offset of the value in an element. In per-CPU kinds a u32 stands there: the address of CPU 0's value. */
    value_offset: u32,
    /** Elements that may be handed out (spares not counted): max_entries, or less when the memory could not hold so many. */
    capacity: u32,
    /** Index of the first element that was never handed out. */
    fresh: atomic("whoever takes an element"),
    /** Free lists, one a slot: u64 { address of the first free element, change count }. */
    free_lists: u32,
    /** One spare element a slot: u32 addresses, 0 when a value update failed half way. */
    spares: u32,
    slots: u32,
    /** Per-CPU kinds: address of CPU 0's value of element 0, and bytes from one element's to the next's. */
    values: u32,
    value_stride: u32,
    /** LRU kinds: address of the LruState. */
    lru: u32,
  },
  { buckets: 64 },
);

/** One element of a hash table, in the program zone; the key follows, padded to 8 bytes, then the value. */
export const HashElement = defineStruct(
  "hash_element",
  {
    /** Address of the next element of the chain, or the end marker of bucket b: b << 1 | 1. */
    next: atomic("holder of the bucket's lock"),
    hash: u32,
    /** Odd while key and value are being written; changes each time the element is handed out. */
    generation: atomic("who took the element"),
    /** Next free element while it is free. LRU kinds: 1 when it was looked up since it was last considered. */
    link: u32,
  },
  { size: 16 },
);

/**
 * Lists of an LRU map (runtime/maps/lru.as.ts). Nodes are named by index: element n of the map is node n; behind them stand the heads of the lists.
 * A map made with BPF_F_NO_COMMON_LRU has one LruState for each CPU, one behind the other, each with its own share of the elements.
 */
export const LruState = defineStruct("lru_state", {
  /** Guards lists, counts and cursor. */
  lock: atomic("whoever takes it"),
  /** Address of node 0. */
  nodes: u32,
  /** Node indices of the heads. */
  active: u32,
  inactive: u32,
  free: u32,
  active_count: u32,
  inactive_count: u32,
  /** Node of the inactive list that the next rotation looks at first (the list's head: its oldest). */
  cursor: u32,
  /** Elements never handed out: next and end of their indices. They count as the tail of the free list. */
  fresh: u32,
  fresh_end: u32,
  /** How many free elements a CPU takes at a time, and how many nodes a rotation looks at. */
  target_free: u32,
  scans: u32,
  /** Address of the LruLocal of CPU 0; 0 with BPF_F_NO_COMMON_LRU. */
  locals: u32,
  cpu_count: u32,
  /** Most nodes that any list can hold: a longer walk means that the links were overwritten. */
  limit: u32,
  /** Elements taken out of the table to make room, since the map was made. */
  evicted: u32,
});

/** One node of the lists. */
export const LruNode = defineStruct("lru_node", { previous: u32, next: u32, list: u32, cpu: u32 }, { size: 16 });

/** A CPU's own lists of a common LRU: elements handed out lately, and free ones in stock. */
export const LruLocal = defineStruct(
  "lru_local",
  { lock: atomic("whoever takes it"), pending: u32, free: u32, next_steal: u32, pad: bytes(48) },
  { size: 64 },
);

/** LPM_TRIE: the type's words of the header. runtime/maps/lpm.as.ts has the protocol. */
export const LpmHeader = defineStruct(
  "lpm_header",
  {
    ...common,
    /** Address of the root node, or 0. */
    root: u32,
    /** Odd while the trie is being changed. */
    version: atomic("holder of the lock"),
    lock: atomic("whoever takes it"),
    /** First free node (linked through `child0`), and index of the first node never handed out, of `capacity`. */
    free: u32,
    fresh: u32,
    capacity: u32,
    /** Prefixes in the trie, intermediate nodes not counted. */
    entries: u32,
    /** Bits of key data: the longest prefix. */
    max_prefix: u32,
    value_offset: u32,
    /** 2^index_bits LpmSlots, by the first bits of the key. */
    index: u32,
    index_bits: u32,
  },
  { root: 64 },
);

/** Where a walk for keys with these first bits begins, and the longest prefix met on the way there (addresses of nodes, or 0). */
export const LpmSlot = defineStruct("lpm_slot", { node: u32, best: u32 }, { size: 8 });

/** What an LpmNode is. */
export const LPM_FREE = 0;
export const LPM_ENTRY = 1;
/** Made by the trie where two prefixes part, or left behind by a delete. */
export const LPM_INTERMEDIATE = 2;

/** A node of the trie, in the program zone; the key's data follow, padded to 8 bytes, then the value. */
export const LpmNode = defineStruct(
  "lpm_node",
  {
    child0: u32,
    child1: u32,
    prefix_length: u32,
    /** LPM_ENTRY or another. */
    kind: u32,
    /** The first 32 bits of the data as a number: most significant bit first. */
    word: u32,
    pad: u32,
  },
  { size: 24 },
);

/** QUEUE and STACK: the type's words of the header. runtime/maps/queue.as.ts has the protocol. */
export const QueueHeader = defineStruct(
  "queue_header",
  { ...common, lock: atomic("whoever takes it"), head: u32, length: u32 },
  { lock: 64 },
);

/** BLOOM_FILTER: the type's words of the header. */
export const BloomHeader = defineStruct("bloom_header", { ...common, bits: u32, bit_mask: u32, hashes: u32 }, { bits: 64 });

/** SK_STORAGE: the type's words of the header. runtime/maps/skStorage.as.ts has the protocol. */
export const SkStorageHeader = defineStruct(
  "sk_storage_header",
  {
    ...common,
    /** Held while values are created, deleted, replaced, and read by user space. */
    lock: atomic("whoever takes it"),
    /** A word for each declared socket: address of its value, 0 without one. */
    values: u32,
    /** A socket's values stand at `elements` + (2 * number of the socket + 0 or 1) * stride. */
    sockets: u32,
  },
  { lock: 64 },
);

/** RINGBUF and USER_RINGBUF: the type's words of the header. Positions only grow; `& mask` gives the offset in the data. runtime/maps/ringbuf.as.ts and userRing.as.ts have the protocols. */
export const RingHeader = defineStruct(
  "ring_header",
  {
    ...common,
    lock: atomic("whoever takes it"),
    /** max_entries - 1. */
    mask: u32,
    consumer: u64,
    producer: u64,
    /** Oldest record that was not committed when it was last looked at. */
    pending: u64,
    /** Records that found no room. */
    lost: u64,
  },
  { lock: 64 },
);

/** PERF_EVENT_ARRAY: an entry (its map's `elements`, by index) is the address of a PerfRing, 0 where no event is open. */
export const PerfRing = defineStruct("perf_ring", {
  lock: atomic("whoever takes it"),
  /** Number of the CPU that may write to it. */
  cpu: u32,
  /** Address of the data, a power of two of bytes; half as much again is set aside behind them for records that reach past the end. */
  data: u32,
  mask: u32,
  head: u64,
  tail: u64,
  /** Records that found no room since the consumer was last told. */
  lost: u64,
});

/** Longest sample: the size of a perf record is 16 bits. include/uapi/linux/perf_event.h: struct perf_event_header. */
export const PERF_SAMPLE_MAX = 65_512;
