/**
 * Cgroups of sockets, and of the packets that have one. A cgroup's id is its index in the namespace's table plus 1; the root's is 1. net/core/filter.c,
 * kernel/bpf/cgroup.c.
 */
import {
  BPF_MAP_TYPE_CGROUP_ARRAY,
  Cgroup_level,
  Cgroup_parent,
  Cgroup_SIZE,
  CpuBlock_network,
  E2BIG,
  EAGAIN,
  ENOENT,
  MapHeader_elements,
  MapHeader_max_entries,
  MapHeader_type,
  NetNamespace_cgroups,
  ROOT_CGROUP,
  SkBuff_sk,
  Socket_cgroup,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { isFullSocket } from "../runtime/sockets.as";

function cgroup(id: u32): u32 {
  return load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_cgroups) + (id - 1) * Cgroup_SIZE;
}

/** Id of the cgroup of the skb's socket; 0 without a whole socket. */
function cgroupOf(skb: u32): u32 {
  const socket = load<u32>(skb, SkBuff_sk);
  return socket != 0 && isFullSocket(socket) ? load<u32>(socket, Socket_cgroup) : 0;
}

/** The cgroup at this level above another (or it itself), the root being at level 0; 0 where it does not lie so deep. */
function ancestor(id: u32, level: i32): u32 {
  if (id == ROOT_CGROUP) return level == 0 ? ROOT_CGROUP : 0;
  let at = id;
  if (level < 0 || level > i32(load<u32>(cgroup(at), Cgroup_level))) return 0;
  while (at != ROOT_CGROUP && i32(load<u32>(cgroup(at), Cgroup_level)) > level) at = load<u32>(cgroup(at), Cgroup_parent);
  return at;
}

/** bpf_skb_cgroup_id */
export function skbCgroupId(skb: u32): u64 {
  return u64(cgroupOf(skb));
}

/** bpf_skb_ancestor_cgroup_id */
export function skbAncestorCgroupId(skb: u32, level: i32): u64 {
  const id = cgroupOf(skb);
  return id == 0 ? 0 : u64(ancestor(id, level));
}

/** Whether a cgroup lies in or under the one that a CGROUP_ARRAY names: 1 or 0, -E2BIG past the end, -EAGAIN for an empty entry. */
function isUnder(map: u32, index: u32, id: u32): i32 {
  if (load<u32>(map, MapHeader_type) != BPF_MAP_TYPE_CGROUP_ARRAY) unreachable();
  if (index >= load<u32>(map, MapHeader_max_entries)) return -i32(E2BIG);
  const named = atomic.load<u32>(load<u32>(map, MapHeader_elements) + (index << 2));
  if (named == 0) return -i32(EAGAIN);
  const level: i32 = named == ROOT_CGROUP ? 0 : i32(load<u32>(cgroup(named), Cgroup_level));
  return i32(ancestor(id, level) == named);
}

/** bpf_skb_under_cgroup: -ENOENT for a packet without a socket. */
export function skbUnderCgroup(skb: u32, map: u32, index: u32): i32 {
  const id = cgroupOf(skb);
  return id == 0 ? -i32(ENOENT) : isUnder(map, index, id);
}

/** bpf_current_task_under_cgroup: the idle task is in the root cgroup. */
export function currentTaskUnderCgroup(map: u32, index: u32): i32 {
  return isUnder(map, index, ROOT_CGROUP);
}
