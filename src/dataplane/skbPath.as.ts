/**
 * The way of an skb: generic XDP, VLAN tag to the metadata, ingress hook, stack; egress hook and device. net/core/dev.c: __netif_receive_skb_core,
 * __dev_queue_xmit; net/core/filter.c: skb_do_redirect.
 */
import {
  BPF_F_INGRESS,
  CpuBlock_next_hop,
  CpuBlock_next_hop_family,
  CpuBlock_poll_state,
  CpuBlock_redirect_flags,
  CpuBlock_redirect_index,
  CpuBlock_redirect_kind,
  CpuBlock_xdp_context,
  Device_egress,
  Device_generic,
  Device_ingress,
  DeviceCounters_tx_bytes,
  DeviceCounters_tx_dropped,
  DeviceCounters_tx_packets,
  EINVAL,
  ENETDOWN,
  ENOMEM,
  ENOTSUPP,
  EOPNOTSUPP,
  ETH_HLEN,
  ETH_P_IP,
  ETH_P_IPV6,
  FATE_ABORTED,
  FATE_CONSUMED,
  FATE_DROP,
  FATE_REDIRECT,
  FATE_STACK,
  FATE_TX,
  FRAME_BUFFER,
  Frame_SIZE,
  Frame_cpu,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_device,
  Frame_generic,
  Frame_hops,
  Frame_is_skb,
  Frame_next,
  Frame_outcome,
  Frame_packet,
  Frame_queue,
  FRAME_SKB,
  HOOK_XDP_GENERIC,
  IFF_UP,
  MAX_BACKLOG_ROUNDS,
  NetDevice_flags,
  NetDevice_ifindex,
  PACKET_HOST,
  PacketDescriptor_hash,
  PollState_backlog_first,
  PollState_backlog_last,
  PollState_backlog_rounds,
  PollState_rx_queues,
  PollState_xmit_recursion,
  REASON_BUDGET,
  REASON_DOWN,
  REASON_LENGTH,
  REASON_MEMORY,
  REASON_TC_REDIRECT_ERR,
  REASON_TC_SHOT,
  REASON_XDP_DROP,
  REASON_XDP_EXCEPTION,
  REDIRECT_NEIGH,
  REDIRECT_NONE,
  REDIRECT_PEER,
  RxQueue_SIZE,
  RxQueue_index,
  SkBuff_SIZE,
  SkBuff_at_ingress,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_data_meta,
  SkBuff_device,
  SkBuff_end,
  SkBuff_from_ingress,
  SkBuff_hash,
  SkBuff_hash_valid,
  SkBuff_head,
  SkBuff_ifindex,
  SkBuff_ingress_ifindex,
  SkBuff_len,
  SkBuff_pkt_type,
  SkBuff_priority,
  SkBuff_protocol,
  SkBuff_queue_mapping,
  SkBuff_redirected,
  SkBuff_tstamp,
  SkBuff_tunnel,
  SkBuff_vlan_present,
  SkBuff_wire_len,
  TC_ACT_OK,
  TC_ACT_REDIRECT,
  TC_ACT_SHOT,
  TO_CPU,
  TO_DEVICE,
  TcChain_count,
  XDP_DROP,
  XDP_PASS,
  XDP_REDIRECT,
  XDP_TX,
  XMIT_RECURSION_LIMIT,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { deviceByIndex } from "../runtime/devices.as";
import { addressNamedHop, addressRoutedHop } from "../stack/nextHop.as";
import { skbReceive } from "../tc/receive.as";
import { skbVlanUntag } from "../tc/vlan.as";
import { copyBytes, frameLimit, skbIsSound, takeEdges, takeFrame } from "./frames.as";
import { arrive, copyOutcome, lose } from "./outcome.as";
import { prepareQueueContext, runOn, setEdges } from "./programs.as";
import { countDevice, redirect, transmitFrame } from "./redirect.as";
import { BROKEN, runChain } from "./tcHook.as";

/** What __dev_queue_xmit and netif_rx answer where a program can see it. include/linux/netdevice.h. */
const NET_XMIT_DROP: i32 = 1;
const NET_RX_DROP: i32 = 1;

/** The driver hands a frame up: generic XDP first, if the device has it. */
export function passUp(state: u32, frame: u32): void {
  const device = load<u32>(frame, Frame_device);
  const program = load<u32>(device, Device_generic);
  if (program == 0) receiveSkb(state, frame);
  else runGeneric(state, frame, program, device);
}

/** Generic XDP: the skb is there already, so XDP_TX and redirects go at once, and losses move no counter of the device. */
function runGeneric(state: u32, frame: u32, program: u32, device: u32): void {
  const context = load<u32>(cpu, CpuBlock_xdp_context);
  store<u32>(frame, 1, Frame_generic);
  prepareQueueContext(state, context, device, queueIndex(state, frame), true);
  setEdges(context, frame);
  const verdict = runOn(state, frame, program, context, HOOK_XDP_GENERIC, device);
  if (verdict == XDP_DROP) lose(state, frame, FATE_DROP, REASON_XDP_DROP, 0);
  else if (verdict - 1 >= XDP_REDIRECT) lose(state, frame, FATE_ABORTED, REASON_XDP_EXCEPTION, i32(verdict));
  else if (!takeEdges(state, frame, context)) lose(state, frame, FATE_ABORTED, REASON_MEMORY, 0);
  else if (verdict == XDP_PASS) receiveSkb(state, frame);
  else if (verdict == XDP_TX) transmitFrame(state, frame, device, FATE_TX);
  else redirect(state, frame, device, true);
}

/** rx_queue_index of the queue that received the frame. */
function queueIndex(state: u32, frame: u32): u32 {
  return load<u32>(load<u32>(state, PollState_rx_queues) + load<u32>(frame, Frame_queue) * RxQueue_SIZE, RxQueue_index);
}

/**
 * From the thread of a cpumap entry: as any skb, but past generic XDP. The skb that the thread makes of a native frame knows neither hash nor queue; a generic
 * one brings both along. net/core/xdp.c: __xdp_build_skb_from_frame.
 */
export function passFromThread(state: u32, frame: u32): void {
  if (load<u32>(frame, Frame_generic) != 0) receiveSkb(state, frame);
  else receiveUnhashed(state, frame);
}

/** Makes the frame an skb on `device`: from here on `skb` describes it. */
function buildSkb(state: u32, frame: u32, device: u32): u32 {
  const skb = frame + FRAME_SKB;
  memory.fill(skb, 0, SkBuff_SIZE);
  store<u32>(skb, frame + FRAME_BUFFER, SkBuff_head);
  store<u32>(skb, frameLimit(state, frame), SkBuff_end);
  store<u32>(skb, load<u32>(frame, Frame_data), SkBuff_data);
  store<u32>(skb, load<u32>(frame, Frame_data_end), SkBuff_data_end);
  store<u32>(skb, load<u32>(frame, Frame_data_meta), SkBuff_data_meta);
  store<u32>(frame, 1, Frame_is_skb);
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
  ingress(state, frame, load<u32>(frame, Frame_device));
}

function receiveUnhashed(state: u32, frame: u32): void {
  if (skbForIngress(state, frame) != 0) ingress(state, frame, load<u32>(frame, Frame_device));
}

/** The skb for the ingress hook. Without a program there nobody looks at one, and none is made: then 0, and the frame has gone up; so for a frame too short. */
function skbForIngress(state: u32, frame: u32): u32 {
  const device = load<u32>(frame, Frame_device);
  if (load<u32>(device + Device_ingress, TcChain_count) == 0) {
    deliver(state, frame);
    return 0;
  }
  if (load<u32>(frame, Frame_data_end) - load<u32>(frame, Frame_data) < ETH_HLEN) {
    lose(state, frame, FATE_DROP, REASON_LENGTH, 0);
    return 0;
  }
  return buildSkb(state, frame, device);
}

/** Tag to the metadata, then the ingress hook, then the stack. */
function ingress(state: u32, frame: u32, device: u32): void {
  const skb = frame + FRAME_SKB;
  store<u32>(skb, load<u32>(device, NetDevice_ifindex), SkBuff_ingress_ifindex);
  store<u32>(skb, 1, SkBuff_at_ingress);
  if (!skbVlanUntag(skb)) {
    lose(state, frame, FATE_DROP, REASON_LENGTH, 0);
    return;
  }
  // A tag that went to the metadata does not count (sch_handle_ingress: qdisc_pkt_len).
  store<u32>(skb, load<u32>(skb, SkBuff_len) - ETH_HLEN, SkBuff_wire_len);
  const verdict = runChain(state, frame, device + Device_ingress, device, true);
  if (verdict == TC_ACT_OK) deliver(state, frame);
  else if (verdict == TC_ACT_REDIRECT) redirectSkb(state, frame);
  else end(state, frame, verdict);
}

/** Verdicts that end an skb's way at a TC hook. */
function end(state: u32, frame: u32, verdict: i32): void {
  if (verdict == TC_ACT_SHOT) lose(state, frame, FATE_DROP, REASON_TC_SHOT, 0);
  else if (verdict == BROKEN) lose(state, frame, FATE_DROP, REASON_MEMORY, 0);
  else lose(state, frame, FATE_CONSUMED, 0, 0);
}

/** Up to the stack, which takes everything. */
function deliver(state: u32, frame: u32): void {
  arrive(state, frame, FATE_STACK, load<u32>(frame, Frame_hops) == 0 ? 0 : TO_CPU | load<u32>(frame, Frame_cpu));
}

/** A frame of this host's own: it enters at the egress hook of the device. */
export function sendFromHost(state: u32, frame: u32, device: u32): void {
  const skb = buildSkb(state, frame, device);
  store<u32>(skb, PACKET_HOST, SkBuff_pkt_type);
  transmitSkb(state, frame, device);
}

/** dev_queue_xmit: egress hook, then the device. Gives 0, NET_XMIT_DROP or an errno, as a sender would see it; the skb is gone in any case. */
function transmitSkb(state: u32, frame: u32, device: u32): i32 {
  const skb = frame + FRAME_SKB;
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
      end(state, frame, verdict);
      return verdict == TC_ACT_SHOT ? NET_XMIT_DROP : 0;
    }
  }
  if ((load<u32>(device, NetDevice_flags) & IFF_UP) == 0) {
    countDevice(state, device, DeviceCounters_tx_dropped, 1);
    lose(state, frame, FATE_DROP, REASON_DOWN, 0);
    return -ENETDOWN;
  }
  countDevice(state, device, DeviceCounters_tx_packets, 1);
  countDevice(state, device, DeviceCounters_tx_bytes, load<u32>(skb, SkBuff_len) + 4 * u32(load<u32>(skb, SkBuff_vlan_present) != 0));
  const fate: u32 = load<u32>(skb, SkBuff_redirected) ? FATE_REDIRECT : FATE_TX;
  arrive(state, frame, fate, TO_DEVICE | load<u32>(device, NetDevice_ifindex));
  return 0;
}

