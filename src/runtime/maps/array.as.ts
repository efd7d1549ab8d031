import {
  BPF_EXIST,
  BPF_F_LOCK,
  BPF_NOEXIST,
  CpuBlock_id,
  E2BIG,
  EEXIST,
  EINVAL,
  MapHeader_cpu_count,
  MapHeader_cpu_stride,
  MapHeader_elements,
  MapHeader_max_entries,
  MapHeader_spin_lock,
  MapHeader_stride,
  MapHeader_value_size,
} from "../../layout/layout.generated.as";
import { copyBytes } from "../bytes.as";
import { cpu } from "../cpu.as";
import { spinLock, spinUnlock } from "../lock.as";
import { freeAsyncs } from "../timers.as";
import { copyValue } from "./value.as";

/**
 * ARRAY and PERCPU_ARRAY. Values stand one behind the other, each padded to 8 bytes; those of CPU n begin `cpu_stride` * n further on. Nothing but
 * the values ever changes, and an update is a plain copy: a concurrent reader may see half of it, as on a real machine. BPF_F_LOCK takes the
 * value's bpf_spin_lock around the copy. Every update frees the value's timer and work, as in Linux.
 */
export function arrayLookup(map: u32, key: u32): u32 {
  const index = load<u32>(key);
  if (index >= load<u32>(map, MapHeader_max_entries)) return 0;
  return load<u32>(map, MapHeader_elements) + index * load<u32>(map, MapHeader_stride);
}

export function percpuArrayLookup(map: u32, key: u32): u32 {
  const index = load<u32>(key);
  if (index >= load<u32>(map, MapHeader_max_entries)) return 0;
  return (
    load<u32>(map, MapHeader_elements) +
    index * load<u32>(map, MapHeader_stride) +
    load<u32>(cpu, CpuBlock_id) * load<u32>(map, MapHeader_cpu_stride)
  );
}

/** -EINVAL for unknown flags, -E2BIG past the end, -EEXIST for BPF_NOEXIST: an array's entries always exist. kernel/bpf/arraymap.c. */
export function arrayUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  if ((flags & ~u64(BPF_F_LOCK)) > BPF_EXIST) return -i32(EINVAL);
  const at = arrayLookup(map, key);
  if (at == 0) return -i32(E2BIG);
  if ((flags & BPF_NOEXIST) != 0) return -i32(EEXIST);
  if ((flags & BPF_F_LOCK) == 0) {
    copyValue(map, at, value);
    freeAsyncs(map, at);
    return 0;
  }
  const lock = load<u32>(map, MapHeader_spin_lock);
  if (lock == 0) return -i32(EINVAL);
  spinLock(at + lock - 1);
  copyValue(map, at, value);
  spinUnlock(at + lock - 1);
  freeAsyncs(map, at);
  return 0;
}

export function percpuArrayUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  if ((flags & ~u64(BPF_F_LOCK)) > BPF_EXIST) return -i32(EINVAL);
  const at = percpuArrayLookup(map, key);
  if (at == 0) return -i32(E2BIG);
  if ((flags & BPF_NOEXIST) != 0) return -i32(EEXIST);
  if ((flags & BPF_F_LOCK) != 0) return -i32(EINVAL);
  copyBytes(at, value, load<u32>(map, MapHeader_value_size));
  return 0;
}

/** As user space updates it: `values` holds one value for each CPU, each padded to 8 bytes. */
export function percpuArrayUpdateAll(map: u32, key: u32, values: u32, flags: u64): i32 {
  if (flags > BPF_EXIST) return -i32(EINVAL);
  let at = arrayLookup(map, key);
  if (at == 0) return -i32(E2BIG);
  if (flags == BPF_NOEXIST) return -i32(EEXIST);
  const size = load<u32>(map, MapHeader_value_size);
  const stride = load<u32>(map, MapHeader_cpu_stride);
  let from = values;
  for (let left = load<u32>(map, MapHeader_cpu_count); left > 0; left--) {
    copyBytes(at, from, size);
    at += stride;
    from += (size + 7) & ~7;
  }
  return 0;
}
