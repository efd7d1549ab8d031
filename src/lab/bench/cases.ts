import type { ProgramTypeName } from "../../bpf/spec.ts";

/** The types that hooks run. */
export type BenchType = Exclude<ProgramTypeName, "socket_filter">;

import type { BenchPacketName } from "./packets.ts";

/** A program in its bench form, and what it is measured with. */
export interface BenchCase {
  /** The name that results go by. */
  readonly program: string;
  readonly type: BenchType;
  /** Object below programs/, without ".o". */
  readonly object: string;
  readonly entry: string;
  /** The same body eight times; absent where the program has no body to speak of. */
  readonly entry8?: string;
  /** Map contents below programs/, without ".maps.yaml". */
  readonly contents?: string;
  readonly packets: readonly BenchPacketName[];
  /** It asks the FIB: the kernel's time is taken in a network namespace with `benchRoutes`. */
  readonly routes?: boolean;
}

const form = (program: string, packets: readonly BenchPacketName[], more: Partial<BenchCase> = {}): BenchCase => ({
  program,
  type: "xdp",
  object: `bench/${program}`,
  entry: "bench",
  entry8: "bench_x8",
  packets,
  ...more,
});

/** What every program's time is held against: a program that returns at once. */
export const emptyCases: Readonly<Record<BenchType, BenchCase>> = {
  xdp: { program: "empty", type: "xdp", object: "bench/empty", entry: "empty", packets: ["tcp64"] },
  sched_cls: { program: "empty_tc", type: "sched_cls", object: "bench/empty", entry: "empty_tc", packets: ["tcp64"] },
};

export const benchCases: readonly BenchCase[] = [
  { program: "pass_all", type: "xdp", object: "pass_all", entry: "pass_all", packets: ["tcp64"] },
  { program: "drop_all", type: "xdp", object: "drop_all", entry: "drop_all", packets: ["tcp64"] },
  form("protocol_counters", ["tcp64", "ipv6", "tcp1500"]),
  form("reflector", ["tcp64", "ipv6"]),
  form("firewall", ["tcp64", "udp64", "ipv6"], { contents: "firewall" }),
  form("router", ["tcp64", "ipv6"], { contents: "router", routes: true }),
  form("balancer", ["tcp64", "udp64", "ipv6", "tcp1500"], { contents: "balancer" }),
  form("scrubber", ["tcp64", "udp64"], { contents: "bench/scrubber" }),
  form("policy", ["tcp64", "udp64"], {
    program: "policy_ingress",
    type: "sched_cls",
    entry: "bench_ingress",
    entry8: "bench_ingress_x8",
    contents: "policy",
  }),
  form("policy", ["reply64"], {
    program: "policy_egress",
    type: "sched_cls",
    entry: "bench_egress",
    entry8: "bench_egress_x8",
    contents: "policy",
  }),
];

/** A device of the bench's network: programs/router.maps.yaml names the indexes. Packets come in on index 1. */
export const benchDevices = [
  { name: "lo", ifindex: 1, mac: "00:00:00:00:00:00", addresses: [] },
  { name: "eth0", ifindex: 2, mac: "02:00:00:00:00:10", addresses: ["10.0.0.1/24"] },
  { name: "eth1", ifindex: 3, mac: "02:00:00:00:01:01", addresses: ["10.1.0.1/24"] },
  { name: "eth2", ifindex: 4, mac: "02:00:00:00:02:01", addresses: ["2001:db8:f::1/64"] },
] as const;

/** Routes and neighbours in ip's grammar: declared to the simulation, and given to ip(8) in the kernel's network namespace. */
export const benchRoutes = ["198.51.100.0/24 via 10.1.0.2 dev eth1", "2001:db8:100::/48 via 2001:db8:f::2 dev eth2"] as const;
export const benchNeighbours = ["10.1.0.2 lladdr 02:00:00:00:01:02 dev eth1", "2001:db8:f::2 lladdr 02:00:00:00:02:02 dev eth2"] as const;
