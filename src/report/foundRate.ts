import type { FoundRate } from "../lab/index.ts";
import { duration, packetRate, percent } from "./quantity.ts";
import { plainTable } from "./table.ts";

/** The table of `bench --find-rate`. */
export function foundRateText(found: readonly FoundRate[]): string {
  const right = (heading: string) => ({ heading, right: true });
  const rows = found.map(({ program, ring, queues, lossless, carried, load, p50, p99 }) => [
    program,
    String(ring),
    String(queues),
    packetRate(lossless),
    packetRate(carried),
    percent(load, 1),
    duration(p50),
    duration(p99),
  ]);
  const columns = ["ring", "queues", "without loss", "overloaded", "load %", "p50", "p99"].map(right);
  return plainTable([{ heading: "program" }, ...columns], rows);
}

/** The same as JSON: packets a second, nanoseconds. */
export function foundRateJson(found: readonly FoundRate[]): string {
  const rows = found.map(({ program, ring, queues, lossless, carried, load, p50, p99 }) => ({
    program,
    ring,
    queues,
    lossless_pps: Math.round(lossless),
    overloaded_pps: Math.round(carried),
    load: Number(load.toFixed(4)),
    p50_ns: Math.round(p50),
    p99_ns: Math.round(p99),
  }));
  return `${JSON.stringify(rows, null, 2)}\n`;
}
