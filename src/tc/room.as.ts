/** bpf_skb_adjust_room: room for, or removal of, encapsulation headers. net/core/filter.c. */
import {
  BPF_ADJ_ROOM_ENCAP_L2_SHIFT,
  BPF_ADJ_ROOM_MAC,
  BPF_ADJ_ROOM_NET,
  BPF_F_ADJ_ROOM_DECAP_L3_IPV4,
  BPF_F_ADJ_ROOM_DECAP_L3_IPV6,
  BPF_F_ADJ_ROOM_ENCAP_L2_ETH,
  BPF_F_ADJ_ROOM_ENCAP_L3_IPV4,
  BPF_F_ADJ_ROOM_ENCAP_L3_IPV6,
  BPF_F_ADJ_ROOM_ENCAP_L4_GRE,
  BPF_F_ADJ_ROOM_ENCAP_L4_UDP,
  BPF_F_ADJ_ROOM_FIXED_GSO,
  BPF_F_ADJ_ROOM_NO_CSUM_RESET,
  BPF_SKB_MAX_LEN,
  EALREADY,
  EFAULT,
  EINVAL,
  ENOMEM,
  ENOTSUPP,
  ETH_HLEN,
  ETH_P_IP,
  ETH_P_IPV6,
  SkBuff_data,
  SkBuff_encapsulation,
  SkBuff_gso_segs,
  SkBuff_gso_size,
  SkBuff_gso_type,
  SkBuff_head,
  SkBuff_len,
  SkBuff_network_header,
  SkBuff_protocol,
  SkBuff_transport_header,
} from "../layout/layout.generated.as";
import { resetChecksumUnnecessary } from "./checksum.as";
import { protocolOf, skbCloseGap, skbIsGso, skbOpenGap } from "./resize.as";
import { skbMacHeaderLength, skbMakeRoom, skbNetworkOffset } from "./skb.as";

const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;
const ENCAP_L3: u32 = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
const ENCAP_L4: u32 = BPF_F_ADJ_ROOM_ENCAP_L4_GRE | BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
const DECAP_L3: u32 = BPF_F_ADJ_ROOM_DECAP_L3_IPV4 | BPF_F_ADJ_ROOM_DECAP_L3_IPV6;
const KNOWN: u32 =
  BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | BPF_F_ADJ_ROOM_ENCAP_L2_ETH | ENCAP_L3 | ENCAP_L4 | DECAP_L3;

/** gso_type bits. include/linux/skbuff.h. */
const SKB_GSO_TCPV4: u32 = 1;
const SKB_GSO_DODGY: u32 = 1 << 1;
const SKB_GSO_TCPV6: u32 = 1 << 4;
const SKB_GSO_GRE: u32 = 1 << 6;
const SKB_GSO_IPXIP4: u32 = 1 << 8;
const SKB_GSO_IPXIP6: u32 = 1 << 9;
const SKB_GSO_UDP_TUNNEL: u32 = 1 << 10;
const SKB_GSO_UDP_L4: u32 = 1 << 17;

/** A GSO skb that is not TCP may only change with FIXED_GSO, and only as UDP_L4: its gso_size delineates datagrams. */
function gsoForbids(skb: u32, flags: u64): bool {
  const type = load<u32>(skb, SkBuff_gso_type);
  if (!skbIsGso(skb) || (type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) != 0) return false;
  return (type & SKB_GSO_UDP_L4) == 0 || (flags & BPF_F_ADJ_ROOM_FIXED_GSO) == 0;
}

/** Header lengths changed by `difference`: segments must be counted anew, and their size follows unless it is fixed. */
function adjustGso(skb: u32, difference: i32, type: u32, flags: u64): void {
  if (!skbIsGso(skb)) return;
  store<u32>(skb, load<u32>(skb, SkBuff_gso_type) | type, SkBuff_gso_type);
  store<u32>(skb, 0, SkBuff_gso_segs);
  if ((flags & BPF_F_ADJ_ROOM_FIXED_GSO) == 0) {
    store<u32>(skb, (load<u32>(skb, SkBuff_gso_size) - u32(difference)) & 0xffff, SkBuff_gso_size);
  }
}

/** Errors of the encapsulation flags, in the kernel's order; 0 when they are sound. */
function encapsulationFault(skb: u32, difference: u32, flags: u64): i32 {
  const innerMac = u32(flags >> BPF_ADJ_ROOM_ENCAP_L2_SHIFT);
  if ((flags & ENCAP_L3) == ENCAP_L3 || (flags & ENCAP_L4) == ENCAP_L4) return -EINVAL;
  if ((flags & BPF_F_ADJ_ROOM_ENCAP_L2_ETH) != 0 && innerMac < ETH_HLEN) return -EINVAL;
  if (load<u32>(skb, SkBuff_encapsulation) != 0) return -EALREADY;
  return innerMac > difference ? -EINVAL : 0;
}

