/**
 * What becomes of packets: counted in the CPU's tallies, from which the summary is made; and, only where somebody asked for every packet's way, written
 * into a record of each while it goes. The address of a record that nobody asked for is 0.
 */
import {
  CpuBlock_id,
  FATE_DROP,
  FATE_NONE,
  Frame_device,
  Frame_is_skb,
  Frame_outcome,
  Frame_packet,
  Frame_queue,
  FRAME_SKB,
  OUTCOME_STEPS,
  OutcomeRecord_SIZE,
  OutcomeRecord_copies,
  OutcomeRecord_copy,
  OutcomeRecord_cpu,
  OutcomeRecord_detail,
  OutcomeRecord_fate,
  OutcomeRecord_length,
  OutcomeRecord_out_length,
  OutcomeRecord_packet,
  OutcomeRecord_queue,
  OutcomeRecord_reason,
  OutcomeRecord_step,
  OutcomeRecord_steps,
  OutcomeRecord_to,
  PacketDescriptor_SIZE,
  PacketDescriptor_caplen,
  PollState_cpu_count,
  PollState_outcome_tally,
  PollState_queue_tallies,
  PollState_timing,
  PollState_verdict_tally,
  PollState_window,
  QueueTally_SIZE,
  QueueTally_fates,
  SkBuff_vlan_present,
  SkBuff_vlan_proto,
  SkBuff_vlan_tci,
  TALLY_ENTRIES,
  TALLY_PROBES,
  TallyEntry_SIZE,
  TallyEntry_bytes,
  TallyEntry_key,
  TallyEntry_packets,
  WINDOW_COPIES,
  WindowSlot_copies,
  WindowSlot_copy_counts,
  WindowSlot_copy_limit,
  WindowSlot_descriptors,
  WindowSlot_final_bytes,
  WindowSlot_final_copies,
  WindowSlot_final_stride,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { timeEnd } from "./timing.as";
import { copyBytes, packetEnd, packetStart, releaseFrame } from "./frames.as";

/** Begins the record of a packet that the current CPU takes from receive queue number `queue`. */
export function beginOutcome(outcome: u32, packet: u32, queue: u32): void {
  store<u32>(outcome, packet, OutcomeRecord_packet);
  store<u16>(outcome, queue, OutcomeRecord_queue);
  store<u16>(outcome, load<u32>(cpu, CpuBlock_id), OutcomeRecord_cpu);
  // fate, reason, steps and copies together
  store<u32>(outcome, FATE_NONE, OutcomeRecord_fate);
  store<u32>(outcome, load<u32>(packet, PacketDescriptor_caplen), OutcomeRecord_length);
  store<u32>(outcome, 0, OutcomeRecord_copy);
}

/** Adds packets to the entry of `key`. A table that is full counts what is left in its last entry. */
function tally(table: u32, key: u64, packets: u32, bytes: u64): void {
  const place = u32((key * 0x9e3779b97f4a7c15) >> 54) & (TALLY_ENTRIES - 1);
  let entry = table + place * TallyEntry_SIZE;
  if (load<u64>(entry, TallyEntry_key) != key) entry = findEntry(table, key, place);
  store<u64>(entry, load<u64>(entry, TallyEntry_packets) + u64(packets), TallyEntry_packets);
  store<u64>(entry, load<u64>(entry, TallyEntry_bytes) + bytes, TallyEntry_bytes);
}

/** The entry of `key`, or the first free one from `place` on, which then is its. */
function findEntry(table: u32, key: u64, place: u32): u32 {
  let entry = table + place * TallyEntry_SIZE;
  for (let probe: u32 = 0; load<u64>(entry, TallyEntry_key) != key; probe++) {
    if (load<u64>(entry, TallyEntry_packets) == 0) {
      store<u64>(entry, key, TallyEntry_key);
      break;
    }
    if (probe == TALLY_PROBES) {
      entry = table + TALLY_ENTRIES * TallyEntry_SIZE;
      break;
    }
    place = (place + 1) & (TALLY_ENTRIES - 1);
    entry = table + place * TallyEntry_SIZE;
  }
  return entry;
}

/** Counts a program's verdict on `packets` packets. `what`: the first word of an OutcomeStep. */
export function countVerdict(state: u32, what: u32, verdict: u32, packets: u32): void {
  tally(load<u32>(state, PollState_verdict_tally), u64(what) | (u64(verdict) << 32), packets, 0);
}

/** Enters a program's verdict in a packet's record. */
export function recordStep(outcome: u32, what: u32, verdict: u32): void {
  const steps = u32(load<u8>(outcome, OutcomeRecord_steps));
  if (steps < OUTCOME_STEPS) {
    store<u32>(outcome + (steps << 3), what, OutcomeRecord_step);
    store<u32>(outcome + (steps << 3), verdict, OutcomeRecord_step + 4);
  }
  if (steps < 255) store<u8>(outcome, steps + 1, OutcomeRecord_steps);
}

/** Counts a program's verdict, and enters it in the packet's record where there is one. */
export function addStep(state: u32, outcome: u32, what: u32, verdict: u32): void {
  countVerdict(state, what, verdict, 1);
  if (outcome != 0) recordStep(outcome, what, verdict);
}

/** Counts what became of `packets` packets of `bytes` received bytes. */
export function countFate(state: u32, queue: u32, fate: u32, reason: u32, detail: i32, to: u32, packets: u32, bytes: u64): void {
  const key = u64(fate | (reason << 8) | (u32(detail) << 16)) | (u64(to) << 32);
  tally(load<u32>(state, PollState_outcome_tally), key, packets, bytes);
  const fates = load<u32>(state, PollState_queue_tallies) + queue * QueueTally_SIZE + (fate << 3);
  store<u64>(fates, load<u64>(fates, QueueTally_fates) + u64(packets), QueueTally_fates);
}

/** Enters what became of a packet: the last thing that happens to its record. */
export function recordFate(outcome: u32, fate: u32, reason: u32, detail: i32, to: u32, outLength: u32): void {
  store<u8>(outcome, fate, OutcomeRecord_fate);
  store<u8>(outcome, reason, OutcomeRecord_reason);
  store<i32>(outcome, detail, OutcomeRecord_detail);
  store<u32>(outcome, to, OutcomeRecord_to);
  store<u32>(outcome, outLength, OutcomeRecord_out_length);
}

/** A packet that holds no frame any more is lost: counts it, and enters it in its record where there is one. */
export function refuse(state: u32, packet: u32, outcome: u32, queue: u32, reason: u32): void {
  countFate(state, queue, FATE_DROP, reason, 0, 0, 1, load<u32>(packet, PacketDescriptor_caplen));
  if (outcome != 0) recordFate(outcome, FATE_DROP, reason, 0, 0, 0);
}

/** A packet is lost: counts it, closes its record and gives its frame back. */
export function lose(state: u32, frame: u32, fate: u32, reason: u32, detail: i32): void {
  time(state, frame, fate);
  const outcome = load<u32>(frame, Frame_outcome);
  countFate(state, load<u32>(frame, Frame_queue), fate, reason, detail, 0, 1, receivedBytes(frame));
  if (outcome != 0) recordFate(outcome, fate, reason, detail, 0, keepsBytes(state) ? keepFinal(state, frame) : 0);
  releaseFrame(state, frame);
}

/** A packet arrived where it goes: counts it, closes its record with its final length and gives its frame back. */
export function arrive(state: u32, frame: u32, fate: u32, to: u32): void {
  time(state, frame, fate);
  const outcome = load<u32>(frame, Frame_outcome);
  countFate(state, load<u32>(frame, Frame_queue), fate, 0, 0, to, 1, receivedBytes(frame));
  if (outcome != 0) recordFate(outcome, fate, 0, 0, to, finalLength(state, frame));
  releaseFrame(state, frame);
}

function time(state: u32, frame: u32, fate: u32): void {
  const timing = load<u32>(state, PollState_timing);
  if (timing != 0) timeEnd(timing, load<u32>(frame, Frame_packet), load<u32>(frame, Frame_device), fate);
}

function receivedBytes(frame: u32): u32 {
  return load<u32>(load<u32>(frame, Frame_packet), PacketDescriptor_caplen);
}

function finalLength(state: u32, frame: u32): u32 {
  return keepsBytes(state) ? keepFinal(state, frame) : packetEnd(frame) - packetStart(frame) + tagLength(frame);
}

/** Whether somebody wants the final bytes of packets that have records. */
export function keepsBytes(state: u32): bool {
  return load<u32>(load<u32>(state, PollState_window), WindowSlot_final_bytes) != 0;
}

/** Bytes of a VLAN tag that stands in an skb's metadata. */
function tagLength(frame: u32): u32 {
  return load<u32>(frame, Frame_is_skb) != 0 && load<u32>(frame + FRAME_SKB, SkBuff_vlan_present) != 0 ? 4 : 0;
}

/** Keeps the packet's bytes in the window, in its own place, as far as that goes. Gives their number. */
export function keepFinal(state: u32, frame: u32): u32 {
  const start = packetStart(frame);
  const length = packetEnd(frame) - start;
  const tagged = tagLength(frame);
  const window = load<u32>(state, PollState_window);
  const stride = load<u32>(window, WindowSlot_final_stride);
  const place = finalPlace(window, frame, stride);
  if (place != 0) keepBytes(place, frame, start, min(length, stride - tagged), tagged);
  return length + tagged;
}

/** Where the final bytes of the packet in `frame` go; 0 for a copy without a record. RecordReader finds them by the same rule. */
function finalPlace(window: u32, frame: u32, stride: u32): u32 {
  const outcome = load<u32>(frame, Frame_outcome);
  if (load<u32>(outcome, OutcomeRecord_copy) == 0) {
    const index = (load<u32>(frame, Frame_packet) - load<u32>(window, WindowSlot_descriptors)) / PacketDescriptor_SIZE;
    return load<u32>(window, WindowSlot_final_bytes) + index * stride;
  }
  const record = (outcome - load<u32>(window, WindowSlot_copies)) / OutcomeRecord_SIZE;
  const limit = load<u32>(window, WindowSlot_copy_limit);
  const index = record % WINDOW_COPIES;
  return index < limit ? load<u32>(window, WindowSlot_final_copies) + ((record / WINDOW_COPIES) * limit + index) * stride : 0;
}

/** The packet as it would stand on the wire: a VLAN tag that is in the metadata goes back behind the addresses. */
function keepBytes(to: u32, frame: u32, start: u32, length: u32, tagged: u32): void {
  if (tagged == 0 || length < 12) {
    copyBytes(to, start, length);
    return;
  }
  const skb = frame + FRAME_SKB;
  memory.copy(to, start, 12);
  store<u16>(to, load<u32>(skb, SkBuff_vlan_proto), 12);
  store<u16>(to, bswap<u16>(u16(load<u32>(skb, SkBuff_vlan_tci))), 14);
  memory.copy(to + 16, start + 12, length - 12);
}

/**
 * A record for a copy of the packet of record `original`; 0 when nobody asked for records. Its number holds the original's in the higher bytes and counts its
 * copies from 1, so that a copy of a copy is told apart.
 */
export function copyOutcome(state: u32, original: u32): u32 {
  if (original == 0) return 0;
  const window = load<u32>(state, PollState_window);
  const id = load<u32>(cpu, CpuBlock_id);
  const counts = load<u32>(window, WindowSlot_copy_counts);
  const count = load<u32>(counts + (id << 2));
  const room = count < load<u32>(window, WindowSlot_copy_limit);
  const first = load<u32>(window, WindowSlot_copies) + id * (WINDOW_COPIES * OutcomeRecord_SIZE);
  // The last record of the CPU's share is written over and over by copies that find no room; nobody reads it.
  const outcome = first + (room ? count : WINDOW_COPIES - 1) * OutcomeRecord_SIZE;
  if (room) store<u32>(counts + (id << 2), count + 1);
  else atomic.add<u32>(counts + (load<u32>(state, PollState_cpu_count) << 2), 1);
  memory.copy(outcome, original, OutcomeRecord_SIZE);
  const copies = u32(load<u8>(original, OutcomeRecord_copies));
  store<u8>(original, min<u32>(copies + 1, 255), OutcomeRecord_copies);
  store<u8>(outcome, 0, OutcomeRecord_copies);
  store<u32>(outcome, (load<u32>(original, OutcomeRecord_copy) << 8) | min<u32>(copies + 1, 255), OutcomeRecord_copy);
  return outcome;
}
