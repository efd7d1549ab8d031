import type { TimingResult } from "../dataplane/index.ts";
import { count, duration, packetRate, percent } from "./quantity.ts";
import { plainTable } from "./table.ts";

const right = (heading: string) => ({ heading, right: true });

/** What modelled time came to: rates and losses, the CPUs' load, how long packets were under way. */
export function timingText({ profile, offered, lost, offeredRate, carriedRate, spanNs, cpus, latencies }: TimingResult): string {
  const loss = lost === 0 ? "none lost" : `${count(lost)} lost (${percent(lost, offered)} %)`;
  const rates = `${packetRate(offeredRate)} offered, ${packetRate(carriedRate)} taken in, ${loss}`;
  const cpuRows = cpus.map(({ cpu, load, busyNs, polls }) => [String(cpu), percent(load, 1), duration(busyNs), count(polls)]);
  const latencyRows = latencies.map(({ device, packets, mean, p50, p90, p99, p999, max }) => [
    device,
    count(packets),
    ...[mean, p50, p90, p99, p999, max].map(duration),
  ]);
  const sections = [
    ` time as on ${profile}: ${rates}, in ${duration(spanNs)}\n`,
    plainTable([right("cpu"), right("load %"), right("busy"), right("polls")], cpuRows),
  ];
  if (latencyRows.length > 0) {
    const columns = ["packets", "mean", "p50", "p90", "p99", "p99.9", "max"].map(right);
    sections.push(plainTable([{ heading: "latency" }, ...columns], latencyRows));
  }
  return sections.join("\n");
}

const round = (value: number, digits = 0): number => Number(value.toFixed(digits));

/** `timing` of `replay --json`: nanoseconds, packets, and packets a second. */
export function timingJson({ profile, offered, lost, offeredRate, carriedRate, spanNs, cpus, latencies }: TimingResult): object {
  return {
    profile,
    span_ns: round(spanNs),
    offered,
    lost,
    offered_pps: round(offeredRate),
    carried_pps: round(carriedRate),
    cpus: cpus.map(({ cpu, busyNs, load, polls }) => ({ cpu, busy_ns: round(busyNs), load: round(load, 4), polls })),
    latency_ns: latencies.map(({ device, packets, mean, p50, p90, p99, p999, max }) => ({
      device,
      packets,
      mean: round(mean, 1),
      p50: round(p50),
      p90: round(p90),
      p99: round(p99),
      p99_9: round(p999),
      max: round(max),
    })),
  };
}
