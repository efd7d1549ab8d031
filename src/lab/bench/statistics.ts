/** The value in the middle, or the mean of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How far apart the samples lie: the greatest less the smallest, in parts of the median. NaN for none. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** The mean of ratios: the n-th root of their product. Every value must be above 0; NaN for none. */
export function geometricMean(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** What a median comes with. */
export interface Sampled {
  readonly median: number;
  readonly spread: number;
  readonly samples: readonly number[];
}

export const summarize = (samples: readonly number[]): Sampled => ({ median: median(samples), spread: spread(samples), samples });

/** y = constant + slope × x. `determination`: the share of y's variance that it explains (R²). */
export interface LinearFit {
  readonly constant: number;
  readonly slope: number;
  readonly determination: number;
}

/** The straight line with the least sum of squares through points [x, y], of which two at least differ in x. */
export function linearFit(points: readonly (readonly [x: number, y: number])[]): LinearFit {
  const mean = (of: (point: readonly [number, number]) => number) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const x0 = mean(([x]) => x);
  const y0 = mean(([, y]) => y);
  const slope = mean(([x, y]) => (x - x0) * (y - y0)) / mean(([x]) => (x - x0) ** 2);
  const constant = y0 - slope * x0;
  const left = mean(([x, y]) => (y - constant - slope * x) ** 2);
  return { constant, slope, determination: 1 - left / mean(([, y]) => (y - y0) ** 2) };
}
