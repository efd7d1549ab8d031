import { expect, test } from "vitest";
import { geometricMean, median, spread, summarize } from "../../../src/lab/bench/statistics.ts";

test("the median is the value in the middle, whatever the order", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([7])).toBe(7);
  expect(median([])).toBeNaN();
});

test("the median leaves its samples in their order", () => {
  const samples = [3, 1, 2];
  expect(summarize(samples)).toEqual({ median: 2, spread: 1, samples: [3, 1, 2] });
  expect(samples).toEqual([3, 1, 2]);
});

test("the spread is the range in parts of the median", () => {
  expect(spread([10, 12, 9])).toBeCloseTo(0.3);
  expect(spread([5, 5])).toBe(0);
});

test("twice as fast and twice as slow come to 1 in the geometric mean", () => {
  expect(geometricMean([0.5, 2])).toBeCloseTo(1);
  expect(geometricMean([0.25, 1, 1, 1])).toBeCloseTo(Math.SQRT1_2, 4);
  expect(geometricMean([])).toBeNaN();
});
