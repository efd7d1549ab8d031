/** Helpers of TC programs that change an skb's length, protocol or type. net/core/filter.c. */
import {
  BPF_SKB_MAX_LEN,
  CHECKSUM_PARTIAL,
  EINVAL,
  ENOMEM,
  ENOTSUPP,
  ETH_P_IP,
  ETH_P_IPV6,
  HEADER_UNSET,
  PACKET_OTHERHOST,
  SkBuff_csum,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_encapsulation,
  SkBuff_gso_segs,
  SkBuff_gso_size,
  SkBuff_gso_type,
  SkBuff_head,
  SkBuff_ip_summed,
  SkBuff_len,
  SkBuff_mac_header,
  SkBuff_network_header,
  SkBuff_pkt_type,
  SkBuff_protocol,
  SkBuff_transport_header,
} from "../layout/layout.generated.as";
import {
  skbClearHash,
  skbMacHeaderLength,
  skbMakeRoom,
  skbNetworkOffset,
  skbPostpullChecksum,
  skbPull,
  skbPush,
  skbResetMacLen,
  skbSetLength,
} from "./skb.as";
import { programAddress } from "../runtime/zone.as";

/** An EtherType as SkBuff.protocol holds it: in network byte order. */
export function protocolOf(etherType: u32): u32 {
  return u32(bswap<u16>(u16(etherType)));
}

export function skbIsGso(skb: u32): bool {
  return load<u32>(skb, SkBuff_gso_size) != 0;
}

/** bpf_skb_change_head: `room` zero bytes in front, which become the MAC header. */
export function skbChangeHead(skb: u32, room: u32, flags: u64): i32 {
  const length = load<u32>(skb, SkBuff_len);
  if (flags != 0 || i32(room) < 0 || length + room < length) return -EINVAL;
  if (!skbIsGso(skb) && length + room > BPF_SKB_MAX_LEN) return -EINVAL;
  if (skbMakeRoom(skb, room, 0) != 0) return -ENOMEM;
  const data = skbPush(skb, room);
  memory.fill(data, 0, room);
  store<u32>(skb, data - load<u32>(skb, SkBuff_head), SkBuff_mac_header);
  skbResetMacLen(skb);
  return 0;
}

/** Shortest length that change_tail may leave: what lies before the innermost header that is known. */
function shortestLength(skb: u32): u32 {
  let shortest: u32 = 0;
  const network = skbNetworkOffset(skb);
  if (network > 0) shortest = network;
  const transport = load<u32>(skb, SkBuff_transport_header);
  if (transport != HEADER_UNSET) {
    const offset = i32(load<u32>(skb, SkBuff_head) + transport - load<u32>(skb, SkBuff_data));
    if (offset > 0) shortest = offset;
  }
  if (load<u32>(skb, SkBuff_ip_summed) == CHECKSUM_PARTIAL) {
    const csum = load<u32>(skb, SkBuff_csum);
    const start = i32(load<u32>(skb, SkBuff_head) + (csum & 0xffff) - load<u32>(skb, SkBuff_data));
    const field = start + i32(csum >> 16) + 2;
    if (field > 0) shortest = field;
  }
  return shortest;
}

/** bpf_skb_change_tail: cuts, or grows by zero bytes. */
export function skbChangeTail(skb: u32, length: u32, flags: u64): i32 {
  if (flags != 0 || length > BPF_SKB_MAX_LEN || length < shortestLength(skb)) return -EINVAL;
  if (load<u32>(skb, SkBuff_encapsulation) != 0) return -ENOTSUPP;
  const old = load<u32>(skb, SkBuff_len);
  if (length > old) {
    if (skbMakeRoom(skb, 0, length - old) != 0) return -ENOMEM;
    memory.fill(programAddress(load<u32>(skb, SkBuff_data_end)), 0, length - old);
  } else if (length < old) {
    skbPostpullChecksum(skb, load<u32>(skb, SkBuff_data) + length, old - length);
  }
  skbSetLength(skb, length);
  if (skbIsGso(skb)) {
    store<u32>(skb, 0, SkBuff_gso_size);
    store<u32>(skb, 0, SkBuff_gso_segs);
    store<u32>(skb, 0, SkBuff_gso_type);
  }
  return 0;
}

