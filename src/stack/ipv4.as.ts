/** IPv4 headers and routes as the host's own stack sees them: what is well formed, and where a packet goes. net/ipv4/ip_input.c, route.c. Addresses by their place in the memory. */
import {
  AF_INET,
  NetDevice_ifindex,
  NetDevice_mtu,
  NetDevice_network,
  NetNamespace_fib4,
  NetNamespace_ip_forward,
  NetNamespace_neighbour_mask,
  NetNamespace_neighbours,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_UNICAST,
  Route_device,
  Route_gateway,
  Route_gateway_family,
  Route_mtu,
  Route_type,
} from "../layout/layout.generated.as";
import { csumFold, csumPartial } from "../packet/csum.as";
import { match4 } from "./fib.as";
import { findNeighbour4 } from "./match.as";

export const IPV4_HEADER: u32 = 20;
const VERSION_4: u32 = 0x40;
/** IP_DF, and what says that a packet is a fragment, as loaded. include/net/ip.h. */
export const DONT_FRAGMENT: u32 = 0x0040;
const FRAGMENT_MASK: u32 = 0xff3f;

export const IPPROTO_ICMP: u32 = 1;
export const IPPROTO_UDP: u32 = 17;

export function headerLength(ip: u32): u32 {
  return u32(load<u8>(ip) & 15) << 2;
}

export function totalLength(ip: u32): u32 {
  return u32(bswap<u16>(load<u16>(ip, 2)));
}

export function isFragment(ip: u32): bool {
  return (load<u16>(ip, 6) & FRAGMENT_MASK) != 0;
}

/** Whether `length` bytes at `ip` begin with a header that is in order, and hold as many bytes as it says (ip_rcv_core). */
export function isSound(ip: u32, length: u32): bool {
  if (length < IPV4_HEADER || (u32(load<u8>(ip)) & 0xf0) != VERSION_4) return false;
  const header = headerLength(ip);
  if (header < IPV4_HEADER || header > length) return false;
  const total = totalLength(ip);
  return total <= length && total >= header && (csumFold(csumPartial(ip, header, 0)) & 0xffff) == 0;
}

/** Where an incoming packet goes (ip_route_input_slow). */
export const INPUT_DROP: u32 = 0;
export const INPUT_LOCAL: u32 = 1;
export const INPUT_FORWARD: u32 = 2;
/** To a broadcast address, or one that only looks like it: locally, and never answered. */
export const INPUT_BROADCAST: u32 = 3;

const LOOPBACK_NET: u32 = 127;
const BROADCAST: u32 = 0xffffffff;

function isMulticast(address: u32): bool {
  return (load<u8>(address) & 0xf0) == 0xe0;
}

/** The route that an incoming packet takes; `routeFor` gives it. A source that cannot be, or is the host's own, is a martian. */
export function routeInput(ip: u32, device: u32): u32 {
  const network = load<u32>(device, NetDevice_network);
  const source = ip + 12;
  const destination = ip + 16;
  if (isMulticast(source) || load<u32>(source) == BROADCAST) return INPUT_DROP;
  if (load<u32>(destination) == BROADCAST) return INPUT_BROADCAST;
  if (load<u8>(source) == 0 || load<u8>(destination) == 0) return INPUT_DROP;
  if (load<u8>(source) == LOOPBACK_NET || load<u8>(destination) == LOOPBACK_NET) return INPUT_DROP;
  // No socket has joined a group.
  if (isMulticast(destination)) return INPUT_DROP;
  const route = match4(load<u32>(network, NetNamespace_fib4), destination, 0);
  if (route == 0) return INPUT_DROP;
  const type = load<u32>(route, Route_type);
  if (type == RTN_BROADCAST) return INPUT_BROADCAST;
  if (isOwn(network, source)) return INPUT_DROP;
  if (type == RTN_LOCAL) return INPUT_LOCAL;
  return type == RTN_UNICAST && load<u32>(network, NetNamespace_ip_forward) != 0 ? INPUT_FORWARD : INPUT_DROP;
}

/** Whether the address is one of the host's own. */
function isOwn(network: u32, address: u32): bool {
  const route = match4(load<u32>(network, NetNamespace_fib4), address, 0);
  return route != 0 && load<u32>(route, Route_type) == RTN_LOCAL;
}

/** The unicast route to the address, or 0. */
export function routeFor(network: u32, address: u32): u32 {
  const route = match4(load<u32>(network, NetNamespace_fib4), address, 0);
  return route != 0 && load<u32>(route, Route_type) == RTN_UNICAST ? route : 0;
}

/** Address of the next hop's address. */
export function nextHop(route: u32, destination: u32): u32 {
  return load<u32>(route, Route_gateway_family) == AF_INET ? route + Route_gateway : destination;
}

/** The route's MTU (ip_dst_mtu_maybe_forward). */
export function mtuOf(route: u32): u32 {
  const own = load<u32>(route, Route_mtu);
  return own != 0 ? own : load<u32>(load<u32>(route, Route_device), NetDevice_mtu);
}

/** The MAC address of a neighbour: its entry, or 0. */
export function neighbourOf(device: u32, hop: u32): u32 {
  const network = load<u32>(device, NetDevice_network);
  const mask = load<u32>(network, NetNamespace_neighbour_mask);
  return findNeighbour4(load<u32>(network, NetNamespace_neighbours), mask, load<u32>(device, NetDevice_ifindex), AF_INET, hop);
}

/** ip_decrease_ttl: with the checksum as RFC 1624 has it. */
export function decreaseTtl(ip: u32): void {
  let check = u32(load<u16>(ip, 10)) + 0x0001;
  check += u32(check >= 0xffff);
  store<u16>(ip, u16(check), 10);
  store<u8>(ip, u8(load<u8>(ip, 8) - 1), 8);
}

/** Writes a header of 20 bytes, without options, with its checksum. `source` and `destination` as they stand in a header. */
export function writeHeader(ip: u32, length: u32, tos: u32, id: u32, protocol: u32, source: u32, destination: u32): void {
  store<u8>(ip, 0x45);
  store<u8>(ip, u8(tos), 1);
  store<u16>(ip, bswap<u16>(u16(length)), 2);
  store<u16>(ip, u16(id), 4);
  store<u16>(ip, 0, 6);
  store<u8>(ip, DEFAULT_TTL, 8);
  store<u8>(ip, u8(protocol), 9);
  store<u16>(ip, 0, 10);
  store<u32>(ip, source, 12);
  store<u32>(ip, destination, 16);
  store<u16>(ip, u16(csumFold(csumPartial(ip, IPV4_HEADER, 0))), 10);
}

/** net.ipv4.ip_default_ttl */
const DEFAULT_TTL: u8 = 64;
