/**
 * Looking declared sockets up: bpf_sk_lookup_tcp and the like. net/core/filter.c: __bpf_skc_lookup; net/ipv4/inet_hashtables.c, net/ipv4/udp.c and their IPv6
 * brothers. A connection is found by all four of its ends; else the best of the sockets that are bound to the address, then of those bound to none.
 */
import {
  AF_INET,
  AF_INET6,
  CpuBlock_network,
  IPPROTO_TCP,
  IPPROTO_UDP,
  NetDevice_ifindex,
  NetNamespace_sockets,
  SOCKET_BUCKETS,
  SkBuff_device,
  Socket_bound_dev_if,
  Socket_dst_ip4,
  Socket_dst_ip6,
  Socket_dst_port,
  Socket_family,
  Socket_next,
  Socket_protocol,
  Socket_src_ip4,
  Socket_src_ip6,
  Socket_src_port,
  Socket_state,
  Socket_v6only,
  TCP_LISTEN,
  XdpContext_device,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { isFullSocket } from "../runtime/sockets.as";

/** Sizes of struct bpf_sock_tuple: source, destination, and the two ports in network byte order. */
const TUPLE4_SIZE: u32 = 12;
const TUPLE6_SIZE: u32 = 36;

function sameAddress(a: u32, b: u32, ipv6: bool): bool {
  if (!ipv6) return load<u32>(a) == load<u32>(b);
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8);
}

function isAny(address: u32, ipv6: bool): bool {
  return ipv6 ? load<u64>(address) == 0 && load<u64>(address, 8) == 0 : load<u32>(address) == 0;
}

function ownAddress(socket: u32, ipv6: bool): u32 {
  return socket + (ipv6 ? Socket_src_ip6 : Socket_src_ip4);
}

function peerAddress(socket: u32, ipv6: bool): u32 {
  return socket + (ipv6 ? Socket_dst_ip6 : Socket_dst_ip4);
}

/** Whether the socket takes packets that came in through this device. */
function takesDevice(socket: u32, ifindex: u32): bool {
  const bound = load<u32>(socket, Socket_bound_dev_if);
  return bound == 0 || bound == ifindex;
}

/** Whether the tuple's source is the socket's peer. */
function isPeer(socket: u32, tuple: u32, ipv6: bool): bool {
  const port = load<u16>(tuple + (ipv6 ? 32 : 8));
  return load<u16>(socket, Socket_dst_port) == port && sameAddress(peerAddress(socket, ipv6), tuple, ipv6);
}

/**
 * How well a listener or UDP socket takes the tuple's packets: 0 not at all, more is better. `any`: of the sockets without an address of their own; those of IPv6
 * take IPv4 as well, unless they were told not to.
 */
function score(socket: u32, tuple: u32, ipv6: bool, any: bool): u32 {
  const sameFamily = load<u32>(socket, Socket_family) == (ipv6 ? AF_INET6 : AF_INET);
  if (!sameFamily) {
    if (ipv6 || !any || load<u32>(socket, Socket_v6only) != 0 || !isAny(ownAddress(socket, true), true)) return 0;
  } else {
    const own = ownAddress(socket, ipv6);
    if (any ? !isAny(own, ipv6) : !sameAddress(own, tuple + (ipv6 ? 16 : 4), ipv6)) return 0;
  }
  const points: u32 = sameFamily ? 2 : 1;
  const bound = load<u32>(socket, Socket_bound_dev_if) != 0;
  // A listener that is bound to a device is no better than one of the packet's family; a UDP socket is, and one with this peer even more.
  if (load<u32>(socket, Socket_protocol) == IPPROTO_TCP) return points + u32(bound);
  const forDevice: u32 = bound ? 4 : 0;
  if (load<u16>(socket, Socket_dst_port) == 0) return points + forDevice;
  return sameFamily && isPeer(socket, tuple, ipv6) ? points + forDevice + 8 : 0;
}

/** Whether the socket is a connection of TCP, established or in TIME_WAIT. */
function isConnection(socket: u32): bool {
  return load<u32>(socket, Socket_protocol) == IPPROTO_TCP && load<u32>(socket, Socket_state) != TCP_LISTEN;
}

