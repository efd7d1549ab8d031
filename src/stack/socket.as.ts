/** What programs do with sockets they found, and with the one of an skb. net/core/filter.c. */
import {
  AF_INET6,
  EINVAL,
  ENOENT,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
  IPPROTO_TCP,
  CpuBlock_network,
  NetNamespace_tcp_syncookies,
  SkBuff_at_ingress,
  SkBuff_sk,
  Socket_cookie,
  Socket_family,
  Socket_overflow,
  Socket_protocol,
  Socket_state,
  Socket_tcp,
  Socket_uid,
  Socket_v6only,
  TCP_LISTEN,
} from "../layout/layout.generated.as";
import { jiffies64 } from "../runtime/clock.as";
import { cpu } from "../runtime/cpu.as";
import { declaredSocket, isFullSocket } from "../runtime/sockets.as";
import { cookieMss, makeCookie, PERIOD, statedMss, TCP_HEADER_SIZE, tcpHeaderLength } from "./synCookie.as";

/** User of an skb without a socket: from_kuid_munged's for nobody. include/linux/highuid.h: DEFAULT_OVERFLOWUID. */
const OVERFLOW_UID: u32 = 65534;
const IPV4_HEADER_SIZE: u32 = 20;
const IPV6_HEADER_SIZE: u32 = 40;
/** Byte 13 of struct tcphdr. */
const FIN: u32 = 1;
const SYN: u32 = 2;
const RST: u32 = 4;
const ACK: u32 = 16;

/** bpf_sk_release: nobody counts references to declared sockets. */
export function skRelease(socket: u32): i32 {
  return 0;
}

/** bpf_sk_fullsock */
export function skFullsock(socket: u32): u32 {
  return socket != 0 && isFullSocket(socket) ? socket : 0;
}

/** bpf_tcp_sock: the address of a struct bpf_tcp_sock, or 0. */
export function tcpSock(socket: u32): u32 {
  return skFullsock(socket) != 0 && load<u32>(socket, Socket_protocol) == IPPROTO_TCP ? socket + Socket_tcp : 0;
}

/** bpf_get_listener_sock: no socket here is a request that leads to another one. */
export function getListenerSock(socket: u32): u32 {
  return socket != 0 && load<u32>(socket, Socket_state) == TCP_LISTEN ? socket : 0;
}

/** bpf_sk_assign of a TC program. */
export function skbSkAssign(skb: u32, socket: u32, flags: u64): i32 {
  if (socket == 0 || flags != 0) return -i32(EINVAL);
  if (load<u32>(skb, SkBuff_at_ingress) == 0) return -i32(EOPNOTSUPP);
  store<u64>(skb, u64(declaredSocket(socket)), SkBuff_sk);
  return 0;
}

/** bpf_get_socket_cookie of an skb: 0 without a socket. */
export function skbGetSocketCookie(skb: u32): u64 {
  const socket = load<u32>(skb, SkBuff_sk);
  return socket == 0 ? 0 : load<u64>(socket, Socket_cookie);
}

/** bpf_get_socket_uid of an skb. */
export function skbGetSocketUid(skb: u32): u32 {
  const socket = load<u32>(skb, SkBuff_sk);
  return socket != 0 && isFullSocket(socket) ? load<u32>(socket, Socket_uid) : OVERFLOW_UID;
}

function isListener(socket: u32): bool {
  return socket != 0 && load<u32>(socket, Socket_protocol) == IPPROTO_TCP && load<u32>(socket, Socket_state) == TCP_LISTEN;
}

/** Why a listener takes no packet with this IP header, or 0. */
function headerFault(socket: u32, ip: u32, length: u32): i32 {
  if (length < IPV4_HEADER_SIZE) return -i32(EINVAL);
  const version = load<u8>(ip) >> 4;
  const isIpv6 = load<u32>(socket, Socket_family) == AF_INET6;
  if (version == 4) return isIpv6 && load<u32>(socket, Socket_v6only) != 0 ? -i32(EINVAL) : 0;
  if (version == 6) return length < IPV6_HEADER_SIZE || !isIpv6 ? -i32(EINVAL) : 0;
  return -i32(EPROTONOSUPPORT);
}

function cookieMode(): u32 {
  return load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_tcp_syncookies);
}

/**
 * bpf_tcp_gen_syncookie: MSS << 32 | cookie, or an errno. A declared listener's queue is never full, so that it makes cookies only where net.ipv4.tcp_syncookies is 2.
 */
export function tcpGenSyncookie(pointer: u32, ip: u32, ipLength: u32, th: u32, length: u32): i64 {
  const socket = pointer == 0 ? 0 : declaredSocket(pointer);
  if (socket == 0 || length < TCP_HEADER_SIZE || length != tcpHeaderLength(th) || !isListener(socket)) return -i64(EINVAL);
  const mode = cookieMode();
  if (mode == 0) return -i64(ENOENT);
  if ((u32(load<u8>(th, 13)) & (SYN | ACK | FIN | RST)) != SYN) return -i64(EINVAL);
  const fault = headerFault(socket, ip, ipLength);
  if (fault != 0) return fault;
  if (mode != 2) return -i64(ENOENT);
  store<u64>(socket, jiffies64(), Socket_overflow);
  const ipv6 = load<u8>(ip) >> 4 == 6;
  return i64(makeCookie(ip, th, ipv6, statedMss(th, ipv6)));
}

/** bpf_tcp_check_syncookie: 0, or an errno; -ENOENT too where the listener has made no cookie for two minutes. */
export function tcpCheckSyncookie(pointer: u32, ip: u32, ipLength: u32, th: u32, length: u32): i32 {
  const socket = pointer == 0 ? 0 : declaredSocket(pointer);
  if (socket == 0 || length < TCP_HEADER_SIZE || !isListener(socket) || cookieMode() == 0) return -i32(EINVAL);
  if ((u32(load<u8>(th, 13)) & (ACK | RST | SYN)) != ACK) return -i32(ENOENT);
  if (ipLength < IPV4_HEADER_SIZE) return -i32(EINVAL);
  const overflow = load<u64>(socket, Socket_overflow);
  if (overflow == 0 || jiffies64() > overflow + 2 * PERIOD) return -i32(ENOENT);
  const fault = headerFault(socket, ip, ipLength);
  if (fault != 0) return fault;
  return cookieMss(ip, th, load<u8>(ip) >> 4 == 6) != 0 ? 0 : -i32(ENOENT);
}
