import {
  BITS_ITER_NR_WORDS_MAX,
  CPU_SCRATCH_SIZE,
  CPU_SKB_BUFFER_SIZE,
  CPU_STACK_SIZE,
  CpuBlock,
  ITERATOR_PLACES,
  MAX_BPF_STACK,
  MAX_PROGRAMS,
  ProgramStats,
  SkBuff,
  TimerQueue,
  TunnelInfo,
  XdpContext,
} from "../layout/index.ts";
import type { SimulatedMemory, Zone } from "./memory.ts";

/** Addresses of the CpuBlocks of a machine. */
export interface SimulatedCpus {
  /** One per simulated CPU, in order of their numbers. */
  readonly blocks: readonly number[];
  /**
   * The main thread's own block, through which it calls map operations while CPUs run. It counts as CPU 0 where a map asks for the CPU's number,
   * as a user-space process would that runs there, but has a slot of its own in what maps keep per CPU.
   */
  readonly host: number;
}

export interface CpuOptions {
  readonly count: number;
  /** Seed of bpf_get_prandom_u32; any integer, taken modulo 2^64. */
  readonly seed?: bigint;
}

/** When a timer is due that never fires: the largest i64. */
const NEVER = (1n << 63n) - 1n;

const MASK64 = (1n << 64n) - 1n;

/** splitmix64 (Sebastiano Vigna): well mixed 64-bit values from a counter. */
function splitmix64(state: bigint): bigint {
  let z = (state + 0x9e3779b97f4a7c15n) & MASK64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK64;
  return z ^ (z >> 31n);
}

/** The state of a CPU's random numbers: two words that are not both 0, unrelated for different seeds and CPUs. */
export function randomState(seed: bigint, cpu: number): readonly [bigint, bigint] {
  const start = splitmix64((seed & MASK64) ^ splitmix64(BigInt(cpu)));
  const first = splitmix64(start);
  const second = splitmix64(start + 1n);
  return first === 0n && second === 0n ? [1n, 2n] : [first, second];
}

/** Lays out `count` simulated CPUs and the host's block: stacks, contexts, scratch, statistics. Counters, frames and clocks are their owners' to set. */
export function createCpus(memory: SimulatedMemory, { count, seed = 0n }: CpuOptions): SimulatedCpus {
  const blocks = Array.from({ length: count }, (_, id) => createCpu(memory, { id, slot: id, seed, scratchZone: "program" }));
  const host = createCpu(memory, { id: 0, slot: count, seed, scratchZone: "engine" });
  return { blocks, host };
}

interface CpuIdentity {
  readonly id: number;
  readonly slot: number;
  readonly seed: bigint;
  /** The host reads lengths from its scratch area that must be right; helpers of programs are told to write to theirs. */
  readonly scratchZone: Zone;
}

function createCpu(memory: SimulatedMemory, { id, slot, seed, scratchZone }: CpuIdentity): number {
  const what = `CPU ${id}`;
  const address = memory.allocate("engine", CpuBlock.size, 128, what);
  const stats = memory.allocate("engine", MAX_PROGRAMS * ProgramStats.size, 64, what);
  const stacks = memory.allocate("program", CPU_STACK_SIZE, 64, what);
  const xdpContext = memory.allocate("program", XdpContext.size, 64, what);
  const skb = memory.allocate("program", SkBuff.size, 64, what);
  const scratch = memory.allocate(scratchZone, CPU_SCRATCH_SIZE, 64, what);
  const skbBuffer = memory.allocate("program", CPU_SKB_BUFFER_SIZE, 64, what);
  const iteratorWords = memory.allocate("program", ITERATOR_PLACES * BITS_ITER_NR_WORDS_MAX * 8, 64, what);
  const timers = memory.allocate("engine", TimerQueue.size, 64, what);
  const tunnel = memory.allocate("engine", TunnelInfo.size, 64, what);
  const { view } = memory;
  TimerQueue.writeBig(view, timers, "next", NEVER);
  const stackEnd = stacks + CPU_STACK_SIZE - MAX_BPF_STACK;
  CpuBlock.write(view, address, "id", id);
  CpuBlock.write(view, address, "slot", slot);
  CpuBlock.write(view, address, "stacks", stacks);
  CpuBlock.write(view, address, "stack_end", stackEnd);
  CpuBlock.write(view, address, "fp", stackEnd - MAX_BPF_STACK);
  CpuBlock.write(view, address, "xdp_context", xdpContext);
  CpuBlock.write(view, address, "skb", skb);
  CpuBlock.write(view, address, "scratch", scratch);
  CpuBlock.write(view, address, "scratch_size", CPU_SCRATCH_SIZE);
  CpuBlock.write(view, address, "skb_buffer", skbBuffer);
  CpuBlock.write(view, address, "skb_buffer_size", CPU_SKB_BUFFER_SIZE);
  CpuBlock.write(view, address, "program_stats", stats);
  CpuBlock.write(view, address, "iterator_words", iteratorWords);
  CpuBlock.write(view, address, "timers", timers);
  CpuBlock.write(view, address, "tunnel", tunnel);
  const [first, second] = randomState(seed, slot);
  CpuBlock.writeBig(view, address, "random", first);
  view.setBigUint64(address + CpuBlock.at.random + 8, second, true);
  return address;
}

/** Puts a CPU back to rest after a trap ended its run: no program, the outermost stack frame, no trap noted. Locks are `releaseLocks`' matter. */
export function resetCpu(memory: Pick<SimulatedMemory, "view">, address: number): void {
  const { view } = memory;
  CpuBlock.write(view, address, "fp", CpuBlock.read(view, address, "stack_end") - MAX_BPF_STACK);
  for (const field of ["program", "tail_calls", "depth", "exception", "trap", "trap_detail", "iterator_used"] as const) {
    CpuBlock.write(view, address, field, 0);
  }
}
