import { expect, test } from "vitest";
import { RateMachine } from "../../../src/lab/findRate/findRate.ts";

const R: Record<number, number[]> = {
  1024: [8.65, 15.98, 19.22, 21.54, 25.46, 29.83],
  512: [8.67, 16.63, 25.23, 28.81, 31.31, 33.97],
  256: [8.64, 16.74, 25.74, 34.19, 41.46, 46.06],
  128: [7.58, 14.27, 22.09, 29.51, 36.65, 43.38],
};
test("cells", async () => {
  for (const ring of [1024, 512, 256, 128]) {
    const row: string[] = [];
    for (let queues = 1; queues <= 6; queues++) {
      const machine = await RateMachine.open({ action: "redirect", queues, ring });
      const got = (await machine.carried()) / 1e6;
      row.push(`${got.toFixed(2)} ${((got / R[ring]![queues - 1]! - 1) * 100).toFixed(1)}%`);
    }
    console.log(ring, row.join(" | "));
  }
  for (const [action, queues, ring] of [
    ["drop", 1, 1024],
    ["drop", 6, 1024],
    ["tx", 1, 256],
    ["tx", 6, 256],
    ["tx", 5, 256],
    ["tx", 4, 256],
    ["pass", 1, 1024],
  ] as const) {
    const machine = await RateMachine.open({ action, queues, ring });
    console.log(action, queues, ring, ((await machine.carried()) / 1e6).toFixed(2));
  }
  expect(1).toBe(1);
}, 100000);
