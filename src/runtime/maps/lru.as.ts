import {
  CpuBlock_id,
  HashElement_hash,
  HashElement_link,
  HashHeader_lru,
  HashHeader_value_offset,
  LruLocal_free,
  LruLocal_lock,
  LruLocal_next_steal,
  LruLocal_pending,
  LruLocal_SIZE,
  LruNode_cpu,
  LruNode_list,
  LruState_active,
  LruState_active_count,
  LruState_cpu_count,
  LruState_cursor,
  LruState_evicted,
  LruState_free,
  LruState_fresh,
  LruState_fresh_end,
  LruState_inactive,
  LruState_inactive_count,
  LruState_limit,
  LruState_locals,
  LruState_lock,
  LruState_scans,
  LruState_SIZE,
  LruState_target_free,
  MapHeader_elements,
  MapHeader_stride,
} from "../../layout/layout.generated.as";
import { cpu } from "../cpu.as";
import { releaseMapLock, takeMapLock } from "../lock.as";
import { freeAsyncs } from "../timers.as";
import { bucketLock, removeElement } from "./chain.as";
import { attach, FREE, isolate, LOCAL_FREE, LOCAL_PENDING, move, moveToActive, moveToInactive, nextOf, nodeAt, previousOf } from "./lruList.as";
import { freshElement } from "./pool.as";

/**
 * Which element of an LRU map is given up when a new one is needed, as Linux decides it (documented in Documentation/bpf/map_hash.rst, decisions
 * of kernel/bpf/bpf_lru_list.c).
 *
 * A lookup only sets the element's reference bit (`link`). Elements in use stand in an active and an inactive list, newest first. Each CPU
 * takes free elements in batches of `target_free` into a list of its own; what it handed out waits in its pending list until the next batch, when
 * pending elements go to the active list if they were looked up since, else to the inactive one. At each batch the lists are rotated: from the tail of
 * the active list (if the inactive one is shorter) `scans` nodes are looked at, the referenced stay active, the others become inactive; then as
 * many of the inactive, from the cursor on, of which the referenced become active. If too few elements are free, unreferenced ones are taken from the
 * tail of the inactive list, at most `scans` looked at; if that gave none, one from the tail regardless. If that too gave none, other CPUs' free and pending lists
 * are robbed, beginning where the last robbery ended.
 * With BPF_F_NO_COMMON_LRU each CPU has its own lists and elements, no batches, and gives up 4 at a time.
 *
 * Locks, in this order: a CPU's local lists; the state; a bucket. Lookups take none. Taking an element for the same key twice at once may
 * happen on two CPUs; the update finds the other's element under the bucket's lock.
 */
function clearReference(map: u32, index: u32): void {
  store<u32>(elementAt(map, index), 0, HashElement_link);
}

function isReferenced(map: u32, index: u32): bool {
  return load<u32>(elementAt(map, index), HashElement_link) != 0;
}

function elementAt(map: u32, index: u32): u32 {
  return load<u32>(map, MapHeader_elements) + index * load<u32>(map, MapHeader_stride);
}

function indexOf(map: u32, element: u32): u32 {
  return (element - load<u32>(map, MapHeader_elements)) / load<u32>(map, MapHeader_stride);
}

/** Takes an element out of the table; false if it is not in it (its update is still under way). */
function evict(map: u32, state: u32, index: u32): bool {
  const element = elementAt(map, index);
  const hash = load<u32>(element, HashElement_hash);
  const lock = bucketLock(map, hash);
  takeMapLock(lock);
  const found = removeElement(map, element, hash);
  releaseMapLock(lock);
  if (!found) return false;
  freeAsyncs(map, element + load<u32>(map, HashHeader_value_offset));
  store<u32>(state, load<u32>(state, LruState_evicted) + 1, LruState_evicted);
  return true;
}

function rotateActive(map: u32, state: u32): void {
  const head = load<u32>(state, LruState_active);
  const first = nextOf(state, head);
  let index = previousOf(state, head);
  for (let left = load<u32>(state, LruState_scans); left > 0 && index != head; left--) {
    const newer = previousOf(state, index);
    const last = index == first;
    const referenced = isReferenced(map, index);
    clearReference(map, index);
    if (referenced) moveToActive(state, index);
    else moveToInactive(state, index);
    if (last) break;
    index = newer;
  }
}

