import {
  AsyncState_child,
  AsyncState_expiry,
  AsyncState_generation,
  AsyncState_previous,
  AsyncState_queue,
  AsyncState_sibling,
  AsyncState_turn,
  TimerQueue_lock,
  TimerQueue_next,
  TimerQueue_root,
  TimerQueue_running_generation,
  TimerQueue_turn,
} from "../layout/layout.generated.as";
import { releaseMapLock, takeMapLock } from "./lock.as";

/**
 * What waits for its time on one CPU: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) of AsyncStates, the earliest first, in order of starting among
 * those due at the same time. Everything under the queue's lock; `next` alone is read without it.
 */
function isBefore(a: u32, b: u32): bool {
  const left = load<i64>(a, AsyncState_expiry);
  const right = load<i64>(b, AsyncState_expiry);
  return left < right || (left == right && load<u64>(a, AsyncState_turn) < load<u64>(b, AsyncState_turn));
}

/** Joins two heaps whose roots have no siblings. */
function merge(a: u32, b: u32): u32 {
  if (a == 0) return b;
  if (b == 0) return a;
  const first = isBefore(b, a);
  const root = first ? b : a;
  const other = first ? a : b;
  const child = load<u32>(root, AsyncState_child);
  store<u32>(other, child, AsyncState_sibling);
  if (child != 0) store<u32>(child, other, AsyncState_previous);
  store<u32>(other, root, AsyncState_previous);
  store<u32>(root, other, AsyncState_child);
  return root;
}

/** Joins a row of siblings: in pairs from the first on, then the pairs from the last on. */
function mergeSiblings(first: u32): u32 {
  let pairs: u32 = 0;
  let next = first;
  while (next != 0) {
    const a = next;
    const b = load<u32>(a, AsyncState_sibling);
    next = b == 0 ? 0 : load<u32>(b, AsyncState_sibling);
    alone(a);
    if (b != 0) alone(b);
    const pair = merge(a, b);
    store<u32>(pair, pairs, AsyncState_sibling);
    pairs = pair;
  }
  let root: u32 = 0;
  while (pairs != 0) {
    const rest = load<u32>(pairs, AsyncState_sibling);
    store<u32>(pairs, 0, AsyncState_sibling);
    root = merge(root, pairs);
    pairs = rest;
  }
  return root;
}

function alone(state: u32): void {
  store<u32>(state, 0, AsyncState_sibling);
  store<u32>(state, 0, AsyncState_previous);
}

function setRoot(queue: u32, root: u32): void {
  store<u32>(queue, root, TimerQueue_root);
  atomic.store<i64>(queue, root == 0 ? i64.MAX_VALUE : load<i64>(root, AsyncState_expiry), TimerQueue_next);
}

function take(queue: u32, state: u32): void {
  const children = mergeSiblings(load<u32>(state, AsyncState_child));
  const root = load<u32>(queue, TimerQueue_root);
  if (state == root) setRoot(queue, children);
  else {
    const previous = load<u32>(state, AsyncState_previous);
    const sibling = load<u32>(state, AsyncState_sibling);
    if (load<u32>(previous, AsyncState_child) == state) store<u32>(previous, sibling, AsyncState_child);
    else store<u32>(previous, sibling, AsyncState_sibling);
    if (sibling != 0) store<u32>(sibling, previous, AsyncState_previous);
    setRoot(queue, merge(root, children));
  }
  store<u32>(state, 0, AsyncState_child);
  alone(state);
  atomic.store<u32>(state, 0, AsyncState_queue);
}

/** Puts a state that waits nowhere into a queue. The caller holds the state's lock. */
export function enqueue(queue: u32, state: u32, expiry: i64): void {
  takeMapLock(queue + TimerQueue_lock);
  const turn = load<u64>(queue, TimerQueue_turn);
  store<u64>(queue, turn + 1, TimerQueue_turn);
  store<u64>(state, turn, AsyncState_turn);
  store<i64>(state, expiry, AsyncState_expiry);
  store<u32>(state, 0, AsyncState_child);
  alone(state);
  atomic.store<u32>(state, queue, AsyncState_queue);
  setRoot(queue, merge(load<u32>(queue, TimerQueue_root), state));
  releaseMapLock(queue + TimerQueue_lock);
}

/** Takes a state out of whichever queue it waits in; false if it waits in none. The caller holds the state's lock, so that it is put into no other meanwhile. */
export function dequeue(state: u32): bool {
  const queue = atomic.load<u32>(state, AsyncState_queue);
  if (queue == 0) return false;
  takeMapLock(queue + TimerQueue_lock);
  // Its CPU may have taken it out to run it.
  const waits = atomic.load<u32>(state, AsyncState_queue) == queue;
  if (waits) take(queue, state);
  releaseMapLock(queue + TimerQueue_lock);
  return waits;
}

/** Takes the earliest out if it is due at `time`, and notes its generation as the one that runs; 0 if none is. */
export function takeDue(queue: u32, time: i64): u32 {
  takeMapLock(queue + TimerQueue_lock);
  let state = load<u32>(queue, TimerQueue_root);
  if (state != 0 && load<i64>(state, AsyncState_expiry) <= time) {
    take(queue, state);
    atomic.store<u32>(queue, atomic.load<u32>(state, AsyncState_generation), TimerQueue_running_generation);
  } else state = 0;
  releaseMapLock(queue + TimerQueue_lock);
  return state;
}
