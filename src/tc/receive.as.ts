/** An skb for a frame that has just been received. net/ethernet/eth.c: eth_type_trans. */
import {
  ETH_HLEN,
  HEADER_UNSET,
  NetDevice_broadcast,
  NetDevice_ifindex,
  NetDevice_mac,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_device,
  SkBuff_head,
  SkBuff_ifindex,
  SkBuff_len,
  SkBuff_mac_header,
  SkBuff_network_header,
  SkBuff_pkt_type,
  SkBuff_protocol,
  SkBuff_transport_header,
} from "../layout/layout.generated.as";
import { etherType } from "./vlan.as";

function sameAddress(a: u32, b: u32): bool {
  return load<u32>(a) == load<u32>(b) && load<u16>(a, 4) == load<u16>(b, 4);
}

/** Whom a frame with this destination is for, as seen by `device`. */
function packetType(destination: u32, device: u32): u32 {
  if (sameAddress(destination, device + NetDevice_mac)) return PACKET_HOST;
  if ((load<u8>(destination) & 1) == 0) return PACKET_OTHERHOST;
  return sameAddress(destination, device + NetDevice_broadcast) ? PACKET_BROADCAST : PACKET_MULTICAST;
}

/**
 * Sets what follows from the frame at `data` .. `data_end` and the receiving device: device and ifindex, length, packet type, protocol and headers. The
 * frame has at least 14 bytes. `data` stays at the MAC header, where TC programs see it.
 */
export function skbReceive(skb: u32, device: u32): void {
  const data = load<u32>(skb, SkBuff_data);
  const mac = data - load<u32>(skb, SkBuff_head);
  const length = load<u32>(skb, SkBuff_data_end) - data;
  store<u32>(skb, length, SkBuff_len);
  store<u32>(skb, device, SkBuff_device);
  store<u32>(skb, load<u32>(device, NetDevice_ifindex), SkBuff_ifindex);
  store<u32>(skb, mac, SkBuff_mac_header);
  store<u32>(skb, mac + ETH_HLEN, SkBuff_network_header);
  store<u32>(skb, HEADER_UNSET, SkBuff_transport_header);
  store<u32>(skb, packetType(data, device), SkBuff_pkt_type);
  const next: u32 = length >= ETH_HLEN + 2 ? load<u16>(data, ETH_HLEN) : 0;
  store<u32>(skb, etherType(load<u16>(data, 12), next), SkBuff_protocol);
}
