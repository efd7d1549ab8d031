import { Dataplane, type RunResult, type TimingResult } from "../../dataplane/index.ts";
import { type TimingProfile, XDP_PAPER } from "../../nic/index.ts";
import { bytesFromMemory, type CaptureSource, openCapture } from "../../packet/index.ts";
import { evenTraffic } from "./evenTraffic.ts";
import type { RateProgram } from "./programs.ts";

/** What is driven to its limit. */
export interface RateCase {
  readonly program: RateProgram;
  /** Receive queues, each with a CPU of its own. */
  readonly queues: number;
  /** Buffers of a receive ring; the profile's unless said. */
  readonly ring?: number;
  readonly profile?: TimingProfile;
}

/** A machine's limits with a program. Rates in packets a second. */
export interface FoundRate {
  readonly program: string;
  readonly queues: number;
  readonly ring: number;
  /** What it takes in when more comes than it can. */
  readonly carried: number;
  /** The highest offered rate with no loss, to within 0.25 %. */
  readonly lossless: number;
  /** At the lossless rate: load of the busiest CPU, and the latencies of packets, nanoseconds. */
  readonly load: number;
  readonly p50: number;
  readonly p99: number;
}

/** How far the lossless rate is known: this share of it. */
const PRECISION = 0.0025;
/** Packets of the capture that is repeated. */
const CAPTURE_PACKETS = 32_768;
/** Packets of the first look at a case, and those a queue that then measure it. */
const FIRST_LOOK = 200_000;
const MEASURED_PER_QUEUE = 80_000;
/** How much more than it can carry an overloaded machine is offered. */
const OVERLOAD = 1.5;
/** Bytes that a frame of 64 takes on the wire: preamble and gap with it. */
const WIRE_BYTES = 84;

/** A machine that does one thing with every packet, in modelled time: one CPU a queue, the smallest frames, spread evenly. Nothing in it depends on the host. */
export class RateMachine {
  readonly #dataplane: Dataplane;
  readonly #source: CaptureSource;
  readonly #lineRate: number;
  readonly #program: string;
  readonly #queues: number;
  readonly #ring: number;

  private constructor(dataplane: Dataplane, source: CaptureSource, { program, queues, ring, profile = XDP_PAPER }: RateCase) {
    this.#dataplane = dataplane;
    this.#source = source;
    this.#lineRate = profile.linkRate / 8 / WIRE_BYTES;
    this.#program = program.name;
    this.#queues = queues;
    this.#ring = ring ?? profile.driver.ring;
  }

  static async open(rateCase: RateCase): Promise<RateMachine> {
    const { program, queues, ring, profile = XDP_PAPER } = rateCase;
    const receiving = { name: "eth0", queues, ...(ring === undefined ? {} : { ring }) };
    const dataplane = new Dataplane({ devices: [receiving, { name: "eth1" }], timing: profile });
    dataplane.attach(dataplane.devices[0]!, "xdp", program.load(dataplane));
    const capture = evenTraffic(queues, CAPTURE_PACKETS);
    const source = await openCapture(dataplane.memory, bytesFromMemory(capture), {
      name: "even traffic",
      resident: capture.length,
      release: dataplane.release,
    });
    return new RateMachine(dataplane, source, rateCase);
  }

  /** Offers about so many packets at `rate` packets a second. */
  async offer(rate: number, packets: number): Promise<TimingResult> {
    this.#source.rewind();
    const result: RunResult = await this.#dataplane.run(this.#source, { rate, repeat: Math.max(1, Math.ceil(packets / CAPTURE_PACKETS)) });
    return result.timing!;
  }

  /** Packets a second that the machine takes in when it is offered more than it can. */
  async carried(): Promise<number> {
    const { carriedRate } = await this.offer(this.#lineRate, FIRST_LOOK);
    const rate = Math.min(this.#lineRate, carriedRate * OVERLOAD);
    const measured = await this.offer(rate, MEASURED_PER_QUEUE * this.#queues * OVERLOAD);
    return measured.carriedRate;
  }

  /** The highest offered rate with no loss, by bisection. A run is so long that what is too much by `PRECISION` overflows a ring. */
  async find(): Promise<FoundRate> {
    const carried = await this.carried();
    const packets = (this.#ring / PRECISION) * this.#queues;
    let low = carried * 0.9;
    let high = Math.min(carried * 1.05, this.#lineRate);
    let best = await this.offer(low, packets);
    while (best.lost > 0) {
      high = low;
      low *= 0.8;
      best = await this.offer(low, packets);
    }
    for (;;) {
      const middle = high - low < low * PRECISION ? high : (low + high) / 2;
      const timing = await this.offer(middle, packets);
      if (timing.lost === 0) {
        best = timing;
        low = middle;
        if (middle === high) {
          if (high === this.#lineRate) break;
          high = Math.min(high * 1.05, this.#lineRate);
        }
      } else if (middle === high) break;
      else high = middle;
    }
    const { p50 = 0, p99 = 0 } = best.latencies[0] ?? {};
    return {
      program: this.#program,
      queues: this.#queues,
      ring: this.#ring,
      carried,
      lossless: low,
      load: Math.max(...best.cpus.map((cpu) => cpu.load)),
      p50,
      p99,
    };
  }
}
