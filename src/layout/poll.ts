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
    /** These 64 bytes are 0 when a packet arrives. */
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
    /** Bytes of its buffer as the driver or the skb has it, skb_shared_info included (xdp_buff.frame_sz); 0: all of PollState.frame_size. */
    buffer_size: u32,
    /** 1: the skb's buffer is a piece of a page (skb->head_frag), as drivers make them. */
    head_frag: u32,
    /** 1: others hold the same bytes (skb_cloned): who wants to write copies them first. */
    cloned: u32,
    /** 1: there is an skb, though an XDP program sees the frame. */
    has_skb: u32,
    /** cpumap: the map of the entry. */
    map: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
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
  { next: 0, outcome: 64, size: 96 },
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
  /** Frames of the bulk that is being sent: how many were taken from the queue, how many are still to go through the program, and those that it let pass. */
  taken: u32,
  left: u32,
  passed_first: u32,
  passed_last: u32,
  passed: u32,
  /** 1 when the bulk is the last of a flush (XDP_XMIT_FLUSH). */
  last_of_flush: u32,
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
  map: u32,
});
/** cpumap entries that one CPU may have frames for in one poll: as many as the poll has packets. */
export const CPU_BULKS = 64;

/**
 * A kernel thread of a cpumap entry on its CPU: what waits in its queue, the batch that it works off, and the skbs that it holds back (GRO). One for each entry that
 * this CPU has had frames for since the poll began.
 */
export const CpuThread = defineStruct("cpu_thread", {
  entry: u32,
  /** Map of the entry. */
  map: u32,
  first: u32,
  last: u32,
  count: u32,
  /** What the thread is at (THREAD_*), and the batch that it works off: frames to run the program on, those that it passed, how it judged. */
  stage: u32,
  batch_first: u32,
  batch_last: u32,
  batch: u32,
  passed_first: u32,
  passed_last: u32,
  passed: u32,
  taken: u32,
  pass: u32,
  drop: u32,
  redirect: u32,
  /** Frames since the last flush of what GRO holds back. */
  packets: u32,
  gro_first: u32,
  gro_last: u32,
  gro_count: u32,
  deliver_first: u32,
  deliver_last: u32,
  deliver_count: u32,
});
export const THREAD_WAIT = 0;
export const THREAD_PROGRAM = 1;
export const THREAD_FLUSH = 2;
export const THREAD_RECEIVE = 3;
export const THREAD_DELIVER = 4;

/** What a CPU polls in its softirq: the receive ring of a veth device, or the backlog. One per CPU and device, and one for the backlog. */
export const Napi = defineStruct("napi", {
  /** Next in the CPU's poll list; 1 while in it or being polled. */
  next: u32,
  scheduled: u32,
  /** Device whose ring it is; 0 for the backlog. */
  device: u32,
  /** Frames in the ring. */
  first: u32,
  last: u32,
  count: u32,
  /** The poll under way: 1 while there is one, frames done, what it has to do when they are (POLL_*). */
  polling: u32,
  done: u32,
  redirects: u32,
  transmits: u32,
  /** Frames that the program passed, which become skbs in batches. */
  passed_first: u32,
  passed_last: u32,
  passed: u32,
  /** XDP_TX frames. */
  tx_first: u32,
  tx_last: u32,
  tx_count: u32,
  /** skbs held back until eight are there or the poll ends (napi_struct.rx_list). */
  gro_first: u32,
  gro_last: u32,
  gro_count: u32,
  /** skbs on their way up: they go before all else. */
  deliver_first: u32,
  deliver_last: u32,
  deliver_count: u32,
  /** Frames from outside that this device is to transmit by ndo_xdp_xmit. */
  inject_first: u32,
  inject_last: u32,
  inject_count: u32,
});

/** Steps of a NAPI poll (`Napi.polling`). */
export const NAPI_IDLE = 0;
export const NAPI_RECEIVE = 1;
export const NAPI_BUILD = 2;
export const NAPI_FLUSH = 3;
export const NAPI_COMPLETE = 4;
export const NAPI_TRANSMIT = 5;

/** An AF_XDP socket in copy mode, as an XSKMAP entry names it. */
export const XdpSocket = defineStruct("xdp_socket", {
  /** Queue and device that it is bound to. The queue is what programs see of it (struct bpf_xdp_sock). */
  queue: u32,
  device: u32,
  /** Descriptors in its fill ring, and bytes that a frame may have in its chunk. */
  fill: u32,
  room: u32,
  /** Number of the socket, for events. */
  number: u32,
  reserved: u32,
});

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
export const STAGE_SOFTIRQ = 3;
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
  /** Rounds that the softirq has taken since the poll began. */
  backlog_rounds: u32,
  /** Threads of cpumap entries of this CPU: an array, how many, and the one whose turn it is. */
  threads: u32,
  thread_count: u32,
  thread_turn: u32,
  /** Napis by device index, 0 when no device has a peer; the backlog's; and the poll list. */
  napis: u32,
  backlog: u32,
  napi_first: u32,
  napi_last: u32,
  /** Nested mirred actions. */
  mirred_nesting: u32,
  /** EventLog, 0 when nobody listens. */
  events: u32,
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
  /** VethCounters by device index. */
  veth_counters: u32,
  /** RxQueue array. */
  rx_queues: u32,
  /** What is added to the capture's time to make ktime. */
  boot_offset: i64,
  /** CpuTiming; 0 when time is not modelled. */
  timing: u32,
});