/** TC_ACT_REDIRECT: to what the helper left in the CPU block, which is forgotten by that (skb_do_redirect). */
function redirectSkb(state: u32, frame: u32): void {
  const block = cpu;
  const device = deviceByIndex(load<u32>(block, CpuBlock_redirect_index));
  const kind = load<u32>(block, CpuBlock_redirect_kind);
  const flags = load<u32>(block, CpuBlock_redirect_flags);
  store<u32>(block, 0, CpuBlock_redirect_index);
  store<u32>(block, REDIRECT_NONE, CpuBlock_redirect_kind);
  store<u32>(block, 0, CpuBlock_redirect_flags);
  if (device == 0) lose(state, frame, FATE_DROP, REASON_TC_REDIRECT_ERR, -EINVAL);
  else if (kind == REDIRECT_PEER) lose(state, frame, FATE_DROP, REASON_TC_REDIRECT_ERR, -EOPNOTSUPP);
  else if (kind == REDIRECT_NEIGH) toNeighbour(state, frame, device, flags != 0);
  else forward(state, frame, device, flags);
}

/** __bpf_redirect_neigh: out through `device`, with the MAC addresses for the next hop; without a neighbour that is known it is lost. */
function toNeighbour(state: u32, frame: u32, device: u32, named: bool): void {
  const skb = frame + FRAME_SKB;
  const ethernet = load<u32>(skb, SkBuff_data);
  const protocol = u32(bswap<u16>(load<u16>(skb, SkBuff_protocol)));
  const isIp = protocol == ETH_P_IP || protocol == ETH_P_IPV6;
  let error = -i32(ENOTSUPP);
  // Not to a group of the link it came from.
  if (isIp && (load<u8>(ethernet) & 1) == 0) {
    error =
      named
        ? addressNamedHop(ethernet, device, load<u32>(cpu, CpuBlock_next_hop_family), cpu + CpuBlock_next_hop)
        : addressRoutedHop(ethernet, ethernet + ETH_HLEN, device, protocol == ETH_P_IPV6);
  }
  if (error != 0) lose(state, frame, FATE_DROP, REASON_TC_REDIRECT_ERR, error);
  else toEgress(state, frame, device);
}

