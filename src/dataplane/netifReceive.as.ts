/** What the driver hands up becomes an skb and goes through the ingress hooks to the stack. net/core/dev.c: __netif_receive_skb_core. */
import {
  Device_generic,
  Device_ingress,
  Device_tapped,
  ETH_HLEN,
  EVENT_TAP_IN,
  FATE_CONSUMED,
  FATE_DROP,
  FATE_STACK,
  FRAME_BUFFER,
  FRAME_SKB,
  Frame_cloned,
  Frame_cpu,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_device,
  Frame_generic,
  Frame_has_skb,
  Frame_hops,
  Frame_is_skb,
  Frame_packet,
  Frame_queue,
  HEADER_UNSET,
  NetDevice_ifindex,
  NetDevice_network,
  NetDevice_peer,
  NetNamespace_stack,
  PacketDescriptor_hash,
  PollState_rx_queues,
  REASON_LENGTH,
  REASON_MEMORY,
  REASON_TC_SHOT,
  RxQueue_SIZE,
  RxQueue_index,
  SkBuff_SIZE,
  SkBuff_at_ingress,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_data_meta,
  SkBuff_device,
  SkBuff_end,
  SkBuff_hash,
  SkBuff_hash_valid,
  SkBuff_head,
  SkBuff_ifindex,
  SkBuff_ingress_ifindex,
  SkBuff_len,
  SkBuff_mac_len,
  SkBuff_network_header,
  SkBuff_pkt_type,
  SkBuff_queue_mapping,
  SkBuff_redirected,
  SkBuff_transport_header,
  SkBuff_wire_len,
  TC_ACT_OK,
  TC_ACT_REDIRECT,
  TC_ACT_SHOT,
  TO_CPU,
  TcChain_count,
} from "../layout/layout.generated.as";
import { skbReceive } from "../tc/receive.as";
import { skbVlanUntag } from "../tc/vlan.as";
import { makeRoomForGeneric, showAsXdp } from "./buffers.as";
import { showFrame } from "./events.as";
import { frameLimit } from "./frames.as";
import { runGeneric } from "./genericXdp.as";
import { handOver } from "./handlers.as";
import { arrive, lose } from "./outcome.as";
import { enterNetwork } from "./programs.as";
import { BROKEN, CONSUMED, runChain } from "./tcHook.as";
import { redirectSkb } from "./tcRedirect.as";

/** The driver hands a frame up: generic XDP first, if the device has it. */
export function passUp(state: u32, frame: u32): void {
  const device = load<u32>(frame, Frame_device);
  if (load<u32>(device, Device_generic) == 0 || runGeneric(state, frame, device)) receiveSkb(state, frame);
}

/** An skb that the backlog, a veth's poll or the thread of a cpumap entry brings up: generic XDP unless it was redirected before, then the rest. */
export function netifReceive(state: u32, frame: u32): void {
  receiveRound(state, frame, load<u32>(frame + FRAME_SKB, SkBuff_device));
}

/** `first`: the device that the skb came in at, when a redirect has moved it to a peer since. */
function receiveRound(state: u32, frame: u32, first: u32): void {
  const skb = frame + FRAME_SKB;
  const device = load<u32>(skb, SkBuff_device);
  enterNetwork(device);
  store<u32>(frame, device, Frame_device);
  if (load<u32>(skb, SkBuff_len) < ETH_HLEN) {
    lose(state, frame, FATE_DROP, REASON_LENGTH, 0);
    return;
  }
  if (load<u32>(device, Device_generic) != 0 && load<u32>(skb, SkBuff_redirected) == 0) {
    if (!makeRoomForGeneric(state, frame)) {
      lose(state, frame, FATE_DROP, REASON_MEMORY, 0);
      return;
    }
    showAsXdp(frame);
    if (!runGeneric(state, frame, device)) return;
    store<u32>(frame, 1, Frame_is_skb);
  }
  ingress(state, frame, device, first);
}

/**
 * From the thread of a cpumap entry. The skb that the thread makes of a native frame knows neither hash nor queue; of one that came by generic XDP on a NIC it knows
 * what the NIC said. net/core/xdp.c: __xdp_build_skb_from_frame.
 */
export function receiveFromThread(state: u32, frame: u32): void {
  const device = load<u32>(frame, Frame_device);
  if (load<u32>(frame, Frame_generic) != 0 && load<u32>(device, NetDevice_peer) == 0) receiveSkb(state, frame);
  else netifReceive(state, frame);
}

/** rx_queue_index of the queue that received the frame. */
export function queueIndex(state: u32, frame: u32): u32 {
  return load<u32>(load<u32>(state, PollState_rx_queues) + load<u32>(frame, Frame_queue) * RxQueue_SIZE, RxQueue_index);
}

