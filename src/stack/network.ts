import {
  AF_INET,
  AF_INET6,
  Neighbour,
  NetNamespace,
  Route,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from "../layout/index.ts";
import { formatIpAddress } from "../packet/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";
import { covers, familyOf, type IpPrefix, withHostBits } from "./prefix.ts";
import { problems } from "./problems.ts";
import type { NeighbourSpec, RouteSpec } from "./routes.ts";
import { PrefixTrie } from "./trie.ts";

/** What routing needs to know of a device. */
export interface RoutedDevice {
  readonly name: string;
  readonly ifindex: number;
  /** Address of its NetDevice in the memory. */
  readonly at: number;
  /** Its own addresses, each with the length of its network's prefix. */
  readonly addresses: readonly IpPrefix[];
}

/** Subnet-router anycast; RTN_ANYCAST in include/uapi/linux/rtnetlink.h. */
const RTN_ANYCAST = 4;
/** Metrics of routes that name none. include/uapi/linux/ipv6_route.h: IP6_RT_PRIO_USER, IP6_RT_PRIO_ADDRCONF. */
const IPV6_DEFAULT_METRIC = 1024;
const IPV6_CONNECTED_METRIC = 256;

/** A route with its device found. */
interface PlacedRoute {
  readonly text: string;
  readonly prefix: IpPrefix;
  readonly table: number;
  readonly type: number;
  readonly device: RoutedDevice | undefined;
  readonly gateway: Uint8Array | undefined;
  readonly source: Uint8Array | undefined;
  readonly metric: number;
  readonly mtu: number;
}

const whole = (address: Uint8Array): IpPrefix => ({ address, length: address.length * 8 });

/** Routes that come with a device's addresses: its networks, itself, broadcast or anycast. net/ipv4/fib_frontend.c, net/ipv6/addrconf.c. */
function ownRoutes(device: RoutedDevice): PlacedRoute[] {
  const routes: PlacedRoute[] = [];
  const add = (prefix: IpPrefix, table: number, type: number, metric: number, source?: Uint8Array): void => {
    routes.push({ text: `addresses of ${device.name}`, prefix, table, type, device, gateway: undefined, source, metric, mtu: 0 });
  };
  for (const own of device.addresses) {
    const { address, length } = own;
    const ipv6 = address.length === 16;
    const network = { address: withHostBits(own, 0), length };
    add(whole(address), RT_TABLE_LOCAL, RTN_LOCAL, 0, address);
    if (length < address.length * 8) add(network, RT_TABLE_MAIN, RTN_UNICAST, ipv6 ? IPV6_CONNECTED_METRIC : 0, address);
    if (!ipv6 && length < 31) add(whole(withHostBits(own, 1)), RT_TABLE_LOCAL, RTN_BROADCAST, 0, address);
    if (ipv6 && length < 127) add(whole(network.address), RT_TABLE_LOCAL, RTN_ANYCAST, 0);
  }
  if (device.addresses.some(({ address }) => address.length === 16)) {
    add(
      { address: Uint8Array.from({ length: 16 }, (_, index) => (index === 0 ? 0xff : 0)), length: 8 },
      RT_TABLE_LOCAL,
      RTN_MULTICAST,
      256,
    );
  }
  return routes;
}

/** The source address that packets towards `target` get on a device: one of the same network, else its first. */
function sourceFor(device: RoutedDevice | undefined, target: Uint8Array | undefined, family: number): Uint8Array | undefined {
  const own = (device?.addresses ?? []).filter(({ address }) => familyOf(address) === family);
  return (own.find((prefix) => target && covers(prefix, target)) ?? own[0])?.address;
}

/** Lays the routing tables and the neighbour table out in the memory and enters them in the namespace. Problems are thrown as ProblemError. */
export function layOutNetwork(
  memory: SimulatedMemory,
  namespace: number,
  network: { devices: readonly RoutedDevice[]; routes: readonly RouteSpec[]; neighbours: readonly NeighbourSpec[] },
): void {
  const byName = new Map(network.devices.map((device) => [device.name, device]));
  const find = (name: string, text: string): RoutedDevice => {
    const device = byName.get(name);
    if (!device) throw new ProblemError(problems.route_device_unknown({ text, device: name, known: [...byName.keys()].join(", ") }));
    return device;
  };

  const place = (spec: RouteSpec): PlacedRoute => {
    const { gateway, text } = spec;
    const ipv6 = spec.prefix.address.length === 16;
    let device = spec.device === undefined ? undefined : find(spec.device, text);
    if (!device && gateway) {
      device = network.devices.find(({ addresses }) => addresses.some((own) => covers(own, gateway)));
      if (!device) throw new ProblemError(problems.route_gateway_unreachable({ text, gateway: formatIpAddress(gateway) }));
    }
    return {
      text,
      prefix: spec.prefix,
      table: spec.table,
      type: spec.type,
      device,
      gateway,
      source: spec.source ?? sourceFor(device, gateway, familyOf(spec.prefix.address)),
      metric: spec.metric || (ipv6 ? IPV6_DEFAULT_METRIC : 0),
      mtu: spec.mtuLocked ? (spec.mtu ?? 0) : 0,
    };
  };

  const routes = [...network.devices.flatMap(ownRoutes), ...network.routes.map(place)];
  const roots = [
    ["fib4", AF_INET, [RT_TABLE_LOCAL, RT_TABLE_MAIN]],
    ["fib6_local", AF_INET6, [RT_TABLE_LOCAL]],
    ["fib6_main", AF_INET6, [RT_TABLE_MAIN]],
  ] as const;
  for (const [field, family, tables] of roots) {
    const chosen = routes.filter(({ table, prefix }) => familyOf(prefix.address) === family && tables.some((one) => one === table));
    NetNamespace.write(memory.view, namespace, field, layOutTable(memory, chosen));
  }
  layOutNeighbours(memory, namespace, network.neighbours, find);
}

const prefixKey = ({ address, length }: IpPrefix): string => `${formatIpAddress(withHostBits({ address, length }, 0))}/${length}`;

/** Routes as a trie: its root, or 0 when there are none. Of one prefix, the local table's come first, then those of the lowest metric. */
function layOutTable(memory: SimulatedMemory, routes: readonly PlacedRoute[]): number {
  const groups = new Map<string, PlacedRoute[]>();
  for (const route of routes) {
    const key = prefixKey(route.prefix);
    const group = groups.get(key);
    if (!group) groups.set(key, [route]);
    else if (route.type === RTN_UNICAST && group.some(({ metric, device }) => metric === route.metric && device === route.device)) {
      throw new ProblemError(problems.route_twice({ text: route.text, metric: route.metric }));
    } else group.push(route);
  }
  const trie = new PrefixTrie(memory);
  const byLength = [...groups.values()].sort(([a], [b]) => a!.prefix.length - b!.prefix.length);
  for (const group of byLength) {
    group.sort((a, b) => b.table - a.table || a.metric - b.metric);
    const addresses = group.map((route) => layOutRoute(memory, route));
    const covered = trie.insert({ prefix: group[0]!.prefix, route: addresses[0]! });
    for (const [index, at] of addresses.entries()) Route.write(memory.view, at, "next", addresses[index + 1] ?? covered);
  }
  return trie.root;
}

function layOutRoute(memory: SimulatedMemory, route: PlacedRoute): number {
  const at = memory.allocate("engine", Route.size, 8, "route");
  const { view, bytes } = memory;
  Route.write(view, at, "type", route.type);
  Route.write(view, at, "device", route.device?.at ?? 0);
  Route.write(view, at, "metric", route.metric);
  Route.write(view, at, "mtu", route.mtu);
  Route.write(view, at, "prefix_length", route.prefix.length);
  if (route.gateway) {
    Route.write(view, at, "gateway_family", familyOf(route.gateway));
    bytes.set(route.gateway, at + Route.at.gateway);
  }
  if (route.source) {
    Route.write(view, at, "has_source", 1);
    bytes.set(route.source, at + Route.at.source);
  }
  return at;
}

/** Where the search for a neighbour begins; match.as.ts computes the same. `words`: the address as four little-endian words. */
function neighbourHash(ifindex: number, words: readonly number[]): number {
  const [a = 0, b = 0, c = 0, d = 0] = words;
  const rotated = a ^ ((b << 8) | (b >>> 24)) ^ ((c << 16) | (c >>> 16)) ^ ((d << 24) | (d >>> 8));
  let hash = Math.imul(rotated ^ Math.imul(ifindex, 0x9e3779b1), 0x85ebca6b);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0xc2b2ae35) >>> 0;
}

