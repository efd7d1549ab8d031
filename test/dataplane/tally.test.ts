import { expect, test } from "vitest";
import { udp } from "../../src/packet/index.ts";
import { summaryText } from "../../src/report/index.ts";
import { spec, TestMachine } from "./machine.ts";

test("of more different verdicts than a tally has room for none is lost", async () => {
  const machine = new TestMachine();
  // An action of its own for about every packet: microseconds of the clock.
  machine.attach("xdp", spec("counts_up", "call 5\nr0 >>= 10\nr0 &= 0xffff\nr0 += 100\nexit"));
  const query = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" });
  const { result } = await machine.replay(Array.from({ length: 5000 }, () => query));
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  expect(new Set(result.fates.map(({ fate }) => fate))).toEqual(new Set(["aborted"]));
  expect(sum(result.fates.map(({ packets }) => packets))).toBe(5000);
  expect(sum(result.fates.map(({ bytes }) => bytes))).toBe(5000 * 42);
  expect(result.fates[0]).toMatchObject({ reason: "other" });
  expect(result.programs.map(({ name, hook }) => [name, hook])).toEqual([
    ["counts_up", "xdp"],
    ["other", ""],
  ]);
  expect(sum(result.programs.map(({ runs }) => runs))).toBe(5000);
  for (const line of summaryText(result).split("\n")) expect(line.length).toBeLessThan(400);
});
