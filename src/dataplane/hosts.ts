import { IFF_UP, NetDevice, NetNamespace } from "../layout/index.ts";
import { Device, type DeviceSpec } from "../nic/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";
import { type IpPrefix, layOutNetwork, type NeighbourSpec, type RouteSpec } from "../stack/index.ts";
import { layOutNamespace } from "./machine.ts";
import { problems } from "./problems.ts";

/** A device of the machine, with its addresses. */
export interface DataplaneDevice extends DeviceSpec {
  readonly addresses?: readonly IpPrefix[];
  /** Host that it belongs to; the first unless said. */
  readonly host?: string;
}

/** A network namespace with a protocol stack of its own. ifindexes are unique within one. */
export interface HostSpec {
  readonly name: string;
  /** net.ipv4.ip_forward; false unless said. */
  readonly ipForward?: boolean;
  readonly routes?: readonly RouteSpec[];
  readonly neighbours?: readonly NeighbourSpec[];
}

export interface HostsOptions {
  readonly devices: readonly DataplaneDevice[];
  /** Hosts whose protocols are simulated. Without any there is one, whose stack takes every packet. */
  readonly hosts?: readonly HostSpec[] | undefined;
  /** Routes and neighbours of the first host. */
  readonly routes?: readonly RouteSpec[] | undefined;
  readonly neighbours?: readonly NeighbourSpec[] | undefined;
}

export interface Hosts {
  /** Those that were asked for, then the hosts' loopback devices. */
  readonly devices: readonly Device[];
  /** Addresses of the NetNamespaces, by host; the first is the default one. */
  readonly namespaces: ReadonlyMap<string, number>;
}

/** Mostly the MTU of lo. */
const LOOPBACK_MTU = 65536;
/** Name of the only host where none is declared. */
const DEFAULT_HOST = "";

/** Makes the devices, each in its host's network namespace, connects those that are pairs, and lays out routes and neighbours. */
export function layOutHosts(memory: SimulatedMemory, options: HostsOptions): Hosts {
  const declared = options.hosts ?? [];
  const specs: readonly HostSpec[] = declared.length > 0 ? declared : [{ name: DEFAULT_HOST, ipForward: true }];
  const hostOf = (device: DataplaneDevice): string => device.host ?? specs[0]!.name;
  checkDevices(options.devices, specs, hostOf);
  const devices = options.devices.map((spec, index) => new Device(memory, spec, index));
  const all = [...devices];
  const namespaces = new Map<string, number>();
  for (const [number, host] of specs.entries()) {
    const places = [...options.devices.keys()].filter((index) => hostOf(options.devices[index]!) === host.name);
    const own = places.map((index) => devices[index]!);
    if (declared.length > 0) {
      const loopback = new Device(memory, { name: "lo", ifindex: 1, mac: "00:00:00:00:00:00", takesRedirects: false }, all.length);
      NetDevice.write(memory.view, loopback.address, "mtu", LOOPBACK_MTU);
      all.push(loopback);
      own.push(loopback);
    }
    const namespace = layOutNamespace(memory, own);
    namespaces.set(host.name, namespace);
    NetNamespace.write(memory.view, namespace, "stack", declared.length > 0 ? 1 : 0);
    NetNamespace.write(memory.view, namespace, "ip_forward", host.ipForward === true ? 1 : 0);
    if (declared.length > 0)
      for (const { address } of own) NetDevice.write(memory.view, address, "forwarding4", host.ipForward === true ? 1 : 0);
    layOutNetwork(memory, namespace, {
      devices: places.map((index) => {
        const { name, ifindex, address } = devices[index]!;
        const up = (NetDevice.read(memory.view, address, "flags") & IFF_UP) !== 0;
        return { name, ifindex, at: address, addresses: up || declared.length === 0 ? (options.devices[index]!.addresses ?? []) : [] };
      }),
      routes: [...(number === 0 ? (options.routes ?? []) : []), ...(host.routes ?? [])],
      neighbours: [...(number === 0 ? (options.neighbours ?? []) : []), ...(host.neighbours ?? [])],
    });
  }
  for (const device of devices) {
    if (device.peer === undefined) continue;
    device.connect(devices.find(({ name }) => name === device.peer)!);
  }
  return { devices: all, namespaces };
}

/** Names are unique in the machine, ifindexes in a host; peers name each other. */
function checkDevices(devices: readonly DataplaneDevice[], hosts: readonly HostSpec[], hostOf: (device: DataplaneDevice) => string): void {
  const names = new Set<string>();
  const indices = new Set<string>();
  for (const [index, device] of devices.entries()) {
    const { name, ifindex = index + 2, peer } = device;
    const host = hostOf(device);
    if (!hosts.some((one) => one.name === host)) throw new ProblemError(problems.device_host_unknown({ name, host }));
    if (names.has(name)) throw new ProblemError(problems.device_twice({ what: "name", value: name }));
    if (indices.has(`${host} ${ifindex}`)) throw new ProblemError(problems.device_twice({ what: "ifindex", value: ifindex }));
    if (ifindex < 1 || ifindex > 65535)
      throw new ProblemError(problems.dataplane_setting({ what: `the ifindex of ${name}`, value: ifindex, expected: "1 to 65535" }));
    names.add(name);
    indices.add(`${host} ${ifindex}`);
    if (peer === undefined) continue;
    const other = devices.find((one) => one.name === peer);
    if (other === undefined || other.peer !== name || other === device) throw new ProblemError(problems.device_peer({ name, peer }));
  }
}
