import { SkBuff } from "./context.ts";
import { defineStruct, f64, i64, u32, u64 } from "./struct.ts";
import { PROGRAM_ZONE } from "./zones.ts";

/** Frames in the pool of a CPU. */
export const POOL_FRAMES = 256;

/**
 * A frame of a CPU's pool, in two places at a fixed distance: its state, which is the engine's, and in the programs' zone what they may write, its skb at `FRAME_SKB` bytes
 * and its buffer at `FRAME_BUFFER`. The buffer has XDP_PACKET_HEADROOM bytes in front of the packet; its usable length is PollState.frame_size. As an XDP frame
 * it is described by the state (struct xdp_frame), as an skb by that.
 */
export const Frame = defineStruct(
  "frame",
  {
    /** These 32 bytes are 0 when a packet arrives. */
    /** Next frame of the list it is in (bulk queue, backlog, cpumap queue); 0 at the end. */
    next: u32,
    /** 1 when its skb describes it. */
    is_skb: u32,
    /** 1 after generic XDP ran on it: redirects then go the generic way. */
    generic: u32,
    /** Frame whose program made this copy and still runs; 0 for none. */
    parent: u32,
    /** cpumap: times that it went through one; entry it waits for, the entry's program, the CPU. */
    hops: u32,
    entry: u32,
    program: u32,
    cpu: u32,
    /** OutcomeRecord and PacketDescriptor of the packet in it. */
    outcome: u32,
    packet: u32,
    /** Device that it was received on (xdp_rxq_info.dev, skb->dev at ingress), and the RxQueue's number. */
    device: u32,
    queue: u32,
    /** Packet and metadata while it is an XDP frame. */
    data: u32,
    data_end: u32,
    data_meta: u32,
    /** What runs on it, as the first word of an OutcomeStep. */
    running: u32,
  },
  { next: 0, outcome: 32, size: 64 },
);
/** Bytes from a frame's state to its skb. */
export const FRAME_SKB = PROGRAM_ZONE;
/** Bytes that an skb has room for in front of its buffer: a multiple of 64. */
export const FRAME_SKB_ROOM = Math.ceil(SkBuff.size / 64) * 64;
/** Bytes from a frame's state to its buffer. */
export const FRAME_BUFFER = FRAME_SKB + FRAME_SKB_ROOM;
/** Bytes behind the buffer up to the next frame, so that the frames' first lines fall into different sets of the cache. */
export const FRAME_GAP = 64;

/** Frames for one device that wait for the end of the poll (struct xdp_dev_bulk_queue). One per CPU and device. */
export const DeviceBulk = defineStruct("device_bulk", {
  first: u32,
  last: u32,
  count: u32,
  /** 1 while it is in the flush list. */
  listed: u32,
  /** Set by the first frame after a flush, and used for all: the devmap entry's program, the receiving device. */
  program: u32,
  device_rx: u32,
  /** The next bulk to flush. */
  next: u32,
  /** Target Device. */
  device: u32,
});

/** Frames for one cpumap entry that wait for the end of the poll (struct xdp_bulk_queue). */
export const CpuBulk = defineStruct("cpu_bulk", {
  first: u32,
  last: u32,
  count: u32,
  entry: u32,
  next: u32,
  listed: u32,
  cpu: u32,
  queued: u32,
});
/** cpumap entries that one CPU may have frames for in one poll: as many as the poll has packets. */
export const CPU_BULKS = 64;

/** Bytes of a CPU's outgoing mail in one phase. A poll that might not fit waits for the next phase. */
export const MAIL_SIZE = 1 << 20;

/** One frame on its way to another CPU. Followed by a copy of the Frame (the header), then by its bytes from data_meta on, padded to 16. */
export const Mail = defineStruct(
  "mail",
  {
    next: u32,
    length: u32,
    offset: u32,
    reserved: u32,
    /** When it was sent, by the clock of the sender's CpuTiming; only where time is modelled. */
    sent_ns: f64,
    pad: u64,
  },
  { size: 32 },
);

