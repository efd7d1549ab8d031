/** Packets arrive: NIC, driver, native XDP; what passes goes up to the skb's path. */
import {
  CpuBlock_boot_ns,
  CpuBlock_ktime_ns,
  CpuBlock_real_ns,
  CpuBlock_xdp_context,
  ETH_HLEN,
  ETH_P_8021AD,
  ETH_P_8021Q,
  FATE_ABORTED,
  FATE_DROP,
  FRAME_BUFFER,
  Frame_buffer_size,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_device,
  Frame_head_frag,
  Frame_next,
  Frame_outcome,
  Frame_packet,
  Frame_queue,
  Frame_running,
  HOOK_XDP,
  NetDevice_mtu,
  NetDevice_peer,
  OutcomeRecord_SIZE,
  PACKET_FLAG_EGRESS,
  PACKET_FLAG_XMIT,
  PacketDescriptor_SIZE,
  PacketDescriptor_address,
  PacketDescriptor_caplen,
  PacketDescriptor_flags,
  PacketDescriptor_length,
  PacketDescriptor_ts_ns,
  PollRecord_SIZE,
  PollRecord_length,
  PollRecord_verdict,
  PollState_boot_offset,
  PollState_current,
  PollState_frame_size,
  PollState_outcomes,
  PollState_poll_end,
  PollState_poll_first,
  PollState_program,
  PollState_queue_tallies,
  PollState_records,
  PollState_timing,
  PollState_tx_first,
  PollState_tx_last,
  QueueCounters_rx_length_errors,
  QueueCounters_xdp_exception,
  QueueCounters_xdp_pass,
  QueueCounters_xdp_tx,
  QueueTally_SIZE,
  REASON_LENGTH,
  REASON_MEMORY,
  REASON_NO_FRAME,
  REASON_XDP_DROP,
  REASON_XDP_EXCEPTION,
  SKB_SHARED_INFO_SIZE,
  XDP_DROP,
  XDP_PACKET_HEADROOM,
  XDP_PASS,
  XDP_REDIRECT,
  XDP_TX,
  XdpContext_data,
  XdpContext_data_end,
  XdpContext_data_hard_start,
  XdpContext_data_meta,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { nextTimer } from "../runtime/fireTimers.as";
import { addFuel } from "../runtime/fuel.as";
import { beginRuns, endRuns, runAgain } from "../runtime/run.as";
import { allocatedSize } from "./buffers.as";
import { traceException } from "./events.as";
import { copyBytes, releaseFrame, takeEdges, takeFrame } from "./frames.as";
import { passUp } from "./netifReceive.as";
import { beginOutcome, keepFinal, keepsBytes, lose, recordFate, recordStep, refuse } from "./outcome.as";
import { stepName } from "./programs.as";
import { redirectNative } from "./redirect.as";
import { timeReceived } from "./timing.as";
import { sendFromHost } from "./transmit.as";
import { injectFrame } from "./veth.as";

/** Buffer of a live frame of a test run, which is how frames are made that a driver transmits as XDP frames: a page less struct xdp_page_head. net/bpf/test_run.c. */
const LIVE_FRAME_SIZE: u32 = 3984;
/** LL_RESERVED_SPACE of an Ethernet device, less the header that the sender brings along. */
const PACKET_SOCKET_HEADROOM: u32 = 2;

/** Adds to a counter of a receive queue. */
export function count(state: u32, queue: u32, counter: u32, by: u32): void {
  const at = load<u32>(state, PollState_queue_tallies) + queue * QueueTally_SIZE + counter;
  store<u64>(at, load<u64>(at) + u64(by));
}

/** The clocks show the latest timestamp that this CPU has met. */
function advanceClock(state: u32, block: u32, packet: u32): void {
  const time = load<i64>(packet, PacketDescriptor_ts_ns);
  if (time > load<i64>(block, CpuBlock_real_ns)) setClock(state, block, time);
}

/** Whether a timer of this CPU is due when the packet arrives. */
function isTimerDue(state: u32, block: u32, packet: u32): bool {
  const arrival = load<i64>(packet, PacketDescriptor_ts_ns) + load<i64>(state, PollState_boot_offset);
  return nextTimer() <= max(arrival, load<i64>(block, CpuBlock_ktime_ns));
}

export function setClock(state: u32, block: u32, time: i64): void {
  const ktime = time + load<i64>(state, PollState_boot_offset);
  store<i64>(block, time, CpuBlock_real_ns);
  store<i64>(block, ktime, CpuBlock_ktime_ns);
  store<i64>(block, ktime, CpuBlock_boot_ns);
}

function isTagged(frame: u32): bool {
  const protocol = u32(bswap<u16>(load<u16>(frame, 12)));
  return protocol == ETH_P_8021Q || protocol == ETH_P_8021AD;
}

/**
 * Whether the NIC takes a frame: a whole Ethernet header, and no longer than `limit`, the MTU with header, and one tag. The wire's length counts, not the
 * capture's.
 */
function fits(address: u32, caplen: u32, length: u32, limit: u32): bool {
  if (caplen < ETH_HLEN) return false;
  return length <= limit || (length <= limit + 4 && isTagged(address));
}

/** What is the same for all packets that a frame receives from `queue` of `device` in a poll. `what`: the first word of the native program's OutcomeStep. */
function prepareFrame(frame: u32, device: u32, queue: u32, what: u32): void {
  const data = frame + FRAME_BUFFER + XDP_PACKET_HEADROOM;
  // All that stands in front of the outcome.
  v128.store(frame, i32x4.splat(0));
  v128.store(frame, i32x4.splat(0), 16);
  v128.store(frame, i32x4.splat(0), 32);
  v128.store(frame, i32x4.splat(0), 48);
  store<u32>(frame, device, Frame_device);
  store<u32>(frame, queue, Frame_queue);
  store<u32>(frame, data, Frame_data);
  store<u32>(frame, data, Frame_data_meta);
  store<u32>(frame, what, Frame_running);
}

/**
 * Receives what the list of queue number `queue` holds up to the poll's end, from `cursor`, the position kept at address `cursors`. The XDP context holds what is
 * common to the queue.
 *
 *   NIC     too long or short -> rx_length_errors
 *   driver  copy into a frame; native program: DROP · PASS up · TX and REDIRECT wait for the poll's end · else aborted
 *
 * A frame whose packet the program dropped takes the next one as it is: what the program changed of its edges stands in the context only. Dropped packets are
 * counted by their PollRecords when the poll ends.
 */
export function receivePackets(state: u32, list: u32, descriptors: u32, cursors: u32, device: u32, queue: u32): void {
  const block = cpu;
  const context = load<u32>(block, CpuBlock_xdp_context);
  const program = load<u32>(state, PollState_program);
  const outcomes = load<u32>(state, PollState_outcomes);
  const limit = load<u32>(device, NetDevice_mtu) + ETH_HLEN;
  const room = load<u32>(state, PollState_frame_size) - SKB_SHARED_INFO_SIZE - XDP_PACKET_HEADROOM;
  const what = stepName(program, HOOK_XDP, device);
  const timing = load<u32>(state, PollState_timing);
  const end = load<u32>(state, PollState_poll_end);
  let cursor = load<u32>(cursors);
  let record = load<u32>(state, PollState_records) + (cursor - load<u32>(state, PollState_poll_first)) * PollRecord_SIZE;
  let frame: u32 = 0;
  if (program != 0) beginRuns(block, program);
  for (; cursor < end; record += PollRecord_SIZE) {
    const index = u32(load<u16>(list + (cursor << 1)));
    const packet = descriptors + index * PacketDescriptor_SIZE;
    if (nextTimer() != i64.MAX_VALUE && isTimerDue(state, block, packet)) {
      // The poll is over: what it gathered is sent before the timer fires.
      store<u32>(state, cursor, PollState_poll_end);
      break;
    }
    cursor++;
    store<u32>(cursors, cursor);
    addFuel();
    const outcome = outcomes == 0 ? 0 : outcomes + index * OutcomeRecord_SIZE;
    if (outcome != 0) beginOutcome(outcome, packet, queue);
    advanceClock(state, block, packet);
    const address = load<u32>(packet, PacketDescriptor_address);
    const caplen = load<u32>(packet, PacketDescriptor_caplen);
    store<u64>(record, 0);
    if (load<u32>(device, NetDevice_peer) == 0 && !fits(address, caplen, max(caplen, load<u32>(packet, PacketDescriptor_length)), limit)) {
      count(state, queue, QueueCounters_rx_length_errors, 1);
      refuse(state, packet, outcome, queue, REASON_LENGTH);
      continue;
    }
    if (frame == 0) {
      frame = takeFrame(state);
      if (frame != 0) prepareFrame(frame, device, queue, what);
    }
    if (frame == 0 || caplen > room) {
      refuse(state, packet, outcome, queue, REASON_NO_FRAME);
      continue;
    }
    const data = frame + FRAME_BUFFER + XDP_PACKET_HEADROOM;
    store<u32>(frame, outcome, Frame_outcome);
    store<u32>(frame, packet, Frame_packet);
    store<u32>(frame, data + caplen, Frame_data_end);
    copyBytes(data, address, caplen);
    if (load<u32>(packet, PacketDescriptor_flags) & (PACKET_FLAG_EGRESS | PACKET_FLAG_XMIT)) {
      endRuns(block);
      store<u32>(state, 0, PollState_current);
      if (load<u32>(device, NetDevice_peer) == 0) sendFromHost(state, frame, device);
      else if (sendToPeer(state, frame, device, address, caplen)) {
        // A send is over when all is done that it brought about.
        store<u32>(state, cursor, PollState_poll_end);
        return;
      }
    } else if (program == 0) {
      store<u32>(record, caplen, PollRecord_length);
      if (timing != 0) timeReceived(timing, packet, device, XDP_PASS);
      passUp(state, frame);
    } else {
      store<u32>(record, caplen, PollRecord_length);
      store<u32>(state, frame, PollState_current);
      store<u32>(context, data, XdpContext_data);
      store<u32>(context, data + caplen, XdpContext_data_end);
      store<u32>(context, data, XdpContext_data_meta);
      store<u32>(context, frame + FRAME_BUFFER, XdpContext_data_hard_start);
      const verdict = u32(runAgain(block, program, context));
      store<u32>(record, verdict, PollRecord_verdict);
      if (outcome != 0) recordStep(outcome, what, verdict);
      if (timing != 0) timeReceived(timing, packet, device, verdict);
      if (verdict == XDP_DROP) {
        if (outcome != 0) recordDrop(state, frame, context);
        continue;
      }
      endRuns(block);
      store<u32>(state, 0, PollState_current);
      obey(state, frame, context, device, queue, verdict);
    }
    frame = 0;
    if (program != 0) beginRuns(block, program);
  }
  if (program != 0) endRuns(block);
  store<u32>(state, 0, PollState_current);
  if (frame != 0) releaseFrame(state, frame);
}

/** A native program dropped the packet: its record, and its bytes as the program left them. The frame stays as it was received. */
function recordDrop(state: u32, frame: u32, context: u32): void {
  let length: u32 = 0;
  if (keepsBytes(state)) {
    const data = load<u32>(frame, Frame_data);
    takeEdges(state, frame, context);
    length = keepFinal(state, frame);
    store<u32>(frame, data, Frame_data);
    store<u32>(frame, data, Frame_data_meta);
  }
  recordFate(load<u32>(frame, Frame_outcome), FATE_DROP, REASON_XDP_DROP, 0, 0, length);
}

/** Does what a native program said about a frame, if that was not XDP_DROP. */
function obey(state: u32, frame: u32, context: u32, device: u32, queue: u32, verdict: u32): void {
  if (verdict - 1 >= XDP_REDIRECT) {
    count(state, queue, QueueCounters_xdp_exception, 1);
    traceException(state, device, load<u32>(state, PollState_program), verdict);
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

/**
 * A frame goes out through a device with a peer: as an skb of a packet socket, or as an XDP frame. True when what it brings about is to be done before the next
 * frame is sent, as it is for a packet socket.
 */
function sendToPeer(state: u32, frame: u32, device: u32, address: u32, caplen: u32): bool {
  if (load<u32>(load<u32>(frame, Frame_packet), PacketDescriptor_flags) & PACKET_FLAG_XMIT) {
    store<u32>(frame, LIVE_FRAME_SIZE, Frame_buffer_size);
    store<u32>(frame, 1, Frame_head_frag);
    injectFrame(state, frame, device);
    return false;
  }
  // Where the packet socket puts it (net/packet/af_packet.c: packet_alloc_skb).
  const data = frame + FRAME_BUFFER + PACKET_SOCKET_HEADROOM;
  copyBytes(data, address, caplen);
  store<u32>(frame, data, Frame_data);
  store<u32>(frame, data, Frame_data_meta);
  store<u32>(frame, data + caplen, Frame_data_end);
  store<u32>(frame, allocatedSize(ETH_HLEN + PACKET_SOCKET_HEADROOM + caplen), Frame_buffer_size);
  sendFromHost(state, frame, device);
  return true;
}

/** XDP_TX: the frame waits in the driver's ring until the poll ends. */
function queueForTransmit(state: u32, frame: u32): void {
  store<u32>(frame, 0, Frame_next);
  const last = load<u32>(state, PollState_tx_last);
  if (last == 0) store<u32>(state, frame, PollState_tx_first);
  else store<u32>(last, frame, Frame_next);
  store<u32>(state, frame, PollState_tx_last);
}