/** __bpf_redirect: to the ingress of `device` with BPF_F_INGRESS, else out through it. */
function forward(state: u32, frame: u32, device: u32, flags: u32): i32 {
  return flags & BPF_F_INGRESS ? toIngress(state, frame, device) : toEgress(state, frame, device);
}

function toEgress(state: u32, frame: u32, device: u32): i32 {
  const skb = frame + FRAME_SKB;
  const recursion = load<u32>(state, PollState_xmit_recursion);
  if (recursion > XMIT_RECURSION_LIMIT) {
    lose(state, frame, FATE_DROP, REASON_TC_REDIRECT_ERR, -ENETDOWN);
    return -ENETDOWN;
  }
  store<u32>(skb, 1, SkBuff_redirected);
  store<u32>(skb, load<u32>(skb, SkBuff_at_ingress), SkBuff_from_ingress);
  store<u64>(skb, 0, SkBuff_tstamp);
  store<u32>(state, recursion + 1, PollState_xmit_recursion);
  const result = transmitSkb(state, frame, device);
  store<u32>(state, recursion, PollState_xmit_recursion);
  return result;
}

/** Into the CPU's backlog, which has its turn when the poll has ended (dev_forward_skb_nomtu, netif_rx). */
function toIngress(state: u32, frame: u32, device: u32): i32 {
  if ((load<u32>(device, NetDevice_flags) & IFF_UP) == 0) {
    lose(state, frame, FATE_DROP, REASON_TC_REDIRECT_ERR, -ENETDOWN);
    return NET_RX_DROP;
  }
  const skb = frame + FRAME_SKB;
  store<u32>(skb, 1, SkBuff_redirected);
  store<u32>(skb, 0, SkBuff_priority);
  store<u32>(skb, 0, SkBuff_tunnel);
  store<u32>(skb, device, SkBuff_device);
  store<u32>(frame, 0, Frame_next);
  const last = load<u32>(state, PollState_backlog_last);
  if (last == 0) store<u32>(state, frame, PollState_backlog_first);
  else store<u32>(last, frame, Frame_next);
  store<u32>(state, frame, PollState_backlog_last);
  return 0;
}

