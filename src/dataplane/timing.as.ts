/**
 * Time, where it is modelled (layout/timing.ts, docs/timing.md): which packets of a queue a poll finds and which were lost before, what the CPU's clock shows when it is done with
 * each, and how long each was under way. Everything is a few steps a packet and looks at the CPU's own state only, so that results do not depend on threads.
 *
 * A packet is accepted where the buffer that it needs, the one that was filled `ring` packets before, was back with the NIC when it came.
 */
import {
  CpuTiming_batch,
  CpuTiming_batch_queue,
  CpuTiming_began,
  CpuTiming_busy,
  CpuTiming_clock,
  CpuTiming_costs,
  CpuTiming_epoch_ns,
  CpuTiming_gathered,
  CpuTiming_latencies,
  CpuTiming_met,
  CpuTiming_miss,
  CpuTiming_polls,
  CpuTiming_queue_count,
  CpuTiming_queues,
  CpuTiming_room,
  CpuTiming_room_turn,
  CpuTiming_spent,
  Device_index,
  FATE_REDIRECT,
  FATE_STACK,
  FATE_TX,
  LATENCY_BUCKETS,
  LATENCY_BUCKET_BITS,
  LATENCY_HISTOGRAM_SIZE,
  LatencyHistogram_SIZE,
  LatencyHistogram_max,
  LatencyHistogram_sum,
  MISS_STEP,
  NAPI_POLL_WEIGHT,
  OutcomeRecord_SIZE,
  PACKET_FLAG_EGRESS,
  PacketDescriptor_SIZE,
  PacketDescriptor_caplen,
  PacketDescriptor_flags,
  PacketDescriptor_length,
  PacketDescriptor_ts_ns,
  PollState_cursors,
  PollState_outcomes,
  PollState_poll_end,
  PollState_poll_first,
  PollState_queue_count,
  PollState_queue_tallies,
  PollState_queue_turn,
  PollState_queues,
  PollState_timing,
  PollState_window,
  QueueCounters_rx_discards_phy,
  QueueCounters_rx_out_of_buffer,
  QueueTally_SIZE,
  QueueTiming_SIZE,
  QueueTiming_admitted,
  QueueTiming_buffers,
  QueueTiming_next,
  QueueTiming_pci_byte,
  QueueTiming_pci_clock,
  QueueTiming_poll_limit,
  QueueTiming_returned,
  QueueTiming_ring,
  REASON_NIC_FULL,
  REASON_OUT_OF_BUFFER,
  TimingCosts_enqueue,
  TimingCosts_interrupt_delay,
  TimingCosts_miss_limit,
  TimingCosts_misses,
  TimingCosts_nic_buffer,
  TimingCosts_pass,
  TimingCosts_pci_byte,
  TimingCosts_pci_header,
  TimingCosts_pci_payload,
  TimingCosts_pci_receive,
  TimingCosts_pci_transmit,
  TimingCosts_poll,
  TimingCosts_receive,
  TimingCosts_redirect,
  TimingCosts_transmit,
  WINDOW_PACKETS,
  XDP_DROP,
  XDP_PASS,
  WindowSlot_count,
  WindowSlot_descriptors,
  WindowSlot_first_ns,
  WindowSlot_queue_counts,
  WindowSlot_queue_lists,
} from "../layout/layout.generated.as";
import { clearTouched, spent, touched } from "../runtime/spent.as";
import { beginOutcome, refuse } from "./outcome.as";

const PICOSECONDS: f64 = 1000;

/** The turn that `nextTimedPoll` gives when no queue has a packet left. */
export const NO_TURN: u32 = u32.MAX_VALUE;

