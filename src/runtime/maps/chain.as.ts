import {
  BPF_MAP_TYPE_DEVMAP_HASH,
  HashElement_SIZE,
  HashElement_generation,
  HashElement_hash,
  HashElement_next,
  HashHeader_bucket_mask,
  HashHeader_buckets,
  HashHeader_lock_mask,
  HashHeader_locks,
  MapHeader_key_size,
  MapHeader_type,
} from "../../layout/layout.generated.as";
import { equalBytes } from "../bytes.as";
import { burnFuel, oweFuel } from "../fuel.as";
import { hashKey, hashKey16, hashKey4, hashKey8 } from "./keyHash.as";

/**
 * Chains of a hash table. A bucket's head and each element's `next` hold the address of the next element, or the end marker of the bucket
 * (number << 1 | 1); a head that was never used holds 0.
 *
 *   writer, holding the bucket's lock
 *     add:    1. generation becomes odd   2. key, hash, value   3. next = head   4. generation becomes even   5. head = element
 *     remove: 1. the word that pointed to the element = its next; the element keeps `next`, so that readers who stand on it walk on
 *   reader, without a lock
 *     walks from the head. An element that is removed and handed out again meanwhile leads into another chain: the end marker there is another
 *     bucket's, and the reader starts again. As elements are only ever added at the head, one that came back into the same chain leads past all
 *     of it. A key counts as equal only if the generation was even and the same before and after the comparison, so that no half-written key
 *     matches. (The order of plain and atomic loads holds on x86-64; elsewhere the check narrows the window without closing it.)
 *
 * What a reader returns may be removed the moment after, and its value reused: so it is in the kernel.
 * A program may have overwritten any of these words. A walk ends after WALK_LIMIT steps with "not there", and a long one burns fuel.
 */
const WALK_LIMIT: u32 = 65536;
const FREE_STEPS: u32 = 64;

/** Burns fuel for the steps of a walk that `left` of WALK_LIMIT remain of. */
function chargeWalk(left: u32): void {
  if (left < WALK_LIMIT - FREE_STEPS) burnFuel(i64(WALK_LIMIT - left));
}

/** Compares keys; T says the size: u32, u64 and v128 for 4, 8 and 16 bytes, u8 for `size`. */
function sameKey<T>(element: u32, key: u32, size: u32): bool {
  if (sizeof<T>() == 4) return load<u32>(element, HashElement_SIZE) == load<u32>(key);
  if (sizeof<T>() == 8) {
    return load<u32>(element, HashElement_SIZE) == load<u32>(key) && load<u32>(element, HashElement_SIZE + 4) == load<u32>(key, 4);
  }
  if (sizeof<T>() == 16) {
    return (
      load<u32>(element, HashElement_SIZE) == load<u32>(key) &&
      load<u32>(element, HashElement_SIZE + 4) == load<u32>(key, 4) &&
      load<u32>(element, HashElement_SIZE + 8) == load<u32>(key, 8) &&
      load<u32>(element, HashElement_SIZE + 12) == load<u32>(key, 12)
    );
  }
  return equalBytes(element + HashElement_SIZE, key, size);
}

function hashOf<T>(key: u32, size: u32): u32 {
  if (isSigned<T>()) return load<u32>(key);
  if (sizeof<T>() == 4) return hashKey4(key);
  if (sizeof<T>() == 8) return hashKey8(key);
  if (sizeof<T>() == 16) return hashKey16(key);
  return hashKey(key, size);
}

/** DEVMAP_HASH takes the key itself, so that a broadcast meets the devices in the kernel's order (kernel/bpf/devmap.c: dev_map_index_hash). */
function isNumbered(map: u32): bool {
  return load<u32>(map, MapHeader_type) == BPF_MAP_TYPE_DEVMAP_HASH;
}

/** The element with this key, or 0. Takes no lock. */
function find<T>(map: u32, key: u32, size: u32): u32 {
  const hash = hashOf<T>(key, size);
  const bucket = hash & load<u32>(map, HashHeader_bucket_mask);
  const head = load<u32>(map, HashHeader_buckets) + (bucket << 2);
  const end = (bucket << 1) | 1;
  let left = WALK_LIMIT;
  let element = atomic.load<u32>(head);
  while (element != 0) {
    while ((element & 1) == 0) {
      if (load<u32>(element, HashElement_hash) == hash) {
        const generation = atomic.load<u32>(element, HashElement_generation);
        if (sameKey<T>(element, key, size)) {
          if ((generation & 1) == 0 && atomic.load<u32>(element, HashElement_generation) == generation) {
            chargeWalk(left);
            return element;
          }
          element = 1;
          break;
        }
      }
      if (--left == 0) {
        chargeWalk(left);
        return 0;
      }
      element = load<u32>(element, HashElement_next);
    }
    if (element == end || --left == 0) {
      chargeWalk(left);
      return 0;
    }
    element = atomic.load<u32>(head);
  }
  return 0;
}