/** Makes the frame an skb on `device`: from here on `skb` describes it. */
export function buildSkb(state: u32, frame: u32, device: u32): u32 {
  const skb = frame + FRAME_SKB;
  memory.fill(skb, 0, SkBuff_SIZE);
  store<u32>(skb, frame + FRAME_BUFFER, SkBuff_head);
  store<u32>(skb, frameLimit(state, frame), SkBuff_end);
  store<u32>(skb, load<u32>(frame, Frame_data), SkBuff_data);
  store<u32>(skb, load<u32>(frame, Frame_data_end), SkBuff_data_end);
  store<u32>(skb, load<u32>(frame, Frame_data_meta), SkBuff_data_meta);
  store<u32>(frame, 1, Frame_is_skb);
  store<u32>(frame, 1, Frame_has_skb);
  skbReceive(skb, device);
  return skb;
}

/** __netif_receive_skb_core behind generic XDP, of an skb with the NIC's hash and the queue's number. */
function receiveSkb(state: u32, frame: u32): void {
  const skb = skbForIngress(state, frame);
  if (skb == 0) return;
  const hash = load<u32>(load<u32>(frame, Frame_packet), PacketDescriptor_hash);
  store<u32>(skb, hash, SkBuff_hash);
  store<u32>(skb, u32(hash != 0), SkBuff_hash_valid);
  store<u32>(skb, queueIndex(state, frame) + 1, SkBuff_queue_mapping);
  ingress(state, frame, load<u32>(frame, Frame_device), load<u32>(frame, Frame_device));
}

/** The skb for the ingress hook. Without a program there nobody looks at one, and none is made: then 0, and the frame has gone up; so for a frame too short. */
function skbForIngress(state: u32, frame: u32): u32 {
  const device = load<u32>(frame, Frame_device);
  if (load<u32>(device + Device_ingress, TcChain_count) == 0 && load<u32>(load<u32>(device, NetDevice_network), NetNamespace_stack) == 0) {
    deliver(state, frame, device, device);
    return 0;
  }
  if (load<u32>(frame, Frame_data_end) - load<u32>(frame, Frame_data) < ETH_HLEN) {
    lose(state, frame, FATE_DROP, REASON_LENGTH, 0);
    return 0;
  }
  return buildSkb(state, frame, device);
}


/**
 * Tag to the metadata, taps, then the ingress hook, then the stack. A redirect to a peer begins anew at that device.
 */
function ingress(state: u32, frame: u32, device: u32, first: u32): void {
  const skb = frame + FRAME_SKB;
  store<u32>(skb, load<u32>(device, NetDevice_ifindex), SkBuff_ingress_ifindex);
  store<u32>(skb, load<u32>(device, NetDevice_ifindex), SkBuff_ifindex);
  store<u32>(skb, ETH_HLEN, SkBuff_mac_len);
  // It stays where it is when a tag is taken out.
  if (load<u32>(skb, SkBuff_transport_header) == HEADER_UNSET) {
    store<u32>(skb, load<u32>(skb, SkBuff_network_header), SkBuff_transport_header);
  }
  store<u32>(skb, 1, SkBuff_at_ingress);
  if (!skbVlanUntag(skb)) {
    lose(state, frame, FATE_DROP, REASON_LENGTH, 0);
    return;
  }
  if (load<u32>(device, Device_tapped) != 0) {
    showFrame(state, EVENT_TAP_IN, device, frame, load<u32>(skb, SkBuff_pkt_type), 0);
    store<u32>(frame, 1, Frame_cloned);
  }
  const chain = device + Device_ingress;
  if (load<u32>(chain, TcChain_count) != 0) {
    // A tag that went to the metadata does not count (sch_handle_ingress: qdisc_pkt_len).
    store<u32>(skb, load<u32>(skb, SkBuff_len) - ETH_HLEN, SkBuff_wire_len);
    const verdict = runChain(state, frame, chain, device, true);
    if (verdict == TC_ACT_REDIRECT) {
      if (redirectSkb(state, frame)) receiveRound(state, frame, first);
      return;
    }
    if (verdict != TC_ACT_OK) {
      endSkb(state, frame, verdict);
      return;
    }
  }
  store<u32>(skb, 0, SkBuff_redirected);
  deliver(state, frame, device, first);
}

/** Verdicts that end an skb's way at a TC hook. */
export function endSkb(state: u32, frame: u32, verdict: i32): void {
  if (verdict == CONSUMED) return;
  if (verdict == TC_ACT_SHOT) lose(state, frame, FATE_DROP, REASON_TC_SHOT, 0);
  else if (verdict == BROKEN) lose(state, frame, FATE_DROP, REASON_MEMORY, 0);
  else lose(state, frame, FATE_CONSUMED, 0, 0);
}

/** Up to the protocols of the host; where none are simulated, the stack takes everything. */
function deliver(state: u32, frame: u32, device: u32, first: u32): void {
  if (load<u32>(load<u32>(device, NetDevice_network), NetNamespace_stack) == 0) arriveAtStack(state, frame);
  else handOver(state, frame, device, first);
}

/** The packet's way ends at the stack. */
export function arriveAtStack(state: u32, frame: u32): void {
  arrive(state, frame, FATE_STACK, load<u32>(frame, Frame_hops) == 0 ? 0 : TO_CPU | load<u32>(frame, Frame_cpu));
}
