/** Redirect helpers of TC programs: what skb_do_redirect later carries out stands in the CPU block. net/core/filter.c. */
import {
  BPF_F_INGRESS,
  CpuBlock_next_hop,
  CpuBlock_next_hop_family,
  CpuBlock_redirect_flags,
  CpuBlock_redirect_index,
  CpuBlock_redirect_kind,
  REDIRECT_IFINDEX,
  REDIRECT_NEIGH,
  REDIRECT_PEER,
  TC_ACT_REDIRECT,
  TC_ACT_SHOT,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";

/** Bytes of struct bpf_redir_neigh: nh_family, then an IPv4 or IPv6 address. */
const REDIR_NEIGH_SIZE: u32 = 20;

function remember(kind: u32, ifindex: u32, flags: u32): i32 {
  const block = cpu;
  store<u32>(block, kind, CpuBlock_redirect_kind);
  store<u32>(block, ifindex, CpuBlock_redirect_index);
  store<u32>(block, flags, CpuBlock_redirect_flags);
  return TC_ACT_REDIRECT;
}

/** bpf_redirect: to egress of a device, or with BPF_F_INGRESS to its ingress. Unknown flags drop. */
export function skbRedirect(ifindex: u32, flags: u64): i32 {
  if (flags & ~u64(BPF_F_INGRESS)) return TC_ACT_SHOT;
  return remember(REDIRECT_IFINDEX, ifindex, u32(flags));
}

/** bpf_redirect_neigh: to egress, with the MAC addresses that the neighbour table gives for the next hop. */
export function skbRedirectNeigh(ifindex: u32, parameters: u32, length: u32, flags: u64): i32 {
  if ((length != 0 && length < REDIR_NEIGH_SIZE) || flags != 0) return TC_ACT_SHOT;
  if (length != 0) {
    store<u32>(cpu, load<u32>(parameters), CpuBlock_next_hop_family);
    memory.copy(cpu + CpuBlock_next_hop, parameters + 4, 16);
  }
  return remember(REDIRECT_NEIGH, ifindex, u32(length != 0));
}

/** bpf_redirect_peer: to the ingress of a device's peer, in its network namespace. */
export function skbRedirectPeer(ifindex: u32, flags: u64): i32 {
  if (flags != 0) return TC_ACT_SHOT;
  return remember(REDIRECT_PEER, ifindex, 0);
}
