/** bpf_fib_lookup over the declared devices, routes and neighbours. net/core/filter.c: bpf_ipv4_fib_lookup, bpf_ipv6_fib_lookup. */
import {
  AF_INET,
  AF_INET6,
  BPF_FIB_LKUP_RET_BLACKHOLE,
  BPF_FIB_LKUP_RET_FRAG_NEEDED,
  BPF_FIB_LKUP_RET_FWD_DISABLED,
  BPF_FIB_LKUP_RET_NOT_FWDED,
  BPF_FIB_LKUP_RET_NO_NEIGH,
  BPF_FIB_LKUP_RET_NO_SRC_ADDR,
  BPF_FIB_LKUP_RET_PROHIBIT,
  BPF_FIB_LKUP_RET_SUCCESS,
  BPF_FIB_LKUP_RET_UNREACHABLE,
  BPF_FIB_LOOKUP_DIRECT,
  BPF_FIB_LOOKUP_MARK,
  BPF_FIB_LOOKUP_OUTPUT,
  BPF_FIB_LOOKUP_SKIP_NEIGH,
  BPF_FIB_LOOKUP_SRC,
  BPF_FIB_LOOKUP_TBID,
  CpuBlock_network,
  EAFNOSUPPORT,
  EINVAL,
  ENODEV,
  FibLookup_SIZE,
  FibLookup_dmac,
  FibLookup_dst,
  FibLookup_family,
  FibLookup_ifindex,
  FibLookup_rt_metric,
  FibLookup_smac,
  FibLookup_src,
  FibLookup_tbid,
  FibLookup_tot_len,
  IFF_UP,
  IP6_MAX_MTU,
  IP_MAX_MTU,
  IPV6_MIN_MTU,
  NetDevice_flags,
  NetDevice_forwarding4,
  NetDevice_forwarding6,
  NetDevice_hard_header_len,
  NetDevice_ifindex,
  NetDevice_mac,
  NetDevice_mtu,
  NetNamespace_fib4,
  NetNamespace_fib6_local,
  NetNamespace_fib6_main,
  NetNamespace_neighbour_mask,
  NetNamespace_neighbours,
  Neighbour_mac,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  Route_device,
  Route_gateway,
  Route_gateway_family,
  Route_has_source,
  Route_metric,
  Route_mtu,
  Route_next,
  Route_prefix_length,
  Route_source,
  Route_type,
  SkBuff_gso_size,
  SkBuff_len,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { deviceByIndex } from "../runtime/devices.as";
import { findNeighbour4, findNeighbour6, matchRoute } from "./match.as";

const KNOWN_FLAGS: u32 =
  BPF_FIB_LOOKUP_DIRECT |
  BPF_FIB_LOOKUP_OUTPUT |
  BPF_FIB_LOOKUP_SKIP_NEIGH |
  BPF_FIB_LOOKUP_TBID |
  BPF_FIB_LOOKUP_SRC |
  BPF_FIB_LOOKUP_MARK;

const VLAN_HLEN: u32 = 4;

/** What a route that is not unicast answers. */
function refusal(route: u32): i32 {
  if (route == 0) return BPF_FIB_LKUP_RET_NOT_FWDED;
  const type = load<u32>(route, Route_type);
  if (type == RTN_BLACKHOLE) return BPF_FIB_LKUP_RET_BLACKHOLE;
  if (type == RTN_UNREACHABLE) return BPF_FIB_LKUP_RET_UNREACHABLE;
  if (type == RTN_PROHIBIT) return BPF_FIB_LKUP_RET_PROHIBIT;
  return BPF_FIB_LKUP_RET_NOT_FWDED;
}

/** Whether a route leaves through device `ifindex`; routes without a device (blackhole and the like) always count. */
function leavesThrough(route: u32, ifindex: u32): bool {
  const device = load<u32>(route, Route_device);
  return device == 0 || load<u32>(device, NetDevice_ifindex) == ifindex;
}

/** IPv4: the best route, and with an output device the best one that leaves through it, however short its prefix. */
export function match4(root: u32, address: u32, output: u32): u32 {
  let route = matchRoute(root, address);
  if (output != 0) while (route != 0 && !leavesThrough(route, output)) route = load<u32>(route, Route_next);
  return route;
}

/** IPv6: the longest prefix decides; among its routes of the lowest metric one through the stated device is preferred. */
export function match6(root: u32, address: u32, preferred: u32): u32 {
  const best = matchRoute(root, address);
  if (best == 0) return 0;
  const length = load<u32>(best, Route_prefix_length);
  const metric = load<u32>(best, Route_metric);
  let route = best;
  while (route != 0 && load<u32>(route, Route_prefix_length) == length && load<u32>(route, Route_metric) == metric) {
    if (leavesThrough(route, preferred)) return route;
    route = load<u32>(route, Route_next);
  }
  return best;
}

/** The route by the flags: IPv4 from the one trie; IPv6 from the local, then the main table, or with DIRECT from one alone. */
function findRoute(parameters: u32, flags: u32, ipv6: bool): u32 {
  const namespace = load<u32>(cpu, CpuBlock_network);
  const address = parameters + FibLookup_dst;
  const ifindex = load<u32>(parameters, FibLookup_ifindex);
  const output = flags & BPF_FIB_LOOKUP_OUTPUT ? ifindex : 0;
  let table = RT_TABLE_MAIN;
  if (flags & BPF_FIB_LOOKUP_DIRECT) {
    if (flags & BPF_FIB_LOOKUP_TBID) {
      table = load<u32>(parameters, FibLookup_tbid);
      store<u32>(parameters, 0, FibLookup_tbid);
      // No table has the number 0: the main one is meant. net/ipv4/fib_frontend.c: fib_get_table.
      if (table == 0) table = RT_TABLE_MAIN;
    }
    if (table != RT_TABLE_MAIN && table != RT_TABLE_LOCAL) return 0;
  }
  if (!ipv6) return match4(load<u32>(namespace, NetNamespace_fib4), address, output);
  if ((flags & BPF_FIB_LOOKUP_DIRECT) == 0 || table == RT_TABLE_LOCAL) {
    const local = match6(load<u32>(namespace, NetNamespace_fib6_local), address, ifindex);
    if (local != 0 || table == RT_TABLE_LOCAL) return local;
  }
  return match6(load<u32>(namespace, NetNamespace_fib6_main), address, ifindex);
}

/** The MTU that packets on this route meet. */
function routeMtu(route: u32, device: u32, ipv6: bool): u32 {
  const own = load<u32>(route, Route_mtu);
  if (own != 0) return own;
  const mtu = load<u32>(device, NetDevice_mtu);
  return ipv6 ? min<u32>(max<u32>(mtu, IPV6_MIN_MTU), IP6_MAX_MTU) : min<u32>(mtu, IP_MAX_MTU);
}

/** Writes the MAC addresses for the next hop, or says that its neighbour is unknown. */
function resolve(parameters: u32, device: u32, ifindex: u32, ipv6: bool): i32 {
  const namespace = load<u32>(cpu, CpuBlock_network);
  const table = load<u32>(namespace, NetNamespace_neighbours);
  const mask = load<u32>(namespace, NetNamespace_neighbour_mask);
  const address = parameters + FibLookup_dst;
  const neighbour = ipv6 ? findNeighbour6(table, mask, ifindex, AF_INET6, address) : findNeighbour4(table, mask, ifindex, AF_INET, address);
  if (neighbour == 0) return BPF_FIB_LKUP_RET_NO_NEIGH;
  store<u32>(parameters, load<u32>(neighbour, Neighbour_mac), FibLookup_dmac);
  store<u16>(parameters, load<u16>(neighbour, Neighbour_mac + 4), FibLookup_dmac + 4);
  store<u32>(parameters, load<u32>(device, NetDevice_mac), FibLookup_smac);
  store<u16>(parameters, load<u16>(device, NetDevice_mac + 4), FibLookup_smac + 4);
  return BPF_FIB_LKUP_RET_SUCCESS;
}

/** An IPv6 address that is bound to a link: multicast, link-local or loopback (rt6_need_strict). */
function isLinkBound(address: u32): bool {
  const first = load<u8>(address);
  if (first == 0xff) return true;
  if (first == 0xfe) return (load<u8>(address, 1) & 0xc0) == 0x80;
  return first == 0 && load<u64>(address) == 0 && load<u64>(address, 8) == 0x0100000000000000;
}

/** Takes over the source address that the kernel would choose; false when there is none. */
function writeSource(parameters: u32, route: u32, ipv6: bool): bool {
  if (load<u32>(route, Route_has_source) == 0) {
    if (ipv6) return false;
    store<u32>(parameters, 0, FibLookup_src);
    return true;
  }
  memory.copy(parameters + FibLookup_src, route + Route_source, ipv6 ? 16 : 4);
  return true;
}

/** Both families; `checkMtu`: tot_len is compared with the route's MTU, which comes back as mtu_result. */
function lookup(parameters: u32, flags: u32, ipv6: bool, checkMtu: bool): i32 {
  if (ipv6 && (isLinkBound(parameters + FibLookup_dst) || isLinkBound(parameters + FibLookup_src))) return BPF_FIB_LKUP_RET_NOT_FWDED;
  const input = deviceByIndex(load<u32>(parameters, FibLookup_ifindex));
  if (input == 0) return -ENODEV;
  if (load<u32>(input + (ipv6 ? NetDevice_forwarding6 : NetDevice_forwarding4)) == 0) return BPF_FIB_LKUP_RET_FWD_DISABLED;
  const route = findRoute(parameters, flags, ipv6);
  if (route == 0 || load<u32>(route, Route_type) != RTN_UNICAST) return refusal(route);

  const device = load<u32>(route, Route_device);
  let mtu: u32 = 0;
  if (checkMtu) {
    mtu = routeMtu(route, device, ipv6);
    if (u32(load<u16>(parameters, FibLookup_tot_len)) > mtu) {
      store<u16>(parameters, u16(mtu), FibLookup_tot_len);
      return BPF_FIB_LKUP_RET_FRAG_NEEDED;
    }
  }
  const ifindex = load<u32>(device, NetDevice_ifindex);
  store<u32>(parameters, load<u32>(route, Route_metric), FibLookup_rt_metric);
  store<u32>(parameters, ifindex, FibLookup_ifindex);
  let viaIpv6 = ipv6;
  const gateway = load<u32>(route, Route_gateway_family);
  if (ipv6) {
    if (gateway != 0) memory.copy(parameters + FibLookup_dst, route + Route_gateway, 16);
    if ((flags & BPF_FIB_LOOKUP_SRC) != 0 && !writeSource(parameters, route, true)) return BPF_FIB_LKUP_RET_NO_SRC_ADDR;
  } else {
    if (flags & BPF_FIB_LOOKUP_SRC) writeSource(parameters, route, false);
    if (gateway == AF_INET) store<u32>(parameters, load<u32>(route, Route_gateway), FibLookup_dst);
    else if (gateway == AF_INET6) {
      viaIpv6 = true;
      store<u8>(parameters, AF_INET6, FibLookup_family);
      memory.copy(parameters + FibLookup_dst, route + Route_gateway, 16);
    }
  }
  if ((flags & BPF_FIB_LOOKUP_SKIP_NEIGH) == 0) {
    const missing = resolve(parameters, device, ifindex, viaIpv6);
    if (missing != 0) return missing;
  }
  store<u32>(parameters, 0, FibLookup_tbid);
  if (mtu != 0) store<u16>(parameters, u16(mtu), FibLookup_tot_len);
  return BPF_FIB_LKUP_RET_SUCCESS;
}

function lookupByFamily(parameters: u32, size: i32, flags: u32, checkMtu: bool): i32 {
  if (size < i32(FibLookup_SIZE) || (flags & ~KNOWN_FLAGS) != 0) return -EINVAL;
  const family = load<u8>(parameters, FibLookup_family);
  if (family == AF_INET) return lookup(parameters, flags, false, checkMtu);
  if (family == AF_INET6) return lookup(parameters, flags, true, checkMtu);
  return -EAFNOSUPPORT;
}

/** bpf_fib_lookup of an XDP program. */
export function xdpFibLookup(_context: u32, parameters: u32, size: i32, flags: u32): i32 {
  return lookupByFamily(parameters, size, flags, true);
}

/** bpf_fib_lookup of a TC program: without a stated length the skb itself is held against the output device's MTU. */
export function skbFibLookup(skb: u32, parameters: u32, size: i32, flags: u32): i32 {
  const stated = size >= i32(FibLookup_SIZE) && load<u16>(parameters, FibLookup_tot_len) != 0;
  const result = lookupByFamily(parameters, size, flags, stated);
  if (result != BPF_FIB_LKUP_RET_SUCCESS || stated) return result;
  const device = deviceByIndex(load<u32>(parameters, FibLookup_ifindex));
  const mtu = load<u32>(device, NetDevice_mtu);
  store<u16>(parameters, u16(mtu), FibLookup_tot_len);
  if ((load<u32>(device, NetDevice_flags) & IFF_UP) == 0) return BPF_FIB_LKUP_RET_FRAG_NEEDED;
  const longest = mtu + load<u32>(device, NetDevice_hard_header_len) + VLAN_HLEN;
  const fits = load<u32>(skb, SkBuff_len) <= longest || load<u32>(skb, SkBuff_gso_size) != 0;
  return fits ? BPF_FIB_LKUP_RET_SUCCESS : BPF_FIB_LKUP_RET_FRAG_NEEDED;
}
