import { assert, integer, property } from "fast-check";
import { expect, test } from "vitest";
import { count } from "../../src/report/quantity.ts";

test("whole numbers get a comma every three digits, as toLocaleString would give them", () => {
  assert(
    property(integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }), (value) => {
      expect(count(value)).toBe(value.toLocaleString("en-US"));
    }),
  );
  expect([0, 999, 1000, -1000, 1234567].map(count)).toEqual(["0", "999", "1,000", "-1,000", "1,234,567"]);
});