/** A CPU begins a window: how many queues receive decides what its cache holds, and what share of the packets each of its own gets of PCI Express. */
export function beginTimedWindow(state: u32, timing: u32): void {
  const window = load<u32>(state, PollState_window);
  const costs = load<u32>(timing, CpuTiming_costs);
  const counts = load<u32>(window, WindowSlot_queue_counts);
  const queues = load<u32>(timing, CpuTiming_queues);
  const met = load<u32>(timing, CpuTiming_met);
  const pciByte = load<f64>(costs, TimingCosts_pci_byte);
  store<i64>(timing, load<i64>(window, WindowSlot_first_ns), CpuTiming_epoch_ns);
  let buffers: u32 = 0;
  for (let queue: u32 = 0, all = load<u32>(timing, CpuTiming_queue_count); queue < all; queue++) {
    if (load<u32>(counts + (queue << 2)) != 0) store<u8>(met + queue, 1);
    if (load<u8>(met + queue) != 0) buffers += load<u32>(queues + queue * QueueTiming_SIZE, QueueTiming_buffers);
  }
  const step = min(buffers / MISS_STEP, load<u32>(costs, TimingCosts_miss_limit));
  store<f64>(timing, load<f64>(load<u32>(costs, TimingCosts_misses) + (step << 3)), CpuTiming_miss);
  const all = f64(load<u32>(window, WindowSlot_count));
  for (let turn: u32 = 0, own = load<u32>(state, PollState_queue_count); turn < own; turn++) {
    const queue = load<u32>(load<u32>(state, PollState_queues) + (turn << 2));
    const count = load<u32>(counts + (queue << 2));
    const at = queues + queue * QueueTiming_SIZE;
    store<u32>(at, 0, QueueTiming_admitted);
    if (count != 0) store<f64>(at, (pciByte * all) / f64(count), QueueTiming_pci_byte);
  }
}

/** The worker turns to this CPU: what other CPUs' programs have cost is none of its. */
export function beginTurn(timing: u32): void {
  store<i64>(timing, spent, CpuTiming_spent);
}

/** Adds to the clock what programs have cost since this was last done. */
function settle(timing: u32): void {
  store<f64>(timing, load<f64>(timing, CpuTiming_clock) + f64(spent - load<i64>(timing, CpuTiming_spent)) / PICOSECONDS, CpuTiming_clock);
  store<i64>(timing, spent, CpuTiming_spent);
}

function work(timing: u32, cost: f64): void {
  store<f64>(timing, load<f64>(timing, CpuTiming_clock) + cost, CpuTiming_clock);
}

/** The CPU has nothing to do until `time`, if that is still to come. */
function idleUntil(timing: u32, time: f64): void {
  const clock = load<f64>(timing, CpuTiming_clock);
  if (time <= clock) return;
  store<f64>(timing, load<f64>(timing, CpuTiming_busy) + (clock - load<f64>(timing, CpuTiming_began)), CpuTiming_busy);
  store<f64>(timing, time, CpuTiming_clock);
  store<f64>(timing, time, CpuTiming_began);
}

function arrivalOf(timing: u32, packet: u32): f64 {
  return f64(load<i64>(packet, PacketDescriptor_ts_ns) - load<i64>(timing, CpuTiming_epoch_ns));
}

/** How long a packet keeps the queue's share of PCI Express. */
function transferTime(costs: u32, queue: u32, length: u32, overhead: f64): f64 {
  const payload = load<u32>(costs, TimingCosts_pci_payload);
  const packets = (length + payload - 1) / payload;
  const bytes = f64(length + packets * load<u32>(costs, TimingCosts_pci_header)) + overhead;
  return bytes * load<f64>(queue, QueueTiming_pci_byte);
}

function wireLength(packet: u32): u32 {
  return max(load<u32>(packet, PacketDescriptor_caplen), load<u32>(packet, PacketDescriptor_length));
}

/** When the packet's bytes and completion are in the host's memory, if nothing is in the way. A packet of the host's own is there at once. */
function readyAt(timing: u32, costs: u32, queue: u32, packet: u32): f64 {
  const arrival = arrivalOf(timing, packet);
  if (load<u32>(packet, PacketDescriptor_flags) & PACKET_FLAG_EGRESS) return arrival;
  const start = max(arrival, load<f64>(queue, QueueTiming_pci_clock));
  return start + transferTime(costs, queue, wireLength(packet), load<f64>(costs, TimingCosts_pci_receive));
}

