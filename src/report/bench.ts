import { type BenchMachine, type EngineName, type Measurement, type ReplayRate, ratiosOf, verdictOf } from "../lab/index.ts";
import { byteCount, count, packetRate } from "./quantity.ts";
import { type Column, plainTable } from "./table.ts";

/** One row of `bench --json`. Times in nanoseconds a packet; null where the engine was not measured. */
export interface BenchJsonRow {
  readonly program: string;
  readonly packet: string;
  readonly ns_per_packet: Readonly<Record<EngineName, number | null>>;
  readonly net_ns_per_packet: Readonly<Record<EngineName, number | null>>;
  /** Compiler to live kernel. */
  readonly ratios: { readonly net: number | null; readonly raw: number | null };
  /** Greatest less smallest sample in parts of the median. */
  readonly spread: Readonly<Record<EngineName, number | null>>;
  /** Runs of the program's body in the form that the net time is from: 1, or 8 for short programs. */
  readonly body_runs: number;
  readonly samples: number;
}

const round = (value: number | null | undefined, digits: number): number | null =>
  value === null || value === undefined ? null : Number(value.toFixed(digits));

export function benchJson(measurements: readonly Measurement[]): BenchJsonRow[] {
  return measurements.map((measurement) => {
    const { program, packet, times, bodyRuns } = measurement;
    const each = (field: "nanoseconds" | "net" | "spread", digits: number) => ({
      interp: round(times.interp?.[field], digits),
      jit: round(times.jit?.[field], digits),
      kernel: round(times.kernel?.[field], digits),
    });
    const { net, raw } = ratiosOf(measurement);
    return {
      program,
      packet,
      ns_per_packet: each("nanoseconds", 2),
      net_ns_per_packet: each("net", 2),
      ratios: { net: round(net, 3), raw: round(raw, 3) },
      spread: each("spread", 3),
      body_runs: bodyRuns,
      samples: Math.max(...Object.values(times).map(({ samples }) => samples)),
    };
  });
}

const columns: readonly Column[] = [
  { heading: "program" },
  { heading: "packet" },
  { heading: "interp", right: true },
  { heading: "jit", right: true },
  { heading: "kernel", right: true },
  { heading: "net jit", right: true },
  { heading: "net kernel", right: true },
  { heading: "ratio", right: true },
  { heading: "raw", right: true },
  { heading: "spread", right: true },
];

const cell = (value: number | null, digits = 1): string => (value === null ? "–" : value.toFixed(digits));

function cells(row: BenchJsonRow): string[] {
  const spread = Math.max(row.spread.jit ?? 0, row.spread.kernel ?? 0);
  return [
    row.program,
    row.packet,
    cell(row.ns_per_packet.interp, 0),
    cell(row.ns_per_packet.jit),
    cell(row.ns_per_packet.kernel),
    `${cell(row.net_ns_per_packet.jit)}${row.body_runs > 1 ? "*" : ""}`,
    `${cell(row.net_ns_per_packet.kernel)}${row.body_runs > 1 ? "*" : ""}`,
    cell(row.ratios.net, 2),
    cell(row.ratios.raw, 2),
    `${(spread * 100).toFixed(0)} %`,
  ];
}

/** The sentences under a table: what all programs come to against the kernel. */
function verdictLines(measurements: readonly Measurement[]): string[] {
  const { mean, worst } = verdictOf(measurements);
  if (mean === null) return ["The live kernel was not measured."];
  const lines = [`Geometric mean of the net ratios, compiler to BPF_PROG_TEST_RUN: ${mean.toFixed(2)}.`];
  if (worst !== null)
    lines.push(`Highest among programs of 20 ns or more: ${worst.ratio.toFixed(2)}, ${worst.program} on ${worst.packet}.`);
  return lines;
}

/** For a terminal. Times in nanoseconds a packet. */
export function benchText(measurements: readonly Measurement[]): string {
  const table = plainTable(columns, benchJson(measurements).map(cells));
  const eight = measurements.some(({ bodyRuns }) => bodyRuns > 1) ? ["* from the form that runs the body eight times"] : [];
  return `${[table, ...eight.map((line) => ` ${line}`), ...verdictLines(measurements).map((line) => ` ${line}`)].join("\n")}\n`;
}

