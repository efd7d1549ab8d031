import { array, atomic, bytes, defineStruct, u8, u32, u64 } from "./struct.ts";

/** bpf_res_spin_locks that one CPU may hold. include/asm-generic/rqspinlock.h. */
export const RES_NR_HELD = 31;

/** How a redirect helper left its target. */
export const REDIRECT_NONE = 0;
/** bpf_redirect: `redirect_index` is an ifindex. */
export const REDIRECT_IFINDEX = 1;
/** bpf_redirect_map hit: `redirect_map` and `redirect_index` name the entry. */
export const REDIRECT_MAP = 2;
/** bpf_redirect_map with BPF_F_BROADCAST. */
export const REDIRECT_BROADCAST = 3;
/** bpf_redirect_neigh: `redirect_index` is an ifindex; `redirect_flags` is 1 when the program named a next hop, which stands in the CPU block. TC only. */
export const REDIRECT_NEIGH = 4;
/** bpf_redirect_peer: `redirect_index` is the ifindex of the device whose peer takes the frame at ingress. TC only. */
export const REDIRECT_PEER = 5;

/** What a trap left in `trap`. */
export const TRAP_NONE = 0;
/** The run used up its fuel. */
export const TRAP_BUDGET = 1;
/** A helper or kfunc that is unknown, poisoned or not built was called; `trap_detail` is its number. */
export const TRAP_HELPER = 2;
/** Nested runs or calls went deeper than the CPU's stacks. */
export const TRAP_DEPTH = 3;
/** A helper was told to change a map that programs may only read (BPF_F_RDONLY_PROG); `trap_detail` is the map's id. */
export const TRAP_MAP_ACCESS = 4;

/**
 * One simulated CPU. Written only by the worker that runs this CPU, save where a field says otherwise; the main thread reads it when the workers stand
 * still. The runtime's mutable global `cpu` holds the address of the one whose turn it is.
 */
export const CpuBlock = defineStruct("cpu_block", {
  /** Number of this CPU, as bpf_get_smp_processor_id gives it. */
  id: u32,
  /** Lowest address of the 512-byte frame that the next program entered through the table takes for its stack. */
  fp: u32,
  /** Address just past the stacks of this CPU: a frame must end at or below it. */
  stack_end: u32,
  /** Table index of the program that runs, for traps and statistics; 0 when none does. */
  program: u32,
  /** Tail calls made in this run. Zeroed on program entry, saved around nested programs. */
  tail_calls: u32,
  /** Programs nested on this CPU (a TC program's clone_redirect runs others). */
  depth: u32,
  /** A bpf_throw is under way; `exception_cookie` is its argument. */
  exception: u32,
  /** Lowest address of the frame that a callback's parent function uses (the fp argument of a callback thunk). */
  callback_fp: u32,
  exception_cookie: u64,

  /** struct bpf_redirect_info: what the last successful redirect helper said. */
  redirect_kind: u32,
  redirect_index: u32,
  redirect_flags: u32,
  redirect_map: u32,
  /** Address of the entry (devmap, cpumap, xskmap) that bpf_redirect_map found. */
  redirect_entry: u32,
  redirect_map_id: u32,
  /** The next hop that the program named to bpf_redirect_neigh: its family as the program gave it, its address in network byte order. */
  next_hop_family: u32,
  next_hop: bytes(16),

  /** Arguments r1..r5 and result of a cold helper (see `slow` in the runtime). */
  arguments: array(u64, 5),
  result: u64,

  /** r0..r9, and the iterations that may_goto still allows, between the parts of a function that was too long to compile in one. */
  registers: array(u64, 11),

  /** Clocks as programs see them, nanoseconds; set before each packet. */
  ktime_ns: u64,
  boot_ns: u64,
  real_ns: u64,
  /** xorshift128+ state of bpf_get_prandom_u32. */
  random: array(u64, 2),

  /** Why the run ended early (TRAP_*), and a detail; read by the worker after it caught the trap. */
  trap: u32,
  trap_detail: u32,
  /** Address of the bpf_spin_lock that this run holds, so that a trap can release it; 0 for none. */
  held_lock: u32,

  /** Regions of this CPU: contexts, stacks, frames, scratch for helpers. Addresses. */
  xdp_context: u32,
  skb: u32,
  stacks: u32,
  frames: u32,
  frame_count: u32,
  frame_next: u32,
  scratch: u32,
  scratch_size: u32,
  /** Base of this CPU's counters (counters.ts). */
  counters: u32,
  /** Base of this CPU's per-program statistics (ProgramStats), indexed by table index. */
  program_stats: u32,
  /** What the dataplane keeps of this CPU (poll lists, bulk queues): its own struct, at this address. */
  poll_state: u32,
  /** The NetNamespace that this CPU's helpers look devices, routes and neighbours up in. */
  network: u32,
  /** Where an skb goes that outgrows its frame: one buffer per CPU, its size, and the address of the SkBuff that occupies it (0 when free). */
  skb_buffer: u32,
  skb_buffer_size: u32,
  skb_buffer_owner: u32,
  hook: u8,

  /**
   * Index of this CPU's own entry in what maps keep per CPU without a lock (spare elements, free lists): `id`, and the number of CPUs for the
   * host's block, through which the main thread works on maps while CPUs run.
   */
  slot: u32,
  /** Lock words of map internals that this CPU holds, innermost last, so that a trap can release them. */
  map_lock_depth: u32,
  map_locks: array(u32, 4),
  /** ITERATOR_PLACES copies of BITS_ITER_NR_WORDS_MAX words for bpf_iter_bits, and which of them are taken, a bit each. */
  iterator_words: u32,
  iterator_used: u32,
  /** Address of this CPU's TimerQueue. */
  timers: u32,
  /** Address of this CPU's TunnelInfo. */
  tunnel: u32,
  /** bpf_res_spin_locks that this CPU holds, and the one it waits for (0 for none), which other CPUs read. */
  res_lock_depth: u32,
  res_locks: array(u32, RES_NR_HELD),
  res_waiting: atomic("the CPU"),
});

/**
 * What `bpftool prog show` calls run_cnt and run_time_ns (only where it is measured), how often a run was aborted by a trap, and calls of cold helpers. One per
 * program and CPU, written by the thread that runs the CPU.
 */
export const ProgramStats = defineStruct("program_stats", { run_count: u64, run_time_ns: u64, traps: u64, cold_calls: u64 });

/** Programs that the function table has room for; table index 0 stays empty (a null program). */
export const MAX_PROGRAMS = 4096;
/** Bytes of stack per CPU: nested programs times 8 frames of 512 bytes, a red zone of one frame at each end. */
export const CPU_STACK_SIZE = 512 * 96;
/** Bytes of a CPU's buffer for skbs that outgrow their frame: headroom, the longest skb that helpers make (16,064), and an IPv4 datagram's 65,535. */
export const CPU_SKB_BUFFER_SIZE = 98304;
/** Bytes of a CPU's scratch area for helpers (formatting, copies, encapsulation). */
export const CPU_SCRATCH_SIZE = 131072;