/** Shifts MAC and network header by `by`, and the transport header with them when it stood on the network header. */
function moveHeaders(skb: u32, by: u32): void {
  const network = load<u32>(skb, SkBuff_network_header);
  const together = load<u32>(skb, SkBuff_transport_header) == network;
  store<u32>(skb, load<u32>(skb, SkBuff_mac_header) + by, SkBuff_mac_header);
  store<u32>(skb, network + by, SkBuff_network_header);
  if (together) store<u32>(skb, network + by, SkBuff_transport_header);
}

/** Opens a gap of `length` zero bytes after the first `offset` bytes, moving these to the front. The room must be there. */
export function skbOpenGap(skb: u32, offset: u32, length: u32): void {
  const data = skbPush(skb, length);
  memory.copy(data, data + length, offset);
  memory.fill(data + offset, 0, length);
  moveHeaders(skb, -i32(length));
}

/** Takes `length` bytes out after the first `offset` bytes, which move back. */
export function skbCloseGap(skb: u32, offset: u32, length: u32): i32 {
  if (offset + length > load<u32>(skb, SkBuff_len)) return -ENOMEM;
  const old = load<u32>(skb, SkBuff_data);
  skbPostpullChecksum(skb, old + offset, length);
  memory.copy(skbPull(skb, length), old, offset);
  moveHeaders(skb, length);
  return 0;
}

/** Length of an IPv6 header less that of an IPv4 header. */
const HEADER_DIFFERENCE: u32 = 20;
const SKB_GSO_TCPV4: u32 = 1;
const SKB_GSO_DODGY: u32 = 1 << 1;
const SKB_GSO_TCPV6: u32 = 1 << 4;

/** The segments are those of the other protocol from here on, and their headers are to be looked at again. gso_segs stays as it was, measured on Linux 6.18. */
function swapGsoType(skb: u32, from: u32, to: u32): void {
  if (!skbIsGso(skb)) return;
  const type = load<u32>(skb, SkBuff_gso_type);
  store<u32>(skb, ((type & from) != 0 ? (type & ~from) | to : type) | SKB_GSO_DODGY, SkBuff_gso_type);
}

/** bpf_skb_change_proto: makes room for an IPv6 header where an IPv4 one was, or the reverse; the program writes it. */
export function skbChangeProto(skb: u32, protocol: u32, flags: u64): i32 {
  if (flags != 0) return -EINVAL;
  const from = load<u32>(skb, SkBuff_protocol);
  const to = protocol & 0xffff;
  const offset = skbMacHeaderLength(skb);
  if (from == protocolOf(ETH_P_IP) && to == protocolOf(ETH_P_IPV6)) {
    if (skbMakeRoom(skb, HEADER_DIFFERENCE, 0) != 0) return -ENOMEM;
    skbOpenGap(skb, offset, HEADER_DIFFERENCE);
    swapGsoType(skb, SKB_GSO_TCPV4, SKB_GSO_TCPV6);
  } else if (from == protocolOf(ETH_P_IPV6) && to == protocolOf(ETH_P_IP)) {
    const fault = skbCloseGap(skb, offset, HEADER_DIFFERENCE);
    if (fault != 0) return fault;
    swapGsoType(skb, SKB_GSO_TCPV6, SKB_GSO_TCPV4);
  } else return -ENOTSUPP;
  store<u32>(skb, to, SkBuff_protocol);
  skbClearHash(skb);
  return 0;
}

/** bpf_skb_change_type: only among HOST, BROADCAST, MULTICAST and OTHERHOST. */
export function skbChangeType(skb: u32, type: u32): i32 {
  if (load<u32>(skb, SkBuff_pkt_type) > PACKET_OTHERHOST || type > PACKET_OTHERHOST) return -EINVAL;
  store<u32>(skb, type, SkBuff_pkt_type);
  return 0;
}
