import { expect, test } from "vitest";
import type { DataplaneOptions } from "../../src/dataplane/index.ts";
import { udp } from "../../src/packet/index.ts";
import { parseNeighbour, parsePrefix, parseRoute } from "../../src/stack/index.ts";
import { spec, TestMachine } from "./machine.ts";

const taken = <T>(result: { ok: true; value: T } | { ok: false }): T => {
  if (!result.ok) throw new Error("not parsed");
  return result.value;
};

const options: Partial<DataplaneOptions> = {
  devices: [
    { name: "eth0", mac: "02:00:00:00:00:01", addresses: [parsePrefix("10.0.0.1/24")!, parsePrefix("2001:db8::1/64")!] },
    { name: "eth1", mac: "02:00:00:00:01:01", addresses: [parsePrefix("10.1.0.1/24")!, parsePrefix("2001:db8:1::1/64")!] },
  ],
  routes: [
    "10.2.0.0/16 via 10.1.0.254 dev eth1",
    "blackhole 10.3.0.0/16",
    "2001:db8:2::/64 via 2001:db8:1::fe dev eth1",
    "unreachable 2001:db8:3::/64",
  ].map((text) => taken(parseRoute(text))),
  neighbours: [
    "10.1.0.9 lladdr 02:aa:00:00:00:09 dev eth1",
    "10.1.0.254 lladdr 02:aa:00:00:00:fe dev eth1",
    "10.3.0.1 lladdr 02:aa:00:00:03:01 dev eth1",
    "10.1.0.9 lladdr 02:bb:00:00:00:09 dev eth0",
    "2001:db8:1::9 lladdr 02:aa:00:00:06:09 dev eth1",
    "2001:db8:1::fe lladdr 02:aa:00:00:06:fe dev eth1",
  ].map((text) => taken(parseNeighbour(text))),
};

/** Ends with bpf_redirect_neigh to eth1. `hop`: a family and four words of an address. */
function redirects(hop?: readonly [family: number, ...words: number[]]): string {
  const words = (hop ?? []).map((value, index) => `*(u32 *)(r10 ${index * 4 - 20}) = ${value | 0}`).join("\n");
  const parameters = hop === undefined ? "r2 = 0\nr3 = 0" : "r2 = r10\nr2 += -20\nr3 = 20";
  return `${words}\nr1 = 3\n${parameters}\nr4 = 0\ncall 152\nexit`;
}

async function sent(packet: Uint8Array, hop?: Parameters<typeof redirects>[0]) {
  const machine = new TestMachine(options);
  machine.attach("ingress", spec("redirects", redirects(hop), "sched_cls"));
  // What leaves has been at eth1's egress hook.
  machine.attach("egress", spec("sees", "r0 = 0\nexit", "sched_cls"), "eth1");
  const { outcomes, bytes } = await machine.replay([packet], { keepBytes: true });
  const { fate, reason, to, steps } = outcomes[0]!;
  return { fate, reason, to, seen: steps.length, macs: Buffer.from(bytes[0]!.subarray(0, 12)).toString("hex"), bytes: bytes[0]! };
}

const leaves = (neighbour: string) => ({ fate: "redirect", reason: null, to: "eth1", seen: 2, macs: `${neighbour}020000000101` });
const from = "10.0.0.9:4000";
const from6 = "[2001:db8::9]:4000";

test.each([
  ["10.1.0.9:53", from, "02aa00000009", "a neighbour of the device"],
  ["10.2.7.7:53", from, "02aa000000fe", "the gateway of the route"],
  ["10.3.0.1:53", from, "02aa00000301", "without a route, a neighbour all the same"],
  ["[2001:db8:1::9]:53", from6, "02aa00000609", "a neighbour of the device"],
  ["[2001:db8:2::7]:53", from6, "02aa000006fe", "the gateway of the route"],
])("bpf_redirect_neigh towards %s", async (to, source, neighbour) => {
  const packet = udp({ from: source, to });
  const { bytes, ...outcome } = await sent(packet);
  expect(outcome).toEqual(leaves(neighbour));
  // Only the MAC addresses are others: no TTL is counted down.
  expect(bytes.subarray(12)).toEqual(packet.subarray(12));
});

test("a next hop that the program names, of either family", async () => {
  const packet = udp({ from, to: "192.0.2.1:53" });
  expect(await sent(packet, [2, 0x0900010a, 0, 0, 0])).toMatchObject(leaves("02aa00000009"));
  expect(await sent(packet, [10, 0xb80d0120, 0x0100, 0, 0x09000000])).toMatchObject(leaves("02aa00000609"));
  expect(await sent(packet, [0, 0, 0, 0, 0])).toMatchObject({ fate: "drop", reason: "tc_redirect_err:-22", seen: 1 });
  expect(await sent(packet, [2, 0x0800010a, 0, 0, 0])).toMatchObject({ fate: "drop", reason: "tc_redirect_err:-113", seen: 1 });
});

test.each([
  { lost: "a neighbour that nobody knows", to: "10.1.0.10:53", source: from, errno: -113 },
  { lost: "the network's broadcast address", to: "10.1.0.255:53", source: from, errno: -22 },
  { lost: "an unreachable IPv6 destination", to: "[2001:db8:3::1]:53", source: from6, errno: -101 },
  { lost: "an IPv6 destination without a route", to: "[2001:db8:9::1]:53", source: from6, errno: -101 },
  { lost: "a frame to a group of the link", to: "10.1.0.9:53", source: from, errno: -524, mac: { macTo: "01:00:5e:00:00:01" } },
])("bpf_redirect_neigh loses $lost", async ({ to, source, errno, mac = {} }) => {
  expect(await sent(udp({ from: source, to, ...mac }))).toMatchObject({ fate: "drop", reason: `tc_redirect_err:${errno}`, seen: 1 });
});
