/**
 * Tunnel keys and options: what a TC program asks a tunnel device to put around the packet. They go with the skb as its metadata destination until it enters another
 * device's ingress. net/core/filter.c: bpf_skb_set_tunnel_key and the like.
 */
import {
  BPF_F_DONT_FRAGMENT,
  BPF_F_NO_TUNNEL_KEY,
  BPF_F_SEQ_NUMBER,
  BPF_F_TUNINFO_FLAGS,
  BPF_F_TUNINFO_IPV6,
  BPF_F_ZERO_CSUM_TX,
  CpuBlock_tunnel,
  EINVAL,
  ENOENT,
  ENOMEM,
  EPROTO,
  SkBuff_tunnel,
  TUNNEL_CSUM,
  TUNNEL_DONT_FRAGMENT,
  TUNNEL_KEY,
  TUNNEL_NOCACHE,
  TUNNEL_OPTIONS_MAX,
  TUNNEL_OPTIONS_PRESENT,
  TUNNEL_SEQ,
  TunnelInfo_SIZE,
  TunnelInfo_flags,
  TunnelInfo_ipv6,
  TunnelInfo_label,
  TunnelInfo_local,
  TunnelInfo_options,
  TunnelInfo_options_length,
  TunnelInfo_remote,
  TunnelInfo_tos,
  TunnelInfo_ttl,
  TunnelInfo_tunnel_id,
  TunnelKey_SIZE,
  TunnelKey_local,
  TunnelKey_remote,
  TunnelKey_tunnel_flags,
  TunnelKey_tunnel_id,
  TunnelKey_tunnel_label,
  TunnelKey_tunnel_tos,
  TunnelKey_tunnel_ttl,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";

const SET_FLAGS: u32 = BPF_F_TUNINFO_IPV6 | BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT | BPF_F_SEQ_NUMBER | BPF_F_NO_TUNNEL_KEY;
const GET_FLAGS: u32 = BPF_F_TUNINFO_IPV6 | BPF_F_TUNINFO_FLAGS;
const FLOW_LABEL_MASK: u32 = 0xfffff;

/** Size of the first struct bpf_tunnel_key: the key and one IPv4 address. */
const FIRST_SIZE: u32 = TunnelKey_remote + 4;

/** Whether struct bpf_tunnel_key ever had this size. */
function isKeySize(size: u32): bool {
  return (
    size == TunnelKey_SIZE || size == TunnelKey_local || size == TunnelKey_tunnel_label || size == TunnelKey_tunnel_flags || size == FIRST_SIZE
  );
}

/** Field `offset` of the key at `from`: 0 where the caller's struct ends before it. */
function given(from: u32, size: u32, offset: u32): u32 {
  return size > offset ? load<u32>(from + offset) : 0;
}

/** Copies an address of four words, of those that the caller's struct has. */
function copyAddress(to: u32, from: u32, size: u32, offset: u32): void {
  for (let word: u32 = 0; word < 16; word += 4) store<u32>(to + word, given(from, size, offset + word));
}

/** bpf_skb_set_tunnel_key: 0 or -EINVAL. */
export function skbSetTunnelKey(skb: u32, from: u32, size: u32, flags: u64): i32 {
  if ((flags & ~u64(SET_FLAGS)) != 0 || !isKeySize(size)) return -i32(EINVAL);
  const ipv6 = (u32(flags) & BPF_F_TUNINFO_IPV6) != 0;
  const label = given(from, size, TunnelKey_tunnel_label);
  const reserved: u32 = size > TunnelKey_tunnel_flags ? load<u16>(from, TunnelKey_tunnel_flags) : 0;
  if ((!ipv6 && label != 0) || reserved != 0) return -i32(EINVAL);

  const info = load<u32>(cpu, CpuBlock_tunnel);
  memory.fill(info, 0, TunnelInfo_SIZE);
  store<u32>(skb, info, SkBuff_tunnel);
  let own: u32 = TUNNEL_NOCACHE;
  if (flags & BPF_F_DONT_FRAGMENT) own |= TUNNEL_DONT_FRAGMENT;
  if (!(flags & BPF_F_ZERO_CSUM_TX)) own |= TUNNEL_CSUM;
  if (flags & BPF_F_SEQ_NUMBER) own |= TUNNEL_SEQ;
  if (!(flags & BPF_F_NO_TUNNEL_KEY)) own |= TUNNEL_KEY;
  store<u16>(info, u16(own), TunnelInfo_flags);
  store<u32>(info, load<u32>(from, TunnelKey_tunnel_id), TunnelInfo_tunnel_id);
  if (size > TunnelKey_tunnel_tos) {
    store<u8>(info, load<u8>(from, TunnelKey_tunnel_tos), TunnelInfo_tos);
    store<u8>(info, load<u8>(from, TunnelKey_tunnel_ttl), TunnelInfo_ttl);
  }
  if (ipv6) {
    store<u32>(info, 1, TunnelInfo_ipv6);
    store<u32>(info, label & FLOW_LABEL_MASK, TunnelInfo_label);
    copyAddress(info + TunnelInfo_remote, from, size, TunnelKey_remote);
    copyAddress(info + TunnelInfo_local, from, size, TunnelKey_local);
  } else {
    store<u32>(info, given(from, size, TunnelKey_remote), TunnelInfo_remote);
    store<u32>(info, given(from, size, TunnelKey_local), TunnelInfo_local);
  }
  return 0;
}

/** Why bpf_skb_get_tunnel_key gives nothing, or 0. */
function keyFault(info: u32, size: u32, flags: u64): i32 {
  if (info == 0 || (flags & ~u64(GET_FLAGS)) != 0) return -i32(EINVAL);
  const ipv6 = load<u32>(info, TunnelInfo_ipv6) != 0;
  if (ipv6 != ((u32(flags) & BPF_F_TUNINFO_IPV6) != 0)) return -i32(EPROTO);
  return !isKeySize(size) || (size == FIRST_SIZE && ipv6) ? -i32(EINVAL) : 0;
}

/**
 * bpf_skb_get_tunnel_key: 0, or an errno and zeros. A key tells whom the packet came from: of one that was set on this host, `remote` is what was given as the local
 * address, and the other way round.
 */
export function skbGetTunnelKey(skb: u32, to: u32, size: u32, flags: u64): i32 {
  const info = load<u32>(skb, SkBuff_tunnel);
  memory.fill(to, 0, size);
  const fault = keyFault(info, size, flags);
  if (fault != 0) return fault;
  store<u32>(to, load<u32>(info, TunnelInfo_tunnel_id), TunnelKey_tunnel_id);
  memory.copy(to + TunnelKey_remote, info + TunnelInfo_local, min<u32>(size - TunnelKey_remote, 16));
  if (size > TunnelKey_tunnel_tos) {
    store<u8>(to, load<u8>(info, TunnelInfo_tos), TunnelKey_tunnel_tos);
    store<u8>(to, load<u8>(info, TunnelInfo_ttl), TunnelKey_tunnel_ttl);
  }
  if (size > TunnelKey_tunnel_flags && (flags & BPF_F_TUNINFO_FLAGS) != 0) {
    store<u16>(to, bswap<u16>(load<u16>(info, TunnelInfo_flags)), TunnelKey_tunnel_flags);
  }
  if (size > TunnelKey_tunnel_label) store<u32>(to, load<u32>(info, TunnelInfo_label), TunnelKey_tunnel_label);
  if (size > TunnelKey_local) memory.copy(to + TunnelKey_local, info + TunnelInfo_remote, 16);
  return 0;
}

/** bpf_skb_set_tunnel_opt: behind bpf_skb_set_tunnel_key only, and in words of 4 bytes. */
export function skbSetTunnelOpt(skb: u32, from: u32, size: u32): i32 {
  const info = load<u32>(skb, SkBuff_tunnel);
  if (info == 0 || info != load<u32>(cpu, CpuBlock_tunnel) || (size & 3) != 0) return -i32(EINVAL);
  if (size > TUNNEL_OPTIONS_MAX) return -i32(ENOMEM);
  store<u32>(info, size, TunnelInfo_options_length);
  if (size == 0) return 0;
  memory.copy(info + TunnelInfo_options, from, size);
  store<u16>(info, load<u16>(info, TunnelInfo_flags) | u16(TUNNEL_OPTIONS_PRESENT), TunnelInfo_flags);
  return 0;
}

/** bpf_skb_get_tunnel_opt: bytes of options, behind which the buffer is zeros; or an errno and zeros. */
export function skbGetTunnelOpt(skb: u32, to: u32, size: u32): i32 {
  const info = load<u32>(skb, SkBuff_tunnel);
  memory.fill(to, 0, size);
  if (info == 0 || (load<u16>(info, TunnelInfo_flags) & u16(TUNNEL_OPTIONS_PRESENT)) == 0) return -i32(ENOENT);
  const length = load<u32>(info, TunnelInfo_options_length);
  if (size < length) return -i32(ENOMEM);
  memory.copy(to, info + TunnelInfo_options, length);
  return i32(length);
}
