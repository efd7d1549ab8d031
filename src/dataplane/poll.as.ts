/**
 * A simulated CPU works off its share of a window, as net_rx_action does (net/core/dev.c):
 *
 *   timers     those due by the time that the CPU has reached
 *   mail       frames that other CPUs put into cpumap queues of this one (not in a window's first phase)
 *   poll       up to 64 packets of one receive queue, through the driver and native XDP
 *   flush      what the poll left in bulk queues: devmap targets, cpumap entries, XDP_TX
 *   softirq    rings of veth devices that got frames, and the backlog: skbs that TC programs redirected to an ingress, or a veth brought
 *   threads    kernel threads of this CPU's own cpumap entries, and what they bring about
 *   timers     those due by the poll's last packet, and before the next poll those due by its first packet
 *   … and the next queue's poll, until all lists are at their end
 *
 * Where it stands is kept in PollState before each program runs. When a program traps, the worker calls recoverTrap and enters again, and work goes
 * on behind the lost packet.
 */
import {
  CpuBlock_id,
  CpuBlock_ktime_ns,
  CpuBlock_poll_state,
  CpuBlock_real_ns,
  CpuBlock_xdp_context,
  Device_xdp,
  FATE_TX,
  FIRST_PACKET_NS,
  Frame_device,
  Frame_next,
  MAIL_SIZE,
  Mail_next,
  NAPI_POLL_WEIGHT,
  NetDevice_peer,
  PacketDescriptor_SIZE,
  PacketDescriptor_address,
  PacketDescriptor_ts_ns,
  POOL_FRAMES,
  PollState_backlog_rounds,
  PollState_boot_offset,
  PollState_cpu_bulk_count,
  PollState_cpu_count,
  PollState_cursors,
  PollState_free_count,
  PollState_mail_heads,
  PollState_mail_next,
  PollState_mail_reserve,
  PollState_mail_sender,
  PollState_mail_tails,
  PollState_mail_turn,
  PollState_mail_used,
  PollState_napis,
  PollState_outcomes,
  PollState_poll_end,
  PollState_poll_first,
  PollState_poll_limit,
  PollState_program,
  PollState_queue_count,
  PollState_queue_turn,
  PollState_queues,
  PollState_rx_queues,
  PollState_stage,
  PollState_states,
  PollState_timing,
  PollState_tx_first,
  PollState_tx_last,
  PollState_window,
  RxQueue_SIZE,
  RxQueue_device,
  RxQueue_index,
  STAGE_DONE,
  STAGE_FLUSH,
  STAGE_MAIL,
  STAGE_NEXT,
  STAGE_RECEIVE,
  STAGE_SOFTIRQ,
  STAGE_THREADS,
  STAGE_TIMERS,
  WINDOW_PACKETS,
  WindowSlot_descriptors,
  WindowSlot_first_ns,
  WindowSlot_latest_ns,
  WindowSlot_outcomes,
  WindowSlot_queue_counts,
  WindowSlot_queue_lists,
  WindowSlot_recording,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { fireTimers, nextTimer } from "../runtime/fireTimers.as";
import { stepThreads } from "./cpuThread.as";
import { flushCpus, receiveMail } from "./cpumap.as";
import { resetFrames } from "./frames.as";
import { stepSoftirq } from "./napi.as";
import { foldPoll } from "./pollRecords.as";
import { forgetRedirect, prepareQueueContext } from "./programs.as";
import { receivePackets, setClock } from "./receive.as";
import { flushDevices, transmitFrame } from "./redirect.as";
import { beginSteps, step } from "./steps.as";
import { NO_TURN, beginTimedWindow, beginTurn, endTimedPoll, nextTimedPoll } from "./timing.as";
import { flushInjected } from "./veth.as";

/** What `touchPackets` has read, so that it is not left out as useless. */
export let touched: u32 = 0;

/** The current CPU begins a window. */
export function beginWindow(window: u32): void {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  store<u32>(state, window, PollState_window);
  store<u32>(state, load<u32>(window, WindowSlot_recording) ? load<u32>(window, WindowSlot_outcomes) : 0, PollState_outcomes);
  memory.fill(load<u32>(state, PollState_cursors), 0, load<u32>(state, PollState_queue_count) * 4);
  store<i64>(state, i64(FIRST_PACKET_NS) - load<i64>(window, WindowSlot_first_ns), PollState_boot_offset);
  // Before the first packet of a run ktime is 0, and whatever real_ns holds is older than this.
  const latest = load<i64>(window, WindowSlot_latest_ns);
  if (load<u64>(cpu, CpuBlock_ktime_ns) == 0 || latest > load<i64>(cpu, CpuBlock_real_ns)) setClock(state, cpu, latest);
  // The turn moves on before each poll, so this begins with the first queue.
  store<u32>(state, load<u32>(state, PollState_queue_count) - 1, PollState_queue_turn);
  const timing = load<u32>(state, PollState_timing);
  if (timing != 0) beginTimedWindow(state, timing);
}

/** The current CPU begins a phase of its window; mail that was sent in the phase before is there to be read, and the other buffer to be filled. */
export function beginPhase(): void {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  const cpus = load<u32>(state, PollState_cpu_count);
  const turn = load<u32>(state, PollState_mail_turn) ^ 1;
  store<u32>(state, turn, PollState_mail_turn);
  store<u32>(state, 0, PollState_mail_used);
  memory.fill(load<u32>(state, PollState_mail_heads) + turn * cpus * 4, 0, cpus * 4);
  memory.fill(load<u32>(state, PollState_mail_tails) + turn * cpus * 4, 0, cpus * 4);
  store<u32>(state, 0, PollState_mail_sender);
  store<u32>(state, 0, PollState_mail_next);
  store<u32>(state, STAGE_TIMERS, PollState_stage);
  store<u32>(state, u32.MAX_VALUE, PollState_poll_limit);
}

/** Lets the current CPU's phase take no more than `polls` further polls; a phase that is over goes on with them. */
export function limitPolls(polls: u32): void {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  if (load<u32>(state, PollState_stage) == STAGE_DONE) store<u32>(state, STAGE_NEXT, PollState_stage);
  store<u32>(state, polls, PollState_poll_limit);
}

/** The run is over, `latest` (capture time) was its last packet: the current CPU fires what is due until then. */
export function finishTimers(latest: i64): void {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  if (load<u64>(cpu, CpuBlock_ktime_ns) != 0) fireTimers(latest + load<i64>(state, PollState_boot_offset));
}

/** Index in the window of the first packet that the current CPU has not taken yet; WINDOW_PACKETS when there is none. */
export function earliestPacket(): u32 {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  const window = load<u32>(state, PollState_window);
  let earliest: u32 = WINDOW_PACKETS;
  for (let turn: u32 = 0, queues = load<u32>(state, PollState_queue_count); turn < queues; turn++) {
    if (left(state, turn) == 0) continue;
    const queue = load<u32>(load<u32>(state, PollState_queues) + (turn << 2));
    const cursor = load<u32>(load<u32>(state, PollState_cursors) + (turn << 2));
    const index = u32(load<u16>(load<u32>(window, WindowSlot_queue_lists) + queue * (WINDOW_PACKETS * 2) + (cursor << 1)));
    earliest = min(earliest, index);
  }
  return earliest;
}

/** Runs the current CPU until its phase is over. True when it has packets left for the next phase, or has sent mail. */
export function runPhase(): bool {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  const timing = load<u32>(state, PollState_timing);
  if (timing != 0) beginTurn(timing);
  for (;;) {
    const stage = load<u32>(state, PollState_stage);
    if (stage == STAGE_DONE) break;
    enter(state, perform(state, stage));
  }
  return load<u32>(state, PollState_mail_used) != 0 || packetsLeft(state);
}

/** Does what `stage` is about, or a part of it, and gives the stage that follows. */
function perform(state: u32, stage: u32): u32 {
  if (stage == STAGE_RECEIVE) {
    receive(state);
    return STAGE_FLUSH;
  }
  if (stage == STAGE_FLUSH) {
    flush(state);
    return STAGE_SOFTIRQ;
  }
  if (stage == STAGE_TIMERS) {
    fireTimers(load<i64>(cpu, CpuBlock_ktime_ns));
    return STAGE_MAIL;
  }
  if (stage == STAGE_MAIL) return readMail(state) && hasRoomForMail(state) ? STAGE_MAIL : STAGE_FLUSH;
  if (stage == STAGE_SOFTIRQ) return stepSoftirq(state) ? STAGE_SOFTIRQ : STAGE_THREADS;
  // What a thread brings about in the softirq comes before it goes on (local_bh_enable).
  if (stage == STAGE_THREADS) return stepThreads(state) ? STAGE_SOFTIRQ : mailWaits(state) ? STAGE_MAIL : STAGE_NEXT;
  fireTimers(load<i64>(cpu, CpuBlock_ktime_ns));
  endPoll(state);
  return nextPoll(state) ? STAGE_RECEIVE : STAGE_DONE;
}

function enter(state: u32, stage: u32): void {
  store<u32>(state, stage, PollState_stage);
}

/** One frame of mail, by sender and then in the order of sending. False at the end. */
function readMail(state: u32): bool {
  let mail = load<u32>(state, PollState_mail_next);
  const cpus = load<u32>(state, PollState_cpu_count);
  let sender = load<u32>(state, PollState_mail_sender);
  while (mail == 0 && sender < cpus) {
    const theirs = load<u32>(load<u32>(state, PollState_states) + (sender << 2));
    // All CPUs turn together, so the buffer that is not being filled is the same everywhere.
    const turn = load<u32>(state, PollState_mail_turn) ^ 1;
    mail = load<u32>(load<u32>(theirs, PollState_mail_heads) + ((turn * cpus + load<u32>(cpu, CpuBlock_id)) << 2));
    sender++;
  }
  store<u32>(state, sender, PollState_mail_sender);
  if (mail == 0) return false;
  store<u32>(state, load<u32>(mail, Mail_next), PollState_mail_next);
  receiveMail(state, mail);
  return true;
}

/** Half of the frames stay free for what the threads bring about; they run before more mail is read. */
function hasRoomForMail(state: u32): bool {
  return load<u32>(state, PollState_free_count) > POOL_FRAMES / 2;
}

function mailWaits(state: u32): bool {
  return load<u32>(state, PollState_mail_next) != 0 || load<u32>(state, PollState_mail_sender) < load<u32>(state, PollState_cpu_count);
}

/** The NAPI poll of one receive queue: what its list holds, up to the budget. */
function receive(state: u32): void {
  const window = load<u32>(state, PollState_window);
  const turn = load<u32>(state, PollState_queue_turn);
  const queue = load<u32>(load<u32>(state, PollState_queues) + (turn << 2));
  const receiving = load<u32>(state, PollState_rx_queues) + queue * RxQueue_SIZE;
  const device = load<u32>(receiving, RxQueue_device);
  const list = load<u32>(window, WindowSlot_queue_lists) + queue * (WINDOW_PACKETS * 2);
  const cursors = load<u32>(state, PollState_cursors) + (turn << 2);
  const descriptors = load<u32>(window, WindowSlot_descriptors);
  const first = load<u32>(cursors);
  if (nextTimer() != i64.MAX_VALUE && first == load<u32>(state, PollState_poll_first)) {
    const packet = descriptors + u32(load<u16>(list + (first << 1))) * PacketDescriptor_SIZE;
    fireTimers(max(load<i64>(packet, PacketDescriptor_ts_ns) + load<i64>(state, PollState_boot_offset), load<i64>(cpu, CpuBlock_ktime_ns)));
  }
  prepareQueueContext(state, load<u32>(cpu, CpuBlock_xdp_context), device, load<u32>(receiving, RxQueue_index), false);
  touchPackets(list + (first << 1), list + (load<u32>(state, PollState_poll_end) << 1), descriptors);
  receivePackets(state, list, descriptors, cursors, device, queue);
  foldPoll(state, device, queue);
}

/**
 * Looks at the packets that the list holds from `at` to `end`, so that their descriptors and first bytes, which another thread's cache had, are on their way
 * all at once before the first is needed.
 */
function touchPackets(at: u32, end: u32, descriptors: u32): void {
  let seen: u32 = 0;
  for (; at < end; at += 2) {
    const address = load<u32>(descriptors + u32(load<u16>(at)) * PacketDescriptor_SIZE, PacketDescriptor_address);
    seen |= load<u32>(address);
  }
  touched = seen;
}

/** xdp_do_flush, and the driver's doorbell for what XDP_TX put into its ring. */
function flush(state: u32): void {
  if (load<u32>(state, PollState_napis) != 0) {
    const device = load<u32>(load<u32>(state, PollState_rx_queues) + load<u32>(load<u32>(state, PollState_queues) + (load<u32>(state, PollState_queue_turn) << 2)) * RxQueue_SIZE, RxQueue_device);
    if (load<u32>(device, NetDevice_peer) != 0) flushInjected(state, device);
  }
  flushDevices(state);
  flushCpus(state);
  for (;;) {
    const frame = load<u32>(state, PollState_tx_first);
    if (frame == 0) return;
    step();
    const next = load<u32>(frame, Frame_next);
    store<u32>(state, next, PollState_tx_first);
    if (next == 0) store<u32>(state, 0, PollState_tx_last);
    transmitFrame(state, frame, load<u32>(frame, Frame_device), FATE_TX);
  }
}

/** After a poll no frame holds a packet any more but those in rings of veths that nobody polls; queues of cpumap entries are empty, and what redirect helpers said is forgotten. */
function endPoll(state: u32): void {
  beginSteps();
  const timing = load<u32>(state, PollState_timing);
  if (timing != 0) endTimedPoll(timing);
  if (load<u32>(state, PollState_napis) == 0) resetFrames(state);
  store<u32>(state, 0, PollState_cpu_bulk_count);
  store<u32>(state, 0, PollState_backlog_rounds);
  forgetRedirect();
}

/** Goes to the next queue, round and round, that has packets in the window. False when there is none, or when another poll's mail might not fit. */
function nextPoll(state: u32): bool {
  if (load<u32>(state, PollState_mail_used) + load<u32>(state, PollState_mail_reserve) > MAIL_SIZE) return false;
  const limit = load<u32>(state, PollState_poll_limit);
  if (limit == 0) return false;
  const timing = load<u32>(state, PollState_timing);
  if (timing != 0) {
    const turn = nextTimedPoll(state, timing);
    if (turn == NO_TURN) return false;
    enterPoll(state, turn, limit);
    return true;
  }
  const queues = load<u32>(state, PollState_queue_count);
  let turn = load<u32>(state, PollState_queue_turn);
  for (let tried: u32 = 0; tried < queues; tried++) {
    turn = turn + 1 < queues ? turn + 1 : 0;
    if (left(state, turn) == 0) continue;
    const first = load<u32>(load<u32>(state, PollState_cursors) + (turn << 2));
    store<u32>(state, first, PollState_poll_first);
    store<u32>(state, first + min(left(state, turn), NAPI_POLL_WEIGHT), PollState_poll_end);
    enterPoll(state, turn, limit);
    return true;
  }
  return false;
}

/** The queue at `turn` is polled, with the program that its device has now. */
function enterPoll(state: u32, turn: u32, limit: u32): void {
  store<u32>(state, turn, PollState_queue_turn);
  store<u32>(state, limit - 1, PollState_poll_limit);
  const queue = load<u32>(load<u32>(state, PollState_queues) + (turn << 2));
  const device = load<u32>(load<u32>(state, PollState_rx_queues) + queue * RxQueue_SIZE, RxQueue_device);
  store<u32>(state, load<u32>(device, Device_xdp), PollState_program);
}

/** Packets of the queue at `turn` that no poll has taken yet. */
function left(state: u32, turn: u32): u32 {
  const queue = load<u32>(load<u32>(state, PollState_queues) + (turn << 2));
  const counts = load<u32>(load<u32>(state, PollState_window), WindowSlot_queue_counts);
  return load<u32>(counts + (queue << 2)) - load<u32>(load<u32>(state, PollState_cursors) + (turn << 2));
}

function packetsLeft(state: u32): bool {
  for (let turn: u32 = 0, queues = load<u32>(state, PollState_queue_count); turn < queues; turn++) if (left(state, turn) != 0) return true;
  return false;
}
