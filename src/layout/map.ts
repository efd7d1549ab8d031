import { array, atomic, defineStruct, u32, u64 } from "./struct.ts";

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
