import {
  CpuBlock_held_lock,
  CpuBlock_map_lock_depth,
  CpuBlock_map_locks,
  CpuBlock_slot,
  CpuBlock_timers,
  TimerQueue_running,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";
import { burnWait, oweWait } from "./fuel.as";
import { releaseResilientLocks } from "./resilientLock.as";

/**
 * Lock words. 0 is free; else the owner's slot + 1. Taken by compare-and-swap, released by storing 0 without a wake-up: a waiter spins 1,000 times,
 * then sleeps on the word in steps of 50 microseconds. A holder never waits for packets or time, so a lock that is held for a second was
 * overwritten or abandoned by a wrong program; then it is taken over, so that no thread waits for ever. Waiting burns fuel, so that no program waits
 * again and again. Who waits for himself would wait in vain: the run ends.
 *
 * Locks of maps are noted in the CPU block while they are held (at most 4, taken in the order local list, LRU, bucket, timer, timer queue), and so is the one
 * bpf_spin_lock of a run: after a trap the worker calls `releaseLocks`.
 */
const SPINS: u32 = 1000;
const SLEEPS: u32 = 20000;
const SLEEP_NS: i64 = 50000;
const MAX_HELD: u32 = 4;

function acquire(word: u32, owes: bool): void {
  const owner: i32 = i32(load<u32>(cpu, CpuBlock_slot)) + 1;
  for (let sleeps: u32 = 0; sleeps < SLEEPS; sleeps++) {
    for (let spins: u32 = 0; spins < SPINS; spins++) {
      if (atomic.load<i32>(word) == 0 && atomic.cmpxchg<i32>(word, 0, owner) == 0) return;
    }
    const holder = atomic.load<i32>(word);
    if (holder == owner) unreachable();
    if (owes) oweWait();
    else burnWait();
    if (holder != 0) atomic.wait<i32>(word, holder, SLEEP_NS);
  }
  atomic.store<i32>(word, owner);
}

/** Takes a lock of the map implementation and notes it. What waiting costs is owed: an operation that has an element in its hands is not ended for want of fuel. */
export function takeMapLock(word: u32): void {
  const owner: i32 = i32(load<u32>(cpu, CpuBlock_slot)) + 1;
  if (atomic.cmpxchg<i32>(word, 0, owner) != 0) acquire(word, true);
  const depth = load<u32>(cpu, CpuBlock_map_lock_depth);
  if (depth < MAX_HELD) store<u32>(cpu + (depth << 2), word, CpuBlock_map_locks);
  store<u32>(cpu, depth + 1, CpuBlock_map_lock_depth);
}

/** Takes and notes a lock of the map implementation if it is free; false if it is not. */
export function tryMapLock(word: u32): bool {
  const depth = load<u32>(cpu, CpuBlock_map_lock_depth);
  if (depth >= MAX_HELD || atomic.cmpxchg<i32>(word, 0, i32(load<u32>(cpu, CpuBlock_slot)) + 1) != 0) return false;
  store<u32>(cpu + (depth << 2), word, CpuBlock_map_locks);
  store<u32>(cpu, depth + 1, CpuBlock_map_lock_depth);
  return true;
}

/** Releases the lock of the map implementation that was taken last. */
export function releaseMapLock(word: u32): void {
  store<u32>(cpu, load<u32>(cpu, CpuBlock_map_lock_depth) - 1, CpuBlock_map_lock_depth);
  atomic.store<i32>(word, 0);
}

/** bpf_spin_lock. A program that takes a second lock without releasing the first is wrong, and gets it. */
export function spinLock(word: u32): void {
  acquire(word, false);
  store<u32>(cpu, word, CpuBlock_held_lock);
}

/** bpf_spin_unlock */
export function spinUnlock(word: u32): void {
  store<u32>(cpu, 0, CpuBlock_held_lock);
  atomic.store<i32>(word, 0);
}

/** Releases what the current CPU holds, after a trap ended its run. A word that is not this CPU's is left alone. */
export function releaseLocks(): void {
  const owner: i32 = i32(load<u32>(cpu, CpuBlock_slot)) + 1;
  let depth = load<u32>(cpu, CpuBlock_map_lock_depth);
  if (depth > MAX_HELD) depth = MAX_HELD;
  while (depth > 0) {
    depth--;
    releaseIfOwned(load<u32>(cpu + (depth << 2), CpuBlock_map_locks), owner);
  }
  store<u32>(cpu, 0, CpuBlock_map_lock_depth);
  releaseIfOwned(load<u32>(cpu, CpuBlock_held_lock), owner);
  store<u32>(cpu, 0, CpuBlock_held_lock);
  releaseResilientLocks();
  // Whoever cancels the timer whose callback trapped need not wait for it.
  atomic.store<u32>(load<u32>(cpu, CpuBlock_timers), 0, TimerQueue_running);
}

function releaseIfOwned(word: u32, owner: i32): void {
  if (word == 0 || (word & 3) != 0 || u64(word) + 4 > (u64(memory.size()) << 16)) return;
  atomic.cmpxchg<i32>(word, owner, 0);
}
