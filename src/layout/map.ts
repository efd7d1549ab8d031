import { array, atomic, bytes, defineStruct, u32, u64 } from "./struct.ts";

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
    reserved: array(u32, 3),
    /** Owned by the map's type, see its file. */
    words: array(u32, 32),
    lock: atomic("whoever takes it"),
    count: atomic("whoever adds or removes an element"),
    big: array(u64, 6),
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