const method = `Times are nanoseconds a packet, medians. Every program runs in a form that leaves the packet as it found it; the first and the last run of every engine, and the
engines among each other, must return the same value and the same bytes. The engines take turns within each round. The kernel's time is from
BPF_PROG_TEST_RUN, a million runs a sample; its whole nanoseconds are refined by the clock around the call where the two agree. A net time is what is left
when the time of a program that returns at once, taken in the same round and engine, is subtracted; programs of less than 20 ns of their own are
measured by a form that runs the body eight times (*). bpf_fib_lookup runs in a network namespace with the routes that the simulation was told of.`;

export const machineLine = ({ cpu, cpus, memoryGiB, copyBytesPerSecond, system, node, v8, commit }: BenchMachine): string =>
  `${cpu}, ${cpus} CPUs, ${memoryGiB} GiB, copies ${byteCount(copyBytesPerSecond)}/s; ${system}; Node.js ${node} (V8 ${v8}); commit ${commit ?? "unknown"}.`;

const markdownRow = (texts: readonly string[]): string => `| ${texts.join(" | ")} |`;

/** The lines of a table. */
export const markdownTable = (columns: readonly Column[], rows: readonly (readonly string[])[]): string[] => [
  markdownRow(columns.map(({ heading }) => heading)),
  markdownRow(columns.map(({ right }) => (right ? "--:" : "---"))),
  ...rows.map(markdownRow),
];

/** For a file. */
export function benchMarkdown(measurements: readonly Measurement[], machine: BenchMachine): string {
  const rows = benchJson(measurements).map(cells);
  return [
    "# Time per packet",
    "",
    method,
    "",
    machineLine(machine),
    "Repeat with `npm run bench`.",
    "",
    ...markdownTable(columns, rows),
    "",
    ...verdictLines(measurements),
    "",
  ].join("\n");
}

const replayColumns: readonly Column[] = [
  { heading: "replay" },
  { heading: "capture" },
  { heading: "workers", right: true },
  { heading: "packets", right: true },
  { heading: "rate", right: true },
  { heading: "ns/packet", right: true },
  { heading: "spread", right: true },
  { heading: "copy", right: true },
  { heading: "memory", right: true },
];

const replayCells = (rate: ReplayRate): string[] => [
  rate.program,
  rate.capture,
  String(rate.workers),
  count(rate.packets),
  packetRate(rate.packetsPerSecond.median),
  (1e9 / rate.packetsPerSecond.median).toFixed(1),
  `${(rate.packetsPerSecond.spread * 100).toFixed(0)} %`,
  `${byteCount(rate.copyBytesPerSecond)}/s`,
  byteCount(rate.peakBytes),
];

/** Replay rates for a terminal. */
export const replayText = (rates: readonly ReplayRate[]): string =>
  `${plainTable(replayColumns, rates.map(replayCells))}\n copy: what one thread of this machine copied at best, measured between the samples\n`;

const replayMethod = `A capture that lies in memory is replayed on one device with four queues: records are walked, hashed (Toeplitz) and steered to the queues by the main thread, and
polled, copied into frames and run through the XDP program by the workers; every packet leaves one compact outcome record, which is folded into the summary.
The rate is the median of seven samples, each of so many packets, after one that is not counted; spread is the greatest less the smallest, in parts of it. Copy is the best
that one thread of the machine copied (memcpy of 64 MiB), measured between the samples; memory is the most that the process ever held, all measurements up to this one
included.`;

/** Replay rates for a file. */
export function replayMarkdown(rates: readonly ReplayRate[], machine: BenchMachine): string {
  return [
    "# Replay rates",
    "",
    replayMethod,
    "",
    machineLine(machine),
    "Repeat with `npm run bench`.",
    "",
    ...markdownTable(replayColumns, rates.map(replayCells)),
    "",
  ].join("\n");
}
