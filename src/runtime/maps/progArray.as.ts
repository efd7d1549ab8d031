import {
  BPF_ANY,
  BPF_MAP_TYPE_PROG_ARRAY,
  E2BIG,
  EINVAL,
  ENOENT,
  MapHeader_elements,
  MapHeader_max_entries,
  MapHeader_type,
} from "../../layout/layout.generated.as";

/**
 * PROG_ARRAY: `elements` is an array of u32 table slots, 0 where there is no program. The main thread stores a slot, with an atomic store, only after
 * every worker has that program in its table. ARRAY_OF_MAPS holds addresses of MapHeaders in the same way.
 */
function wordAt(map: u32, index: u32): u32 {
  if (index >= load<u32>(map, MapHeader_max_entries)) return 0;
  return load<u32>(map, MapHeader_elements) + (index << 2);
}

/** Table slot that a tail call to `index` goes to; 0 when it falls through (no such entry, an empty one, or not a PROG_ARRAY). */
export function tailCallSlot(map: u32, index: u32): u32 {
  if (load<u32>(map, MapHeader_type) != BPF_MAP_TYPE_PROG_ARRAY) return 0;
  const at = wordAt(map, index);
  return at == 0 ? 0 : load<u32>(at);
}

/** User space's update: 0, -EINVAL for flags, -E2BIG past the end. kernel/bpf/arraymap.c: bpf_fd_array_map_update_elem. */
export function wordUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  if (flags != BPF_ANY) return -i32(EINVAL);
  const at = wordAt(map, load<u32>(key));
  if (at == 0) return -i32(E2BIG);
  atomic.store<u32>(at, load<u32>(value));
  return 0;
}

/** 0, -E2BIG past the end, -ENOENT for an empty entry. */
export function wordDelete(map: u32, key: u32): i32 {
  const at = wordAt(map, load<u32>(key));
  if (at == 0) return -i32(E2BIG);
  return atomic.xchg<u32>(at, 0) == 0 ? -i32(ENOENT) : 0;
}
