import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAX_LOOPS,
  CpuBlock_callback_fp,
  CpuBlock_exception,
  CpuBlock_id,
  CpuBlock_scratch,
  CpuBlock_scratch_size,
  CpuBlock_stacks,
  CpuBlock_trap,
  E2BIG,
  EINVAL,
  HashElement_next,
  HashElement_SIZE,
  HashHeader_bucket_mask,
  HashHeader_buckets,
  HashHeader_value_offset,
  MapHeader_cpu_stride,
  MapHeader_elements,
  MapHeader_max_entries,
  MapHeader_stride,
  MapHeader_type,
  MAX_BPF_STACK,
  TRAP_DEPTH,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";
import { burnFuel } from "./fuel.as";
import { percpuValue } from "./maps/hash.as";

/** Fuel for looking at this many empty buckets. */
const BUCKETS_PER_STEP: u32 = 16;

/** The frame of the calling function, out of which the callback's comes; traps when there is no room for another below it. */
export function parentFrame(): u32 {
  const frame = load<u32>(cpu, CpuBlock_callback_fp);
  if (frame < load<u32>(cpu, CpuBlock_stacks) + 2 * MAX_BPF_STACK) {
    store<u32>(cpu, TRAP_DEPTH, CpuBlock_trap);
    unreachable();
  }
  return frame;
}

/** Calls the callback in a table slot; true when the loop goes on. */
export function iterate(callback: u32, frame: u32, r1: u64, r2: u64, r3: u64, r4: u64): bool {
  burnFuel(1);
  store<u32>(cpu, frame, CpuBlock_callback_fp);
  const result = call_indirect<u64>(callback, r1, r2, r3, r4, u64(0));
  return result == 0 && load<u32>(cpu, CpuBlock_exception) == 0;
}

/** bpf_loop: callback(index, context) until it returns 1; the number of calls made, -EINVAL for flags, -E2BIG above BPF_MAX_LOOPS. */
export function loop(count: u32, callback: u32, context: u64, flags: u64): i32 {
  if (flags != 0) return -i32(EINVAL);
  if (count > BPF_MAX_LOOPS) return -i32(E2BIG);
  const frame = parentFrame();
  for (let index: u32 = 0; index < count; index++) {
    if (!iterate(callback, frame, u64(index), context, 0, 0)) return i32(index) + 1;
  }
  return i32(count);
}

/**
 * bpf_for_each_map_elem: callback(map, key, value, context) for each element until it returns 1; the number of calls made, or -EINVAL. Elements that
 * are added or removed meanwhile may or may not be met.
 */
export function forEachMapElem(map: u32, callback: u32, context: u64, flags: u64): i32 {
  if (flags != 0) return -i32(EINVAL);
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return forEachOfArray(map, callback, context);
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      return forEachOfHash(map, callback, context);
    default:
      return -i32(EINVAL);
  }
}

/** Where the key of an array's element stands while the callback looks at it: a word at the end of scratch, another for each frame that loops. */
function keyWord(frame: u32): u32 {
  const end = load<u32>(cpu, CpuBlock_scratch) + load<u32>(cpu, CpuBlock_scratch_size);
  return end - 1024 + (((frame - load<u32>(cpu, CpuBlock_stacks)) / MAX_BPF_STACK) & 127) * 8;
}

function forEachOfArray(map: u32, callback: u32, context: u64): i32 {
  const frame = parentFrame();
  const key = keyWord(frame);
  const count = load<u32>(map, MapHeader_max_entries);
  const stride = load<u32>(map, MapHeader_stride);
  let value = load<u32>(map, MapHeader_elements) + load<u32>(cpu, CpuBlock_id) * load<u32>(map, MapHeader_cpu_stride);
  for (let index: u32 = 0; index < count; index++) {
    store<u32>(key, index);
    if (!iterate(callback, frame, u64(map), u64(key), u64(value), context)) return i32(index) + 1;
    value += stride;
  }
  return i32(count);
}

function forEachOfHash(map: u32, callback: u32, context: u64): i32 {
  const frame = parentFrame();
  const heads = load<u32>(map, HashHeader_buckets);
  const buckets = load<u32>(map, HashHeader_bucket_mask) + 1;
  const offset = load<u32>(map, HashHeader_value_offset);
  const percpu = load<u32>(map, MapHeader_cpu_stride) != 0;
  let count = 0;
  for (let bucket: u32 = 0; bucket < buckets; bucket++) {
    if (bucket % BUCKETS_PER_STEP == 0) burnFuel(1);
    let element = atomic.load<u32>(heads + (bucket << 2));
    while (element != 0 && (element & 1) == 0) {
      const next = load<u32>(element, HashElement_next);
      const value = percpu ? percpuValue(map, element, load<u32>(cpu, CpuBlock_id)) : element + offset;
      count++;
      if (!iterate(callback, frame, u64(map), u64(element + HashElement_SIZE), u64(value), context)) return count;
      element = next;
    }
  }
  return count;
}
