import {
  BPF_EXIST,
  BPF_MAP_TYPE_STACK,
  E2BIG,
  EINVAL,
  ENOENT,
  MapHeader_elements,
  MapHeader_max_entries,
  MapHeader_stride,
  MapHeader_type,
  MapHeader_value_size,
  QueueHeader_head,
  QueueHeader_length,
  QueueHeader_lock,
} from "../../layout/layout.generated.as";
import { copyBytes } from "../bytes.as";
import { releaseMapLock, takeMapLock } from "../lock.as";

/**
 * QUEUE and STACK: max_entries values in a ring. `head` is the index of the oldest, `length` how many there are; both, and the values, only
 * under the lock. Answers of kernel/bpf/queue_stack_maps.c.
 */
function place(map: u32, index: u32): u32 {
  const size = load<u32>(map, MapHeader_max_entries);
  return load<u32>(map, MapHeader_elements) + (index % size) * load<u32>(map, MapHeader_stride);
}

/** bpf_map_push_elem. With BPF_EXIST a full map gives up its oldest value; else -E2BIG. Other flags: -EINVAL. */
export function queuePush(map: u32, value: u32, flags: u64): i32 {
  if ((flags & ~u64(BPF_EXIST)) != 0) return -i32(EINVAL);
  const size = load<u32>(map, MapHeader_max_entries);
  takeMapLock(map + QueueHeader_lock);
  let head = load<u32>(map, QueueHeader_head) % size;
  let length = load<u32>(map, QueueHeader_length);
  let error = 0;
  if (length >= size) {
    length = size;
    if (flags != BPF_EXIST) error = -i32(E2BIG);
    else {
      head = (head + 1) % size;
      length--;
    }
  }
  if (error == 0) {
    copyBytes(place(map, head + length), value, load<u32>(map, MapHeader_value_size));
    store<u32>(map, head, QueueHeader_head);
    store<u32>(map, length + 1, QueueHeader_length);
  }
  releaseMapLock(map + QueueHeader_lock);
  return error;
}

/** Copies the next value out; `remove` takes it away. -ENOENT when there is none, and then the bytes at `value` become 0. */
function takeValue(map: u32, value: u32, remove: bool): i32 {
  const size = load<u32>(map, MapHeader_max_entries);
  takeMapLock(map + QueueHeader_lock);
  const head = load<u32>(map, QueueHeader_head) % size;
  const length = load<u32>(map, QueueHeader_length);
  let error = 0;
  if (length == 0) {
    memory.fill(value, 0, load<u32>(map, MapHeader_value_size));
    error = -i32(ENOENT);
  } else {
    const last = load<u32>(map, MapHeader_type) == BPF_MAP_TYPE_STACK;
    copyBytes(value, place(map, last ? head + length - 1 : head), load<u32>(map, MapHeader_value_size));
    if (remove) {
      store<u32>(map, length - 1, QueueHeader_length);
      if (!last) store<u32>(map, (head + 1) % size, QueueHeader_head);
    }
  }
  releaseMapLock(map + QueueHeader_lock);
  return error;
}

export function queuePop(map: u32, value: u32): i32 {
  return takeValue(map, value, true);
}

export function queuePeek(map: u32, value: u32): i32 {
  return takeValue(map, value, false);
}
