/** Kernel threads of cpumap entries: batches of up to eight frames, the entry's program, then up to the stack. kernel/bpf/cpumap.c: cpu_map_kthread_run. */
import {
  CPUMAP_BATCH,
  CPU_BULKS,
  CpuThread_SIZE,
  CpuThread_batch_first,
  CpuThread_count,
  CpuThread_deliver_first,
  CpuThread_drop,
  CpuThread_entry,
  CpuThread_first,
  CpuThread_gro_first,
  CpuThread_map,
  CpuThread_packets,
  CpuThread_pass,
  CpuThread_passed_first,
  CpuThread_redirect,
  CpuThread_stage,
  CpuThread_taken,
  EVENT_XDP_CPUMAP_KTHREAD,
  FATE_ABORTED,
  FATE_DROP,
  FRAME_SKB,
  Frame_device,
  Frame_entry,
  Frame_generic,
  Frame_has_skb,
  Frame_is_skb,
  Frame_map,
  Frame_program,
  HOOK_CPUMAP,
  MapHeader_id,
  NAPI_POLL_WEIGHT,
  PollState_thread_count,
  PollState_thread_turn,
  PollState_threads,
  PollState_xdp_context,
  REASON_CPUMAP_FULL,
  REASON_MEMORY,
  REASON_XDP_DROP,
  REASON_XDP_EXCEPTION,
  SkBuff_redirected,
  THREAD_DELIVER,
  THREAD_FLUSH,
  THREAD_PROGRAM,
  THREAD_RECEIVE,
  THREAD_WAIT,
  XDP_DROP,
  XDP_PASS,
  XDP_REDIRECT,
} from "../layout/layout.generated.as";
import { skbReceive } from "../tc/receive.as";
import { showAsXdp, takeFromXdp } from "./buffers.as";
import { flushCpus } from "./cpumap.as";
import { trace, traceException } from "./events.as";
import { appendFrame, moveList, takeFirst } from "./frameList.as";
import { takeEdges } from "./frames.as";
import { groReceive } from "./napi.as";
import { buildSkb, receiveFromThread } from "./netifReceive.as";
import { lose } from "./outcome.as";
import { enterNetwork, prepareEntryContext, runOn } from "./programs.as";
import { flushDevices, redirect } from "./redirect.as";

/** Puts a frame into the queue of its entry's thread on this CPU. */
export function queueForThread(state: u32, frame: u32): void {
  const thread = threadOf(state, load<u32>(frame, Frame_entry), load<u32>(frame, Frame_map));
  if (thread == 0) lose(state, frame, FATE_DROP, REASON_CPUMAP_FULL, 0);
  else appendFrame(thread + CpuThread_first, frame);
}

/** The entry's thread; a new one where it has none yet on this CPU. 0 when there are too many. */
function threadOf(state: u32, entry: u32, map: u32): u32 {
  const threads = load<u32>(state, PollState_threads);
  const count = load<u32>(state, PollState_thread_count);
  for (let index: u32 = 0; index < count; index++) {
    const thread = threads + index * CpuThread_SIZE;
    if (load<u32>(thread, CpuThread_entry) == entry) return thread;
  }
  if (count == CPU_BULKS) return 0;
  store<u32>(state, count + 1, PollState_thread_count);
  const thread = threads + count * CpuThread_SIZE;
  memory.fill(thread, 0, CpuThread_SIZE);
  store<u32>(thread, entry, CpuThread_entry);
  store<u32>(thread, map, CpuThread_map);
  return thread;
}

/** One step of the thread that has something to do; it goes on until its queue is empty. False when none has, and all threads are forgotten. */
export function stepThreads(state: u32): bool {
  const count = load<u32>(state, PollState_thread_count);
  let turn = load<u32>(state, PollState_thread_turn);
  for (; turn < count; turn++) {
    const thread = load<u32>(state, PollState_threads) + turn * CpuThread_SIZE;
    store<u32>(state, turn, PollState_thread_turn);
    if (load<u32>(thread, CpuThread_stage) == THREAD_WAIT && load<u32>(thread, CpuThread_count) == 0) continue;
    stepThread(state, thread);
    return true;
  }
  store<u32>(state, 0, PollState_thread_turn);
  for (let index: u32 = 0; index < count; index++) {
    if (load<u32>(load<u32>(state, PollState_threads) + index * CpuThread_SIZE, CpuThread_count) != 0) return true;
  }
  store<u32>(state, 0, PollState_thread_count);
  return false;
}

function enter(thread: u32, stage: u32): void {
  store<u32>(thread, stage, CpuThread_stage);
}

