import { availableParallelism } from "node:os";
import { Dataplane, type LoadedObject } from "../../dataplane/index.ts";
import { openWorkerPool } from "../../dataplane/pool.node.ts";
import { bytesFromMemory, openCapture } from "../../packet/index.ts";
import { ProblemError } from "../../problem/index.ts";
import { readBenchFiles } from "./benchFiles.node.ts";
import type { BenchCase } from "./cases.ts";
import type { MapContents } from "./contents.ts";
import { measureCopyBandwidth } from "./machine.node.ts";
import { benchProblems } from "./problems.ts";
import { balancedServices } from "./services.ts";
import { type Sampled, summarize } from "./statistics.ts";
import { minimumFrames } from "./traffic.ts";

export interface ReplayBenchOptions {
  /** A whole capture, unpacked, and what to call it; 64-byte frames of 5,000 flows unless said. */
  readonly capture?: { readonly name: string; readonly bytes: Uint8Array };
  /** How many packets each sample replays, about: the capture is repeated. 4 million unless said. */
  readonly packets?: number;
  /** Most worker threads; from 1 on, every power of two up to here is measured. As many as the machine has CPUs, up to the queues, unless said. */
  readonly workers?: number;
  readonly rounds?: number;
  readonly onMeasured?: (rate: ReplayRate) => void;
}

const PROGRAMS = ["drop_all", "balancer"] as const;
const QUEUES = 4;
const FLOWS = 5000;
/** Packets of the generated capture: about 8 MB. */
const GENERATED_PACKETS = 100_000;

/** Replay rates by program and number of workers. */
export async function runReplayBench({
  capture = { name: "64 B, 5,000 flows", bytes: minimumFrames({ packets: GENERATED_PACKETS, flows: FLOWS }) },
  packets = 4_000_000,
  workers: most = Math.min(availableParallelism(), QUEUES),
  rounds = 7,
  onMeasured,
}: ReplayBenchOptions = {}): Promise<ReplayRate[]> {
  const rates: ReplayRate[] = [];
  for (const program of PROGRAMS) {
    for (let workers = 1; workers <= most; workers *= 2) {
      const rate = await measureReplay({
        program,
        capture: capture.bytes,
        captureName: capture.name,
        packets,
        queues: QUEUES,
        workers,
        rounds,
      });
      rates.push(rate);
      onMeasured?.(rate);
    }
  }
  return rates;
}

/** What one replay is measured with. */
interface ReplayCase {
  readonly program: (typeof PROGRAMS)[number];
  readonly capture: Uint8Array;
  readonly captureName: string;
  readonly packets: number;
  readonly queues: number;
  readonly workers: number;
  readonly rounds: number;
}

export interface ReplayRate {
  readonly program: string;
  readonly capture: string;
  readonly queues: number;
  readonly workers: number;
  /** Packets of one sample. */
  readonly packets: number;
  readonly bytesPerPacket: number;
  readonly packetsPerSecond: Sampled;
  /** Packets by fate in the last sample. */
  readonly fates: Readonly<Record<string, number>>;
  /** Resident memory of the process after the samples, in bytes, and the most it ever was. */
  readonly residentBytes: number;
  readonly peakBytes: number;
  /** What one thread of the machine copies in a second, taken in between. */
  readonly copyBytesPerSecond: number;
}

const caseOf = (program: ReplayCase["program"]): BenchCase => ({
  program,
  type: "xdp",
  object: program,
  entry: program,
  packets: [],
  ...(program === "balancer" ? { contents: "balancer" } : {}),
});

/**
 * Replays a capture that lies in memory through one XDP program: walking the records, Toeplitz hash, steering, frame copy, program, one compact outcome
 * record a packet folded into the summary. The first replay warms up and is not counted.
 */
async function measureReplay(options: ReplayCase): Promise<ReplayRate> {
  const { program, capture, captureName, queues, workers, rounds } = options;
  const dataplane = new Dataplane({ devices: [{ name: "eth0", queues }], workers, openPool: openWorkerPool });
  const { object, contents } = readBenchFiles(caseOf(program));
  const loaded = dataplane.open(object);
  fill(loaded, contents);
  if (program === "balancer") fill(loaded, balancedServices(object, capture));
  dataplane.attach(dataplane.devices[0]!, "xdp", loaded.load(object.programs[0]!));

  const source = await openCapture(dataplane.memory, bytesFromMemory(capture), {
    name: captureName,
    resident: capture.length,
    release: dataplane.release,
  });
  if (source.problem !== null) throw new ProblemError(source.problem);
  let result = await dataplane.run(source);
  const repeat = Math.max(Math.round(options.packets / Math.max(result.packets, 1)), 1);
  const rates: number[] = [];
  let copyBytesPerSecond = 0;
  for (let round = 0; round < rounds; round++) {
    source.rewind();
    result = await dataplane.run(source, { repeat });
    rates.push((result.packets / result.elapsedNs) * 1e9);
    copyBytesPerSecond = Math.max(copyBytesPerSecond, measureCopyBandwidth());
  }
  await source.close();
  const memory = process.memoryUsage();
  return {
    program,
    capture: captureName,
    queues,
    workers,
    packets: result.packets,
    bytesPerPacket: result.bytes / result.packets,
    packetsPerSecond: summarize(rates),
    fates: Object.fromEntries(result.fates.map(({ fate, packets }) => [fate, packets])),
    residentBytes: memory.rss,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    copyBytesPerSecond,
  };
}

function fill(object: LoadedObject, contents: readonly MapContents[]): void {
  for (const { map, entries } of contents) {
    for (const { key, value } of entries) {
      const result = value === undefined ? 0 : object.map(map.name)!.update(key, value);
      if (result < 0) throw new ProblemError(benchProblems.bench_map_fill({ engine: "xdplane", map: map.name, errno: -result }));
    }
  }
}
