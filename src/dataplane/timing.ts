import type { InstructionPrices } from "../bpf/verifier/index.ts";
import {
  CpuTiming,
  LATENCY_BUCKET_BITS,
  LATENCY_BUCKETS,
  LATENCY_HISTOGRAM_SIZE,
  LatencyHistogram,
  MISS_STEP,
  NAPI_POLL_WEIGHT,
  PollState,
  QueueTiming,
  TimingCosts,
} from "../layout/index.ts";
import { type Device, missShare, pciOverhead, type TimingProfile } from "../nic/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";
import type { MachineLayout } from "./machine.ts";

/** How long packets of a device's receive queues were under way, nanoseconds; percentiles to within 0.8 %. */
export interface LatencyResult {
  readonly device: string;
  readonly packets: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What one CPU had to do. */
export interface CpuLoad {
  readonly cpu: number;
  readonly busyNs: number;
  /** Share of the whole time that it worked. */
  readonly load: number;
  readonly polls: number;
}

/** A run in modelled time. */
export interface TimingResult {
  readonly profile: string;
  /** From the first packet to the last thing that anybody did. */
  readonly spanNs: number;
  /** Packets that arrived, and those lost before a poll found them. */
  readonly offered: number;
  readonly lost: number;
  /** Packets a second: offered while they came, and taken in over the whole span. */
  readonly offeredRate: number;
  readonly carriedRate: number;
  readonly cpus: readonly CpuLoad[];
  readonly latencies: readonly LatencyResult[];
}

/** Where the model's state stands. */
interface TimingLayout {
  /** CpuTimings by CPU. */
  readonly cpus: readonly number[];
  readonly queues: readonly { readonly timing: number; readonly returned: number; readonly ring: number }[];
  readonly met: number;
}

const WORD = 8;
/** Last entry of the costs' `misses`: with so many buffers none is found in any cache there is. */
const MISS_LIMIT = 4096;

/** Models the time of a machine's runs by a profile. */
export class MachineTiming {
  readonly profile: TimingProfile;
  readonly #memory: SimulatedMemory;
  readonly #machine: MachineLayout;
  readonly #devices: readonly Device[];
  readonly #layout: TimingLayout;

  constructor(memory: SimulatedMemory, machine: MachineLayout, devices: readonly Device[], profile: TimingProfile) {
    this.profile = profile;
    this.#memory = memory;
    this.#machine = machine;
    this.#devices = devices;
    this.#layout = this.#layOut();
  }

  #layOut(): TimingLayout {
    const memory = this.#memory;
    const { queues, states } = this.#machine;
    const { view } = memory;
    const engine = (size: number): number => memory.allocate("engine", size, 64, "timing");
    const costs = this.#writeCosts();
    const timings = engine(queues.length * QueueTiming.size);
    const rows = queues.map(({ device }, number) => {
      const timing = timings + number * QueueTiming.size;
      const ring = this.#devices[device]!.ring ?? this.profile.driver.ring;
      const returned = engine(ring * WORD);
      QueueTiming.write(view, timing, "ring", ring);
      QueueTiming.write(view, timing, "returned", returned);
      QueueTiming.write(view, timing, "poll_limit", pollLimit(this.profile, ring));
      QueueTiming.write(view, timing, "buffers", ring + this.profile.driver.spareBuffers);
      return { timing, returned, ring };
    });
    const cpus = states.map((state) => {
      const timing = engine(CpuTiming.size);
      CpuTiming.write(view, timing, "costs", costs);
      CpuTiming.write(view, timing, "queues", timings);
      CpuTiming.write(view, timing, "queue_count", queues.length);
      CpuTiming.write(view, timing, "met", engine(queues.length));
      CpuTiming.write(view, timing, "latencies", engine(this.#devices.length * LATENCY_HISTOGRAM_SIZE));
      CpuTiming.write(view, timing, "gathered", engine(NAPI_POLL_WEIGHT * 2));
      PollState.write(view, state, "timing", timing);
      return timing;
    });
    return { cpus, queues: rows, met: queues.length };
  }

  #writeCosts(): number {
    const { driver, pci, cache } = this.profile;
    const memory = this.#memory;
    const { view } = memory;
    const at = memory.allocate("engine", TimingCosts.size, 64, "timing");
    const misses = memory.allocate("engine", (MISS_LIMIT + 1) * WORD, 64, "timing");
    for (let step = 0; step <= MISS_LIMIT; step++)
      view.setFloat64(misses + step * WORD, missShare(step * MISS_STEP, cache) * cache.miss, true);
    const overhead = pciOverhead(pci);
    const floats = {
      receive: driver.receive,
      poll: driver.poll,
      transmit: driver.transmit,
      redirect: driver.redirect,
      pass: driver.pass,
      enqueue: driver.cpumapEnqueue,
      interrupt_delay: driver.interruptDelay,
      pci_byte: 1e9 / pci.rate,
      pci_receive: overhead.receive,
      pci_transmit: overhead.transmit,
      nic_buffer: (pci.nicBuffer * 1e9) / pci.rate,
    } as const;
    for (const [field, value] of Object.entries(floats)) TimingCosts.writeFloat(view, at, field as keyof typeof floats, value);
    TimingCosts.write(view, at, "misses", misses);
    TimingCosts.write(view, at, "miss_limit", MISS_LIMIT);
    TimingCosts.write(view, at, "pci_header", pci.header);
    TimingCosts.write(view, at, "pci_payload", pci.payload);
    return at;
  }

