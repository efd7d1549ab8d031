import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { IFF_UP, NetDevice, NetNamespace } from "../../../src/layout/index.ts";
import type { Result } from "../../../src/problem/index.ts";
import type { SimulatedMemory } from "../../../src/runtime/index.ts";
import {
  layOutNetwork as layOutRoutes,
  layOutSockets,
  layOutSynCookies,
  parseNeighbour,
  parsePrefix,
  parseRoute,
  parseSocket,
} from "../../../src/stack/index.ts";
import { sockets } from "../../stack/liveSockets.ts";

/** The network namespace in which programs run on both sides: loopback, which frames come from, and devices that routes lead to. */
interface Device {
  readonly name: string;
  readonly ifindex: number;
  readonly mtu: number;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly forwards: boolean;
}

const devices: readonly Device[] = [
  { name: "lo", ifindex: 1, mtu: 65536, mac: "00:00:00:00:00:00", addresses: ["127.0.0.1/8", "::1/128"], forwards: true },
  { name: "eth0", ifindex: 10, mtu: 1500, mac: "02:00:00:00:00:10", addresses: ["10.0.0.1/24", "fd00::1/64"], forwards: true },
  { name: "eth1", ifindex: 11, mtu: 9000, mac: "02:00:00:00:00:11", addresses: ["10.0.1.1/24", "fd01::1/64"], forwards: true },
  { name: "eth2", ifindex: 12, mtu: 1400, mac: "02:00:00:00:00:12", addresses: ["10.0.2.1/24"], forwards: false },
];
const routes = [
  "10.1.0.0/16 via 10.0.0.2 dev eth0",
  "10.1.128.0/24 via 10.0.1.2 dev eth1",
  "default via 10.0.0.3 dev eth0",
  "unreachable 10.2.0.0/16",
  "blackhole 10.3.0.0/16",
  "10.4.0.0/16 dev eth1 mtu 1000",
  "fd02::/32 via fd00::2 dev eth0",
  "fd03::/32 dev eth1",
] as const;
const neighbours = [
  "10.0.0.2 dev eth0 lladdr 02:00:00:00:01:02",
  "10.0.1.2 dev eth1 lladdr 02:00:00:00:01:12",
  "10.4.0.9 dev eth1 lladdr 02:00:00:00:01:19",
  "fd00::2 dev eth0 lladdr 02:00:00:00:06:02",
] as const;

/** Addresses that lookups ask for: of the host, of neighbours, behind routes, nowhere. */
export const ADDRESSES_4 = [
  0x0a000002, 0x0a000001, 0x0a010101, 0x0a018001, 0x0a020001, 0x0a030001, 0x0a040009, 0x08080808, 0x0a0000ff, 0x7f000001, 0xe0000001, 0,
] as const;
export const ADDRESSES_6 = ["fd00::2", "fd00::1", "fd02::9", "fd03::9", "fd09::1", "ff02::1", "::", "::1"] as const;
export const IFINDEXES = [1, 10, 11, 12, 0, 99] as const;

const LARGEST = Math.max(...devices.map(({ ifindex }) => ifindex));

const value = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
};

const declared = {
  routes: routes.map((text) => value(parseRoute(text))),
  neighbours: neighbours.map((text) => value(parseNeighbour(text))),
  sockets: sockets.map((text) => value(parseSocket(text))),
  addresses: new Map(devices.map(({ name, addresses }) => [name, addresses.map((text) => parsePrefix(text)!)])),
};

/** Lays the namespace out in the memory. Gives its address, and that of the loopback device. */
export function layOutSimulated(memory: SimulatedMemory): { readonly namespace: number; readonly device: number } {
  const namespace = memory.allocate("engine", NetNamespace.size, 64, "network namespace");
  const table = memory.allocate("engine", (LARGEST + 1) * 4, 4, "devices");
  const { view } = memory;
  NetNamespace.write(view, namespace, "devices", table);
  NetNamespace.write(view, namespace, "device_limit", LARGEST + 1);
  const placed = devices.map(({ name, ifindex, mtu, mac, forwards }) => {
    const at = memory.allocate("engine", NetDevice.size, 64, `device ${name}`);
    for (const [field, word] of [
      ["ifindex", ifindex],
      ["mtu", mtu],
      ["hard_header_len", 14],
      ["flags", IFF_UP],
      ["rx_queues", 1],
      ["forwarding4", Number(forwards)],
      ["forwarding6", Number(forwards)],
    ] as const)
      NetDevice.write(memory.view, at, field, word);
    memory.bytes.set(Buffer.from(mac.replaceAll(":", ""), "hex"), at + NetDevice.at.mac);
    memory.bytes.fill(ifindex === 1 ? 0 : 0xff, at + NetDevice.at.broadcast, at + NetDevice.at.broadcast + 6);
    memory.view.setUint32(table + ifindex * 4, at, true);
    return { name, ifindex, at, addresses: declared.addresses.get(name)! };
  });
  layOutRoutes(memory, namespace, {
    devices: placed,
    routes: declared.routes,
    neighbours: declared.neighbours,
  });
  layOutSynCookies(memory, namespace, { mode: 2 });
  layOutSockets(memory, namespace, { sockets: declared.sockets, devices: placed });
  return { namespace, device: placed[0]!.at };
}

const ip = (text: string): void => {
  execFileSync("ip", text.split(" "), { stdio: ["ignore", "ignore", "pipe"] });
};

/** Makes the same, but for the sockets, in the network namespace that this thread is in, which holds nothing but a loopback device. */
export function makeLive(): void {
  const set = (name: string, word: number): void => writeFileSync(`/proc/sys/net/${name}`, String(word));
  ip("link set lo up");
  for (const { name, ifindex, mtu, mac, addresses, forwards } of devices) {
    if (ifindex !== 1) {
      // The other end is nobody's: it is only there so that the device has a carrier.
      ip(
        `link add name ${name} index ${ifindex} address ${mac} mtu ${mtu} type veth peer name ${name}peer index ${ifindex + 10} mtu ${mtu}`,
      );
      set(`ipv6/conf/${name}peer/disable_ipv6`, 1);
      ip(`link set dev ${name} addrgenmode none`);
      for (const end of [name, `${name}peer`]) ip(`link set ${end} up`);
      for (const address of addresses) ip(`address add ${address} dev ${name}${address.includes(":") ? " nodad" : ""}`);
    }
    for (const family of ["ipv4", "ipv6"]) set(`${family}/conf/${name}/forwarding`, Number(forwards));
  }
  for (const text of routes) ip(`${text.includes(":") ? "-6 " : ""}route add ${text}`);
  for (const text of neighbours) ip(`neigh add ${text} nud permanent`);
}
