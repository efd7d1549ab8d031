/** Packets that a filter does not want are taken out between the walker and steering. */
import {
  ETH_HLEN,
  FilterState_bytes,
  FilterState_interface_count,
  FilterState_interfaces,
  FilterState_packets,
  FilterState_program,
  FilterState_skb,
  NetDevice_ifindex,
  PACKET_FLAG_OUTBOUND,
  PACKET_OUTGOING,
  PacketDescriptor_SIZE,
  PacketDescriptor_address,
  PacketDescriptor_caplen,
  PacketDescriptor_flags,
  PacketDescriptor_interface,
  PacketDescriptor_length,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_head,
  SkBuff_ifindex,
  SkBuff_len,
  SkBuff_mac_header,
  SkBuff_network_header,
  SkBuff_pkt_type,
  SkBuff_protocol,
} from "../layout/layout.generated.as";
import { runProgram } from "../runtime/run.as";
import { skbReceive } from "../tc/receive.as";

/**
 * The skb that a packet socket's filter would see: the frame as captured, its length as it was on the wire. Loads are bounded by what was captured, as libpcap
 * does with captures. `skb` has been cleared once; only what this sets changes.
 */
function present(skb: u32, descriptor: u32, device: u32): void {
  const frame = load<u32>(descriptor, PacketDescriptor_address);
  const caplen = load<u32>(descriptor, PacketDescriptor_caplen);
  store<u32>(skb, frame, SkBuff_head);
  store<u32>(skb, frame, SkBuff_data);
  store<u32>(skb, frame + caplen, SkBuff_data_end);
  if (caplen >= ETH_HLEN) {
    skbReceive(skb, device);
  } else {
    store<u32>(skb, 0, SkBuff_mac_header);
    store<u32>(skb, ETH_HLEN, SkBuff_network_header);
    store<u32>(skb, 0, SkBuff_pkt_type);
    store<u32>(skb, 0, SkBuff_protocol);
    store<u32>(skb, load<u32>(device, NetDevice_ifindex), SkBuff_ifindex);
  }
  store<u32>(skb, load<u32>(descriptor, PacketDescriptor_length), SkBuff_len);
  if (load<u32>(descriptor, PacketDescriptor_flags) & PACKET_FLAG_OUTBOUND) store<u32>(skb, PACKET_OUTGOING, SkBuff_pkt_type);
}

/** Moves the descriptors of wanted packets together at `first`, in their order, and gives how many they are. */
export function filterPackets(state: u32, first: u32, count: u32): u32 {
  const program = load<u32>(state, FilterState_program);
  const skb = load<u32>(state, FilterState_skb);
  const interfaces = load<u32>(state, FilterState_interfaces);
  const interfaceCount = load<u32>(state, FilterState_interface_count);
  const end = first + count * PacketDescriptor_SIZE;
  let to = first;
  let bytes: u64 = 0;
  for (let from = first; from != end; from += PacketDescriptor_SIZE) {
    const index = min(load<u32>(from, PacketDescriptor_interface), interfaceCount);
    present(skb, from, load<u32>(interfaces + (index << 2)));
    if (u32(runProgram(program, skb)) == 0) {
      bytes += load<u32>(from, PacketDescriptor_caplen);
      continue;
    }
    if (to != from) memory.copy(to, from, PacketDescriptor_SIZE);
    to += PacketDescriptor_SIZE;
  }
  store<u64>(state, load<u64>(state, FilterState_packets) + (end - to) / PacketDescriptor_SIZE, FilterState_packets);
  store<u64>(state, load<u64>(state, FilterState_bytes) + bytes, FilterState_bytes);
  return (to - first) / PacketDescriptor_SIZE;
}
