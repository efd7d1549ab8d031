/**
 * Timers fire on the virtual clock: when the CPU that started them gets there. The packet loop calls `fireTimers` where Linux would serve the interrupt: before a
 * poll, up to its first packet's time; after a poll, up to the CPU's own; when a window begins, up to the latest packet before it (so CPUs without
 * packets fire theirs too); and at the end of a run, up to its last packet. A poll ends before a packet at whose time a timer is due.
 *
 * Each callback sees the time it was due at, or the CPU's, if that is later. What waits longer than the capture lasts never fires.
 */
import {
  AsyncState_callback,
  AsyncState_expiry,
  AsyncState_generation,
  AsyncState_lock,
  AsyncState_map,
  AsyncState_program,
  AsyncState_runner,
  AsyncState_value,
  BPF_MAP_TYPE_ARRAY,
  CpuBlock_boot_ns,
  CpuBlock_callback_fp,
  CpuBlock_depth,
  CpuBlock_fp,
  CpuBlock_ktime_ns,
  CpuBlock_program,
  CpuBlock_real_ns,
  CpuBlock_tail_calls,
  CpuBlock_timers,
  MapHeader_elements,
  MapHeader_key_size,
  MapHeader_stride,
  MapHeader_type,
  RUN_FUEL,
  TimerQueue_key,
  TimerQueue_next,
  TimerQueue_running,
  TimerQueue_running_generation,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";
import { addTimerFuel, burnFuel } from "./fuel.as";
import { releaseMapLock, takeMapLock } from "./lock.as";
import { takeDue } from "./timerQueue.as";
import { setContext } from "./zone.as";

/**
 * Callbacks that one stretch of time may see. After them the clock jumps to its end, as that of a machine does which cannot keep up: a timer of a microsecond in a
 * capture with a pause of an hour would fire 3.6 billion times else.
 */
const CALLBACKS: u32 = 1 << 16;

/** When the current CPU's earliest timer is due, in ktime; the largest i64 when none waits. */
export function nextTimer(): i64 {
  return atomic.load<i64>(load<u32>(cpu, CpuBlock_timers), TimerQueue_next);
}

/** Fires what is due on the current CPU up to `until` (ktime), the earliest first. The clock goes along, and stays where it was when it is ahead. */
export function fireTimers(until: i64): void {
  const queue = load<u32>(cpu, CpuBlock_timers);
  for (let fired: u32 = 0; atomic.load<i64>(queue, TimerQueue_next) <= until; fired++) {
    const state = takeDue(queue, until);
    if (state == 0) continue;
    advance(fired < CALLBACKS ? load<i64>(state, AsyncState_expiry) : until);
    fire(queue, state);
  }
}

function advance(to: i64): void {
  const delta = to - load<i64>(cpu, CpuBlock_ktime_ns);
  if (delta <= 0) return;
  store<i64>(cpu, to, CpuBlock_ktime_ns);
  store<i64>(cpu, load<i64>(cpu, CpuBlock_boot_ns) + delta, CpuBlock_boot_ns);
  store<i64>(cpu, load<i64>(cpu, CpuBlock_real_ns) + delta, CpuBlock_real_ns);
}

/** callback(map, key, value). No program runs on this CPU: the callback takes the outermost frame. */
function fire(queue: u32, state: u32): void {
  takeMapLock(state + AsyncState_lock);
  const same = load<u32>(state, AsyncState_generation) == load<u32>(queue, TimerQueue_running_generation);
  // Freed or cancelled since it was taken out of the queue: nothing to run.
  const callback = same ? load<u32>(state, AsyncState_callback) : 0;
  const program = load<u32>(state, AsyncState_program);
  const map = load<u32>(state, AsyncState_map);
  const value = load<u32>(state, AsyncState_value);
  atomic.store<u32>(state, queue, AsyncState_runner);
  if (callback != 0) atomic.store<u32>(queue, state, TimerQueue_running);
  releaseMapLock(state + AsyncState_lock);
  if (callback == 0) return;
  const block = cpu;
  addTimerFuel();
  store<u32>(block, program, CpuBlock_program);
  store<u32>(block, 0, CpuBlock_tail_calls);
  store<u32>(block, 1, CpuBlock_depth);
  burnFuel(RUN_FUEL);
  store<u32>(block, load<u32>(block, CpuBlock_fp), CpuBlock_callback_fp);
  setContext(0);
  call_indirect<u64>(callback, u64(map), u64(keyOf(queue, map, value)), u64(value), u64(0), u64(0));
  store<u32>(block, 0, CpuBlock_depth);
  store<u32>(block, 0, CpuBlock_program);
  atomic.store<u32>(queue, 0, TimerQueue_running);
}

/** Address of the key that the callback is shown: an array's index, or the element's own. */
function keyOf(queue: u32, map: u32, value: u32): u32 {
  if (load<u32>(map, MapHeader_type) != BPF_MAP_TYPE_ARRAY) return value - ((load<u32>(map, MapHeader_key_size) + 7) & ~7);
  store<u32>(queue, (value - load<u32>(map, MapHeader_elements)) / load<u32>(map, MapHeader_stride), TimerQueue_key);
  return queue + TimerQueue_key;
}
