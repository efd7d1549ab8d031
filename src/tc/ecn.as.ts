/** bpf_skb_ecn_set_ce. include/net/inet_ecn.h. */
import {
  CHECKSUM_COMPLETE,
  ETH_HLEN,
  ETH_P_IP,
  ETH_P_IPV6,
  SkBuff_csum,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_ip_summed,
  SkBuff_len,
  SkBuff_mac_len,
  SkBuff_protocol,
} from "../layout/layout.generated.as";
import { csum16Add, csumAdd, csumSub } from "../packet/csum.as";
import { protocolOf } from "./resize.as";
import { skbNetworkHeader } from "./skb.as";
import { isVlan } from "./vlan.as";
import { programAddress } from "../runtime/zone.as";

const ECN_MASK: u32 = 3;
const ECN_CE: u32 = 3;

function markIpv4(header: u32): i32 {
  const tos = load<u8>(header, 1);
  const ecn = (u32(tos) + 1) & ECN_MASK;
  if ((ecn & 2) == 0) return ecn == 0 ? 1 : 0;
  // ECT(1) becomes CE by adding 2 to the header's sum, ECT(0) by adding 1; the checksum loses as much.
  const added = (0xfbff + (ecn << 8)) & 0xffff;
  store<u16>(header, csum16Add(load<u16>(header, 10), added), 10);
  store<u8>(header, tos | ECN_CE, 1);
  return 1;
}

function markIpv6(skb: u32, header: u32): i32 {
  const from = load<u32>(header);
  const first = bswap<u32>(from);
  if (((first >> 20) & ECN_MASK) == 0) return 0;
  const to = bswap<u32>(first | (ECN_CE << 20));
  store<u32>(header, to);
  if (load<u32>(skb, SkBuff_ip_summed) == CHECKSUM_COMPLETE) {
    store<u32>(skb, csumAdd(csumSub(load<u32>(skb, SkBuff_csum), from), to), SkBuff_csum);
  }
  return 1;
}

/** VLAN tags that are looked past at most. include/linux/if_vlan.h: VLAN_MAX_DEPTH. */
const VLAN_MAX_DEPTH: u32 = 8;
const VLAN_HLEN: u32 = 4;

/** The protocol behind inline VLAN tags (vlan_get_protocol), in network order; 0 where the tags do not end. */
function innerProtocol(skb: u32): u32 {
  let protocol = load<u32>(skb, SkBuff_protocol);
  const macLength = load<u32>(skb, SkBuff_mac_len);
  let offset = macLength != 0 ? macLength - VLAN_HLEN : ETH_HLEN;
  for (let left = VLAN_MAX_DEPTH; isVlan(protocol); left--) {
    if (left == 1 || offset + VLAN_HLEN > load<u32>(skb, SkBuff_len)) return 0;
    protocol = load<u16>(load<u32>(skb, SkBuff_data) + offset, 2);
    offset += VLAN_HLEN;
  }
  return protocol;
}

/**
 * bpf_skb_ecn_set_ce: 1 when the packet now says "congestion experienced", 0 when it cannot (not ECN-capable, not IP, too short). With inline tags Linux looks past
 * them for the protocol, but still takes the network header, which stands on the first tag, for that of IP; so does this.
 */
export function skbEcnSetCe(skb: u32): i32 {
  const header = skbNetworkHeader(skb);
  const protocol = innerProtocol(skb);
  const end = load<u32>(skb, SkBuff_data_end);
  if (protocol == protocolOf(ETH_P_IP) && header + 20 <= end) return markIpv4(programAddress(header));
  if (protocol == protocolOf(ETH_P_IPV6) && header + 40 <= end) return markIpv6(skb, programAddress(header));
  return 0;
}