function rotateInactive(map: u32, state: u32): void {
  const head = load<u32>(state, LruState_inactive);
  if (nextOf(state, head) == head) return;
  let index = load<u32>(state, LruState_cursor);
  let last = nextOf(state, index);
  if (last == head) last = nextOf(state, last);
  let newer = head;
  let left = load<u32>(state, LruState_scans);
  while (left > 0) {
    if (index == head) {
      index = previousOf(state, index);
      if (index == head) break;
      continue;
    }
    newer = previousOf(state, index);
    if (isReferenced(map, index)) {
      clearReference(map, index);
      moveToActive(state, index);
    }
    if (index == last) break;
    index = newer;
    left--;
  }
  store<u32>(state, newer, LruState_cursor);
}

function rotate(map: u32, state: u32): void {
  if (load<u32>(state, LruState_inactive_count) < load<u32>(state, LruState_active_count)) rotateActive(map, state);
  rotateInactive(map, state);
}

/** Gives up to `wanted` elements up and puts them into the free list `head`. */
function shrink(map: u32, state: u32, wanted: u32, head: u32, list: u32): void {
  const inactive = load<u32>(state, LruState_inactive);
  let freed: u32 = 0;
  let index = previousOf(state, inactive);
  for (let left = load<u32>(state, LruState_scans); left > 0 && index != inactive; left--) {
    const newer = previousOf(state, index);
    if (isReferenced(map, index)) {
      clearReference(map, index);
      moveToActive(state, index);
    } else if (evict(map, state, index)) {
      move(state, index, head, list);
      if (++freed == wanted) break;
    }
    index = newer;
  }
  if (freed > 0) return;
  const forced = nextOf(state, inactive) != inactive ? inactive : load<u32>(state, LruState_active);
  index = previousOf(state, forced);
  for (let left = load<u32>(state, LruState_limit); left > 0 && index != forced; left--) {
    if (evict(map, state, index)) {
      move(state, index, head, list);
      return;
    }
    index = previousOf(state, index);
  }
}

/** Moves free elements of the state to the head of `head`, up to `wanted`; those never handed out come last. How many were moved. */
function takeFree(map: u32, state: u32, wanted: u32, head: u32, list: u32): u32 {
  let taken: u32 = 0;
  const free = load<u32>(state, LruState_free);
  while (taken < wanted) {
    const index = nextOf(state, free);
    if (index == free) break;
    move(state, index, head, list);
    taken++;
  }
  while (taken < wanted) {
    const fresh = load<u32>(state, LruState_fresh);
    if (fresh >= load<u32>(state, LruState_fresh_end)) break;
    store<u32>(state, fresh + 1, LruState_fresh);
    freshElement(map, fresh);
    attach(state, fresh, head, list);
    taken++;
  }
  return taken;
}

/** Refills a CPU's free list from the state. The caller holds the CPU's lock. */
function refill(map: u32, state: u32, local: u32): void {
  takeMapLock(state + LruState_lock);
  const pending = load<u32>(local, LruLocal_pending);
  let index = previousOf(state, pending);
  for (let left = load<u32>(state, LruState_limit); left > 0 && index != pending; left--) {
    const newer = previousOf(state, index);
    const referenced = isReferenced(map, index);
    clearReference(map, index);
    if (referenced) moveToActive(state, index);
    else moveToInactive(state, index);
    index = newer;
  }
  rotate(map, state);
  const wanted = load<u32>(state, LruState_target_free);
  const free = load<u32>(local, LruLocal_free);
  const taken = takeFree(map, state, wanted, free, LOCAL_FREE);
  if (taken < wanted) shrink(map, state, wanted - taken, free, LOCAL_FREE);
  releaseMapLock(state + LruState_lock);
}

/** No node. */
const NONE: u32 = 0xffffffff;

/** First free element of a CPU. It stays where it is. */
function firstFree(state: u32, local: u32): u32 {
  const head = load<u32>(local, LruLocal_free);
  const index = nextOf(state, head);
  return index == head ? NONE : index;
}

/** An element that a CPU handed out lately: the oldest that was not looked up, or the oldest. It leaves the table. */
function reclaimPending(map: u32, state: u32, local: u32): u32 {
  const head = load<u32>(local, LruLocal_pending);
  for (let pass: u32 = 0; pass < 2; pass++) {
    let index = previousOf(state, head);
    for (let left = load<u32>(state, LruState_limit); left > 0 && index != head; left--) {
      if ((pass == 1 || !isReferenced(map, index)) && evict(map, state, index)) return index;
      index = previousOf(state, index);
    }
  }
  return NONE;
}

function addPending(map: u32, state: u32, local: u32, index: u32, hash: u32, own: u32): void {
  const element = elementAt(map, index);
  store<u32>(element, hash, HashElement_hash);
  store<u32>(element, 0, HashElement_link);
  store<u32>(nodeAt(state, index), own, LruNode_cpu);
  move(state, index, load<u32>(local, LruLocal_pending), LOCAL_PENDING);
}