function stepThread(state: u32, thread: u32): void {
  const up = takeFirst(thread + CpuThread_deliver_first);
  if (up != 0) {
    receiveFromThread(state, up);
    return;
  }
  const stage = load<u32>(thread, CpuThread_stage);
  if (stage == THREAD_WAIT) takeBatch(thread);
  else if (stage == THREAD_PROGRAM) runBatch(state, thread);
  else if (stage == THREAD_FLUSH) {
    if (load<u32>(thread, CpuThread_redirect) != 0) {
      flushDevices(state);
      flushCpus(state);
    }
    trace(
      state,
      EVENT_XDP_CPUMAP_KTHREAD,
      0,
      load<u32>(thread, CpuThread_redirect),
      load<u32>(load<u32>(thread, CpuThread_map), MapHeader_id),
      load<u32>(thread, CpuThread_taken),
      load<u32>(thread, CpuThread_pass),
      load<u32>(thread, CpuThread_drop),
    );
    enter(thread, THREAD_RECEIVE);
  } else if (stage == THREAD_RECEIVE) receiveBatch(state, thread);
  else enter(thread, THREAD_WAIT);
}

function takeBatch(thread: u32): void {
  let taken: u32 = 0;
  for (; taken < CPUMAP_BATCH; taken++) {
    const frame = takeFirst(thread + CpuThread_first);
    if (frame == 0) break;
    appendFrame(thread + CpuThread_batch_first, frame);
  }
  store<u32>(thread, taken, CpuThread_taken);
  store<u32>(thread, 0, CpuThread_pass);
  store<u32>(thread, 0, CpuThread_drop);
  store<u32>(thread, 0, CpuThread_redirect);
  enter(thread, THREAD_PROGRAM);
}

function addTo(thread: u32, field: u32): void {
  store<u32>(thread + field, load<u32>(thread + field) + 1);
}

/** The entry's program on the next frame of the batch. */
function runBatch(state: u32, thread: u32): void {
  const frame = takeFirst(thread + CpuThread_batch_first);
  if (frame == 0) {
    enter(thread, THREAD_FLUSH);
    return;
  }
  const program = load<u32>(frame, Frame_program);
  if (program == 0) {
    appendFrame(thread + CpuThread_passed_first, frame);
    return;
  }
  const received = load<u32>(frame, Frame_device);
  const context = load<u32>(state, PollState_xdp_context);
  const generic = load<u32>(frame, Frame_generic) != 0;
  const isSkb = load<u32>(frame, Frame_is_skb) != 0;
  enterNetwork(received);
  if (isSkb) showAsXdp(frame);
  prepareEntryContext(state, context, frame, received, 0, generic);
  const verdict = runOn(state, frame, program, context, HOOK_CPUMAP, received);
  if (verdict == XDP_PASS && takeEdges(state, frame, context)) {
    addTo(thread, CpuThread_pass);
    if (isSkb) {
      takeFromXdp(frame);
      skbReceive(frame + FRAME_SKB, received);
    }
    appendFrame(thread + CpuThread_passed_first, frame);
    return;
  }
  if (verdict == XDP_REDIRECT && takeEdges(state, frame, context)) {
    addTo(thread, redirect(state, frame, received, program, generic) == 0 ? CpuThread_redirect : CpuThread_drop);
    return;
  }
  addTo(thread, CpuThread_drop);
  if (verdict == XDP_DROP) lose(state, frame, FATE_DROP, REASON_XDP_DROP, 0);
  else if (verdict == XDP_PASS || verdict == XDP_REDIRECT) lose(state, frame, FATE_ABORTED, REASON_MEMORY, 0);
  else {
    // The skbs' part of the thread tells of it, the frames' does not.
    if (generic) traceException(state, received, program, verdict);
    lose(state, frame, FATE_ABORTED, REASON_XDP_EXCEPTION, i32(verdict));
  }
}

/** skbs are made of what passed, and go to GRO; that is emptied when the queue is, or after 64 frames. */
function receiveBatch(state: u32, thread: u32): void {
  const frame = takeFirst(thread + CpuThread_passed_first);
  if (frame != 0) {
    const device = load<u32>(frame, Frame_device);
    enterNetwork(device);
    if (load<u32>(frame, Frame_has_skb) == 0) buildSkb(state, frame, device);
    if (load<u32>(frame, Frame_generic) != 0) store<u32>(frame + FRAME_SKB, 1, SkBuff_redirected);
    groReceive(thread + CpuThread_gro_first, frame);
    return;
  }
  const packets = load<u32>(thread, CpuThread_packets) + load<u32>(thread, CpuThread_taken);
  const flush = packets >= NAPI_POLL_WEIGHT || load<u32>(thread, CpuThread_count) == 0;
  store<u32>(thread, flush ? 0 : packets, CpuThread_packets);
  if (flush) moveList(thread + CpuThread_deliver_first, thread + CpuThread_gro_first);
  enter(thread, THREAD_DELIVER);
}
