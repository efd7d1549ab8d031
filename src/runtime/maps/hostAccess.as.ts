/**
 * Maps as user space reads them with bpf(2), while programs may run: keys and values are copied out under the lock that guards them, so that a value is
 * always the one of its key, also when the element is handed out again the moment after. (What a program writes through a pointer into a value it holds is not held
 * up by that, as in the kernel; BPF_F_LOCK takes the value's own bpf_spin_lock.) Values of per-CPU kinds are copied for all CPUs, each padded to 8 bytes.
 */
import {
  BPF_F_LOCK,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_SOCKHASH,
  BPF_MAP_TYPE_STACK,
  EINVAL,
  ENOENT,
  ENOSPC,
  ENOTSUPP,
  HashElement_next,
  HashElement_SIZE,
  HashHeader_bucket_mask,
  HashHeader_buckets,
  HashHeader_capacity,
  HashHeader_lock_mask,
  HashHeader_locks,
  HashHeader_value_offset,
  LPM_ENTRY,
  LpmHeader_capacity,
  LpmHeader_fresh,
  LpmHeader_lock,
  LpmHeader_max_prefix,
  LpmHeader_value_offset,
  LpmNode_kind,
  LpmNode_prefix_length,
  LpmNode_SIZE,
  MapHeader_cpu_count,
  MapHeader_cpu_stride,
  MapHeader_elements,
  MapHeader_key_size,
  MapHeader_max_entries,
  MapHeader_spin_lock,
  MapHeader_stride,
  MapHeader_type,
  MapHeader_value_size,
  QueueHeader_head,
  QueueHeader_length,
  QueueHeader_lock,
  SkStorageHeader_lock,
} from "../../layout/layout.generated.as";
import { copyBytes } from "../bytes.as";
import { releaseMapLock, spinLock, spinUnlock, takeMapLock } from "../lock.as";
import { bucketLock, findLocked, hashOfKey } from "./chain.as";
import { hashTake, percpuValue } from "./hash.as";
import { lpmLookup } from "./lpm.as";
import { lruTakeElem } from "./lruHash.as";
import { hostLookupElem } from "./operations.as";
import { queuePeek, queuePop } from "./queue.as";
import { readStorage, skStorageLookup } from "./skStorage.as";
import { copyOut } from "./value.as";

/** Cursor behind the last element. */
const END: u32 = 0xffffffff;
/** In front of a batch: u32 entries in it, u32 cursor of the next. */
const BATCH_HEADER: u32 = 8;

function isHash(type: u32): bool {
  switch (type) {
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case BPF_MAP_TYPE_HASH_OF_MAPS:
    case BPF_MAP_TYPE_DEVMAP_HASH:
    case BPF_MAP_TYPE_SOCKHASH:
      return true;
    default:
      return false;
  }
}

/** Where CPU 0's value of a hash element stands. */
function valueOf(map: u32, element: u32): u32 {
  return load<u32>(map, MapHeader_cpu_stride) == 0 ? element + load<u32>(map, HashHeader_value_offset) : percpuValue(map, element, 0);
}

/** Copies a value of the map out, under its bpf_spin_lock where `flags` ask for that. */
function copyLocked(map: u32, from: u32, to: u32, flags: u64): void {
  if ((flags & BPF_F_LOCK) == 0) {
    copyOut(map, from, to);
    return;
  }
  const lock = from + load<u32>(map, MapHeader_spin_lock) - 1;
  spinLock(lock);
  copyOut(map, from, to);
  spinUnlock(lock);
}

