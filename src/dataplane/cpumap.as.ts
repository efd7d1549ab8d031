/**
 * Redirects through a cpumap: to a kernel thread of this CPU, which runs when the poll has ended, or by mail to another CPU. kernel/bpf/cpumap.c.
 *
 * Queue sizes count in virtual time only. On this CPU a queue holds what the poll has put into it so far. On another the thread has taken everything before the
 * next bulk of up to 8 frames comes, so only a bulk larger than the queue loses frames.
 */
import {
  CPU_BULKS,
  CPU_MAP_BULK_SIZE,
  CpuBlock_id,
  CpuBulk_SIZE,
  CpuBulk_count,
  CpuBulk_cpu,
  CpuBulk_entry,
  CpuBulk_first,
  CpuBulk_listed,
  CpuBulk_map,
  CpuBulk_next,
  CpuBulk_queued,
  EINVAL,
  ENOSPC,
  EVENT_XDP_CPUMAP_ENQUEUE,
  FATE_DROP,
  FRAME_BUFFER,
  FRAME_SKB,
  Frame_SIZE,
  Frame_cpu,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_entry,
  Frame_has_skb,
  Frame_hops,
  Frame_is_skb,
  Frame_map,
  Frame_next,
  Frame_outcome,
  Frame_packet,
  Frame_program,
  Frame_queue,
  MAIL_SIZE,
  MAX_CPU_HOPS,
  Mail_SIZE,
  Mail_length,
  Mail_next,
  Mail_offset,
  Mail_sent_ns,
  MapHeader_id,
  PollState_cpu_bulk_count,
  PollState_cpu_bulks,
  PollState_cpu_count,
  PollState_cpu_flush,
  PollState_mail_buffers,
  PollState_mail_heads,
  PollState_mail_tails,
  PollState_mail_turn,
  PollState_mail_used,
  REASON_BUDGET,
  REASON_CPUMAP_FULL,
  REASON_NO_FRAME,
  SkBuff_SIZE,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_data_meta,
  SkBuff_end,
  SkBuff_from_ingress,
  SkBuff_head,
  SkBuff_redirected,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { addFuel } from "../runtime/fuel.as";
import { becomeXdpFrame, takeFromXdp } from "./buffers.as";
import { queueForThread } from "./cpuThread.as";
import { trace } from "./events.as";
import { appendFrame, takeFirst } from "./frameList.as";
import { copyBytes, frameLimit, packetEnd, releaseFrame, takeFrame } from "./frames.as";
import { lose, refuse } from "./outcome.as";
import { step } from "./steps.as";
import { awaitFrame, sendingTime, timeEnqueue } from "./timing.as";

/** The bulk queue of a cpumap entry on this CPU; a new one when it has none since the poll began. 0 when there are too many. */
function bulkFor(state: u32, map: u32, entry: u32, target: u32): u32 {
  const bulks = load<u32>(state, PollState_cpu_bulks);
  const count = load<u32>(state, PollState_cpu_bulk_count);
  for (let index: u32 = 0; index < count; index++) {
    const bulk = bulks + index * CpuBulk_SIZE;
    if (load<u32>(bulk, CpuBulk_entry) == entry) return bulk;
  }
  if (count == CPU_BULKS) return 0;
  const bulk = bulks + count * CpuBulk_SIZE;
  store<u32>(state, count + 1, PollState_cpu_bulk_count);
  memory.fill(bulk, 0, CpuBulk_SIZE);
  store<u32>(bulk, entry, CpuBulk_entry);
  store<u32>(bulk, target, CpuBulk_cpu);
  store<u32>(bulk, map, CpuBulk_map);
  return bulk;
}

/** What the frame takes along to the thread. False when it went round too often. */
function address(frame: u32, map: u32, entry: u32, target: u32): bool {
  const hops = load<u32>(frame, Frame_hops) + 1;
  store<u32>(frame, entry, Frame_entry);
  store<u32>(frame, map, Frame_map);
  store<u32>(frame, load<u32>(entry, 4), Frame_program);
  store<u32>(frame, target, Frame_cpu);
  store<u32>(frame, hops, Frame_hops);
  store<u32>(frame, 0, Frame_next);
  return hops <= MAX_CPU_HOPS;
}

/** A native frame goes into the entry's bulk queue (cpu_map_enqueue). An error leaves the frame with the caller. */
export function enqueueCpu(state: u32, frame: u32, map: u32, entry: u32, target: u32): i32 {
  const bulk = bulkFor(state, map, entry, target);
  if (bulk == 0 || target >= load<u32>(state, PollState_cpu_count)) return -EINVAL;
  if (!address(frame, map, entry, target)) {
    lose(state, frame, FATE_DROP, REASON_BUDGET, 0);
    return 0;
  }
  timeEnqueue(state);
  if (load<u32>(bulk, CpuBulk_count) == CPU_MAP_BULK_SIZE) flushBulk(state, bulk);
  becomeXdpFrame(frame);
  appendFrame(bulk + CpuBulk_first, frame);
  if (load<u32>(bulk, CpuBulk_listed) == 0) {
    store<u32>(bulk, 1, CpuBulk_listed);
    store<u32>(bulk, load<u32>(state, PollState_cpu_flush), CpuBulk_next);
    store<u32>(state, bulk, PollState_cpu_flush);
  }
  return 0;
}

/** A generic skb goes into the entry's queue at once (cpu_map_generic_redirect). */
export function enqueueCpuGeneric(state: u32, frame: u32, map: u32, entry: u32, target: u32): i32 {
  const bulk = bulkFor(state, map, entry, target);
  if (bulk == 0 || target >= load<u32>(state, PollState_cpu_count)) return -EINVAL;
  if (!address(frame, map, entry, target)) {
    lose(state, frame, FATE_DROP, REASON_BUDGET, 0);
    return 0;
  }
  timeEnqueue(state);
  // Whoever finds the skb redirected lets generic XDP be.
  if (load<u32>(frame, Frame_has_skb) != 0) {
    store<u32>(frame, load<u32>(frame, Frame_data), Frame_data_meta);
    takeFromXdp(frame);
    store<u32>(frame + FRAME_SKB, 1, SkBuff_redirected);
    store<u32>(frame + FRAME_SKB, 0, SkBuff_from_ingress);
  }
  const own = target == load<u32>(cpu, CpuBlock_id);
  const queued = own ? load<u32>(bulk, CpuBulk_queued) : 0;
  const full = queued >= load<u32>(entry);
  trace(state, EVENT_XDP_CPUMAP_ENQUEUE, 0, 0, target, u32(!full), u32(full), load<u32>(map, MapHeader_id));
  if (full) return -ENOSPC;
  if (own) {
    store<u32>(bulk, queued + 1, CpuBulk_queued);
    queueForThread(state, frame);
  } else sendMail(state, frame, target);
  return 0;
}

/** Hands a bulk to the entry's queue; what does not fit is lost (bq_flush_to_queue). */
function flushBulk(state: u32, bulk: u32): void {
  const target = load<u32>(bulk, CpuBulk_cpu);
  const own = target == load<u32>(cpu, CpuBlock_id);
  const size = load<u32>(load<u32>(bulk, CpuBulk_entry));
  let queued: u32 = own ? load<u32>(bulk, CpuBulk_queued) : 0;
  let drops: u32 = 0;
  const offered = load<u32>(bulk, CpuBulk_count);
  for (let frame = takeFirst(bulk + CpuBulk_first); frame != 0; frame = takeFirst(bulk + CpuBulk_first)) {
    if (queued >= size) {
      drops++;
      lose(state, frame, FATE_DROP, REASON_CPUMAP_FULL, 0);
      continue;
    }
    queued++;
    if (own) queueForThread(state, frame);
    else sendMail(state, frame, target);
  }
  if (own) store<u32>(bulk, queued, CpuBulk_queued);
  trace(state, EVENT_XDP_CPUMAP_ENQUEUE, 0, 0, target, offered, drops, load<u32>(load<u32>(bulk, CpuBulk_map), MapHeader_id));
}

/** Hands over all bulks, the entry used last first. */
export function flushCpus(state: u32): void {
  for (let bulk = load<u32>(state, PollState_cpu_flush); bulk != 0; bulk = load<u32>(bulk, CpuBulk_next)) {
    step();
    store<u32>(bulk, 0, CpuBulk_listed);
    flushBulk(state, bulk);
  }
  store<u32>(state, 0, PollState_cpu_flush);
}

/**
 * Copies a frame into this CPU's outgoing mail and gives the frame back; the packet's record goes along. Written in this phase, read by CPU `target` in the next
 * (ControlBlock); a sender's mail to one CPU is a list in order of sending.
 */
function sendMail(state: u32, frame: u32, target: u32): void {
  const isSkb = load<u32>(frame, Frame_is_skb) != 0;
  const meta = isSkb ? load<u32>(frame + FRAME_SKB, SkBuff_data_meta) : load<u32>(frame, Frame_data_meta);
  const length = packetEnd(frame) - meta;
  const used = load<u32>(state, PollState_mail_used);
  const withSkb = load<u32>(frame, Frame_has_skb) != 0;
  const size = (Mail_SIZE + Frame_SIZE + (withSkb ? SkBuff_SIZE : 0) + length + 15) & ~15;
  if (used + size > MAIL_SIZE) {
    lose(state, frame, FATE_DROP, REASON_NO_FRAME, 0);
    return;
  }
  const turn = load<u32>(state, PollState_mail_turn);
  const mail = load<u32>(state, PollState_mail_buffers) + turn * MAIL_SIZE + used;
  store<u32>(state, used + size, PollState_mail_used);
  store<u32>(mail, 0, Mail_next);
  store<u32>(mail, length, Mail_length);
  store<u32>(mail, meta - frame, Mail_offset);
  store<f64>(mail, sendingTime(state), Mail_sent_ns);
  memory.copy(mail + Mail_SIZE, frame, Frame_SIZE);
  copyBytes(mail + Mail_SIZE + Frame_SIZE, meta, length);
  if (withSkb) memory.copy(mail + Mail_SIZE + Frame_SIZE + length, frame + FRAME_SKB, SkBuff_SIZE);
  const cpus = load<u32>(state, PollState_cpu_count);
  const tail = load<u32>(state, PollState_mail_tails) + ((turn * cpus + target) << 2);
  const last = load<u32>(tail);
  if (last == 0) store<u32>(load<u32>(state, PollState_mail_heads) + ((turn * cpus + target) << 2), mail);
  else store<u32>(last, mail, Mail_next);
  store<u32>(tail, mail);
  releaseFrame(state, frame);
}

/** Takes a frame out of another CPU's mail, into a frame of this CPU, and into the queue of the thread. */
export function receiveMail(state: u32, mail: u32): void {
  addFuel();
  awaitFrame(state, load<f64>(mail, Mail_sent_ns));
  const sent = mail + Mail_SIZE;
  const frame = takeFrame(state);
  if (frame == 0) {
    refuse(state, load<u32>(sent, Frame_packet), load<u32>(sent, Frame_outcome), load<u32>(sent, Frame_queue), REASON_NO_FRAME);
    return;
  }
  const length = load<u32>(mail, Mail_length);
  const meta = frame + load<u32>(mail, Mail_offset);
  memory.copy(frame, sent, Frame_SIZE);
  copyBytes(meta, sent + Frame_SIZE, length);
  if (load<u32>(frame, Frame_has_skb) != 0) {
    const skb = frame + FRAME_SKB;
    memory.copy(skb, sent + Frame_SIZE + length, SkBuff_SIZE);
    const shift = frame + FRAME_BUFFER - load<u32>(skb, SkBuff_head);
    for (let field: u32 = 0; field < 3; field++) {
      const at = skb + (field == 0 ? SkBuff_data : field == 1 ? SkBuff_data_end : SkBuff_data_meta);
      store<u32>(at, load<u32>(at) + shift);
    }
    store<u32>(skb, frame + FRAME_BUFFER, SkBuff_head);
    store<u32>(skb, frameLimit(state, frame), SkBuff_end);
  }
  if (load<u32>(frame, Frame_is_skb) == 0) {
    const oldMeta = load<u32>(sent, Frame_data_meta);
    store<u32>(frame, meta, Frame_data_meta);
    store<u32>(frame, meta + (load<u32>(sent, Frame_data) - oldMeta), Frame_data);
    store<u32>(frame, meta + length, Frame_data_end);
  }
  queueForThread(state, frame);
}
