/** Redirect helpers of XDP programs: what xdp_do_redirect later carries out stands in the CPU block. net/core/filter.c, include/linux/filter.h. */
import {
  BPF_F_BROADCAST,
  BPF_F_EXCLUDE_INGRESS,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_DEVMAP_HASH,
  CpuBlock_redirect_entry,
  CpuBlock_redirect_flags,
  CpuBlock_redirect_index,
  CpuBlock_redirect_kind,
  CpuBlock_redirect_map,
  CpuBlock_redirect_map_id,
  MapHeader_id,
  MapHeader_type,
  REDIRECT_BROADCAST,
  REDIRECT_IFINDEX,
  REDIRECT_MAP,
  XDP_ABORTED,
  XDP_REDIRECT,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { redirectEntry } from "../runtime/redirectEntry.as";

/** Flag bits that choose what a miss returns: XDP_ABORTED, DROP, PASS or TX. */
const ACTION_MASK: u32 = 3;

/** bpf_redirect: the device is looked up later, when the frame goes; flags must be 0. */
export function xdpRedirect(ifindex: u32, flags: u64): u32 {
  if (flags != 0) return XDP_ABORTED;
  const block = cpu;
  store<u32>(block, REDIRECT_IFINDEX, CpuBlock_redirect_kind);
  store<u32>(block, ifindex, CpuBlock_redirect_index);
  return XDP_REDIRECT;
}

/**
 * bpf_redirect_map: to the entry `key` of a devmap, cpumap or xskmap. On a miss the map is forgotten but not the index, which then counts as an ifindex
 * if the program redirects all the same; a call with unknown flags changes nothing.
 */
export function xdpRedirectMap(map: u32, key: u64, flags: u64): u32 {
  const type = load<u32>(map, MapHeader_type);
  const broadcasts = type == BPF_MAP_TYPE_DEVMAP || type == BPF_MAP_TYPE_DEVMAP_HASH;
  const known = broadcasts ? ACTION_MASK | BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS : ACTION_MASK;
  if (flags & ~u64(known)) return XDP_ABORTED;
  const block = cpu;
  const entry = redirectEntry(map, u32(key));
  store<u32>(block, entry, CpuBlock_redirect_entry);
  const broadcast = (flags & BPF_F_BROADCAST) != 0;
  if (entry == 0 && !broadcast) {
    store<u32>(block, REDIRECT_IFINDEX, CpuBlock_redirect_kind);
    return u32(flags) & ACTION_MASK;
  }
  store<u32>(block, broadcast ? REDIRECT_BROADCAST : REDIRECT_MAP, CpuBlock_redirect_kind);
  store<u32>(block, u32(key), CpuBlock_redirect_index);
  store<u32>(block, map, CpuBlock_redirect_map);
  store<u32>(block, load<u32>(map, MapHeader_id), CpuBlock_redirect_map_id);
  store<u32>(block, broadcast ? u32(flags) : 0, CpuBlock_redirect_flags);
  return XDP_REDIRECT;
}
