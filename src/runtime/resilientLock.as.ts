/**
 * bpf_res_spin_lock: a lock that gives up instead of waiting for ever. kernel/bpf/rqspinlock.c says when: -EDEADLK at once when this CPU holds the lock
 * already, or when the holder waits for one that this CPU holds; -ETIMEDOUT after a quarter of a second.
 *
 * The word in the value is 0, or the address of the holder's CPU block. A CPU that waits stores the lock in its block (`res_waiting`) before it looks at the
 * holder's; of two that wait for each other, the later to store sees the other.
 * Locks held are listed in the CPU block, so that a trap can release them.
 */
import {
  CpuBlock_res_lock_depth,
  CpuBlock_res_locks,
  CpuBlock_res_waiting,
  EDEADLK,
  ETIMEDOUT,
  PROGRAM_ZONE,
  RES_NR_HELD,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";
import { burnWait } from "./fuel.as";

const SPINS: u32 = 1000;
/** Sleeps of 50 microseconds that make up the quarter of a second. include/asm-generic/rqspinlock.h: RES_DEF_TIMEOUT. */
const SLEEPS: u32 = 5000;
const SLEEP_NS: i64 = 50000;

/** Place of a lock in this CPU's list, or -1. */
function placeOf(word: u32): i32 {
  for (let place = i32(load<u32>(cpu, CpuBlock_res_lock_depth)) - 1; place >= 0; place--) {
    if (load<u32>(cpu + (u32(place) << 2), CpuBlock_res_locks) == word) return place;
  }
  return -1;
}

/** Whether the CPU whose block a lock word names waits for a lock that this CPU holds. */
function waitsForThis(holder: u32): bool {
  if (holder == 0 || holder >= PROGRAM_ZONE || (holder & 7) != 0) return false;
  const wanted = atomic.load<u32>(holder, CpuBlock_res_waiting);
  return wanted != 0 && placeOf(wanted) >= 0;
}

function acquire(word: u32): i32 {
  if (atomic.cmpxchg<u32>(word, 0, cpu) == 0) return 0;
  if (placeOf(word) >= 0) return -i32(EDEADLK);
  atomic.store<u32>(cpu, word, CpuBlock_res_waiting);
  let error = -i32(ETIMEDOUT);
  for (let sleeps: u32 = 0; sleeps < SLEEPS && error == -i32(ETIMEDOUT); sleeps++) {
    for (let spins: u32 = 0; spins < SPINS; spins++) {
      if (atomic.load<u32>(word) == 0 && atomic.cmpxchg<u32>(word, 0, cpu) == 0) {
        error = 0;
        break;
      }
    }
    if (error == 0) break;
    const holder = atomic.load<u32>(word);
    burnWait();
    if (waitsForThis(holder)) error = -i32(EDEADLK);
    else if (holder != 0) atomic.wait<i32>(word, i32(holder), SLEEP_NS);
  }
  atomic.store<u32>(cpu, 0, CpuBlock_res_waiting);
  return error;
}

/** bpf_res_spin_lock: 0, -EDEADLK or -ETIMEDOUT. A lock that the list has no room for counts as a deadlock. */
export function resSpinLock(word: u32): i32 {
  const depth = load<u32>(cpu, CpuBlock_res_lock_depth);
  if (depth >= RES_NR_HELD) return -i32(EDEADLK);
  const error = acquire(word);
  if (error != 0) return error;
  store<u32>(cpu + (depth << 2), word, CpuBlock_res_locks);
  store<u32>(cpu, depth + 1, CpuBlock_res_lock_depth);
  return 0;
}

/** bpf_res_spin_unlock. The lock taken last goes first; of another one all behind it in the list move up. */
export function resSpinUnlock(word: u32): void {
  const place = placeOf(word);
  if (place < 0) return;
  const last = load<u32>(cpu, CpuBlock_res_lock_depth) - 1;
  for (let at = u32(place); at < last; at++) {
    store<u32>(cpu + (at << 2), load<u32>(cpu + ((at + 1) << 2), CpuBlock_res_locks), CpuBlock_res_locks);
  }
  store<u32>(cpu, last, CpuBlock_res_lock_depth);
  atomic.store<u32>(word, 0);
}

/** bpf_res_spin_lock_irqsave: no interrupt comes between two steps of a program here, so there is nothing to save. */
export function resSpinLockIrqsave(word: u32, flags: u32): i32 {
  store<u64>(flags, 0);
  return resSpinLock(word);
}

export function resSpinUnlockIrqrestore(word: u32, flags: u32): void {
  resSpinUnlock(word);
}

/** After a trap: what this CPU holds is free again. */
export function releaseResilientLocks(): void {
  let depth = load<u32>(cpu, CpuBlock_res_lock_depth);
  if (depth > RES_NR_HELD) depth = RES_NR_HELD;
  while (depth > 0) {
    depth--;
    const word = load<u32>(cpu + (depth << 2), CpuBlock_res_locks);
    if (atomic.load<u32>(word) == cpu) atomic.store<u32>(word, 0);
  }
  store<u32>(cpu, 0, CpuBlock_res_lock_depth);
  atomic.store<u32>(cpu, 0, CpuBlock_res_waiting);
}
