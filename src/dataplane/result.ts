import type { Fate } from "./outcome.ts";
import type { TimingResult } from "./timing.ts";
import type { TraceReport } from "./traceLog.ts";

/** Packets and bytes of one fate at one place. */
export interface FateCount {
  readonly fate: Fate;
  readonly to: string | null;
  readonly reason: string | null;
  readonly packets: number;
  readonly bytes: number;
}

export interface ProgramResult {
  readonly name: string;
  readonly hook: string;
  readonly device: string;
  readonly runs: number;
  readonly traps: number;
  /** Verdict by name to how often the program gave it. */
  readonly verdicts: Readonly<Record<string, number>>;
}

export interface QueueResult {
  readonly device: string;
  readonly queue: number;
  readonly cpu: number;
  readonly packets: number;
  readonly bytes: number;
  /** Packets by fate. */
  readonly fates: Readonly<Partial<Record<Fate, number>>>;
}

/** A trap that a program ran into, counted by place and reason. */
export interface TrapResult {
  readonly program: string;
  readonly instruction: number | null;
  readonly reason: string;
  readonly source: string | null;
  readonly packets: number;
}

/** What a whole run came to. Counts are exact; only `elapsedNs` is of the real clock. */
export interface RunResult {
  readonly packets: number;
  readonly bytes: number;
  /** First and last timestamp of the capture, nanoseconds since 1970; null without packets. */
  readonly firstNs: bigint | null;
  readonly lastNs: bigint | null;
  readonly elapsedNs: number;
  readonly workers: number;
  /** Sorted by packets, most first. */
  readonly fates: readonly FateCount[];
  readonly programs: readonly ProgramResult[];
  readonly queues: readonly QueueResult[];
  /** ethtool -S names to values, zeroes left out, per device. */
  readonly devices: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly traps: readonly TrapResult[];
  /** null where time was not modelled. */
  readonly timing: TimingResult | null;
  /** What programs printed, in virtual time. */
  readonly trace: TraceReport;
  /** Packets that the capture had cut short, and those among them that were filled up with zeros; the others ran at their captured length. */
  readonly snapped: number;
  readonly padded: number;
  /** Copies (broadcast, clone_redirect) that were counted but could not be given to `onOutcome`: a window holds records of so many only. */
  readonly unrecordedCopies: number;
  /** Packets that the filter left out: no other number counts them. null without a filter. */
  readonly filtered: number | null;
  /** The run was stopped before its input ended (Ctrl-C). */
  readonly interrupted: boolean;
}