/** The headers in front of the gap are now those of a tunnel: offsets, protocol and the gso bits that follow from it. */
function markEncapsulation(skb: u32, macLength: u32, flags: u64): u32 {
  const ipv6 = (flags & BPF_F_ADJ_ROOM_ENCAP_L3_IPV6) != 0;
  const network = load<u32>(skb, SkBuff_data) - load<u32>(skb, SkBuff_head) + macLength;
  store<u32>(skb, 1, SkBuff_encapsulation);
  store<u32>(skb, network, SkBuff_network_header);
  if (flags & ENCAP_L4) store<u32>(skb, network + (ipv6 ? IPV6_HEADER : IPV4_HEADER), SkBuff_transport_header);
  store<u32>(skb, protocolOf(ipv6 ? ETH_P_IPV6 : ETH_P_IP), SkBuff_protocol);
  if (flags & BPF_F_ADJ_ROOM_ENCAP_L4_UDP) return SKB_GSO_UDP_TUNNEL;
  if (flags & BPF_F_ADJ_ROOM_ENCAP_L4_GRE) return SKB_GSO_GRE;
  return ipv6 ? SKB_GSO_IPXIP6 : SKB_GSO_IPXIP4;
}

function grow(skb: u32, offset: u32, difference: u32, flags: u64): i32 {
  if (gsoForbids(skb, flags)) return -ENOTSUPP;
  if (skbMakeRoom(skb, difference, 0) != 0) return -ENOMEM;
  const encapsulates = (flags & ENCAP_L3) != 0;
  const macLength = skbMacHeaderLength(skb);
  if (encapsulates) {
    const fault = encapsulationFault(skb, difference, flags);
    if (fault != 0) return fault;
  }
  skbOpenGap(skb, offset, difference);
  let type = SKB_GSO_DODGY;
  if (encapsulates) type |= markEncapsulation(skb, macLength, flags);
  adjustGso(skb, difference, type, flags);
  return 0;
}

function shrink(skb: u32, offset: u32, difference: u32, flags: u64): i32 {
  if (flags & ~u64(BPF_F_ADJ_ROOM_FIXED_GSO | DECAP_L3 | BPF_F_ADJ_ROOM_NO_CSUM_RESET)) return -EINVAL;
  if (gsoForbids(skb, flags)) return -ENOTSUPP;
  const fault = skbCloseGap(skb, offset, difference);
  if (fault != 0) return fault;
  if (flags & DECAP_L3) store<u32>(skb, protocolOf(flags & BPF_F_ADJ_ROOM_DECAP_L3_IPV6 ? ETH_P_IPV6 : ETH_P_IP), SkBuff_protocol);
  adjustGso(skb, -i32(difference), SKB_GSO_DODGY, flags);
  return 0;
}

/** bpf_skb_adjust_room: `difference` bytes more (zeros) or less behind the MAC header (mode MAC) or the IP header without options (mode NET). */
export function skbAdjustRoom(skb: u32, difference: i32, mode: u32, flags: u64): i32 {
  const shrinks = difference < 0;
  const size = shrinks ? -u32(difference) : u32(difference);
  if (flags & ~(u64(KNOWN) | (u64(0xff) << BPF_ADJ_ROOM_ENCAP_L2_SHIFT))) return -EINVAL;
  if (size > 0xfff) return -EFAULT;
  const protocol = load<u32>(skb, SkBuff_protocol);
  const ipv6 = protocol == protocolOf(ETH_P_IPV6);
  if (!ipv6 && protocol != protocolOf(ETH_P_IP)) return -ENOTSUPP;
  const header = ipv6 ? IPV6_HEADER : IPV4_HEADER;
  let offset = skbMacHeaderLength(skb);
  if (mode == BPF_ADJ_ROOM_NET) offset += header;
  else if (mode != BPF_ADJ_ROOM_MAC) return -ENOTSUPP;

  let shortest = header;
  const decapsulates = u32(flags) & DECAP_L3;
  if (decapsulates != 0) {
    if (!shrinks || decapsulates == DECAP_L3) return -EINVAL;
    shortest = decapsulates == BPF_F_ADJ_ROOM_DECAP_L3_IPV4 ? IPV4_HEADER : IPV6_HEADER;
  }
  const length = load<u32>(skb, SkBuff_len);
  const behind = length - u32(skbNetworkOffset(skb));
  if (shrinks && (size >= behind || behind - size < shortest)) return -ENOTSUPP;
  if (!shrinks && length + size > BPF_SKB_MAX_LEN && !skbIsGso(skb)) return -ENOTSUPP;

  const result = shrinks ? shrink(skb, offset, size, flags) : grow(skb, offset, size, flags);
  if (result == 0 && (flags & BPF_F_ADJ_ROOM_NO_CSUM_RESET) == 0) resetChecksumUnnecessary(skb);
  return result;
}
