/**
 * bpf_timer and bpf_wq. Answers and order of checks: kernel/bpf/helpers.c, compared with the live kernel in test/runtime/timers.test.ts.
 *
 * Every element of the map has an AsyncState in the engine's part of the memory; the field in the value holds its address from init until the element is freed.
 *   init, set_callback, start, cancel   under the state's lock; start puts it into the queue of the CPU it is called on, whichever it waited in before
 *   free      (delete, replacement, eviction) under the state's lock: out of its queue, generation + 1, field = 0. A callback that runs goes on to its end
 *   firing    the CPU takes the state out of its own queue, reads the callback under the state's lock, and runs it without any lock
 * Locks, in this order: bucket or LRU list, state, queue.
 */
import {
  ASYNC_TIMER,
  ASYNC_WORK,
  AsyncMap_count,
  AsyncMap_timer_field,
  AsyncMap_timers,
  AsyncMap_values,
  AsyncMap_work_field,
  AsyncMap_works,
  AsyncState_callback,
  AsyncState_cancelling,
  AsyncState_clock,
  AsyncState_field,
  AsyncState_generation,
  AsyncState_kind,
  AsyncState_lock,
  AsyncState_map,
  AsyncState_program,
  AsyncState_queue,
  AsyncState_ready,
  AsyncState_runner,
  AsyncState_SIZE,
  AsyncState_value,
  BPF_F_TIMER_ABS,
  BPF_F_TIMER_CPU_PIN,
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CpuBlock_ktime_ns,
  CpuBlock_program,
  CpuBlock_real_ns,
  CpuBlock_timers,
  EBUSY,
  EDEADLK,
  EINVAL,
  MapHeader_asyncs,
  MapHeader_stride,
  PROGRAM_ZONE,
  TimerQueue_running,
  TimerQueue_running_generation,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";
import { releaseMapLock, takeMapLock } from "./lock.as";
import { dequeue, enqueue } from "./timerQueue.as";

/** Bits of bpf_timer_init's flags that name the clock; the others must be 0. include/linux/time.h: MAX_CLOCKS. */
const MAX_CLOCKS: u64 = 16;
/**
 * What a callback starts is due a microsecond after it at the earliest: serving an interrupt takes a machine at least so long, and a timer that starts itself
 * anew without delay would stop the clock.
 */
const LEAST_DELAY_NS: i64 = 1000;
/** Turns of waiting for another CPU's callback before it is taken for stuck. */
const PATIENCE: u32 = 1 << 28;

/** The state that a field in a value holds, or 0. What does not lie in the engine's zone, or does not point back, was written by a wrong program. */
function stateOf(field: u32): u32 {
  const state = load<u32>(field);
  if (state == 0 || state >= PROGRAM_ZONE || (state & 7) != 0) return 0;
  return load<u32>(state, AsyncState_field) == field && load<u32>(state, AsyncState_ready) == 1 ? state : 0;
}

function init(field: u32, map: u32, kind: u32, clock: u32): i32 {
  const asyncs = load<u32>(map, MapHeader_asyncs);
  if (asyncs == 0) return -i32(EINVAL);
  const offset = kind == ASYNC_TIMER ? load<u32>(asyncs, AsyncMap_timer_field) : load<u32>(asyncs, AsyncMap_work_field);
  const value = field - offset + 1;
  const stride = load<u32>(map, MapHeader_stride);
  const index = (value - load<u32>(asyncs, AsyncMap_values)) / stride;
  if (offset == 0 || index >= load<u32>(asyncs, AsyncMap_count)) return -i32(EINVAL);
  if (load<u32>(asyncs, AsyncMap_values) + index * stride != value) return -i32(EINVAL);
  const states = kind == ASYNC_TIMER ? load<u32>(asyncs, AsyncMap_timers) : load<u32>(asyncs, AsyncMap_works);
  const state = states + index * AsyncState_SIZE;
  takeMapLock(state + AsyncState_lock);
  const busy = load<u32>(state, AsyncState_ready) != 0;
  if (!busy) {
    store<u32>(state, 1, AsyncState_ready);
    store<u32>(state, 0, AsyncState_callback);
    store<u32>(state, clock, AsyncState_clock);
    store<u32>(state, kind, AsyncState_kind);
    store<u32>(state, 0, AsyncState_cancelling);
    store<u32>(state, field, AsyncState_field);
    store<u32>(state, value, AsyncState_value);
    store<u32>(state, map, AsyncState_map);
    store<u32>(field, state);
  }
  releaseMapLock(state + AsyncState_lock);
  return busy ? -i32(EBUSY) : 0;
}

function setCallback(field: u32, callback: u32): i32 {
  const state = stateOf(field);
  if (state == 0) return -i32(EINVAL);
  takeMapLock(state + AsyncState_lock);
  store<u32>(state, callback, AsyncState_callback);
  store<u32>(state, load<u32>(cpu, CpuBlock_program), AsyncState_program);
  releaseMapLock(state + AsyncState_lock);
  return 0;
}

/** Puts it into this CPU's queue, whichever it waited in. -EINVAL without a callback. */
function start(state: u32, expiry: i64): i32 {
  const queue = load<u32>(cpu, CpuBlock_timers);
  let due = expiry;
  if (load<u32>(queue, TimerQueue_running) != 0) due = max(due, load<i64>(cpu, CpuBlock_ktime_ns) + LEAST_DELAY_NS);
  takeMapLock(state + AsyncState_lock);
  const started = load<u32>(state, AsyncState_ready) == 1 && load<u32>(state, AsyncState_callback) != 0;
  if (started) {
    dequeue(state);
    enqueue(queue, state, due);
  }
  releaseMapLock(state + AsyncState_lock);
  return started ? 0 : -i32(EINVAL);
}

/** bpf_timer_init: -EINVAL for a clock other than these three, -EBUSY when it was initialised before. */
export function timerInit(timer: u32, map: u32, flags: u64): i32 {
  if (flags >= MAX_CLOCKS || (flags != CLOCK_REALTIME && flags != CLOCK_MONOTONIC && flags != CLOCK_BOOTTIME)) return -i32(EINVAL);
  return init(timer, map, ASYNC_TIMER, u32(flags));
}

/** bpf_timer_set_callback: -EINVAL when it is not initialised. */
export function timerSetCallback(timer: u32, callback: u32): i32 {
  return setCallback(timer, callback);
}

/** Whether a CPU runs this very timer's callback, and not that of one which was freed since. */
function isRunning(queue: u32, state: u32): bool {
  return (
    atomic.load<u32>(queue, TimerQueue_running) == state &&
    atomic.load<u32>(queue, TimerQueue_running_generation) == atomic.load<u32>(state, AsyncState_generation)
  );
}

/** When a timer is due, in ktime. Times that do not fit are never, as in Linux. */
function expiryOf(state: u32, nsecs: u64, flags: u64): i64 {
  const now = load<i64>(cpu, CpuBlock_ktime_ns);
  if (i64(nsecs) < 0) return i64.MAX_VALUE;
  let offset = now;
  if ((flags & BPF_F_TIMER_ABS) != 0) {
    offset = load<u32>(state, AsyncState_clock) == CLOCK_REALTIME ? now - load<i64>(cpu, CpuBlock_real_ns) : 0;
  }
  const expiry = i64(nsecs) + offset;
  return offset > 0 && expiry < 0 ? i64.MAX_VALUE : expiry;
}

/** bpf_timer_start: -EINVAL for unknown flags, and without a callback. A timer that waits already gets the new time. */
export function timerStart(timer: u32, nsecs: u64, flags: u64): i32 {
  if ((flags & ~u64(BPF_F_TIMER_ABS | BPF_F_TIMER_CPU_PIN)) != 0) return -i32(EINVAL);
  const state = stateOf(timer);
  return state == 0 ? -i32(EINVAL) : start(state, expiryOf(state, nsecs, flags));
}

/**
 * bpf_timer_cancel: 1 when it waited, else 0; it forgets its callback. -EINVAL when it is not initialised, -EDEADLK from its own callback, or when two callbacks on two
 * CPUs cancel each other's timer. Waits for a callback that runs on another CPU.
 */
export function timerCancel(timer: u32): i32 {
  const state = stateOf(timer);
  if (state == 0) return -i32(EINVAL);
  const own = load<u32>(cpu, CpuBlock_timers);
  const current = load<u32>(own, TimerQueue_running);
  if (isRunning(own, state)) return -i32(EDEADLK);
  if (current != 0) {
    atomic.add<u32>(state, 1, AsyncState_cancelling);
    if (atomic.load<u32>(current, AsyncState_cancelling) != 0) {
      atomic.sub<u32>(state, 1, AsyncState_cancelling);
      return -i32(EDEADLK);
    }
  }
  takeMapLock(state + AsyncState_lock);
  store<u32>(state, 0, AsyncState_callback);
  const waited = dequeue(state);
  const runner = atomic.load<u32>(state, AsyncState_runner);
  releaseMapLock(state + AsyncState_lock);
  if (runner != 0 && runner != own) {
    for (let left = PATIENCE; left > 0 && isRunning(runner, state); left--) {}
  }
  if (current != 0) atomic.sub<u32>(state, 1, AsyncState_cancelling);
  return waited ? 1 : 0;
}

/** bpf_wq_init: flags must be 0. */
export function wqInit(work: u32, map: u32, flags: u32): i32 {
  return flags != 0 ? -i32(EINVAL) : init(work, map, ASYNC_WORK, CLOCK_MONOTONIC);
}

/** bpf_wq_set_callback_impl */
export function wqSetCallback(work: u32, callback: u32, flags: u32): i32 {
  return flags != 0 ? -i32(EINVAL) : setCallback(work, callback);
}

/** bpf_wq_start: runs as soon as this CPU has time for it. Once only, when it waits already. */
export function wqStart(work: u32, flags: u32): i32 {
  const state = flags != 0 ? 0 : stateOf(work);
  if (state == 0) return -i32(EINVAL);
  return atomic.load<u32>(state, AsyncState_queue) != 0 ? 0 : start(state, load<i64>(cpu, CpuBlock_ktime_ns));
}

/** An element's value is gone: so are its timer and its work. */
export function freeAsyncs(map: u32, value: u32): void {
  const asyncs = load<u32>(map, MapHeader_asyncs);
  if (asyncs == 0) return;
  const timer = load<u32>(asyncs, AsyncMap_timer_field);
  const work = load<u32>(asyncs, AsyncMap_work_field);
  if (timer != 0) free(value + timer - 1);
  if (work != 0) free(value + work - 1);
}

function free(field: u32): void {
  const state = stateOf(field);
  if (state == 0) return;
  takeMapLock(state + AsyncState_lock);
  store<u32>(field, 0);
  store<u32>(state, 0, AsyncState_ready);
  store<u32>(state, 0, AsyncState_callback);
  atomic.store<u32>(state, load<u32>(state, AsyncState_generation) + 1, AsyncState_generation);
  dequeue(state);
  releaseMapLock(state + AsyncState_lock);
}