/** The socket that packets from the tuple's source to its destination go to, or 0. */
function find(tuple: u32, ipv6: bool, protocol: u32, ifindex: u32): u32 {
  const table = load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_sockets);
  if (table == 0) return 0;
  const port = u32(bswap<u16>(load<u16>(tuple + (ipv6 ? 34 : 10))));
  const first = load<u32>(table + (((port ^ protocol) & (SOCKET_BUCKETS - 1)) << 2));
  const family: u32 = ipv6 ? AF_INET6 : AF_INET;
  const own = tuple + (ipv6 ? 16 : 4);
  let best: u32 = 0;
  let most: u32 = 0;
  for (let socket = first; socket != 0; socket = load<u32>(socket, Socket_next)) {
    if (load<u32>(socket, Socket_src_port) != port || load<u32>(socket, Socket_protocol) != protocol) continue;
    if (!takesDevice(socket, ifindex)) continue;
    if (isConnection(socket)) {
      const connects = load<u32>(socket, Socket_family) == family && sameAddress(ownAddress(socket, ipv6), own, ipv6);
      if (connects && isPeer(socket, tuple, ipv6)) return socket;
      continue;
    }
    // Whoever is bound to the address comes before all that are bound to none.
    let points = score(socket, tuple, ipv6, false);
    points = points != 0 ? points + 64 : score(socket, tuple, ipv6, true);
    if (points > most) {
      most = points;
      best = socket;
    }
  }
  return best;
}

/** __bpf_skc_lookup: the namespace is this one (BPF_F_CURRENT_NETNS, any negative number of 32 bits), as no other has an id here. */
function lookup(device: u32, tuple: u32, size: u32, protocol: u32, namespace: u64, flags: u64): u32 {
  if (flags != 0 || i32(namespace) >= 0 || (size != TUPLE4_SIZE && size != TUPLE6_SIZE)) return 0;
  return find(tuple, size == TUPLE6_SIZE, protocol, load<u32>(device, NetDevice_ifindex));
}

function full(socket: u32): u32 {
  return socket != 0 && isFullSocket(socket) ? socket : 0;
}

/** bpf_sk_lookup_tcp of an XDP program: the address of a Socket, or 0. */
export function xdpSkLookupTcp(context: u32, tuple: u32, size: u32, namespace: u64, flags: u64): u32 {
  return full(lookup(load<u32>(context, XdpContext_device), tuple, size, IPPROTO_TCP, namespace, flags));
}

/** bpf_sk_lookup_udp of an XDP program. */
export function xdpSkLookupUdp(context: u32, tuple: u32, size: u32, namespace: u64, flags: u64): u32 {
  return full(lookup(load<u32>(context, XdpContext_device), tuple, size, IPPROTO_UDP, namespace, flags));
}

/** bpf_skc_lookup_tcp of an XDP program: also what is left of a connection. */
export function xdpSkcLookupTcp(context: u32, tuple: u32, size: u32, namespace: u64, flags: u64): u32 {
  return lookup(load<u32>(context, XdpContext_device), tuple, size, IPPROTO_TCP, namespace, flags);
}

/** bpf_sk_lookup_tcp of a TC program. */
export function skbSkLookupTcp(skb: u32, tuple: u32, size: u32, namespace: u64, flags: u64): u32 {
  return full(lookup(load<u32>(skb, SkBuff_device), tuple, size, IPPROTO_TCP, namespace, flags));
}

/** bpf_sk_lookup_udp of a TC program. */
export function skbSkLookupUdp(skb: u32, tuple: u32, size: u32, namespace: u64, flags: u64): u32 {
  return full(lookup(load<u32>(skb, SkBuff_device), tuple, size, IPPROTO_UDP, namespace, flags));
}

/** bpf_skc_lookup_tcp of a TC program. */
export function skbSkcLookupTcp(skb: u32, tuple: u32, size: u32, namespace: u64, flags: u64): u32 {
  return lookup(load<u32>(skb, SkBuff_device), tuple, size, IPPROTO_TCP, namespace, flags);
}