/** process_backlog: one skb that a redirect put at a device's ingress. False when there is none. */
export function receiveBacklog(state: u32): bool {
  const frame = load<u32>(state, PollState_backlog_first);
  if (frame == 0) return false;
  const next = load<u32>(frame, Frame_next);
  store<u32>(state, next, PollState_backlog_first);
  if (next == 0) store<u32>(state, 0, PollState_backlog_last);
  const rounds = load<u32>(state, PollState_backlog_rounds) + 1;
  store<u32>(state, rounds, PollState_backlog_rounds);
  if (rounds > MAX_BACKLOG_ROUNDS) {
    lose(state, frame, FATE_DROP, REASON_BUDGET, 0);
    return true;
  }
  const skb = frame + FRAME_SKB;
  const device = load<u32>(skb, SkBuff_device);
  if (load<u32>(skb, SkBuff_len) < ETH_HLEN) {
    lose(state, frame, FATE_DROP, REASON_LENGTH, 0);
    return true;
  }
  skbReceive(skb, device);
  ingress(state, frame, device);
  return true;
}

/** bpf_clone_redirect's other half (NetNamespace.redirect_hook): a copy of the skb goes to `device`. Gives what __bpf_redirect would. */
export function redirectClone(skb: u32, device: u32, flags: u32): i32 {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  const frame = skb - FRAME_SKB;
  if (!skbIsSound(state, frame)) return -EINVAL;
  const copy = copySkb(state, frame);
  return copy == 0 ? -ENOMEM : forward(state, copy, device, flags);
}

/** A copy of an skb in a frame of its own, with the headroom of the original where that leaves room; 0 when there is none. */
function copySkb(state: u32, frame: u32): u32 {
  const skb = frame + FRAME_SKB;
  const head = load<u32>(skb, SkBuff_head);
  const meta = load<u32>(skb, SkBuff_data_meta);
  const length = load<u32>(skb, SkBuff_data_end) - meta;
  const copy = takeFrame(state);
  if (copy == 0) return 0;
  const newHead = copy + FRAME_BUFFER;
  const limit = frameLimit(state, copy);
  if (newHead + (meta - head) + length > limit) return 0;
  memory.copy(copy, frame, Frame_SIZE);
  copyBytes(newHead + (meta - head), meta, length);
  const copied = copy + FRAME_SKB;
  memory.copy(copied, skb, SkBuff_SIZE);
  const shift = newHead - head;
  store<u32>(copied, newHead, SkBuff_head);
  store<u32>(copied, limit, SkBuff_end);
  store<u32>(copied, load<u32>(skb, SkBuff_data) + shift, SkBuff_data);
  store<u32>(copied, load<u32>(skb, SkBuff_data_end) + shift, SkBuff_data_end);
  store<u32>(copied, meta + shift, SkBuff_data_meta);
  store<u32>(copy, copyOutcome(state, load<u32>(frame, Frame_outcome)), Frame_outcome);
  return copy;
}