/**
 * What a poll notes of each packet that a queue receives; a poll's end folds these into the counters and tallies. `length` 0: the packet was not received (too long, or on
 * its way out). `verdict` is what the native program returned; while it runs, and after a trap, XDP_ABORTED.
 */
export const PollRecord = defineStruct("poll_record", { length: u32, verdict: u32 }, { length: 0, verdict: 4, size: 8 });

/** What a CPU is at (`PollState.stage`). Kept in the memory, so that a trap can be survived: the loop is entered anew and goes on behind the packet. */
export const STAGE_MAIL = 0;
export const STAGE_RECEIVE = 1;
export const STAGE_FLUSH = 2;
export const STAGE_BACKLOG = 3;
export const STAGE_THREADS = 4;
export const STAGE_NEXT = 5;
export const STAGE_DONE = 6;
export const STAGE_TIMERS = 7;

/** One CPU's packet loop. Only the worker that runs the CPU touches it. */
export const PollState = defineStruct("poll_state", {
  /** WindowSlot being worked on. */
  window: u32,
  stage: u32,
  /** RxQueue numbers that this CPU polls: u32 array, how many, and the one that is polled now. */
  queues: u32,
  queue_count: u32,
  queue_turn: u32,
  /** Per turn (same order as `queues`): position in the window's list. u32 array. */
  cursors: u32,
  /** Polls that this phase may still take. */
  poll_limit: u32,
  /** Positions in the queue's list at which this poll began and ends. */
  poll_first: u32,
  poll_end: u32,
  /** The native program of the poll's device, by table index; 0 for none. */
  program: u32,
  /** PollRecords of the poll: NAPI_POLL_WEIGHT of them. */
  records: u32,
  /** The window's OutcomeRecords; 0 when nobody asked for them. */
  outcomes: u32,
  /** The frame whose program runs, for traps; 0 for none. */
  current: u32,
  /** Free frames: a stack of addresses, and how many. */
  free_frames: u32,
  free_count: u32,
  /** Bytes of a frame's buffer (frame_sz). */
  frame_size: u32,
  /** Context for devmap and cpumap programs. */
  xdp_context: u32,
  /** Device transmit of this poll: frames that wait for XDP_TX, and their device. */
  tx_first: u32,
  tx_last: u32,
  /** Bulk queues: array of DeviceBulk by device index, and the flush list's head; CpuBulk array, how many, and its flush list. */
  device_bulks: u32,
  device_flush: u32,
  cpu_bulks: u32,
  cpu_bulk_count: u32,
  cpu_flush: u32,
  /** skbs redirected to an ingress, waiting for the backlog's turn; rounds taken since the poll began. */
  backlog_first: u32,
  backlog_last: u32,
  backlog_rounds: u32,
  /** Frames in cpumap queues of this CPU, waiting for the poll's end. */
  thread_first: u32,
  thread_last: u32,
  /** dev_xmit_recursion */
  xmit_recursion: u32,
  /** Mail to others: two buffers used in turn; the one being filled, its end so far; u32 heads and tails by CPU for each buffer. */
  mail_buffers: u32,
  mail_heads: u32,
  mail_tails: u32,
  mail_turn: u32,
  mail_used: u32,
  /** Mail being read: CPU whose mail is next, and its next Mail. */
  mail_sender: u32,
  mail_next: u32,
  cpu_count: u32,
  /** Addresses of all CPUs' PollStates, u32 by CPU. */
  states: u32,
  /** Bytes that a poll's mail may take at most. */
  mail_reserve: u32,
  /** TallyEntry tables. */
  outcome_tally: u32,
  verdict_tally: u32,
  /** QueueTally by RxQueue number; DeviceCounters by device index. */
  queue_tallies: u32,
  device_counters: u32,
  /** RxQueue array. */
  rx_queues: u32,
  /** What is added to the capture's time to make ktime. */
  boot_offset: i64,
  /** CpuTiming; 0 when time is not modelled. */
  timing: u32,
});
