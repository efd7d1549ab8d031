import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseIpAddress } from "../../src/packet/index.ts";
import type { Result } from "../../src/problem/index.ts";
import { layOutNetwork, parseNeighbour, parsePrefix, parseRoute, type RoutedDevice } from "../../src/stack/index.ts";
import { HelperBench } from "../helperBench.ts";

/**
 * Answers of bpf_fib_lookup from Linux 6.18, by BPF_PROG_TEST_RUN in a network namespace with the devices, routes and neighbours below: program type,
 * struct bpf_fib_lookup before, flags, return value, struct afterwards. Forwarding was on, but for eth2.
 */
interface Recorded {
  readonly routes: readonly string[];
  readonly neighbours: readonly string[];
  readonly queries: readonly (readonly ["xdp" | "tc", string, number, number, string])[];
}

const recorded = JSON.parse(readFileSync(new URL("fib.recorded.json", import.meta.url), "utf8")) as Recorded;

const value = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
};

const hex = (bytes: ArrayLike<number>): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The devices of the recording, routes and neighbours laid out. */
function router(): HelperBench {
  const bench = new HelperBench();
  const devices: RoutedDevice[] = [
    ["lo", 1, 65536, [0, 0, 0, 0, 0, 0], ["127.0.0.1/8", "::1/128"]],
    ["eth0", 10, 1500, [2, 0, 0, 0, 0, 0x10], ["10.0.0.1/24", "2001:db8:0::1/64"]],
    ["eth1", 11, 9000, [2, 0, 0, 0, 0, 0x11], ["10.0.1.1/24", "2001:db8:1::1/64"]],
    ["eth2", 12, 1400, [2, 0, 0, 0, 0, 0x12], ["10.0.2.1/24"]],
  ].map((row) => {
    const [name, ifindex, mtu, mac, addresses] = row as [string, number, number, number[], string[]];
    return { name, ifindex, at: bench.addDevice(ifindex, { mtu, mac }), addresses: addresses.map((text) => parsePrefix(text)!) };
  });
  for (const field of [20, 24]) bench.view.setUint32(devices[3]!.at + field, 0, true);
  layOutNetwork(bench.memory, bench.namespace, {
    devices,
    routes: recorded.routes.map((text) => value(parseRoute(text))),
    neighbours: recorded.neighbours.map((text) => value(parseNeighbour(text))),
  });
  return bench;
}

test("bpf_fib_lookup answers as Linux 6.18 did, struct and return value", () => {
  const bench = router();
  const skb = bench.skb(new Array(120).fill(0), bench.addDevice(20));
  const different: string[] = [];
  for (const [type, parameters, flags, expected, after] of recorded.queries) {
    const at = bench.place(Buffer.from(parameters, "hex"));
    const got = type === "xdp" ? bench.call("xdpFibLookup", 0, at, 64, flags) : bench.call("skbFibLookup", skb, at, 64, flags);
    const left = hex(bench.read(at, 64));
    if (got !== expected || left !== after)
      different.push(`${type} ${parameters} flags ${flags}: ${got} ${left}, not ${expected} ${after}`);
  }
  expect(different).toEqual([]);
  expect(recorded.queries.length).toBeGreaterThan(600);
});

test("table 0 is the main table", () => {
  const bench = router();
  const query = (table: number): number => {
    const parameters = new Uint8Array(64);
    const view = new DataView(parameters.buffer);
    parameters[0] = 2;
    view.setUint32(8, 10, true);
    parameters.set([10, 0, 0, 2], 32);
    view.setUint32(48, table, true);
    // BPF_FIB_LOOKUP_DIRECT and BPF_FIB_LOOKUP_TBID
    return bench.call("xdpFibLookup", 0, bench.place(parameters), 64, 1 | 8);
  };
  expect([query(0), query(254), query(7)]).toEqual([0, 0, 4]);
});

test("a struct that is too short, an unknown flag and an unknown family are refused", () => {
  const bench = router();
  const at = bench.place(new Array(64).fill(0));
  expect(bench.call("xdpFibLookup", 0, at, 63, 0)).toBe(-22);
  expect(bench.call("xdpFibLookup", 0, at, 64, 64)).toBe(-22);
  expect(bench.call("xdpFibLookup", 0, at, 64, 0)).toBe(-97);
});

test("routes and neighbours are read in ip's grammar, and what is not simulated is said", () => {
  expect(value(parseRoute("default via 10.0.0.1 dev eth0 proto static metric 5"))).toMatchObject({
    prefix: { length: 0 },
    gateway: parseIpAddress("10.0.0.1"),
    device: "eth0",
    metric: 5,
  });
  expect(value(parseRoute("default via fe80::1 dev eth0")).prefix.address).toHaveLength(16);
  const problem = (text: string): string => {
    const result = parseRoute(text);
    return result.ok ? "fine" : result.problem.message;
  };
  expect(problem("10.0.0.0/33 dev eth0")).toContain("10.0.0.0/33 is no prefix");
  expect(problem("10.0.0.0/8")).toContain("neither via nor dev");
  expect(problem("10.0.0.0/8 nexthop via 10.0.0.1")).toContain("nexthop is not simulated");
  const neighbour = parseNeighbour("10.0.0.2 dev eth0");
  expect(neighbour.ok ? "" : neighbour.problem.message).toContain("lladdr MAC is missing");
});
