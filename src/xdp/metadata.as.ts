/**
 * What the simulated NIC's descriptor says of the frame beside its bytes, for native programs on the frames of its receive queues. Elsewhere (test runs, generic mode, devmap and
 * cpumap programs) there is no descriptor: -EOPNOTSUPP, as from a driver without these functions. Documentation/networking/xdp-rx-metadata.rst.
 */
import {
  CpuBlock_poll_state,
  ENODATA,
  EOPNOTSUPP,
  ETH_HLEN,
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_IP,
  ETH_P_IPV6,
  FRAME_BUFFER,
  Frame_hops,
  Frame_packet,
  PACKET_FLAG_NO_TIME,
  PacketDescriptor_address,
  PacketDescriptor_caplen,
  PacketDescriptor_flags,
  PacketDescriptor_hash,
  PacketDescriptor_ts_ns,
  PollState_current,
  XDP_RSS_L3_IPV4,
  XDP_RSS_L3_IPV6,
  XDP_RSS_L4,
  XDP_RSS_L4_TCP,
  XDP_RSS_L4_UDP,
  XdpContext_data_hard_start,
  XdpContext_egress_ifindex,
  XdpContext_generic,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";

const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;
/** IPv4: more fragments, and the offset, as they are loaded. */
const FRAGMENT_MASK: u32 = 0xff3f;
/** VLAN tags that steering looks behind. */
const MAX_TAGS: u32 = 4;

/** The PacketDescriptor of the frame that a native program runs on, or 0. */
function descriptorOf(context: u32): u32 {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  if (state == 0 || load<u32>(context, XdpContext_generic) != 0 || load<u32>(context, XdpContext_egress_ifindex) != 0) return 0;
  const frame = load<u32>(state, PollState_current);
  if (frame == 0 || load<u32>(frame, Frame_hops) != 0) return 0;
  return load<u32>(context, XdpContext_data_hard_start) == frame + FRAME_BUFFER ? load<u32>(frame, Frame_packet) : 0;
}

/** bpf_xdp_metadata_rx_timestamp: when the frame was captured, nanoseconds since 1970, which is what the NIC's clock shows. */
export function xdpMetadataRxTimestamp(context: u32, timestamp: u32): i32 {
  const descriptor = descriptorOf(context);
  if (descriptor == 0) return -i32(EOPNOTSUPP);
  if ((load<u32>(descriptor, PacketDescriptor_flags) & PACKET_FLAG_NO_TIME) != 0) return -i32(ENODATA);
  store<u64>(timestamp, load<u64>(descriptor, PacketDescriptor_ts_ns));
  return 0;
}

/** bpf_xdp_metadata_rx_hash: the hash that steering computed, and what went into it (enum xdp_rss_hash_type); both 0 for what is not IP. */
export function xdpMetadataRxHash(context: u32, hash: u32, kind: u32): i32 {
  const descriptor = descriptorOf(context);
  if (descriptor == 0) return -i32(EOPNOTSUPP);
  const value = load<u32>(descriptor, PacketDescriptor_hash);
  store<u32>(hash, value);
  store<u32>(kind, value == 0 ? 0 : hashedFields(descriptor));
  return 0;
}

/** bpf_xdp_metadata_rx_vlan_tag: the NIC leaves tags in the frame. */
export function xdpMetadataRxVlanTag(context: u32, protocol: u32, tci: u32): i32 {
  return descriptorOf(context) == 0 ? -i32(EOPNOTSUPP) : -i32(ENODATA);
}

function l4Kind(protocol: u32): u32 {
  if (protocol == IPPROTO_TCP) return XDP_RSS_L4 | XDP_RSS_L4_TCP;
  return protocol == IPPROTO_UDP ? XDP_RSS_L4 | XDP_RSS_L4_UDP : 0;
}

/** Which fields steering hashed (nic/rss.as.ts) of a packet that has a hash. */
function hashedFields(descriptor: u32): u32 {
  const frame = load<u32>(descriptor, PacketDescriptor_address);
  const end = frame + load<u32>(descriptor, PacketDescriptor_caplen);
  let header = frame + ETH_HLEN;
  let protocol = u32(bswap<u16>(load<u16>(frame, 12)));
  for (let tags: u32 = 0; tags < MAX_TAGS && (protocol == ETH_P_8021Q || protocol == ETH_P_8021AD); tags++) {
    protocol = u32(bswap<u16>(load<u16>(header, 2)));
    header += 4;
  }
  if (protocol == ETH_P_IP) {
    const fragment = (load<u16>(header, 6) & FRAGMENT_MASK) != 0;
    const cut = header + ((load<u8>(header) & 15) << 2) + 4 > end;
    return XDP_RSS_L3_IPV4 | (fragment || cut ? 0 : l4Kind(load<u8>(header, 9)));
  }
  if (protocol == ETH_P_IPV6) return XDP_RSS_L3_IPV6 | (end - header < 44 ? 0 : l4Kind(load<u8>(header, 6)));
  return 0;
}
