/** skbs leave: egress hook, taps, device. net/core/dev.c: __dev_queue_xmit. */
import {
  DeviceCounters_tx_bytes,
  DeviceCounters_tx_dropped,
  DeviceCounters_tx_packets,
  Device_egress,
  Device_tapped,
  Device_vlan_offload,
  EMSGSIZE,
  ENETDOWN,
  ENOBUFS,
  ETH_HLEN,
  ETH_P_8021Q,
  EVENT_SEND_ERROR,
  EVENT_TAP_OUT,
  FATE_DROP,
  FATE_REDIRECT,
  FATE_TX,
  FRAME_SKB,
  Frame_cloned,
  IFF_UP,
  NetDevice_flags,
  NetDevice_ifindex,
  NetDevice_mtu,
  NetDevice_peer,
  PACKET_HOST,
  PollState_xmit_recursion,
  REASON_DOWN,
  REASON_LENGTH,
  SkBuff_at_ingress,
  SkBuff_device,
  SkBuff_ifindex,
  SkBuff_len,
  SkBuff_pkt_type,
  SkBuff_protocol,
  SkBuff_queue_mapping,
  SkBuff_redirected,
  SkBuff_vlan_present,
  SkBuff_vlan_proto,
  SkBuff_wire_len,
  TC_ACT_OK,
  TC_ACT_REDIRECT,
  TC_ACT_SHOT,
  TO_DEVICE,
  TcChain_count,
  VethCounters_core_tx_dropped,
  XMIT_RECURSION_LIMIT,
} from "../layout/layout.generated.as";
import { protocolOf } from "../tc/resize.as";
import { skbClearVlanTag, skbInsertVlanTag } from "../tc/vlan.as";
import { showFrame, trace } from "./events.as";
import { buildSkb, endSkb } from "./netifReceive.as";
import { arrive, lose } from "./outcome.as";
import { enterNetwork } from "./programs.as";
import { countDevice } from "./redirect.as";
import { runChain } from "./tcHook.as";
import { redirectSkb } from "./tcRedirect.as";
import { NET_XMIT_DROP, countVeth, isUp, vethTransmit } from "./veth.as";

/** A frame of this host's own: it enters at the egress hook of the device. */
export function sendFromHost(state: u32, frame: u32, device: u32): void {
  const skb = buildSkb(state, frame, device);
  store<u32>(skb, PACKET_HOST, SkBuff_pkt_type);
  const error = load<u32>(device, NetDevice_peer) == 0 ? 0 : sendFault(skb, device);
  if (error != 0) lose(state, frame, FATE_DROP, error == -i32(EMSGSIZE) ? REASON_LENGTH : REASON_DOWN, 0);
  const sent = error != 0 ? error : transmitSkb(state, frame, device);
  if (sent != 0) trace(state, EVENT_SEND_ERROR, device, 0, u32(sent > 0 ? -i32(ENOBUFS) : sent), 0, 0, 0);
}

/** Why a packet socket does not send a frame (net/packet/af_packet.c: packet_snd), or 0. One with a tag may be 4 bytes longer. */
function sendFault(skb: u32, device: u32): i32 {
  if (!isUp(device)) return -i32(ENETDOWN);
  const extra: u32 = load<u32>(skb, SkBuff_protocol) == protocolOf(ETH_P_8021Q) ? 4 : 0;
  return load<u32>(skb, SkBuff_len) > load<u32>(device, NetDevice_mtu) + ETH_HLEN + extra ? -i32(EMSGSIZE) : 0;
}

/** dev_queue_xmit: egress hook, then the device. Gives 0, NET_XMIT_DROP or an errno, as a sender would see it; the skb is gone in any case. */
export function transmitSkb(state: u32, frame: u32, device: u32): i32 {
  const skb = frame + FRAME_SKB;
  enterNetwork(device);
  store<u32>(skb, device, SkBuff_device);
  store<u32>(skb, load<u32>(device, NetDevice_ifindex), SkBuff_ifindex);
  store<u32>(skb, 0, SkBuff_at_ingress);
  store<u32>(skb, load<u32>(skb, SkBuff_len), SkBuff_wire_len);
  const chain = device + Device_egress;
  if (load<u32>(chain, TcChain_count) != 0) {
    const verdict = runChain(state, frame, chain, device, false);
    if (verdict == TC_ACT_REDIRECT) {
      redirectSkb(state, frame);
      return 0;
    }
    if (verdict != TC_ACT_OK) {
      endSkb(state, frame, verdict);
      return verdict == TC_ACT_SHOT ? NET_XMIT_DROP : 0;
    }
  }
  if ((load<u32>(device, NetDevice_flags) & IFF_UP) == 0) {
    return failToSend(state, frame, device);
  }
  if (load<u32>(device, NetDevice_peer) != 0) return startTransmit(state, frame, device);
  countDevice(state, device, DeviceCounters_tx_packets, 1);
  countDevice(state, device, DeviceCounters_tx_bytes, load<u32>(skb, SkBuff_len) + 4 * u32(load<u32>(skb, SkBuff_vlan_present) != 0));
  const fate: u32 = load<u32>(skb, SkBuff_redirected) ? FATE_REDIRECT : FATE_TX;
  arrive(state, frame, fate, TO_DEVICE | load<u32>(device, NetDevice_ifindex));
  return 0;
}

/** The device is down, or transmits are nested too deep. */
function failToSend(state: u32, frame: u32, device: u32): i32 {
  if (load<u32>(device, NetDevice_peer) != 0) countVeth(state, device, VethCounters_core_tx_dropped, 1);
  else countDevice(state, device, DeviceCounters_tx_dropped, 1);
  lose(state, frame, FATE_DROP, REASON_DOWN, 0);
  return -i32(ENETDOWN);
}

/** dev_hard_start_xmit: a tag that the device cannot take goes into the frame, taps see it, then the driver. */
function startTransmit(state: u32, frame: u32, device: u32): i32 {
  const skb = frame + FRAME_SKB;
  const recursion = load<u32>(state, PollState_xmit_recursion);
  if (recursion > XMIT_RECURSION_LIMIT) return failToSend(state, frame, device);
  store<u32>(skb, 0, SkBuff_queue_mapping);
  const protocol = load<u32>(skb, SkBuff_vlan_proto);
  // tx-vlan-offload is about 802.1Q; tx-vlan-stag-hw-insert stays on.
  if (load<u32>(device, Device_vlan_offload) == 0 && load<u32>(skb, SkBuff_vlan_present) != 0 && protocol == protocolOf(ETH_P_8021Q)) {
    if (skbInsertVlanTag(skb) != 0) return failToSend(state, frame, device);
    store<u32>(skb, protocol, SkBuff_protocol);
    skbClearVlanTag(skb);
  }
  if (load<u32>(device, Device_tapped) != 0) {
    showFrame(state, EVENT_TAP_OUT, device, frame, 0, 0);
    store<u32>(frame, 1, Frame_cloned);
  }
  store<u32>(state, recursion + 1, PollState_xmit_recursion);
  const result = vethTransmit(state, frame, device);
  store<u32>(state, recursion, PollState_xmit_recursion);
  return result;
}

