/** The next hop of bpf_redirect_neigh. net/core/filter.c: __bpf_redirect_neigh_v4, __bpf_redirect_neigh_v6, bpf_out_neigh_v4, bpf_out_neigh_v6. */
import {
  AF_INET,
  AF_INET6,
  CpuBlock_network,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  NetDevice_ifindex,
  NetDevice_mac,
  NetNamespace_fib4,
  NetNamespace_fib6_local,
  NetNamespace_fib6_main,
  NetNamespace_neighbour_mask,
  NetNamespace_neighbours,
  Neighbour_mac,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  Route_gateway,
  Route_gateway_family,
  Route_type,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { match4, match6 } from "./fib.as";
import { findNeighbour4, findNeighbour6 } from "./match.as";

/** Offsets of the destination in struct iphdr and ipv6hdr. */
const IPV4_DESTINATION: u32 = 16;
const IPV6_DESTINATION: u32 = 24;

/** Whether a route only says that there is none: looking it up fails, as if it were not there. */
function isRefusal(route: u32): bool {
  if (route == 0) return true;
  const type = load<u32>(route, Route_type);
  return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT || type == RTN_THROW;
}

/** Writes destination and source MAC address at `ethernet` for a neighbour of `device`; -EHOSTUNREACH when nobody knows its address. */
function address(ethernet: u32, device: u32, family: u32, hop: u32): i32 {
  const namespace = load<u32>(cpu, CpuBlock_network);
  const table = load<u32>(namespace, NetNamespace_neighbours);
  const mask = load<u32>(namespace, NetNamespace_neighbour_mask);
  const ifindex = load<u32>(device, NetDevice_ifindex);
  const neighbour = family == AF_INET6 ? findNeighbour6(table, mask, ifindex, family, hop) : findNeighbour4(table, mask, ifindex, family, hop);
  if (neighbour == 0) return -i32(EHOSTUNREACH);
  memory.copy(ethernet, neighbour + Neighbour_mac, 6);
  memory.copy(ethernet + 6, device + NetDevice_mac, 6);
  return 0;
}

/** To the next hop that the program named: of either family, whatever the packet's. */
export function addressNamedHop(ethernet: u32, device: u32, family: u32, hop: u32): i32 {
  return family == AF_INET || family == AF_INET6 ? address(ethernet, device, family, hop) : -i32(EINVAL);
}

/**
 * To the next hop of the route of the packet at `network` through `device`. An IPv4 destination without a route is taken for a neighbour, since the device is given
 * (ip_route_output_key_hash_rcu); an IPv6 one is not.
 */
export function addressRoutedHop(ethernet: u32, network: u32, device: u32, ipv6: bool): i32 {
  const namespace = load<u32>(cpu, CpuBlock_network);
  const ifindex = load<u32>(device, NetDevice_ifindex);
  if (!ipv6) {
    const destination = network + IPV4_DESTINATION;
    const route = match4(load<u32>(namespace, NetNamespace_fib4), destination, ifindex);
    if (isRefusal(route)) return address(ethernet, device, AF_INET, destination);
    if (load<u32>(route, Route_type) != RTN_UNICAST) return -i32(EINVAL);
    const gateway = load<u32>(route, Route_gateway_family);
    return gateway == 0 ? address(ethernet, device, AF_INET, destination) : address(ethernet, device, gateway, route + Route_gateway);
  }
  const destination = network + IPV6_DESTINATION;
  const local = match6(load<u32>(namespace, NetNamespace_fib6_local), destination, ifindex);
  const route = local != 0 ? local : match6(load<u32>(namespace, NetNamespace_fib6_main), destination, ifindex);
  if (isRefusal(route)) return -i32(ENETUNREACH);
  if (load<u32>(route, Route_type) != RTN_UNICAST) return -i32(EINVAL);
  const hop = load<u32>(route, Route_gateway_family) == 0 ? destination : route + Route_gateway;
  return address(ethernet, device, AF_INET6, hop);
}