function takeCommon(map: u32, state: u32, hash: u32): u32 {
  const own = load<u32>(cpu, CpuBlock_id);
  const locals = load<u32>(state, LruState_locals);
  const local = locals + own * LruLocal_SIZE;
  takeMapLock(local + LruLocal_lock);
  let index = firstFree(state, local);
  if (index == NONE) {
    refill(map, state, local);
    index = firstFree(state, local);
  }
  if (index != NONE) addPending(map, state, local, index, hash, own);
  releaseMapLock(local + LruLocal_lock);
  return index != NONE ? elementAt(map, index) : rob(map, state, local, hash, own);
}

/** Takes an element from any CPU's local lists, beginning where the last robbery ended. */
function rob(map: u32, state: u32, local: u32, hash: u32, own: u32): u32 {
  const count = load<u32>(state, LruState_cpu_count);
  let victim = load<u32>(local, LruLocal_next_steal) % count;
  let index = NONE;
  for (let left = count; left > 0 && index == NONE; left--) {
    const other = load<u32>(state, LruState_locals) + victim * LruLocal_SIZE;
    takeMapLock(other + LruLocal_lock);
    index = firstFree(state, other);
    if (index == NONE) index = reclaimPending(map, state, other);
    if (index != NONE) isolate(state, index);
    releaseMapLock(other + LruLocal_lock);
    victim = victim + 1 == count ? 0 : victim + 1;
  }
  store<u32>(local, victim, LruLocal_next_steal);
  if (index == NONE) return 0;
  takeMapLock(local + LruLocal_lock);
  addPending(map, state, local, index, hash, own);
  releaseMapLock(local + LruLocal_lock);
  return elementAt(map, index);
}

function takeOwn(map: u32, state: u32, hash: u32): u32 {
  takeMapLock(state + LruState_lock);
  rotate(map, state);
  const inactive = load<u32>(state, LruState_inactive);
  const free = load<u32>(state, LruState_free);
  if (nextOf(state, free) == free && load<u32>(state, LruState_fresh) >= load<u32>(state, LruState_fresh_end)) {
    shrink(map, state, load<u32>(state, LruState_target_free), free, FREE);
  }
  let element: u32 = 0;
  if (nextOf(state, free) == free) takeFree(map, state, 1, free, FREE);
  const index = nextOf(state, free);
  if (index != free) {
    element = elementAt(map, index);
    store<u32>(element, hash, HashElement_hash);
    store<u32>(element, 0, HashElement_link);
    store<u32>(nodeAt(state, index), load<u32>(cpu, CpuBlock_id), LruNode_cpu);
    moveToInactive(state, index);
  }
  releaseMapLock(state + LruState_lock);
  return element;
}

/** An element for a key with this hash, in no chain; 0 when every element is in use by an update under way. */
export function lruTake(map: u32, hash: u32): u32 {
  const state = load<u32>(map, HashHeader_lru);
  if (load<u32>(state, LruState_locals) != 0) return takeCommon(map, state, hash);
  return takeOwn(map, state + load<u32>(cpu, CpuBlock_id) * LruState_SIZE, hash);
}

/** Gives an element back that is in no chain (any more). */
export function lruGive(map: u32, element: u32): void {
  let state = load<u32>(map, HashHeader_lru);
  const index = indexOf(map, element);
  const node = nodeAt(state, index);
  const owner = load<u32>(node, LruNode_cpu) % load<u32>(state, LruState_cpu_count);
  if (load<u32>(state, LruState_locals) == 0) state += owner * LruState_SIZE;
  else if (atomic.load<u32>(node, LruNode_list) == LOCAL_PENDING) {
    const local = load<u32>(state, LruState_locals) + owner * LruLocal_SIZE;
    takeMapLock(local + LruLocal_lock);
    const pending = atomic.load<u32>(node, LruNode_list) == LOCAL_PENDING;
    if (pending) {
      store<u32>(element, 0, HashElement_link);
      move(state, index, load<u32>(local, LruLocal_free), LOCAL_FREE);
    }
    releaseMapLock(local + LruLocal_lock);
    if (pending) return;
  }
  takeMapLock(state + LruState_lock);
  const list = load<u32>(node, LruNode_list);
  if (list != FREE && list != LOCAL_FREE) {
    store<u32>(element, 0, HashElement_link);
    move(state, index, load<u32>(state, LruState_free), FREE);
  }
  releaseMapLock(state + LruState_lock);
}