/** BPF_MAP_LOOKUP_ELEM: 0 with the value at `to`, -ENOENT, or -EINVAL for BPF_F_LOCK on a map without locks. A QUEUE or STACK gives what pop would. */
export function hostReadElem(map: u32, key: u32, to: u32, flags: u64): i32 {
  if ((flags & BPF_F_LOCK) != 0 && load<u32>(map, MapHeader_spin_lock) == 0) return -i32(EINVAL);
  const type = load<u32>(map, MapHeader_type);
  if (isHash(type)) {
    const hash = hashOfKey(map, key);
    const lock = bucketLock(map, hash);
    takeMapLock(lock);
    const element = findLocked(map, key, hash);
    if (element != 0) copyLocked(map, valueOf(map, element), to, flags);
    releaseMapLock(lock);
    return element == 0 ? -i32(ENOENT) : 0;
  }
  if (type == BPF_MAP_TYPE_LPM_TRIE) {
    takeMapLock(map + LpmHeader_lock);
    const at = lpmLookup(map, key);
    if (at != 0) copyOut(map, at, to);
    releaseMapLock(map + LpmHeader_lock);
    return at == 0 ? -i32(ENOENT) : 0;
  }
  if (type == BPF_MAP_TYPE_QUEUE || type == BPF_MAP_TYPE_STACK) return queuePeek(map, to);
  if (type == BPF_MAP_TYPE_SK_STORAGE) {
    takeMapLock(map + SkStorageHeader_lock);
    const at = skStorageLookup(map, key);
    if (at != 0) copyLocked(map, at, to, flags);
    releaseMapLock(map + SkStorageHeader_lock);
    return at == 0 ? -i32(ENOENT) : 0;
  }
  const at = hostLookupElem(map, key);
  if (at == 0) return -i32(ENOENT);
  copyLocked(map, at, to, flags);
  return 0;
}

/** BPF_MAP_LOOKUP_AND_DELETE_ELEM: 0 with the value at `to`, -ENOENT, or -ENOTSUPP where the kernel has no such operation. */
export function hostTakeElem(map: u32, key: u32, to: u32): i32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
      return hashTake(map, key, to);
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      return lruTakeElem(map, key, to);
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
      return queuePop(map, to);
    default:
      return -i32(ENOTSUPP);
  }
}

function padded(size: u32): u32 {
  return (size + 7) & ~7;
}

/** Bytes of a value as user space gets it. */
function valueSize(map: u32): u32 {
  const size = padded(load<u32>(map, MapHeader_value_size));
  return load<u32>(map, MapHeader_cpu_stride) == 0 ? size : size * load<u32>(map, MapHeader_cpu_count);
}

function lockOfBucket(map: u32, bucket: u32): u32 {
  return load<u32>(map, HashHeader_locks) + ((bucket & load<u32>(map, HashHeader_lock_mask)) << 2);
}

/** First element of a bucket, or an odd number or 0 for none. */
function bucketHead(map: u32, bucket: u32): u32 {
  return atomic.load<u32>(load<u32>(map, HashHeader_buckets) + (bucket << 2));
}

function isElement(link: u32): bool {
  return link != 0 && (link & 1) == 0;
}

/**
 * BPF_MAP_LOOKUP_BATCH: copies entries from `cursor` (0: the first) on to `to`, as many as `room` bytes hold: u32 how many, u32 cursor of the next, and then for
 * each the key and, unless `keysOnly`, the value, each padded to 8 bytes. A hash table's buckets are copied whole, each under its lock, so a walk meets each
 * key that is there from its beginning to its end exactly once, and ends. 0, or -ENOSPC when the next bucket has more than fit: then the first word says how many.
 */
export function hostReadBatch(map: u32, cursor: u32, to: u32, room: u32, keysOnly: bool): i32 {
  const type = load<u32>(map, MapHeader_type);
  store<u32>(to, 0);
  store<u32>(to, END, 4);
  if (isHash(type)) return readBuckets(map, cursor, to, room, keysOnly);
  if (type == BPF_MAP_TYPE_LPM_TRIE) return readNodes(map, cursor, to, room, keysOnly);
  if (type == BPF_MAP_TYPE_QUEUE || type == BPF_MAP_TYPE_STACK) return readQueue(map, to, room);
  if (type == BPF_MAP_TYPE_SK_STORAGE) return readStorage(map, cursor, to, room, keysOnly);
  return readArray(map, cursor, to, room, keysOnly);
}

