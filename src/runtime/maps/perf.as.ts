import {
  BPF_F_CURRENT_CPU,
  BPF_F_INDEX_MASK,
  CpuBlock_id,
  E2BIG,
  ENOENT,
  ENOSPC,
  EOPNOTSUPP,
  MapHeader_elements,
  MapHeader_max_entries,
  PERF_SAMPLE_MAX,
  PerfRing_cpu,
  PerfRing_data,
  PerfRing_head,
  PerfRing_lock,
  PerfRing_lost,
  PerfRing_mask,
  PerfRing_tail,
} from "../../layout/layout.generated.as";
import { cpu } from "../cpu.as";
import { releaseMapLock, takeMapLock } from "../lock.as";

/**
 * PERF_EVENT_ARRAY: one ring for each CPU that somebody listens to. Records are those of perf: struct perf_event_header (u32 type 9, u16 misc, u16
 * size of the record), u32 size of the raw data, the data, zero padding so that the record is a multiple of 8; the raw size counts the padding.
 *
 *   producer  1. takes the lock   2. fills the record in   3. head += size (atomic)   4. releases the lock
 *   consumer  1. reads head (atomic)   2. reads the records from `tail` on   3. tail = head (atomic)
 *
 * A record that begins near the end of the ring goes on behind it, where room is set aside. Without room the record is dropped and `lost` counts.
 */
const PERF_RECORD_SAMPLE: u32 = 9;
const HEADER: u32 = 12;

/** What perfReserve gives instead of an address: a negative errno. */
export function isError(reserved: i64): bool {
  return u64(reserved) > u64(-4096);
}

/**
 * Finds the ring that `flags` (BPF_F_INDEX_MASK, BPF_F_CURRENT_CPU) name and makes room for a sample of `size` bytes, holding the ring's lock. Gives
 * the sample's address, to be followed by `perfCommit`; or -E2BIG, -ENOENT (nobody listens), -EOPNOTSUPP (another CPU's ring), -ENOSPC. The ring's address is
 * in the upper half.
 */
export function perfReserve(map: u32, flags: u64, size: u32): i64 {
  let index = u32(flags & BPF_F_INDEX_MASK);
  if (index == u32(BPF_F_CURRENT_CPU)) index = load<u32>(cpu, CpuBlock_id);
  if (index >= load<u32>(map, MapHeader_max_entries)) return -i64(E2BIG);
  const ring = load<u32>(load<u32>(map, MapHeader_elements) + (index << 2));
  if (ring == 0) return -i64(ENOENT);
  if (load<u32>(ring, PerfRing_cpu) != load<u32>(cpu, CpuBlock_id)) return -i64(EOPNOTSUPP);
  takeMapLock(ring + PerfRing_lock);
  const mask = load<u32>(ring, PerfRing_mask);
  const record = (size + HEADER + 7) & ~7;
  const head = load<u64>(ring, PerfRing_head);
  if (size > PERF_SAMPLE_MAX || head + record - atomic.load<u64>(ring, PerfRing_tail) > u64(mask) + 1) {
    store<u64>(ring, load<u64>(ring, PerfRing_lost) + 1, PerfRing_lost);
    releaseMapLock(ring + PerfRing_lock);
    return -i64(ENOSPC);
  }
  const at = load<u32>(ring, PerfRing_data) + (u32(head) & mask);
  store<u64>(at + record - 8, 0);
  store<u32>(at, PERF_RECORD_SAMPLE);
  store<u32>(at, record << 16, 4);
  store<u32>(at, record - HEADER, 8);
  return (i64(ring) << 32) | i64(at + HEADER);
}

/** Makes the record of `perfReserve` visible. */
export function perfCommit(reserved: i64): void {
  const ring = u32(reserved >> 32);
  const record = u32(load<u16>(u32(reserved) - HEADER, 6));
  atomic.store<u64>(ring, load<u64>(ring, PerfRing_head) + record, PerfRing_head);
  releaseMapLock(ring + PerfRing_lock);
}
