import { BPF_MAP_TYPE_DEVMAP_HASH, CpuBlock_scratch, MapHeader_type } from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";
import { deviceHashLookup, filledEntry } from "./maps/redirectMaps.as";

/** Address of entry `key` of a DEVMAP, DEVMAP_HASH, CPUMAP or XSKMAP, or 0: an entry whose first word is 0 (no ifindex, no queue, no socket) is empty. */
export function redirectEntry(map: u32, key: u32): u32 {
  if (load<u32>(map, MapHeader_type) != BPF_MAP_TYPE_DEVMAP_HASH) return filledEntry(map, key);
  const word = load<u32>(cpu, CpuBlock_scratch);
  store<u32>(word, key);
  return deviceHashLookup(map, word);
}
