/** Which protocols take an skb behind the ingress hook: the host's own and packet sockets. net/core/dev.c: deliver_ptype_list_skb. */
import {
  Device_ingress,
  Device_socket_count,
  Device_sockets,
  Device_tapped,
  ETH_P_802_2,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  EVENT_SOCKET,
  FATE_DROP,
  FRAME_SKB,
  Frame_cloned,
  NetDevice_peer,
  PACKET_OTHERHOST,
  REASON_LENGTH,
  REASON_UNHANDLED,
  SkBuff_pkt_type,
  SkBuff_protocol,
  SkBuff_vlan_present,
  SkBuff_vlan_tci,
  TcChain_count,
  VethCounters_core_rx_dropped,
} from "../layout/layout.generated.as";
import { protocolOf } from "../tc/resize.as";
import { isVlan, skbClearVlanTag, skbVlanUntag } from "../tc/vlan.as";
import { showFrame } from "./events.as";
import { ipReceive } from "./hostStack.as";
import { arriveAtStack } from "./netifReceive.as";
import { lose } from "./outcome.as";
import { count } from "./receive.as";
import { countVeth } from "./veth.as";

/** Hands the skb to all that wait for its EtherType; one that nobody takes counts as dropped. */
export function handOver(state: u32, frame: u32, device: u32, first: u32): void {
  const skb = frame + FRAME_SKB;
  // A tap takes it too, but when the device has programs at ingress, or a tag is in the metadata, it has been given to it before.
  let taken = load<u32>(device, Device_tapped) != 0 && load<u32>(device + Device_ingress, TcChain_count) == 0;
  while (load<u32>(skb, SkBuff_vlan_present) != 0) {
    taken = false;
    if (load<u32>(skb, SkBuff_vlan_tci) & VLAN_ID) {
      // No VLAN device has it.
      store<u32>(skb, PACKET_OTHERHOST, SkBuff_pkt_type);
      skbClearVlanTag(skb);
      break;
    }
    skbClearVlanTag(skb);
    if (!isVlan(load<u32>(skb, SkBuff_protocol))) break;
    if (!skbVlanUntag(skb)) {
      lose(state, frame, FATE_DROP, REASON_LENGTH, 0);
      return;
    }
  }
  const protocol = load<u32>(skb, SkBuff_protocol);
  for (let index: u32 = 0, count = load<u32>(device, Device_socket_count); index < count; index++) {
    if (u32(load<u16>(device + (index << 1), Device_sockets)) != protocol) continue;
    showFrame(state, EVENT_SOCKET, device, frame, load<u32>(skb, SkBuff_pkt_type), protocol);
    taken = true;
  }
  // Sockets of the device that it came in at first are of another namespace: they take the skb, and see nothing of it.
  if (first != device && isBound(first, protocol)) taken = true;
  if (protocol == protocolOf(ETH_P_IP)) {
    if (taken) store<u32>(frame, 1, Frame_cloned);
    ipReceive(state, frame, device);
  } else if (hasHandler(protocol) || taken) arriveAtStack(state, frame);
  else {
    if (load<u32>(device, NetDevice_peer) != 0) countVeth(state, device, VethCounters_core_rx_dropped, 1);
    lose(state, frame, FATE_DROP, REASON_UNHANDLED, 0);
  }
}

/** VLAN_VID_MASK. include/linux/if_vlan.h. */
const VLAN_ID: u32 = 0xfff;

/** ARP, IPv6 and 802.2 have handlers, whatever these do with the frame. */
function hasHandler(protocol: u32): bool {
  return protocol == protocolOf(ETH_P_ARP) || protocol == protocolOf(ETH_P_IPV6) || protocol == protocolOf(ETH_P_802_2);
}

/** Whether a packet socket is bound to this EtherType of the device. */
function isBound(device: u32, protocol: u32): bool {
  for (let index: u32 = 0, count = load<u32>(device, Device_socket_count); index < count; index++) {
    if (u32(load<u16>(device + (index << 1), Device_sockets)) == protocol) return true;
  }
  return false;
}
