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