  /** Sets all clocks to the start of a run. */
  reset(): void {
    const { view, bytes } = this.#memory;
    for (const timing of this.#layout.cpus) {
      for (const field of ["clock", "began", "busy", "miss"] as const) CpuTiming.writeFloat(view, timing, field, 0);
      for (const field of ["spent", "polls"] as const) CpuTiming.writeBig(view, timing, field, 0n);
      for (const field of ["room", "room_turn", "batch", "batch_queue"] as const) CpuTiming.write(view, timing, field, 0);
      const met = CpuTiming.read(view, timing, "met");
      bytes.fill(0, met, met + this.#layout.met);
      const latencies = CpuTiming.read(view, timing, "latencies");
      bytes.fill(0, latencies, latencies + this.#devices.length * LATENCY_HISTOGRAM_SIZE);
    }
    for (const { timing, returned, ring } of this.#layout.queues) {
      for (const field of ["next", "admitted"] as const) QueueTiming.write(view, timing, field, 0);
      for (const field of ["pci_clock", "pci_byte"] as const) QueueTiming.writeFloat(view, timing, field, 0);
      bytes.fill(0, returned, returned + ring * WORD);
    }
  }

  /** What the run came to. `lastArrivalNs` since its first packet. */
  result(offered: number, lost: number, lastArrivalNs: number): TimingResult {
    const { view } = this.#memory;
    const { cpus } = this.#layout;
    const clocks = cpus.map((timing) => CpuTiming.readFloat(view, timing, "clock"));
    const spanNs = Math.max(lastArrivalNs, ...clocks);
    const perSecond = (packets: number, ns: number) => (ns > 0 ? (packets * 1e9) / ns : 0);
    return {
      profile: this.profile.name,
      spanNs,
      offered,
      lost,
      offeredRate: perSecond(Math.max(offered - 1, 0), lastArrivalNs),
      carriedRate: perSecond(offered - lost, spanNs),
      cpus: cpus.map((timing, cpu) => {
        const began = CpuTiming.readFloat(view, timing, "began");
        const busyNs = CpuTiming.readFloat(view, timing, "busy") + clocks[cpu]! - began;
        return { cpu, busyNs, load: spanNs > 0 ? busyNs / spanNs : 0, polls: Number(CpuTiming.readBig(view, timing, "polls")) };
      }),
      latencies: this.#devices.flatMap(({ name, index }) => this.#latency(name, index) ?? []),
    };
  }

  /** All CPUs' latencies of a device; undefined where nothing was received. */
  #latency(device: string, index: number): LatencyResult | undefined {
    const { view } = this.#memory;
    const counts = new Float64Array(LATENCY_BUCKETS);
    let max = 0;
    let sum = 0;
    for (const timing of this.#layout.cpus) {
      const at = CpuTiming.read(view, timing, "latencies") + index * LATENCY_HISTOGRAM_SIZE;
      max = Math.max(max, LatencyHistogram.readFloat(view, at, "max"));
      sum += LatencyHistogram.readFloat(view, at, "sum");
      for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        counts[bucket]! += Number(view.getBigUint64(at + LatencyHistogram.size + bucket * WORD, true));
      }
    }
    const packets = counts.reduce((total, count) => total + count, 0);
    if (packets === 0) return undefined;
    const percentile = (share: number): number => {
      let left = Math.max(1, Math.ceil(packets * share));
      for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        left -= counts[bucket]!;
        if (left <= 0) return Math.min(highestOf(bucket), max);
      }
      return max;
    };
    const shares = { p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999 } as const;
    const percentiles = Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, percentile(share)]));
    return { device, packets, mean: sum / packets, ...(percentiles as Record<keyof typeof shares, number>), max };
  }
}

/** The highest value that counts in a bucket, as HdrHistogram reports percentiles. */
function highestOf(bucket: number): number {
  const linear = 2 << LATENCY_BUCKET_BITS;
  if (bucket < linear) return bucket;
  const doublings = (bucket >> LATENCY_BUCKET_BITS) - 1;
  const mantissa = bucket - (doublings << LATENCY_BUCKET_BITS);
  return (mantissa + 1) * 2 ** doublings - 1;
}

/** What the profile's CPU makes of instructions. */
export function pricesOf({ cpu }: TimingProfile): InstructionPrices {
  const picoseconds = (nanoseconds: number) => Math.round(nanoseconds * 1000);
  return {
    instruction: picoseconds(cpu.instruction),
    division: picoseconds(cpu.division),
    atomic: picoseconds(cpu.atomic),
    call: picoseconds(cpu.call),
    helpers: Object.fromEntries(Object.entries(cpu.helpers).map(([name, cost]) => [name, picoseconds(cost)])),
  };
}

const pollLimit = ({ driver }: TimingProfile, ring: number): number =>
  Math.max(1, Math.min(driver.pollWeight, Math.floor(ring * driver.pollShare)));
