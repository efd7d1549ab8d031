import {
  BPF_MAP_TYPE_DEVMAP_HASH,
  MapHeader_elements,
  MapHeader_max_entries,
  MapHeader_stride,
  MapHeader_type,
} from "../layout/layout.generated.as";

/** Address of entry `key` of a DEVMAP, CPUMAP or XSKMAP, or 0: an entry whose first word is 0 (no ifindex, no queue, no socket) is empty. */
export function redirectEntry(map: u32, key: u32): u32 {
  if (load<u32>(map, MapHeader_type) == BPF_MAP_TYPE_DEVMAP_HASH) return 0;
  if (key >= load<u32>(map, MapHeader_max_entries)) return 0;
  const entry = load<u32>(map, MapHeader_elements) + key * load<u32>(map, MapHeader_stride);
  return load<u32>(entry) == 0 ? 0 : entry;
}