/** In a DEVMAP_HASH, whose hash is the key. The signed type stands for that (hashOf). */
export function findNumber(map: u32, key: u32): u32 {
  return find<i32>(map, key, 4);
}

export function find4(map: u32, key: u32): u32 {
  return find<u32>(map, key, 4);
}

export function find8(map: u32, key: u32): u32 {
  return find<u64>(map, key, 8);
}

export function find16(map: u32, key: u32): u32 {
  return find<v128>(map, key, 16);
}

export function findAny(map: u32, key: u32): u32 {
  return find<u8>(map, key, load<u32>(map, MapHeader_key_size));
}

export function hashOfKey(map: u32, key: u32): u32 {
  const size = load<u32>(map, MapHeader_key_size);
  if (size == 4) return isNumbered(map) ? load<u32>(key) : hashKey4(key);
  if (size == 8) return hashKey8(key);
  if (size == 16) return hashKey16(key);
  return hashKey(key, size);
}

/** Address of the lock word that guards the bucket of this hash. */
export function bucketLock(map: u32, hash: u32): u32 {
  const bucket = hash & load<u32>(map, HashHeader_bucket_mask);
  return load<u32>(map, HashHeader_locks) + ((bucket & load<u32>(map, HashHeader_lock_mask)) << 2);
}

/** Address of the head of the bucket of this hash. */
export function bucketHead(map: u32, hash: u32): u32 {
  return load<u32>(map, HashHeader_buckets) + ((hash & load<u32>(map, HashHeader_bucket_mask)) << 2);
}

/** The element with this key, or 0. The caller holds the bucket's lock, and nothing else that would be lost if the walk used up the fuel. */
export function findLocked(map: u32, key: u32, hash: u32): u32 {
  const element = findOwing(map, key, hash);
  // Nothing has been changed yet: what was owed before is paid here too.
  burnFuel(0);
  return element;
}

/** The same for a caller who has an element in his hands: the walk ends no run. */
export function findOwing(map: u32, key: u32, hash: u32): u32 {
  const size = load<u32>(map, MapHeader_key_size);
  let left = WALK_LIMIT;
  let element = load<u32>(bucketHead(map, hash));
  while (element != 0 && (element & 1) == 0) {
    if (load<u32>(element, HashElement_hash) == hash && equalBytes(element + HashElement_SIZE, key, size)) break;
    if (--left == 0) break;
    element = load<u32>(element, HashElement_next);
  }
  if (left < WALK_LIMIT - FREE_STEPS) oweFuel(i64(WALK_LIMIT - left));
  return left == 0 || (element & 1) != 0 ? 0 : element;
}

/** Before key, hash and value of an element are written. */
export function beginElement(element: u32): void {
  atomic.store<u32>(element, load<u32>(element, HashElement_generation) | 1, HashElement_generation);
}

/** Puts a written element at the head of its bucket. The caller holds the bucket's lock. */
export function addElement(map: u32, element: u32, hash: u32): void {
  const bucket = hash & load<u32>(map, HashHeader_bucket_mask);
  const head = load<u32>(map, HashHeader_buckets) + (bucket << 2);
  const first = load<u32>(head);
  store<u32>(element, hash, HashElement_hash);
  atomic.store<u32>(element, first == 0 ? (bucket << 1) | 1 : first, HashElement_next);
  atomic.store<u32>(element, load<u32>(element, HashElement_generation) + 1, HashElement_generation);
  atomic.store<u32>(head, element);
}

/**
 * Takes an element out of the bucket of this hash; false if it is not there. The caller holds the bucket's lock. Ends no run: an update has put the new element of
 * the key into the bucket before, and the old one must not stay there beside it.
 */
export function removeElement(map: u32, element: u32, hash: u32): bool {
  let word = bucketHead(map, hash);
  let left = WALK_LIMIT;
  for (;;) {
    const next = load<u32>(word);
    if (next == element) break;
    if (next == 0 || (next & 1) != 0 || --left == 0) {
      oweFuel(i64(WALK_LIMIT - left));
      return false;
    }
    word = next + HashElement_next;
  }
  if (left < WALK_LIMIT - FREE_STEPS) oweFuel(i64(WALK_LIMIT - left));
  atomic.store<u32>(word, load<u32>(element, HashElement_next));
  return true;
}