function readBuckets(map: u32, cursor: u32, to: u32, room: u32, keysOnly: bool): i32 {
  const mask = load<u32>(map, HashHeader_bucket_mask);
  const keySize = padded(load<u32>(map, MapHeader_key_size));
  const size = keySize + (keysOnly ? 0 : valueSize(map));
  let at = to + BATCH_HEADER;
  const end = to + room;
  // A chain that is longer than the map has elements was overwritten.
  const longest = load<u32>(map, HashHeader_capacity);
  let count: u32 = 0;
  for (let bucket = cursor; bucket <= mask; bucket++) {
    if (!isElement(bucketHead(map, bucket))) continue;
    const lock = lockOfBucket(map, bucket);
    takeMapLock(lock);
    let length: u32 = 0;
    let element = bucketHead(map, bucket);
    for (; isElement(element) && length < longest; length++) {
      // Goes on counting when the room is used up, to say how much would be needed.
      const record = at + length * size;
      if (record + size <= end) {
        copyBytes(record, element + HashElement_SIZE, load<u32>(map, MapHeader_key_size));
        if (!keysOnly) copyOut(map, valueOf(map, element), record + keySize);
      }
      element = load<u32>(element, HashElement_next);
    }
    releaseMapLock(lock);
    if (u64(at) + u64(length) * u64(size) > u64(end)) {
      store<u32>(to, count == 0 ? length : count);
      store<u32>(to, bucket, 4);
      return count == 0 ? -i32(ENOSPC) : 0;
    }
    count += length;
    at += length * size;
  }
  store<u32>(to, count);
  return 0;
}

function readNodes(map: u32, cursor: u32, to: u32, room: u32, keysOnly: bool): i32 {
  const keySize = padded(load<u32>(map, MapHeader_key_size));
  const size = keySize + (keysOnly ? 0 : valueSize(map));
  const elements = load<u32>(map, MapHeader_elements);
  const stride = load<u32>(map, MapHeader_stride);
  let at = to + BATCH_HEADER;
  let count: u32 = 0;
  takeMapLock(map + LpmHeader_lock);
  const limit = min(load<u32>(map, LpmHeader_fresh), load<u32>(map, LpmHeader_capacity));
  let index = cursor;
  for (; index < limit; index++) {
    const node = elements + index * stride;
    if (load<u32>(node, LpmNode_kind) != LPM_ENTRY) continue;
    if (at + size > to + room) break;
    copyPrefix(map, node, at);
    if (!keysOnly) copyOut(map, node + load<u32>(map, LpmHeader_value_offset), at + keySize);
    at += size;
    count++;
  }
  releaseMapLock(map + LpmHeader_lock);
  store<u32>(to, count);
  if (index < limit) store<u32>(to, index, 4);
  return tooSmall(to, index < limit);
}

/** -ENOSPC, and that one entry was meant, when there are more but none was written. */
function tooSmall(to: u32, more: bool): i32 {
  if (!more || load<u32>(to) != 0) return 0;
  store<u32>(to, 1);
  return -i32(ENOSPC);
}

function copyPrefix(map: u32, node: u32, to: u32): void {
  store<u32>(to, load<u32>(node, LpmNode_prefix_length));
  copyBytes(to + 4, node + LpmNode_SIZE, load<u32>(map, MapHeader_key_size) - 4);
}

function readArray(map: u32, cursor: u32, to: u32, room: u32, keysOnly: bool): i32 {
  const limit = load<u32>(map, MapHeader_max_entries);
  const size = 8 + (keysOnly ? 0 : valueSize(map));
  const elements = load<u32>(map, MapHeader_elements);
  const stride = load<u32>(map, MapHeader_stride);
  let at = to + BATCH_HEADER;
  let index = cursor;
  for (; index < limit && at + size <= to + room; index++) {
    store<u32>(at, index);
    if (!keysOnly) copyOut(map, elements + index * stride, at + 8);
    at += size;
  }
  store<u32>(to, index - cursor);
  if (index < limit) store<u32>(to, index, 4);
  return tooSmall(to, index < limit);
}

