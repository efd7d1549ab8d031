import type { TraceLine } from "../runtime/index.ts";

/** Lines that one thread keeps of a run; a program that prints for every packet must not fill the memory. */
const LINES_KEPT = 1000;

/** What programs printed with bpf_trace_printk: the first lines, and how many more there were. */
export interface TraceReport {
  readonly lines: readonly TraceLine[];
  readonly lost: number;
}

/** Collects the lines of one thread. */
export class TraceLog {
  readonly #lines: TraceLine[] = [];
  #lost = 0;

  readonly add = (line: TraceLine): void => {
    if (this.#lines.length < LINES_KEPT) this.#lines.push(line);
    else this.#lost += 1;
  };

  get report(): TraceReport {
    return { lines: [...this.#lines], lost: this.#lost };
  }

  clear(): void {
    this.#lines.length = 0;
    this.#lost = 0;
  }
}

/** The lines of all threads in virtual time, those of one time by CPU. */
export function mergeTraces(reports: readonly TraceReport[]): TraceReport {
  const lines = reports.flatMap((report) => report.lines);
  lines.sort((a, b) => (a.nanoseconds === b.nanoseconds ? a.cpu - b.cpu : a.nanoseconds < b.nanoseconds ? -1 : 1));
  return { lines, lost: reports.reduce((sum, { lost }) => sum + lost, 0) };
}