/**
 * Chooses the queue that the CPU polls next, lets its clock go on to that, and puts the poll's packets together: those that have arrived by then, without the lost ones. Gives the queue's
 * turn, NO_TURN when no packet is left; the poll's bounds stand in the state.
 */
export function nextTimedPoll(state: u32, timing: u32): u32 {
  settle(timing);
  let turn: u32;
  do turn = choose(state, timing);
  while (turn != NO_TURN && !gather(state, timing, turn));
  return turn;
}

/**
 * A poll that may take more goes on with its queue; else the queues have their turns. Where none has a packet yet, the CPU waits for the first, and for its interrupt.
 */
function choose(state: u32, timing: u32): u32 {
  const costs = load<u32>(timing, CpuTiming_costs);
  const window = load<u32>(state, PollState_window);
  const queues = load<u32>(state, PollState_queue_count);
  const before = load<u32>(state, PollState_queue_turn);
  const goesOn = load<u32>(timing, CpuTiming_room) != 0 && load<u32>(timing, CpuTiming_room_turn) == before;
  const clock = load<f64>(timing, CpuTiming_clock);
  let chosen = NO_TURN;
  let earliest: f64 = Infinity;
  let turn = goesOn ? before : next(before, queues);
  for (let tried: u32 = 0; tried < queues; tried++) {
    const queue = load<u32>(load<u32>(state, PollState_queues) + (turn << 2));
    const cursor = load<u32>(load<u32>(state, PollState_cursors) + (turn << 2));
    if (cursor != load<u32>(load<u32>(window, WindowSlot_queue_counts) + (queue << 2))) {
      const times = load<u32>(timing, CpuTiming_queues) + queue * QueueTiming_SIZE;
      // What a timer interrupted.
      if (cursor < load<u32>(times, QueueTiming_admitted)) return turn;
      const ready = readyAt(timing, costs, times, packetAt(window, queue, cursor));
      if (ready < earliest) {
        earliest = ready;
        chosen = turn;
      }
      if (ready <= clock) break;
    }
    turn = next(turn, queues);
  }
  if (chosen != NO_TURN && earliest > clock) {
    idleUntil(timing, earliest + load<f64>(costs, TimingCosts_interrupt_delay));
    store<u32>(timing, 0, CpuTiming_room);
  }
  return chosen;
}

function next(turn: u32, queues: u32): u32 {
  return turn + 1 < queues ? turn + 1 : 0;
}

function packetAt(window: u32, queue: u32, position: u32): u32 {
  const list = load<u32>(window, WindowSlot_queue_lists) + queue * (WINDOW_PACKETS * 2);
  return load<u32>(window, WindowSlot_descriptors) + u32(load<u16>(list + (position << 1))) * PacketDescriptor_SIZE;
}

/**
 * Puts together what a poll of the queue at `turn` finds. The lost ones are counted, and leave the front of the queue's list to the accepted ones. False when all that had come are
 * lost.
 */
