import { defineStruct, f64, i64, u32, u64 } from "./struct.ts";

/**
 * Time is modelled where `PollState.timing` is not 0 (nic/timing.ts has the model, dataplane/timing.as.ts carries it out). Clocks are nanoseconds since the run's first
 * packet, as f64: a day of them is exact to a hundredth of a nanosecond, and the same everywhere.
 */

/** What things cost, nanoseconds unless said. One for the machine; written before the run. */
export const TimingCosts = defineStruct("timing_costs", {
  /** Driver's receive path, a packet. */
  receive: f64,
  /** What a packet's first line costs on the mean to read: f64 by the number of buffers that the queues fill in turn, in units of MISS_STEP; the last entry is for all beyond. */
  misses: u32,
  miss_limit: u32,
  /** A NAPI poll, whatever it finds. */
  poll: f64,
  transmit: f64,
  redirect: f64,
  pass: f64,
  /** Handing a frame to a cpumap's queue. */
  enqueue: f64,
  /** From a packet's arrival at an idle queue to the poll that takes it. */
  interrupt_delay: f64,
  /** PCI Express towards the host: time of a byte; bytes of a TLP's frame and header; longest payload; further bytes of each packet received and transmitted. */
  pci_byte: f64,
  pci_header: u32,
  pci_payload: u32,
  pci_receive: f64,
  pci_transmit: f64,
  /** How far PCI Express may be behind before the NIC's own buffer is full. */
  nic_buffer: f64,
});

/** Buffers from one entry of `misses` to the next. */
export const MISS_STEP = 64;

/** One CPU's time. Only the worker that runs the CPU touches it while it runs. */
export const CpuTiming = defineStruct("cpu_timing", {
  /** Until when the CPU has worked; since when without a break; and for how long before that. */
  clock: f64,
  began: f64,
  busy: f64,
  /** `spent` of the runtime when it was last added to the clock, picoseconds. */
  spent: i64,
  /** Timestamp of the run's first packet. */
  epoch_ns: i64,
  /** What a packet's first line costs to read in this window. */
  miss: f64,
  costs: u32,
  /** QueueTimings by RxQueue number, and how many. */
  queues: u32,
  queue_count: u32,
  /** By RxQueue number: 1 once the queue has received a packet. u8. */
  met: u32,
  /** The NAPI poll that is under way: packets that it may still take, and the turn of its queue. */
  room: u32,
  room_turn: u32,
  /** Packets of the present batch, and its QueueTiming: their buffers go back to the NIC when it is done. */
  batch: u32,
  batch_queue: u32,
  /** Latencies by device index: LatencyHistogram. */
  latencies: u32,
  /** The batch while it is put together: u16 indices of NAPI_POLL_WEIGHT packets. */
  gathered: u32,
  polls: u64,
});

/** A receive queue's time. Only the CPU that polls the queue touches it while it runs. */
export const QueueTiming = defineStruct("queue_timing", {
  /** Buffers of the ring, and the number of the next one to be filled. */
  ring: u32,
  next: u32,
  /** f64 by buffer: when it was given back to the NIC. */
  returned: u32,
  /** Packets that one NAPI poll takes. */
  poll_limit: u32,
  /** Position in the window's list up to which packets have been accepted or lost. */
  admitted: u32,
  /** Buffers that the queue fills in turn: the ring's, and those kept beside it. */
  buffers: u32,
  /** Until when the queue's share of PCI Express is taken, and the time of a byte in this window. */
  pci_clock: f64,
  pci_byte: f64,
});

/** Linear buckets of a latency histogram in each doubling of the value: 128, so that a value is known to within 0.8 %. */
export const LATENCY_BUCKET_BITS = 7;
/** Doublings: values up to 2^40 ns, 18 minutes; what is longer counts as that. */
export const LATENCY_BUCKETS = (40 - LATENCY_BUCKET_BITS + 1) << LATENCY_BUCKET_BITS;

/**
 * Latencies of packets that came to their end, as HdrHistogram lays them out: value v counts in bucket (e << 7) + (v >> e), where e is 0 for v below 256, else
 * floor(log2 v) - 7. Followed by LATENCY_BUCKETS counts, u64.
 */
export const LatencyHistogram = defineStruct("latency_histogram", { max: f64, sum: f64 });
/** Bytes of a histogram with its counts. */
export const LATENCY_HISTOGRAM_SIZE = LatencyHistogram.size + LATENCY_BUCKETS * 8;
