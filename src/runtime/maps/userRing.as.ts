import {
  BPF_DYNPTR_TYPE_LOCAL,
  BPF_MAX_USER_RINGBUF_SAMPLES,
  BPF_RB_FORCE_WAKEUP,
  BPF_RB_NO_WAKEUP,
  BPF_RINGBUF_BUSY_BIT,
  BPF_RINGBUF_DISCARD_BIT,
  BPF_RINGBUF_HDR_SZ,
  CpuBlock_scratch,
  CpuBlock_scratch_size,
  CpuBlock_stacks,
  E2BIG,
  EBUSY,
  EINVAL,
  MapHeader_elements,
  MAX_BPF_STACK,
  RingHeader_consumer,
  RingHeader_lock,
  RingHeader_mask,
  RingHeader_producer,
} from "../../layout/layout.generated.as";
import { cpu } from "../cpu.as";
import { dynptrInit } from "../dynptr.as";
import { burnFuel } from "../fuel.as";
import { releaseMapLock, tryMapLock } from "../lock.as";
import { iterate, parentFrame } from "../loop.as";

/**
 * USER_RINGBUF: records that user space writes and programs read, laid out as in a RINGBUF.
 *
 *   producer (runtime/rings.ts)   1. reads consumer   2. header, data   3. producer += size
 *   a draining program            1. takes the lock, or fails   2. reads producer   3. callback(dynptr of the record)   4. consumer += size, and again
 *                                 5. releases the lock
 *
 * Answers were recorded from the live kernel; positions and lengths are user space's and are not believed: kernel/bpf/ringbuf.c.
 */
const EMPTY: i32 = 1;
const SKIPPED: i32 = 2;

/** Where the dynptr stands that a callback is shown: in scratch, below the keys of for_each_map_elem, another for each frame that drains. */
function dynptrPlace(frame: u32): u32 {
  const end = load<u32>(cpu, CpuBlock_scratch) + load<u32>(cpu, CpuBlock_scratch_size);
  return end - 4096 + (((frame - load<u32>(cpu, CpuBlock_stacks)) / MAX_BPF_STACK) & 127) * 16;
}

function recordSize(length: u32): u32 {
  return (length + BPF_RINGBUF_HDR_SZ + 7) & ~7;
}

/** Looks at the record at the consumer's position: 0 when there is one, EMPTY, SKIPPED (a discarded one was passed over), or a negative errno. */
function look(map: u32): i32 {
  const consumer = load<u64>(map, RingHeader_consumer);
  const producer = atomic.load<u64>(map, RingHeader_producer);
  if ((producer & 7) != 0) return -i32(EINVAL);
  if (consumer >= producer) return EMPTY;
  const mask = load<u32>(map, RingHeader_mask);
  const header = atomic.load<u32>(load<u32>(map, MapHeader_elements) + (u32(consumer) & mask));
  const length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
  const size = u64(recordSize(length));
  if (size > producer - consumer) return -i32(EINVAL);
  if (size > u64(mask) + 1) return -i32(E2BIG);
  if ((header & BPF_RINGBUF_DISCARD_BIT) != 0) {
    atomic.store<u64>(map, consumer + size, RingHeader_consumer);
    return SKIPPED;
  }
  return (header & BPF_RINGBUF_BUSY_BIT) != 0 ? EMPTY : 0;
}

/**
 * bpf_user_ringbuf_drain: callback(dynptr, context) for each record until it returns 1; how many were taken. -EINVAL for unknown flags or a record that
 * user space wrote wrongly, -E2BIG for one longer than the ring, -EBUSY while another CPU drains.
 */
export function userRingbufDrain(map: u32, callback: u32, context: u64, flags: u64): i32 {
  if ((flags & ~u64(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP)) != 0) return -i32(EINVAL);
  const frame = parentFrame();
  if (!tryMapLock(map + RingHeader_lock)) return -i32(EBUSY);
  const dynptr = dynptrPlace(frame);
  const elements = load<u32>(map, MapHeader_elements);
  const mask = load<u32>(map, RingHeader_mask);
  let taken: i32 = 0;
  for (let turn: u32 = 0; turn < BPF_MAX_USER_RINGBUF_SAMPLES; turn++) {
    const found = look(map);
    if (found == SKIPPED) {
      burnFuel(1);
      continue;
    }
    if (found != 0) {
      if (found < 0) taken = found;
      break;
    }
    const consumer = load<u64>(map, RingHeader_consumer);
    const record = elements + (u32(consumer) & mask);
    const length = load<u32>(record) & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    dynptrInit(dynptr, record + BPF_RINGBUF_HDR_SZ, BPF_DYNPTR_TYPE_LOCAL, length);
    const more = iterate(callback, frame, u64(dynptr), context, 0, 0);
    atomic.store<u64>(map, consumer + u64(recordSize(length)), RingHeader_consumer);
    taken++;
    if (!more) break;
  }
  releaseMapLock(map + RingHeader_lock);
  return taken;
}