function layOutNeighbours(
  memory: SimulatedMemory,
  namespace: number,
  neighbours: readonly NeighbourSpec[],
  find: (name: string, text: string) => RoutedDevice,
): void {
  const valid = neighbours.filter((neighbour) => find(neighbour.device, neighbour.text) && neighbour.valid);
  if (valid.length === 0) return;
  const slots = 2 ** Math.ceil(Math.log2(valid.length * 2 + 1));
  const table = memory.allocate("engine", slots * Neighbour.size, 64, "neighbours");
  const { view, bytes } = memory;
  for (const neighbour of valid) {
    const { ifindex } = find(neighbour.device, neighbour.text);
    const address = new Uint8Array(16);
    address.set(neighbour.address);
    const words = Array.from({ length: 4 }, (_, index) => new DataView(address.buffer).getUint32(index * 4, true));
    let slot = neighbourHash(ifindex, words) & (slots - 1);
    const isOther = (at: number): boolean => {
      const used = Neighbour.read(view, at, "ifindex");
      if (used === 0) return false;
      const there = bytes.subarray(at + Neighbour.at.address, at + Neighbour.at.address + 16);
      return (
        used !== ifindex ||
        Neighbour.read(view, at, "family") !== familyOf(neighbour.address) ||
        !there.every((byte, i) => byte === address[i])
      );
    };
    while (isOther(table + slot * Neighbour.size)) slot = (slot + 1) & (slots - 1);
    const at = table + slot * Neighbour.size;
    Neighbour.write(view, at, "ifindex", ifindex);
    Neighbour.write(view, at, "family", familyOf(neighbour.address));
    bytes.set(address, at + Neighbour.at.address);
    bytes.set(neighbour.mac, at + Neighbour.at.mac);
  }
  NetNamespace.write(view, namespace, "neighbours", table);
  NetNamespace.write(view, namespace, "neighbour_mask", slots - 1);
}
