import { expect, test } from "vitest";
import { classicListing } from "../../../src/bpf/classic/index.ts";
import { ours, recorded, theirs } from "./recorded.ts";

test("most expressions' listings are those of tcpdump -d, and the others are seldom longer", () => {
  let same = 0;
  let longer = 0;
  for (const [expression, code] of Object.entries(recorded())) {
    const [own, other] = [ours(expression), theirs(code)];
    if (classicListing(own.instructions) === classicListing(other.instructions)) same++;
    // Linux's filters have no loops, so a chain of headers is written out.
    else if (!other.loops && own.instructions.length > other.instructions.length) longer++;
  }
  expect(same).toBeGreaterThanOrEqual(386);
  expect(longer).toBeLessThanOrEqual(18);
});
