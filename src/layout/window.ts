import { array, atomic, bytes, defineStruct, f64, i64, u32, u64 } from "./struct.ts";

/** Packets that a window holds at most. A power of two of polls, so that one queue's share is cut into whole polls. */
export const WINDOW_PACKETS = 4096;
/** Capture time that a window spans at most, nanoseconds. */
export const WINDOW_NS = 1_000_000;
/** Windows in flight: one being steered, the others published or being processed. */
export const WINDOW_SLOTS = 4;
/** Places for records of copies (broadcast, clone_redirect) that one CPU has in a window. The last is for copies that find no room: nobody reads it. */
export const WINDOW_COPIES = 4096;

/**
 * A window: packets that were steered together and are processed together. One is written by steering (the main thread) before it is published, and then belongs
 * to the workers until all have left it; only then does steering look at its outcomes and reuse it. See ControlBlock for the hand-over.
 */
export const WindowSlot = defineStruct("window_slot", {
  /** Packets in it. */
  count: u32,
  /** PacketDescriptors. */
  descriptors: u32,
  /** OutcomeRecords at the packets' indices: room for them, once somebody asked, and 1 while somebody does. */
  outcomes: u32,
  recording: u32,
  /** Per RxQueue: a count (u32 each), and a list of WINDOW_PACKETS indices (u16 each) in order of arrival. */
  queue_counts: u32,
  queue_lists: u32,
  /** Where final bytes of packets go, `final_stride` bytes each; 0 when nobody wants them. */
  final_bytes: u32,
  final_stride: u32,
  /** Per CPU: how many OutcomeRecords of copies stand in `copies`, WINDOW_COPIES each; then the copies of all CPUs that found no room (added to atomically). */
  copy_counts: u32,
  copies: u32,
  /** Copies that a CPU may record, and where their final bytes go, so many places of `final_stride` bytes a CPU. */
  copy_limit: u32,
  final_copies: u32,
  /** Latest timestamp of the run before this window, and the first of the run; nanoseconds since 1970. */
  latest_ns: i64,
  first_ns: i64,
});

/** Descriptor flag set by steering: the packet leaves through the device instead of arriving. Above the capture's own flags. */
export const PACKET_FLAG_EGRESS = 0x10000;
/** Descriptor flag set by steering: the frame is transmitted as an XDP frame by ndo_xdp_xmit of the device, as a redirect would. */
export const PACKET_FLAG_XMIT = 0x20000;

/** Which way packets enter (`SteerState.direction`). */
export const DIRECTION_CAPTURE = 0;
export const DIRECTION_INGRESS = 1;
export const DIRECTION_EGRESS = 2;
export const DIRECTION_XMIT = 3;

/** Where steering stands. Main thread only. */
export const SteerState = defineStruct("steer_state", {
  /** Descriptors that the walker wrote and no window has taken yet: address of the first, and how many. */
  pending: u32,
  pending_count: u32,
  /** Addresses of Devices by the source's interface number, and how many there are; packets of others go to the device behind the last, which is the machine's first. */
  interfaces: u32,
  interface_count: u32,
  /** DIRECTION_* */
  direction: u32,
  /** Packets whose captured bytes are fewer than the wire had. */
  snapped: u32,
  /** Added to timestamps: repetitions of a capture follow one another in time. */
  shift_ns: i64,
  /** Latest timestamp so far; first of the run. `started` is 0 before the first packet. */
  latest_ns: i64,
  first_ns: i64,
  started: u32,
  queue_total: u32,
  packets: u64,
  bytes: u64,
  /** Nanoseconds from one packet to the next where a rate is offered; 0: timestamps are the source's. */
  interval_ns: f64,
});

/** In `ControlBlock.acknowledged`: this worker failed, and carries out nothing any more. */
export const WORKER_GONE = 0x7fffffff;

/** Threads that may run CPUs: as many as there can be CPUs. */
export const MAX_WORKERS = 128;

/**
 * How windows pass from steering to the workers. Every word is written by one side only, with Atomics; 128 bytes lie between the sides.
 *
 *   steering   1. fills slot n mod WINDOW_SLOTS   2. stores published = n + 1, notifies
 *   worker     1. waits until published > n       2. works off its CPUs of window n, phase by phase
 *   phases     the workers meet at a barrier: the last to arrive sees whether any CPU has work or mail left, stores `more`, clears the count and raises `phase`
 *   steering   window n is done when `finished` = n + 1 (stored by the last worker to leave it); then its outcomes are read and the slot is free.
 *              Before it sleeps it stores `wanted` and looks at `finished` again; a worker stores `finished` and then looks at `wanted`: one sees the other
 *
 * Waiting is spinning first, then Atomics.wait on the word. `stop` is looked at before each window.
 *
 * Programs come and go while workers run (dataplane/orders.ts):
 *
 *   main thread   1. posts an order to every worker   2. raises `orders` by one   3. waits until all of `acknowledged` are that high; only then is a new
 *                 program's id stored where a packet can find it
 *   worker        at each window's end, and while it waits for one: when `orders` is not what it saw last (one atomic load), it takes the messages that have
 *                 come, carries them out and stores the count in its own word of `acknowledged`. It holds no packet and no id at that moment
 */
export const ControlBlock = defineStruct("control_block", {
  published: atomic("steering"),
  /** 1: no further window will come; workers leave after the last published one. */
  stop: atomic("steering"),
  /** Steering sleeps until so many windows are finished: whoever finishes one wakes it only then. */
  wanted: atomic("steering"),
  /** The control word: orders given to the workers since the run began. */
  orders: atomic("main thread"),
  steering_pad: bytes(112),
  finished: atomic("the last worker to leave a window"),
  arrived: atomic("workers"),
  phase: atomic("the last worker to arrive"),
  more: atomic("the last worker to arrive"),
  /** CPUs with work or mail left, counted in the phase that runs. */
  pending_cpus: atomic("workers"),
  /** Workers that are ready to start. */
  ready: atomic("workers"),
  workers_pad: bytes(104),
  /** Orders that each worker has carried out, by its number. */
  acknowledged: array(atomic("the worker"), MAX_WORKERS),
});

/** Longest way of a frame through cpumap entries before it is dropped with reason `budget`. */
export const MAX_CPU_HOPS = 64;
/** Rounds that one CPU's backlog may take after a poll before what is left is dropped with reason `budget`. */
export const MAX_BACKLOG_ROUNDS = 100_000;
