import { BPF_MAP_TYPE_PROG_ARRAY, MapHeader_elements, MapHeader_max_entries, MapHeader_type } from "../../layout/layout.generated.as";

/**
 * PROG_ARRAY: `elements` is an array of u32 table slots, 0 where there is no program. The main thread stores a slot, with an atomic store, only after
 * every worker has that program in its table.
 *
 * Table slot that a tail call to `index` goes to; 0 when it falls through (no such entry, an empty one, or not a PROG_ARRAY).
 */
export function tailCallSlot(map: u32, index: u32): u32 {
  if (load<u32>(map, MapHeader_type) != BPF_MAP_TYPE_PROG_ARRAY) return 0;
  if (index >= load<u32>(map, MapHeader_max_entries)) return 0;
  return load<u32>(load<u32>(map, MapHeader_elements) + (index << 2));
}
