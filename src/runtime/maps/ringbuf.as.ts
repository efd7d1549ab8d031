import {
  BPF_RB_AVAIL_DATA,
  BPF_RB_CONS_POS,
  BPF_RB_FORCE_WAKEUP,
  BPF_RB_NO_WAKEUP,
  BPF_RB_PROD_POS,
  BPF_RB_RING_SIZE,
  BPF_RINGBUF_BUSY_BIT,
  BPF_RINGBUF_DISCARD_BIT,
  BPF_RINGBUF_HDR_SZ,
  EAGAIN,
  EINVAL,
  MapHeader_elements,
  RingHeader_consumer,
  RingHeader_lock,
  RingHeader_lost,
  RingHeader_mask,
  RingHeader_pending,
  RingHeader_producer,
} from "../../layout/layout.generated.as";
import { copyBytes } from "../bytes.as";
import { releaseMapLock, takeMapLock } from "../lock.as";
import { programAddress } from "../zone.as";

/**
 * RINGBUF, with the kernel's records and positions: a header of 8 bytes (u32 length with BUSY and DISCARD bits, u32 unused), the data, padding to 8.
 * A record that begins near the end of the ring goes on behind it: the data area is twice as long as the ring, so that each record is in one piece.
 *
 *   producer  1. takes the lock   2. header = length | BUSY   3. producer += size   4. releases the lock   5. fills in the data
 *             6. header without BUSY (with DISCARD), by atomic exchange
 *   consumer  1. reads producer   2. reads headers from `consumer` on until one is BUSY   3. consumer += sizes
 *
 * A reservation fails if it would reach more than mask bytes past the consumer or past the oldest record that is still BUSY.
 */
const LARGEST_RECORD: u64 = 0xffffffff / 4;

/** bpf_ringbuf_reserve: address of `size` bytes of a new record, or 0. */
export function ringbufReserve(map: u32, size: u64, flags: u64): u32 {
  if (flags != 0 || size > LARGEST_RECORD) return 0;
  return reserve(map, u32(size));
}

function recordSize(length: u32): u32 {
  return (length + BPF_RINGBUF_HDR_SZ + 7) & ~7;
}

function reserve(map: u32, size: u32): u32 {
  const mask = load<u32>(map, RingHeader_mask);
  const room = recordSize(size);
  if (room > mask + 1) return 0;
  takeMapLock(map + RingHeader_lock);
  const consumer = atomic.load<u64>(map, RingHeader_consumer);
  const producer = load<u64>(map, RingHeader_producer);
  const pending = skipCommitted(map, load<u64>(map, RingHeader_pending), producer, mask);
  store<u64>(map, pending, RingHeader_pending);
  const end = producer + room;
  let record: u32 = 0;
  if (end - consumer > mask || end - pending > mask) {
    store<u64>(map, load<u64>(map, RingHeader_lost) + 1, RingHeader_lost);
  } else {
    record = load<u32>(map, MapHeader_elements) + (u32(producer) & mask);
    atomic.store<u32>(record, size | BPF_RINGBUF_BUSY_BIT);
    store<u32>(record, 0, 4);
    atomic.store<u64>(map, end, RingHeader_producer);
  }
  releaseMapLock(map + RingHeader_lock);
  return record == 0 ? 0 : record + BPF_RINGBUF_HDR_SZ;
}

/** Position of the oldest record from `position` on that is BUSY, or `producer`. Each step goes forward, and producer - position is at most the ring's size. */
function skipCommitted(map: u32, position: u64, producer: u64, mask: u32): u64 {
  const data = load<u32>(map, MapHeader_elements);
  if (producer - position > u64(mask) + 1) return producer;
  while (position < producer) {
    const length = atomic.load<u32>(data + (u32(position) & mask));
    if ((length & BPF_RINGBUF_BUSY_BIT) != 0) break;
    position += recordSize(length & ~BPF_RINGBUF_DISCARD_BIT);
  }
  return position < producer ? position : producer;
}

function commit(sample: u32, discard: u32): void {
  const header = programAddress(sample - BPF_RINGBUF_HDR_SZ);
  const length = load<u32>(header) & ~BPF_RINGBUF_BUSY_BIT;
  atomic.xchg<u32>(header, length | discard);
}

/** bpf_ringbuf_submit. The flags only say whom to wake; consumers run at poll ends. */
export function ringbufSubmit(sample: u32, flags: u64): void {
  commit(sample, 0);
}

/** bpf_ringbuf_discard */
export function ringbufDiscard(sample: u32, flags: u64): void {
  commit(sample, BPF_RINGBUF_DISCARD_BIT);
}

/** bpf_ringbuf_output: 0, -EINVAL for unknown flags, -EAGAIN without room. */
export function ringbufOutput(map: u32, data: u32, size: u64, flags: u64): i32 {
  if ((flags & ~u64(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP)) != 0) return -i32(EINVAL);
  const sample = size > LARGEST_RECORD ? 0 : reserve(map, u32(size));
  if (sample == 0) return -i32(EAGAIN);
  copyBytes(sample, data, u32(size));
  commit(sample, 0);
  return 0;
}

/** bpf_ringbuf_query */
export function ringbufQuery(map: u32, flags: u64): u64 {
  if (flags == BPF_RB_AVAIL_DATA) return atomic.load<u64>(map, RingHeader_producer) - atomic.load<u64>(map, RingHeader_consumer);
  if (flags == BPF_RB_RING_SIZE) return u64(load<u32>(map, RingHeader_mask)) + 1;
  if (flags == BPF_RB_CONS_POS) return atomic.load<u64>(map, RingHeader_consumer);
  if (flags == BPF_RB_PROD_POS) return atomic.load<u64>(map, RingHeader_producer);
  return 0;
}