function gather(state: u32, timing: u32, turn: u32): bool {
  const costs = load<u32>(timing, CpuTiming_costs);
  const window = load<u32>(state, PollState_window);
  const number = load<u32>(load<u32>(state, PollState_queues) + (turn << 2));
  const times = load<u32>(timing, CpuTiming_queues) + number * QueueTiming_SIZE;
  const cursors = load<u32>(state, PollState_cursors) + (turn << 2);
  if (load<u32>(cursors) < load<u32>(times, QueueTiming_admitted)) {
    store<u32>(state, load<u32>(cursors), PollState_poll_first);
    store<u32>(state, load<u32>(times, QueueTiming_admitted), PollState_poll_end);
    return true;
  }
  if (load<u32>(timing, CpuTiming_room) == 0 || load<u32>(timing, CpuTiming_room_turn) != turn) {
    store<u32>(timing, load<u32>(times, QueueTiming_poll_limit), CpuTiming_room);
    store<u32>(timing, turn, CpuTiming_room_turn);
    work(timing, load<f64>(costs, TimingCosts_poll));
    store<u64>(timing, load<u64>(timing, CpuTiming_polls) + 1, CpuTiming_polls);
  }
  const clock = load<f64>(timing, CpuTiming_clock);
  const limit = min(load<u32>(timing, CpuTiming_room), NAPI_POLL_WEIGHT);
  const list = load<u32>(window, WindowSlot_queue_lists) + number * (WINDOW_PACKETS * 2);
  const count = load<u32>(load<u32>(window, WindowSlot_queue_counts) + (number << 2));
  const gathered = load<u32>(timing, CpuTiming_gathered);
  const ring = load<u32>(times, QueueTiming_ring);
  let buffer = load<u32>(times, QueueTiming_next);
  let position = load<u32>(cursors);
  let taken: u32 = 0;
  for (; position < count && taken < limit; position++) {
    const index = u32(load<u16>(list + (position << 1)));
    const packet = load<u32>(window, WindowSlot_descriptors) + index * PacketDescriptor_SIZE;
    const arrival = arrivalOf(timing, packet);
    if (arrival > clock) break;
    if ((load<u32>(packet, PacketDescriptor_flags) & PACKET_FLAG_EGRESS) == 0) {
      const start = max(arrival, load<f64>(times, QueueTiming_pci_clock));
      if (start - arrival > load<f64>(costs, TimingCosts_nic_buffer)) {
        overflow(state, packet, index, number, QueueCounters_rx_discards_phy, REASON_NIC_FULL);
        continue;
      }
      const done = start + transferTime(costs, times, wireLength(packet), load<f64>(costs, TimingCosts_pci_receive));
      if (done > clock) break;
      const returned = load<u32>(times, QueueTiming_returned) + (buffer << 3);
      if (load<f64>(returned) > start) {
        overflow(state, packet, index, number, QueueCounters_rx_out_of_buffer, REASON_OUT_OF_BUFFER);
        continue;
      }
      store<f64>(times, done, QueueTiming_pci_clock);
      // Until the batch is done.
      store<f64>(returned, Infinity);
      buffer = buffer + 1 < ring ? buffer + 1 : 0;
    }
    store<u16>(gathered + (taken << 1), index);
    taken++;
  }
  store<u32>(times, buffer, QueueTiming_next);
  const first = position - taken;
  memory.copy(list + (first << 1), gathered, taken << 1);
  store<u32>(cursors, first);
  store<u32>(times, position, QueueTiming_admitted);
  store<u32>(timing, load<u32>(timing, CpuTiming_room) - taken, CpuTiming_room);
  store<u32>(timing, taken, CpuTiming_batch);
  store<u32>(timing, times, CpuTiming_batch_queue);
  store<u32>(state, first, PollState_poll_first);
  store<u32>(state, position, PollState_poll_end);
  return taken != 0;
}

/** A packet was lost before any poll could find it. */
function overflow(state: u32, packet: u32, index: u32, queue: u32, counter: u32, reason: u32): void {
  const tally = load<u32>(state, PollState_queue_tallies) + queue * QueueTally_SIZE + counter;
  store<u64>(tally, load<u64>(tally) + 1);
  const outcomes = load<u32>(state, PollState_outcomes);
  const outcome = outcomes == 0 ? 0 : outcomes + index * OutcomeRecord_SIZE;
  if (outcome != 0) beginOutcome(outcome, packet, queue);
  refuse(state, packet, outcome, queue, reason);
}

/** The batch is done, what it left to be sent is sent: its buffers go back to the NIC. */
export function endTimedPoll(timing: u32): void {
  const batch = load<u32>(timing, CpuTiming_batch);
  if (batch == 0) return;
  settle(timing);
  const clock = load<f64>(timing, CpuTiming_clock);
  const queue = load<u32>(timing, CpuTiming_batch_queue);
  const ring = load<u32>(queue, QueueTiming_ring);
  const returned = load<u32>(queue, QueueTiming_returned);
  let buffer = load<u32>(queue, QueueTiming_next);
  for (let left = batch; left != 0; left--) {
    buffer = buffer == 0 ? ring - 1 : buffer - 1;
    const at = returned + (buffer << 3);
    if (load<f64>(at) != Infinity) break;
    store<f64>(at, clock);
  }
  store<u32>(timing, 0, CpuTiming_batch);
}

