import { atomic, defineStruct, i64, u32, u64 } from "./struct.ts";

/** What an AsyncState stands for. */
export const ASYNC_TIMER = 0;
export const ASYNC_WORK = 1;

/** Special fields of a map's values (runtime/mapFields.ts): rows in order of their offsets; the last begins where the value ends. */
export const MapField = defineStruct("map_field", { offset: u32, end: u32 }, { size: 8 });

/** The timers and workqueues of a map: for each kind one AsyncState an element, by the element's index. Constant once the map is made. */
export const AsyncMap = defineStruct("async_map", {
  /** Address of the value of element 0, and how many elements there are. */
  values: u32,
  count: u32,
  /** By kind: offset of the field in a value plus 1 (0 when values have none), and address of the first AsyncState. */
  timer_field: u32,
  work_field: u32,
  timers: u32,
  works: u32,
});

/**
 * A bpf_timer or bpf_wq. The field in the value holds this struct's address while it is initialised, else 0 (a program cannot read it; copies for user
 * space show zeros). runtime/timers.as.ts has the protocol.
 */
export const AsyncState = defineStruct(
  "async_state",
  {
    /** Guards `ready` to `cancelling`, and the word in the value. */
    lock: atomic("whoever takes it"),
    /** 1 while it is initialised. */
    ready: u32,
    /** Raised when the element is freed: a callback that still runs then belongs to a timer that is gone. */
    generation: atomic("holder of the lock"),
    /** Table slots of the callback (0 for none) and of the program that set it. */
    callback: u32,
    program: u32,
    /** CLOCK_* of the timer. */
    clock: u32,
    /** Other timers' callbacks that are about to wait for this one's. */
    cancelling: atomic("whoever cancels from a callback"),
    /** ASYNC_* */
    kind: u32,
    /** Addresses: the field in the value, the value, the map. */
    field: u32,
    value: u32,
    map: u32,
    /** Address of the TimerQueue that it waits in; 0 for none. This word and those behind it: under that queue's lock. */
    queue: atomic("holder of the queue's lock"),
    /** Pairing heap: first child, next sibling, and previous sibling or parent. */
    child: u32,
    sibling: u32,
    previous: u32,
    /** Address of the TimerQueue of the CPU that ran its callback last. */
    runner: atomic("the CPU that runs it"),
    /** When it is due, nanoseconds of ktime; and the turn among those due at the same time. */
    expiry: i64,
    turn: u64,
  },
  { size: 80 },
);

/** What waits for its time on one CPU. */
export const TimerQueue = defineStruct(
  "timer_queue",
  {
    lock: atomic("whoever takes it"),
    /** The earliest; 0 when none waits. */
    root: u32,
    /** When the earliest is due; the largest i64 when none waits. Read without the lock. */
    next: i64,
    turn: u64,
    /** The AsyncState whose callback this CPU runs (0 for none), and its generation when it began. */
    running: atomic("the CPU"),
    running_generation: atomic("the CPU"),
    /** The key that a callback is shown for an element of an ARRAY. */
    key: u32,
    pad: u32,
  },
  { size: 40 },
);
