import type { Measurement } from "./measure.ts";
import { geometricMean } from "./statistics.ts";

/** Net times below this many nanoseconds are noise: no ratio is formed with them. */
const MEASURABLE = 1;
/** From here on a program counts for the bar on single programs, in nanoseconds of the kernel's net time. */
const LONG = 20;

/** The compiler's time in parts of the live kernel's. `net`: without each side's empty program; null where there is nothing to compare. */
export interface Ratios {
  readonly net: number | null;
  readonly raw: number | null;
}

export function ratiosOf({ times: { jit, kernel } }: Measurement): Ratios {
  if (jit === undefined || kernel === undefined) return { net: null, raw: null };
  return { net: kernel.net < MEASURABLE ? null : jit.net / kernel.net, raw: jit.nanoseconds / kernel.nanoseconds };
}

/** What all measurements come to. Null where no kernel was measured. */
export interface Verdict {
  /** Geometric mean of the net ratios. */
  readonly mean: number | null;
  /** The highest net ratio among programs that take the kernel 20 ns or more. */
  readonly worst: { readonly program: string; readonly packet: string; readonly ratio: number } | null;
}

export function verdictOf(measurements: readonly Measurement[]): Verdict {
  const rated = measurements.flatMap((measurement) => {
    const { net } = ratiosOf(measurement);
    // A net time of nothing, or less by noise, would make the mean meaningless.
    return net === null ? [] : [{ measurement, ratio: Math.max(net, 0.01) }];
  });
  const long = rated.filter(({ measurement }) => (measurement.times.kernel?.net ?? 0) >= LONG);
  const worst = long.toSorted((a, b) => b.ratio - a.ratio)[0];
  return {
    mean: rated.length === 0 ? null : geometricMean(rated.map(({ ratio }) => ratio)),
    worst: worst === undefined ? null : { program: worst.measurement.program, packet: worst.measurement.packet, ratio: worst.ratio },
  };
}