/** A packet was received and the driver's program has run; without one the verdict is XDP_PASS. What it dropped has come to its end. */
export function timeReceived(timing: u32, packet: u32, device: u32, verdict: u32): void {
  let cost = load<f64>(load<u32>(timing, CpuTiming_costs), TimingCosts_receive);
  // The stack reads every packet.
  if (touched != 0 || verdict == XDP_PASS) cost += load<f64>(timing, CpuTiming_miss);
  clearTouched();
  work(timing, cost);
  settle(timing);
  if (verdict == XDP_DROP) timeLatency(timing, packet, device);
}

/** A packet has come to its end other than by the driver's program. `queue`: number of the RxQueue that received it. */
export function timeEnd(timing: u32, packet: u32, device: u32, fate: u32): void {
  const costs = load<u32>(timing, CpuTiming_costs);
  if (fate == FATE_STACK) work(timing, load<f64>(costs, TimingCosts_pass));
  else if (fate == FATE_TX || fate == FATE_REDIRECT) {
    work(timing, fate == FATE_TX ? load<f64>(costs, TimingCosts_transmit) : load<f64>(costs, TimingCosts_redirect));
    // The NIC fetches it over the same way that the batch's packets came.
    const queue = load<u32>(timing, CpuTiming_batch_queue);
    if (queue != 0) {
      const bytes = load<f64>(costs, TimingCosts_pci_transmit);
      store<f64>(queue, load<f64>(queue, QueueTiming_pci_clock) + bytes * load<f64>(queue, QueueTiming_pci_byte), QueueTiming_pci_clock);
    }
  }
  settle(timing);
  timeLatency(timing, packet, device);
}

/** Counts how long the packet was under way. */
function timeLatency(timing: u32, packet: u32, device: u32): void {
  const histogram = load<u32>(timing, CpuTiming_latencies) + load<u32>(device, Device_index) * LATENCY_HISTOGRAM_SIZE;
  const latency = load<f64>(timing, CpuTiming_clock) - arrivalOf(timing, packet);
  store<f64>(histogram, max(latency, load<f64>(histogram, LatencyHistogram_max)), LatencyHistogram_max);
  store<f64>(histogram, load<f64>(histogram, LatencyHistogram_sum) + latency, LatencyHistogram_sum);
  const value = u64(max(latency, 0));
  const doublings = value < 2 << LATENCY_BUCKET_BITS ? 0 : 63 - clz(value) - LATENCY_BUCKET_BITS;
  const bucket = min(u32((doublings << LATENCY_BUCKET_BITS) + (value >> doublings)), LATENCY_BUCKETS - 1);
  const count = histogram + LatencyHistogram_SIZE + (bucket << 3);
  store<u64>(count, load<u64>(count) + 1);
}

/** The time by the clock of the current CPU, for a frame that goes to another; 0 where time is not modelled. */
export function sendingTime(state: u32): f64 {
  const timing = load<u32>(state, PollState_timing);
  if (timing == 0) return 0;
  settle(timing);
  return load<f64>(timing, CpuTiming_clock);
}

/** A frame is handed to the queue of a cpumap entry. */
export function timeEnqueue(state: u32): void {
  const timing = load<u32>(state, PollState_timing);
  if (timing != 0) work(timing, load<f64>(load<u32>(timing, CpuTiming_costs), TimingCosts_enqueue));
}

/** A frame from another CPU is there from `sent` on. */
export function awaitFrame(state: u32, sent: f64): void {
  const timing = load<u32>(state, PollState_timing);
  if (timing == 0) return;
  settle(timing);
  idleUntil(timing, sent);
}