/** All values in the order in which pop would give them; in one piece, because the order changes with every push and pop. */
function readQueue(map: u32, to: u32, room: u32): i32 {
  const size = valueSize(map);
  const limit = load<u32>(map, MapHeader_max_entries);
  takeMapLock(map + QueueHeader_lock);
  const head = load<u32>(map, QueueHeader_head);
  const length = min(load<u32>(map, QueueHeader_length), limit);
  const stack = load<u32>(map, MapHeader_type) == BPF_MAP_TYPE_STACK;
  const fits = u64(length) * u64(size) + BATCH_HEADER <= u64(room);
  for (let turn: u32 = 0; fits && turn < length; turn++) {
    const index = (stack ? head + length - 1 - turn : head + turn) % limit;
    copyOut(map, load<u32>(map, MapHeader_elements) + index * load<u32>(map, MapHeader_stride), to + BATCH_HEADER + turn * size);
  }
  releaseMapLock(map + QueueHeader_lock);
  store<u32>(to, length);
  return fits ? 0 : -i32(ENOSPC);
}

/**
 * BPF_MAP_GET_NEXT_KEY: writes the key behind `key` (0: the first) to `to`. 0, or -ENOENT behind the last. A key that is not there is followed by the first, so a
 * walk from key to key can meet a key twice, or never end, when others change the map meanwhile.
 */
export function hostNextKey(map: u32, key: u32, to: u32): i32 {
  const type = load<u32>(map, MapHeader_type);
  if (isHash(type)) return nextInTable(map, key, to);
  if (type == BPF_MAP_TYPE_LPM_TRIE) return nextPrefix(map, key, to);
  if (type == BPF_MAP_TYPE_QUEUE || type == BPF_MAP_TYPE_STACK) return -i32(EINVAL);
  if (type == BPF_MAP_TYPE_SK_STORAGE) return -i32(ENOTSUPP);
  const limit = load<u32>(map, MapHeader_max_entries);
  const index = key == 0 ? END : load<u32>(key);
  if (index == limit - 1) return -i32(ENOENT);
  store<u32>(to, index >= limit ? 0 : index + 1);
  return 0;
}

function nextInTable(map: u32, key: u32, to: u32): i32 {
  const mask = load<u32>(map, HashHeader_bucket_mask);
  let bucket: u32 = 0;
  if (key != 0) {
    const hash = hashOfKey(map, key);
    const lock = bucketLock(map, hash);
    takeMapLock(lock);
    const element = findLocked(map, key, hash);
    const next = element == 0 ? 0 : load<u32>(element, HashElement_next);
    if (isElement(next)) copyBytes(to, next + HashElement_SIZE, load<u32>(map, MapHeader_key_size));
    releaseMapLock(lock);
    if (isElement(next)) return 0;
    if (element != 0) bucket = (hash & mask) + 1;
  }
  for (; bucket <= mask; bucket++) {
    if (!isElement(bucketHead(map, bucket))) continue;
    const lock = lockOfBucket(map, bucket);
    takeMapLock(lock);
    const first = bucketHead(map, bucket);
    if (isElement(first)) copyBytes(to, first + HashElement_SIZE, load<u32>(map, MapHeader_key_size));
    releaseMapLock(lock);
    if (isElement(first)) return 0;
  }
  return -i32(ENOENT);
}

/** In the order of the nodes' places. */
function nextPrefix(map: u32, key: u32, to: u32): i32 {
  const elements = load<u32>(map, MapHeader_elements);
  const stride = load<u32>(map, MapHeader_stride);
  takeMapLock(map + LpmHeader_lock);
  let index: u32 = 0;
  if (key != 0 && load<u32>(key) <= load<u32>(map, LpmHeader_max_prefix)) {
    const at = lpmLookup(map, key);
    const node = at - load<u32>(map, LpmHeader_value_offset);
    if (at != 0 && load<u32>(node, LpmNode_prefix_length) == load<u32>(key)) index = (node - elements) / stride + 1;
  }
  const limit = min(load<u32>(map, LpmHeader_fresh), load<u32>(map, LpmHeader_capacity));
  while (index < limit && load<u32>(elements + index * stride, LpmNode_kind) != LPM_ENTRY) index++;
  if (index < limit) copyPrefix(map, elements + index * stride, to);
  releaseMapLock(map + LpmHeader_lock);
  return index < limit ? 0 : -i32(ENOENT);
}
