/** A packet arrives: NIC, driver, native XDP; what passes goes up to the skb's path. */
import {
  CpuBlock_ktime_ns,
  CpuBlock_boot_ns,
  CpuBlock_real_ns,
  CpuBlock_xdp_context,
  Device_xdp,
  ETH_HLEN,
  ETH_P_8021AD,
  ETH_P_8021Q,
  FATE_ABORTED,
  FATE_DROP,
  FRAME_HEADER,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_device,
  Frame_next,
  Frame_outcome,
  Frame_packet,
  Frame_queue,
  HOOK_XDP,
  NetDevice_mtu,
  PACKET_FLAG_EGRESS,
  PacketDescriptor_address,
  PacketDescriptor_caplen,
  PacketDescriptor_flags,
  PacketDescriptor_length,
  PacketDescriptor_ts_ns,
  PollState_boot_offset,
  PollState_queue_tallies,
  PollState_tx_first,
  PollState_tx_last,
  QueueCounters_rx_bytes,
  QueueCounters_rx_length_errors,
  QueueCounters_rx_packets,
  QueueCounters_xdp_drop,
  QueueCounters_xdp_exception,
  QueueCounters_xdp_pass,
  QueueCounters_xdp_tx,
  QueueTally_SIZE,
  REASON_LENGTH,
  REASON_MEMORY,
  REASON_NO_FRAME,
  REASON_XDP_DROP,
  REASON_XDP_EXCEPTION,
  XDP_DROP,
  XDP_PACKET_HEADROOM,
  XDP_PASS,
  XDP_REDIRECT,
  XDP_TX,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { copyBytes, frameLimit, releaseFrame, takeEdges, takeFrame } from "./frames.as";
import { beginOutcome, closeOutcome, keepsBytes, lose } from "./outcome.as";
import { runOn, setEdges } from "./programs.as";
import { redirectNative } from "./redirect.as";
import { passUp, sendFromHost } from "./skbPath.as";

/** Adds to a counter of a receive queue. */
export function count(state: u32, queue: u32, counter: u32, by: u32): void {
  const at = load<u32>(state, PollState_queue_tallies) + queue * QueueTally_SIZE + counter;
  store<u64>(at, load<u64>(at) + u64(by));
}

/** The clocks show the latest timestamp that this CPU has met. */
function advanceClock(state: u32, packet: u32): void {
  const time = load<i64>(packet, PacketDescriptor_ts_ns);
  if (time > load<i64>(cpu, CpuBlock_real_ns)) setClock(state, time);
}

export function setClock(state: u32, time: i64): void {
  const ktime = time + load<i64>(state, PollState_boot_offset);
  store<i64>(cpu, time, CpuBlock_real_ns);
  store<i64>(cpu, ktime, CpuBlock_ktime_ns);
  store<i64>(cpu, ktime, CpuBlock_boot_ns);
}

function isTagged(frame: u32): bool {
  const protocol = u32(bswap<u16>(load<u16>(frame, 12)));
  return protocol == ETH_P_8021Q || protocol == ETH_P_8021AD;
}

/** Whether the NIC takes a frame: a whole Ethernet header, and no longer than the MTU with header and one tag. The wire's length counts, not the capture's. */
function fits(packet: u32, address: u32, caplen: u32, device: u32): bool {
  const limit = load<u32>(device, NetDevice_mtu) + ETH_HLEN;
  const length = max(caplen, load<u32>(packet, PacketDescriptor_length));
  if (length <= limit) return caplen >= ETH_HLEN;
  return length <= limit + 4 && caplen >= ETH_HLEN && isTagged(address);
}

/** Lays the packet into a frame, behind the headroom. */
function fill(frame: u32, packet: u32, outcome: u32, device: u32, queue: u32): void {
  const data = frame + FRAME_HEADER + XDP_PACKET_HEADROOM;
  const length = load<u32>(packet, PacketDescriptor_caplen);
  copyBytes(data, load<u32>(packet, PacketDescriptor_address), length);
  // All that stands in front of the outcome.
  v128.store(frame, i32x4.splat(0));
  v128.store(frame, i32x4.splat(0), 16);
  store<u32>(frame, outcome, Frame_outcome);
  store<u32>(frame, packet, Frame_packet);
  store<u32>(frame, device, Frame_device);
  store<u32>(frame, data, Frame_data);
  store<u32>(frame, data + length, Frame_data_end);
  store<u32>(frame, data, Frame_data_meta);
  store<u32>(frame, queue, Frame_queue);
}

/**
 * Receives one packet of queue number `queue` (`index` within its device). The XDP context holds what is common to the queue.
 *
 *   NIC     too long or short -> rx_length_errors
 *   driver  copy into a frame; native program: DROP · PASS up · TX and REDIRECT wait for the poll's end · else aborted
 */
export function receivePacket(state: u32, packet: u32, outcome: u32, device: u32, queue: u32): void {
  beginOutcome(outcome, packet, queue);
  advanceClock(state, packet);
  const caplen = load<u32>(packet, PacketDescriptor_caplen);
  if (!fits(packet, load<u32>(packet, PacketDescriptor_address), caplen, device)) {
    count(state, queue, QueueCounters_rx_length_errors, 1);
    closeOutcome(state, outcome, queue, FATE_DROP, REASON_LENGTH, 0, 0, 0);
    return;
  }
  const frame = takeFrame(state);
  if (frame == 0 || frame + FRAME_HEADER + XDP_PACKET_HEADROOM + caplen > frameLimit(state, frame)) {
    closeOutcome(state, outcome, queue, FATE_DROP, REASON_NO_FRAME, 0, 0, 0);
    if (frame != 0) releaseFrame(state, frame);
    return;
  }
  fill(frame, packet, outcome, device, queue);
  if (load<u32>(packet, PacketDescriptor_flags) & PACKET_FLAG_EGRESS) {
    sendFromHost(state, frame, device);
    return;
  }
  const counters = load<u32>(state, PollState_queue_tallies) + queue * QueueTally_SIZE;
  store<u64>(counters, load<u64>(counters, QueueCounters_rx_packets) + 1, QueueCounters_rx_packets);
  store<u64>(counters, load<u64>(counters, QueueCounters_rx_bytes) + u64(caplen), QueueCounters_rx_bytes);
  const program = load<u32>(device, Device_xdp);
  if (program == 0) passUp(state, frame);
  else runNative(state, frame, program, device, queue);
}

function runNative(state: u32, frame: u32, program: u32, device: u32, queue: u32): void {
  const context = load<u32>(cpu, CpuBlock_xdp_context);
  setEdges(context, frame);
  const verdict = runOn(state, frame, program, context, HOOK_XDP, device);
  if (verdict == XDP_DROP) {
    count(state, queue, QueueCounters_xdp_drop, 1);
    if (keepsBytes(state)) takeEdges(state, frame, context);
    lose(state, frame, FATE_DROP, REASON_XDP_DROP, 0);
  } else if (verdict - 1 >= XDP_REDIRECT) {
    count(state, queue, QueueCounters_xdp_exception, 1);
    lose(state, frame, FATE_ABORTED, REASON_XDP_EXCEPTION, i32(verdict));
  } else if (!takeEdges(state, frame, context)) {
    count(state, queue, QueueCounters_xdp_exception, 1);
    lose(state, frame, FATE_ABORTED, REASON_MEMORY, 0);
  } else if (verdict == XDP_PASS) {
    count(state, queue, QueueCounters_xdp_pass, 1);
    passUp(state, frame);
  } else if (verdict == XDP_TX) {
    count(state, queue, QueueCounters_xdp_tx, 1);
    queueForTransmit(state, frame);
  } else redirectNative(state, frame, device);
}

/** XDP_TX: the frame waits in the driver's ring until the poll ends. */
function queueForTransmit(state: u32, frame: u32): void {
  store<u32>(frame, 0, Frame_next);
  const last = load<u32>(state, PollState_tx_last);
  if (last == 0) store<u32>(state, frame, PollState_tx_first);
  else store<u32>(last, frame, Frame_next);
  store<u32>(state, frame, PollState_tx_last);
}
